package scenario

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	beamlens "github.com/beamlens/beamlens-go"
)

// Truth is a scenario: what is done to a subject, and what is true of it. It is written before anybody looks at what is said, from the
// view of somebody who runs the subject.
//
// A culprit is named as an alert would: by its id or its name, exactly, or by a /regular expression/ that is matched against kind, id and
// name, joined by blanks.
type Truth struct {
	ID      string  `json:"id"`       // the name of its file
	Tell    string  `json:"tell"`     // what happens, for people
	Subject string  `json:"subject"`  // one of Subjects
	Quick   bool    `json:"quick"`    // one of those that run with every test
	Group   string  `json:"group"`    // one of Groups
	Load    string  `json:"load"`     // what the subject is busy with: one of Loads
	Steps   []Step  `json:"steps"`    // by time
	RecordS float64 `json:"record_s"` // how long it lasts after it has settled

	Healthy bool `json:"healthy"` // nothing is wrong: no alert may pass at all

	// Without culprits and causes nothing has to be found. Of several causes, each has to be.
	Kind     string     `json:"kind"`     // one of Kinds
	Skills   []string   `json:"skills"`   // one of these must say it, for each cause
	Culprits []string   `json:"culprits"` // one of these must be blamed: the true one first, then its aliases
	Causes   [][]string `json:"causes"`   // the same for each of several faults
	WithinS  float64    `json:"within_s"` // after the last step that breaks something: what the user of a monitor would expect

	Also           []string `json:"also"`            // who may be named without being wrong
	Forbidden      []string `json:"forbidden"`       // who must not be blamed
	Path           []string `json:"path"`            // allowed steps of the causal path, "beam.x → beam.y"; empty: no path is expected
	Correlation    string   `json:"correlation"`     // of the insight that is expected; "": none is
	ForbiddenWords []string `json:"forbidden_words"` // in no field of a verdict but its prose and its evidence
}

// Step is something that is done to the subject: a fault is switched on or off, or something else happens.
type Step struct {
	AtS  float64        `json:"at_s"` // after it has settled; below 0: before anybody watches
	On   string         `json:"on"`
	Off  string         `json:"off"`
	Do   string         `json:"do"`
	With map[string]any `json:"with"` // how
}

// The closed lists of a truth file.
var (
	Subjects = []string{"shop", "shop-go", "postgres"}
	Groups   = []string{"fault", "mild", "control", "herring", "hostile", "several"}
	Loads    = []string{"idle", "steady", "day", "batches", "cron", "warmup"}
)

// Kinds are the kinds of faults, each with the types of alerts that say it.
var Kinds = map[string][]string{
	"mailbox":        {"mailbox_flood", "overload", "memory_growth"},
	"slow_consumer":  {"mailbox_flood", "overload", "overload_cascade"},
	"table_growth":   {"table_growth", "ets_growth"},
	"process_leak":   {"process_leak", "memory_growth"},
	"atom_leak":      {"atom_exhaustion"},
	"binary_leak":    {"binary_growth", "gc_lazy"},
	"port_leak":      {"port_leak"},
	"restart_storm":  {"restart_storm"},
	"gave_up":        {"supervisor_gave_up"},
	"log_storm":      {"log_errors", "log_storm"},
	"exceptions":     {"exception_storm"},
	"hot_process":    {"hot_process", "scheduler_overload"},
	"no_yield":       {"scheduler_blocked"},
	"busy_link":      {"busy_distribution", "port_queue"},
	"large_heap":     {"gc_large_heap", "long_gc", "memory_growth"},
	"slow_query":     {"slow_query"},
	"lock_wait":      {"lock_wait"},
	"pool_exhausted": {"connections_exhausted"},
	"several":        nil, // each of its causes has its own
}

//go:embed truth/*.json
var files embed.FS

// All gives every scenario, sorted by its id.
var All = sync.OnceValues(func() ([]Truth, error) {
	names, err := files.ReadDir("truth")
	if err != nil {
		return nil, err
	}
	var all []Truth
	var wrong []error
	for _, e := range names {
		raw, err := files.ReadFile(path.Join("truth", e.Name()))
		if err != nil {
			return nil, err
		}
		t, err := Parse(strings.TrimSuffix(e.Name(), ".json"), raw)
		all, wrong = append(all, t), append(wrong, err)
	}
	return all, errors.Join(wrong...)
})

// Find gives the scenario with this id.
func Find(id string) (Truth, error) {
	all, err := All()
	if err != nil {
		return Truth{}, err
	}
	i := slices.IndexFunc(all, func(t Truth) bool { return t.ID == id })
	if i < 0 {
		ids := make([]string, len(all))
		for i, t := range all {
			ids[i] = t.ID
		}
		return Truth{}, fmt.Errorf("there is no scenario %q; there are %s", id, strings.Join(ids, ", "))
	}
	return all[i], nil
}

// Parse reads a truth file strictly: what nobody knows, or what contradicts itself, is an error.
func Parse(id string, raw []byte) (Truth, error) {
	var t Truth
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return t, fmt.Errorf("truth %s: %w", id, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return t, fmt.Errorf("truth %s: more follows after the object", id)
	}
	if err := t.check(id); err != nil {
		return t, fmt.Errorf("truth %s: %w", id, err)
	}
	return t, nil
}

