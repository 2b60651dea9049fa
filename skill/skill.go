package skill

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// Skill is one field of observation. A nil function means that the skill does not have it.
type Skill struct {
	ID      string // "beam"
	Prefix  string // of the names of callbacks, without the underscore; default: the id
	Title   string
	Summary string // one line, for the coordinator and for lists
	Prompt  string // who the operator is and what is worth watching, as Markdown

	// Snapshot takes one reading. It must be fast and its values JSON-safe.
	Snapshot func(ctx context.Context) (map[string]any, error)

	Callbacks []Callback
	// Foreign documents all callbacks of a skill that is declared in the target, as Markdown. Such callbacks have the names that they
	// have, and need neither Doc nor Example.
	Foreign string

	Metrics   []Metric
	Rules     []Rule
	Edges     []beamlens.Edge
	Playbooks []Playbook

	// Serve collects in the background until ctx ends: windows and rates are kept here, never measured by sleeping in a callback.
	Serve func(ctx context.Context) error
}

// Callback is a read-only function that a Lua program may call.
type Callback struct {
	Name    string // "beam_top_processes"
	Doc     string // what it gives, one or two sentences
	Params  []Param
	Returns string // the shape of the result, "{total_processes, processes: [{pid, name, …}]}"
	Example string // a call that works: "beam_top_processes(5, \"memory\")"
	Cost    string // what a call costs the target: Cheap, Scan or Costly; empty is Cheap
	Timeout time.Duration

	// Call runs it. Arguments and result are JSON-safe values as the sandbox knows them: nil, bool, int64, float64, string,
	// []any and map[string]any.
	Call func(ctx context.Context, args []any) (any, error)
}

// The cost classes of a callback.
const (
	Cheap  = "cheap"  // constant, or a few of something
	Scan   = "scan"   // goes over all processes, tables or ports, within its limits
	Costly = "costly" // takes tens of milliseconds of the target, or locks something: not more often than once in a while
)

// Costs returns the callback with that cost class.
func (c Callback) Costs(class string) Callback {
	c.Cost = class
	return c
}

// Run calls it within its time.
func (c Callback) Run(ctx context.Context, args []any) (any, error) {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return c.Call(ctx, args)
}

// Param is one positional argument of a callback.
type Param struct {
	Name     string
	Type     string // "integer", "number", "string", "boolean"
	Doc      string
	Default  any // nil: required, unless Optional
	Optional bool
	Enum     []string
	Min, Max *float64
}

// The kinds of a metric.
const (
	Gauge   = "gauge"
	Counter = "counter" // only grows; it is watched as a rate per second
	Ratio   = "ratio"   // bounded: 0 to 1, or 0 to 100
)

// Metric declares that a field of the snapshot is a series.
type Metric struct {
	Name  string
	Unit  string // "MB", "messages", "%"
	Kind  string
	Limit float64 // a hard limit, 0 if there is none: how long until it is reached is then watched
	Doc   string
	// Quiet metrics are recorded and shown, and rules on them hold, but their ordinary movement is never a finding by itself.
	Quiet bool
	// Largest says that the metric is the largest of many: what grows below what was the largest before is seen late, and began earlier than it seems.
	Largest bool
}

// Rule is a threshold that is known beforehand and holds from the first second.
type Rule struct {
	Metric   string
	Above    float64       // fires at values over this …
	Growth   *Growth       // … or, when given, at this growth instead
	For      time.Duration // it must hold so long; 0: three samples in a row
	Severity beamlens.Severity
	Doc      string // why this number
}

// Growth is a change within a window: the value is at least Factor times and Min more than the lowest within Over, and
// still at its highest. A steady one must rise through the whole window by about as much all the time, as a leak does and neither a burst nor a
// cache that fills; it may then be smaller.
type Growth struct {
	Factor float64
	Min    float64
	Over   time.Duration // at most two minutes
	Steady bool
	Rising bool // it must go on and on: a step up, after which it stays there, is none
	// While is a metric of the skill, a rule of which must hold, too: what grows for another reason is then told by another rule.
	While string
}

// String gives the rule in words.
func (r Rule) String() string {
	if g := r.Growth; g != nil && g.Steady {
		return fmt.Sprintf("%s grew steadily by more than %g and to %g times its value within %s", r.Metric, g.Min, g.Factor, g.Over)
	} else if g != nil {
		while := ""
		if g.While != "" {
			while = ", while " + g.While + " is too high"
		}
		return fmt.Sprintf("%s grew by more than %g and to %g times its value within %s%s", r.Metric, g.Min, g.Factor, g.Over, while)
	}
	return fmt.Sprintf("%s > %g", r.Metric, r.Above)
}

// Playbook is a known investigation: when one of these metrics departs, run this program, and conclude as it says.
//
// The program finds its finding in the local variable "finding" (fields metric, kind, value, ordinary, rate, unit), and
// returns a table with the arguments of fire_alert: type, severity, summary, context, observation, hypothesis, culprit
// {kind, id, name, facts}; or {nothing = true, reason = "…"} when there is nothing to claim.
type Playbook struct {
	ID      string
	Metrics []string
	Doc     string // what it looks for
	Lua     string
}