var idRE = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func (t Truth) check(id string) error {
	var wrong []error
	bad := func(is bool, format string, args ...any) {
		if is {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	_, known := Kinds[t.Kind]
	bad(t.ID != id || !idRE.MatchString(t.ID), "id %q must be the name of the file, of small letters", t.ID)
	bad(t.Tell == "", "tell is empty")
	bad(!slices.Contains(Subjects, t.Subject), "subject %q is none of %v", t.Subject, Subjects)
	bad(!slices.Contains(Groups, t.Group), "group %q is none of %v", t.Group, Groups)
	bad(!slices.Contains(Loads, t.Load), "load %q is none of %v", t.Load, Loads)
	bad(t.RecordS <= 0 || t.RecordS > 600, "record_s %g is not within 600 s", t.RecordS)
	bad(t.Group == "control" != t.Healthy && t.Group != "herring", "a control is healthy, and nothing else is but a red herring")
	bad(len(t.Culprits) > 0 && len(t.Causes) > 0, "culprits and causes exclude each other")
	bad((t.Group == "several") != (len(t.Causes) > 1), "several faults have several causes")
	bad((t.Kind == "several") != (len(t.Causes) > 1), "several faults have the kind several")
	wanted := t.Wanted()
	if len(wanted) == 0 {
		bad(t.Kind != "" || len(t.Skills) > 0 || t.WithinS != 0 || t.Correlation != "" || len(t.Path) > 0, "where nothing has to be found, there is no kind, skill, time, correlation or path")
		bad(t.Group != "control" && t.Group != "herring", "only controls and red herrings have nothing to be found")
	} else {
		bad(t.Healthy, "what is healthy has no culprit")
		bad(!known, "kind %q is none of the known", t.Kind)
		bad(len(t.Skills) == 0, "skills are missing")
		bad(t.WithinS <= 0 || t.Onset()+t.WithinS > t.RecordS, "within_s %g is not within the record", t.WithinS)
		bad(!slices.ContainsFunc(t.Steps, func(s Step) bool { return s.On != "" }), "nothing breaks")
	}
	switch beamlens.Correlation(t.Correlation) {
	case "", beamlens.Causal, beamlens.Symptomatic, beamlens.Temporal:
	default:
		bad(true, "correlation %q is none", t.Correlation)
	}
	for _, p := range t.Path {
		from, to, ok := strings.Cut(p, " → ")
		bad(!ok || !strings.Contains(from, ".") || !strings.Contains(to, "."), "step %q of the path is not \"skill.metric → skill.metric\"", p)
	}
	for _, names := range append(slices.Clone(wanted), t.Also, t.Forbidden) {
		for _, n := range names {
			_, err := pattern(n)
			bad(err != nil, "culprit %q: %v", n, err)
		}
	}
	for i, s := range t.Steps {
		set := 0
		for _, v := range []string{s.On, s.Off, s.Do} {
			if v != "" {
				set++
			}
		}
		bad(set != 1, "step %d must say one of on, off and do", i)
		bad(i > 0 && s.AtS < t.Steps[i-1].AtS, "step %d is earlier than the one before", i)
		bad(s.AtS > t.RecordS, "step %d comes after the end", i)
	}
	return errors.Join(wrong...)
}

// Wanted gives, for each cause, who may be blamed for it: one of these must be.
func (t Truth) Wanted() [][]string {
	if len(t.Causes) > 0 {
		return t.Causes
	}
	if len(t.Culprits) > 0 {
		return [][]string{t.Culprits}
	}
	return nil
}

// Onset is when the last fault begins, in seconds after the subject has settled.
func (t Truth) Onset() float64 {
	at := 0.0
	for _, s := range t.Steps {
		if s.On != "" {
			at = max(at, s.AtS)
		}
	}
	return at
}

// Blames says whether this is one of the right culprits, of any of the causes.
func (t Truth) Blames(c *beamlens.Culprit) bool {
	return slices.ContainsFunc(t.Wanted(), func(names []string) bool { return Matches(names, c) })
}

// Wrong says whether this culprit may not be blamed: it is forbidden, or nobody has said that it may.
func (t Truth) Wrong(c *beamlens.Culprit) bool {
	return c != nil && (Matches(t.Forbidden, c) || !t.Blames(c) && !Matches(t.Also, c))
}

// Matches says whether one of the names is that of the culprit.
func Matches(names []string, c *beamlens.Culprit) bool {
	if c == nil {
		return false
	}
	return slices.ContainsFunc(names, func(n string) bool {
		re, err := pattern(n)
		if err != nil {
			return false // unreachable: Parse has compiled it
		}
		if re != nil {
			return re.MatchString(strings.Join([]string{c.Kind, c.ID, c.Name}, " "))
		}
		return n == c.ID || n == c.Name
	})
}

// pattern is that of a /regular expression/, nil for an exact name.
func pattern(name string) (*regexp.Regexp, error) {
	inner, ok := strings.CutPrefix(name, "/")
	if !ok || !strings.HasSuffix(inner, "/") {
		if name == "" {
			return nil, errors.New("the name is empty")
		}
		return nil, nil
	}
	return regexp.Compile(strings.TrimSuffix(inner, "/"))
}