// Match gives the playbooks for a metric.
func (s *Skill) Match(metric string) []Playbook {
	var found []Playbook
	for _, p := range s.Playbooks {
		for _, m := range p.Metrics {
			if m == metric {
				found = append(found, p)
			}
		}
	}
	return found
}

var (
	nameRE    = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	foreignRE = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) // what Lua can call
)

// Check says what is wrong with a skill's declarations: names that do not fit, metrics that rules, edges or playbooks name
// and nobody declares, callbacks without an example. [engine.New] refuses a skill that does not pass.
func (s *Skill) Check() error {
	if !nameRE.MatchString(s.ID) {
		return fmt.Errorf("skill %q: the id must be lower-case letters, digits and underscores", s.ID)
	}
	if s.Snapshot == nil {
		return fmt.Errorf("skill %s: Snapshot is missing", s.ID)
	}
	metrics := map[string]bool{}
	for _, m := range s.Metrics {
		if metrics[m.Name] {
			return fmt.Errorf("skill %s: metric %s is declared twice", s.ID, m.Name)
		}
		metrics[m.Name] = true
		switch m.Kind {
		case Gauge, Counter, Ratio:
		default:
			return fmt.Errorf("skill %s: metric %s has kind %q; it must be gauge, counter or ratio", s.ID, m.Name, m.Kind)
		}
	}
	for _, r := range s.Rules {
		if !metrics[r.Metric] {
			return fmt.Errorf("skill %s: rule %q names a metric that is not declared", s.ID, r)
		}
		if g := r.Growth; g != nil && g.While != "" && !slices.ContainsFunc(s.Rules, func(other Rule) bool { return other.Metric == g.While }) {
			return fmt.Errorf("skill %s: rule %q asks for a rule of %s, which has none", s.ID, r, g.While)
		}
	}
	for _, e := range s.Edges {
		for _, end := range []string{e.From, e.To} {
			if !strings.Contains(end, ".") {
				return fmt.Errorf("skill %s: edge end %q must be skill.metric", s.ID, end)
			}
			if m, own := strings.CutPrefix(end, s.ID+"."); own && !metrics[m] {
				return fmt.Errorf("skill %s: edge end %q names a metric that is not declared", s.ID, end)
			}
		}
	}
	for _, p := range s.Playbooks {
		for _, m := range p.Metrics {
			if !metrics[m] {
				return fmt.Errorf("skill %s: playbook %s names metric %s, which is not declared", s.ID, p.ID, m)
			}
		}
	}
	prefix := s.Prefix
	if prefix == "" {
		prefix = s.ID
	}
	for _, c := range s.Callbacks {
		if s.Foreign != "" {
			if c.Call == nil || !foreignRE.MatchString(c.Name) {
				return fmt.Errorf("skill %s: callback %q needs Call and a name that Lua can call", s.ID, c.Name)
			}
			continue
		}
		if !strings.HasPrefix(c.Name, prefix+"_") || !nameRE.MatchString(c.Name) {
			return fmt.Errorf("skill %s: callback %q must be named %s_…", s.ID, c.Name, prefix)
		}
		if c.Call == nil || c.Doc == "" || c.Example == "" {
			return fmt.Errorf("skill %s: callback %s needs Call, Doc and Example", s.ID, c.Name)
		}
		switch c.Cost {
		case "", Cheap, Scan, Costly:
		default:
			return fmt.Errorf("skill %s: callback %s has cost %q; it must be cheap, scan or costly", s.ID, c.Name, c.Cost)
		}
	}
	return nil
}

// Docs describes the callbacks for a model, as Markdown.
func (s *Skill) Docs() string {
	if s.Foreign != "" {
		return s.Foreign
	}
	var b strings.Builder
	for _, c := range s.Callbacks {
		fmt.Fprintf(&b, "- `%s` → %s\n  %s", c.Signature(), c.Returns, c.Doc)
		for _, p := range c.Params {
			if p.Doc != "" {
				fmt.Fprintf(&b, " %s: %s.", p.Name, strings.TrimSuffix(p.Doc, "."))
			}
		}
		if c.Cost != "" && c.Cost != Cheap {
			fmt.Fprintf(&b, " Cost: %s.", c.Cost)
		}
		fmt.Fprintf(&b, " Example: `%s`\n", c.Example)
	}
	return b.String()
}

// Signature gives "beam_top_processes(limit = 10, sort_by = \"memory\" | \"message_queue\")".
func (c Callback) Signature() string {
	params := make([]string, len(c.Params))
	for i, p := range c.Params {
		text := p.Name
		switch {
		case len(p.Enum) > 0:
			quoted := make([]string, len(p.Enum))
			for j, e := range p.Enum {
				quoted[j] = fmt.Sprintf("%q", e)
			}
			text += " = " + strings.Join(quoted, " | ")
		case p.Default != nil:
			text += fmt.Sprintf(" = %v", p.Default)
		case p.Optional:
			text += "?"
		}
		params[i] = text
	}
	return c.Name + "(" + strings.Join(params, ", ") + ")"
}
