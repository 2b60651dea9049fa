package analyst

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

type operatorInput struct {
	State      string     `json:"state"`
	Findings   []finding  `json:"findings"`
	OpenAlerts []struct { // those that last
		Severity string `json:"severity"`
	} `json:"open_alerts"`
	Snapshots []string   `json:"snapshot_ids"`
	Playbooks []playbook `json:"playbooks"`
}

type finding struct {
	ID       string  `json:"id"`
	New      bool    `json:"new"`
	AlertID  string  `json:"alert_id"`
	Metric   string  `json:"metric"`
	Kind     string  `json:"kind"`
	Tier     string  `json:"tier"`
	Value    float64 `json:"value"`
	Ordinary float64 `json:"ordinary"`
	Limit    float64 `json:"limit"`
	Rate     float64 `json:"rate_per_s"`
	Unit     string  `json:"unit"`
	Rule     string  `json:"rule"`
	Severity string  `json:"severity"`
	Onset    string  `json:"onset"`
}

type playbook struct {
	ID      string   `json:"id"`
	Metrics []string `json:"metrics"`
	Doc     string   `json:"doc"`
	Lua     string   `json:"lua"`
}

// task is one investigation to make: a playbook and the new findings that it explains, or a finding without a playbook.
type task struct {
	playbook *playbook
	findings []finding
}

func (t task) ids() []string {
	ids := make([]string, len(t.findings))
	for i, f := range t.findings {
		ids[i] = f.ID
	}
	return ids
}

// worst is the finding that the program gets: the one with the gravest severity, then the earliest.
func (t task) worst() finding {
	w := t.findings[0]
	for _, f := range t.findings[1:] {
		if rank(f.Severity) > rank(w.Severity) {
			w = f
		}
	}
	return w
}

func rank(severity string) int {
	return slices.Index([]string{"", "info", "warning", "critical"}, severity)
}

// tasks groups the new findings by playbook, in the order of their onset, in which the input lists them.
func (in operatorInput) tasks() []task {
	var out []task
	for _, f := range in.Findings {
		if !f.New || f.Tier != "alert" {
			continue
		}
		var book *playbook
		for i := range in.Playbooks {
			if slices.Contains(in.Playbooks[i].Metrics, f.Metric) {
				book = &in.Playbooks[i]
				break
			}
		}
		i := slices.IndexFunc(out, func(t task) bool { return book != nil && t.playbook == book })
		if i >= 0 {
			out[i].findings = append(out[i].findings, f)
			continue
		}
		out = append(out, task{book, []finding{f}})
	}
	return out
}

func (p *page) operator() step {
	var in operatorInput
	if err := json.Unmarshal(p.raw, &in); err != nil {
		return p.leave(in, nil)
	}
	tasks := in.tasks()
	for _, t := range tasks {
		if p.alerted(t) {
			continue
		}
		if _, ok := p.last("take_snapshot"); !ok && p.count("take_snapshot") < 2 {
			return step{"take_snapshot", object{}}
		}
		if t.playbook != nil {
			if m, ok := p.ran(t); !ok {
				return step{"execute", object{"code": program(t)}}
			} else if !m.failed {
				if claim := verdict(m); claim != nil {
					if claim["nothing"] == true {
						continue
					}
					return p.fire(in, t, claim)
				}
			}
		}
		if p.snapshots(in) != nil {
			return p.fire(in, t, p.unexplained(t))
		}
	}
	return p.leave(in, tasks)
}

func (p *page) count(tool string) int {
	n := 0
	for _, m := range p.made {
		if m.tool == tool {
			n++
		}
	}
	return n
}

// mark names a playbook's program, so that it is known again in the messages.
func mark(t task) string { return "-- playbook " + t.playbook.ID + " for " + t.worst().ID }

// program is the playbook's, with its finding.
func program(t task) string {
	f := t.worst()
	return fmt.Sprintf("%s\nlocal finding = {metric = %s, kind = %s, value = %s, ordinary = %s, rate = %s, limit = %s, unit = %s}\n%s",
		mark(t), quote(f.Metric), quote(f.Kind), number(f.Value), number(f.Ordinary), number(f.Rate), number(f.Limit), quote(f.Unit), t.playbook.Lua)
}

func quote(s string) string { return strconv.Quote(s) }

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// ran finds the run of a task's program.
func (p *page) ran(t task) (made, bool) {
	for _, m := range p.made {
		var args struct{ Code string }
		if m.tool == "execute" && json.Unmarshal(m.args, &args) == nil && strings.HasPrefix(args.Code, mark(t)) {
			return m, true
		}
	}
	return made{}, false
}

// alerted says whether this run has fired for the task's findings, or tried to and was refused.
func (p *page) alerted(t task) bool {
	for _, m := range p.made {
		if m.tool != "fire_alert" {
			continue
		}
		var args struct {
			FindingIDs []string `json:"finding_ids"`
		}
		if json.Unmarshal(m.args, &args) != nil {
			continue
		}
		var got struct {
			FindingIDs []string `json:"finding_ids"`
		}
		if !m.failed && json.Unmarshal(m.result, &got) == nil && got.FindingIDs != nil {
			args.FindingIDs = got.FindingIDs // what it covers in fact
		} else if len(args.FindingIDs) == 0 && !m.failed {
			return true // another model alerted all that was new
		}
		for _, id := range t.ids() {
			if slices.Contains(args.FindingIDs, id) {
				return true
			}
		}
	}
	return false
}

// verdict is what a playbook's program concluded, nil if that is no conclusion.
func verdict(m made) object {
	var result struct {
		Result object `json:"result"`
	}
	if json.Unmarshal(m.result, &result) != nil || result.Result == nil {
		return nil
	}
	v := result.Result
	if v["nothing"] == true {
		return v
	}
	if s, ok := v["summary"].(string); !ok || s == "" {
		return nil
	}
	if s, ok := v["type"].(string); !ok || s == "" {
		return nil
	}
	return v
}

// snapshots gives the ids to cite: those in which the findings were found, and the one that was taken.
func (p *page) snapshots(in operatorInput) []string {
	ids := slices.Clone(in.Snapshots)
	if m, ok := p.last("take_snapshot"); ok {
		var s struct{ ID string }
		if json.Unmarshal(m.result, &s) == nil && s.ID != "" {
			ids = append(ids, s.ID)
		}
	}
	const most = 4
	if len(ids) > most {
		ids = ids[len(ids)-most:]
	}
	return ids
}

func (p *page) fire(in operatorInput, t task, claim object) step {
	args := object{"finding_ids": t.ids(), "snapshot_ids": p.snapshots(in), "severity": severity(t)}
	for _, key := range []string{"type", "summary", "context", "observation", "hypothesis"} {
		if s, ok := claim[key].(string); ok && s != "" {
			args[key] = s
		}
	}
	if s, ok := claim["severity"].(string); ok && rank(s) > rank(severity(t)) {
		args["severity"] = s
	}
	if c, ok := claim["culprit"].(object); ok && c["id"] != nil && c["kind"] != nil {
		args["culprit"], args["confidence"] = c, sure(t, claim)
	}
	return step{"fire_alert", args}
}

// sure is how sure a culprit is: the playbook's word, or high where what was found is declared wrong and not only unusual.
func sure(t task, claim object) string {
	if s, ok := claim["confidence"].(string); ok && slices.Contains([]string{"high", "medium", "low"}, s) {
		return s
	}
	if slices.ContainsFunc(t.findings, func(f finding) bool { return f.Rule != "" || f.Kind == "limit" }) {
		return "high"
	}
	return "medium"
}

func severity(t task) string {
	s := "warning"
	for _, f := range t.findings {
		if rank(f.Severity) > rank(s) {
			s = f.Severity
		}
	}
	return s
}

// unexplained is the honest alert for a finding that no playbook could explain: what departed, since when, what was checked.
func (p *page) unexplained(t task) object {
	f := t.worst()
	how := fmt.Sprintf("is %s, ordinarily %s", amount(f.Value, f.Unit), amount(f.Ordinary, f.Unit))
	if f.Rule != "" {
		how += ", and breaks the rule " + f.Rule
	}
	claim := object{
		"type":        f.Metric + "_" + f.Kind,
		"summary":     fmt.Sprintf("%s %s. The cause is not known.", f.Metric, how),
		"observation": fmt.Sprintf("%s %s; it changes by %s per second; since %s.", f.Metric, how, amount(f.Rate, f.Unit), f.Onset),
	}
	checked := "There is no known investigation for it."
	if t.playbook != nil {
		checked = "Checked: " + t.playbook.Doc
		if m, ok := p.ran(t); ok && m.failed {
			var e struct{ Error string }
			if json.Unmarshal(m.result, &e) == nil {
				checked += " It could not be read: " + strings.SplitN(e.Error, "\n", 2)[0]
			}
		}
	}
	claim["context"] = checked
	return claim
}

func amount(x float64, unit string) string {
	text := strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64)
	if unit == "%" {
		return text + " %"
	}
	if unit != "" {
		text += " " + unit
	}
	return text
}

// leave sets the state and ends the run.
func (p *page) leave(in operatorInput, tasks []task) step {
	state, reason := assess(in)
	fired := p.count("fire_alert") > 0
	if fired && order(state) < order("warning") {
		state = "warning"
	}
	if now := p.state(in.State); now != state && p.count("set_state") < 2 {
		return step{"set_state", object{"state": state, "reason": reason}}
	}
	if p.tools["done"] {
		return step{"done", object{"summary": summary(in, tasks, state)}}
	}
	return step{"wait", object{"ms": map[string]int{"healthy": 30000, "observing": 5000, "warning": 5000, "critical": 1000}[state]}}
}

// state is what the state is now: the input's, or what this run set.
func (p *page) state(state string) string {
	if m, ok := p.last("set_state"); ok {
		var s struct{ State string }
		if json.Unmarshal(m.args, &s) == nil {
			return s.State
		}
	}
	return state
}

func assess(in operatorInput) (state, reason string) {
	state, reason = "healthy", "no metric departs from normal"
	for _, f := range in.Findings {
		s := "observing"
		if f.Tier == "alert" {
			s = "warning"
			if f.Severity == "critical" {
				s = "critical"
			}
		}
		if order(s) > order(state) {
			state = s
			reason = fmt.Sprintf("%s is %s, ordinarily %s", f.Metric, amount(f.Value, f.Unit), amount(f.Ordinary, f.Unit))
		}
	}
	return state, reason
}

func order(state string) int {
	return slices.Index([]string{"healthy", "observing", "warning", "critical"}, state)
}

func summary(in operatorInput, tasks []task, state string) string {
	if len(in.Findings) == 0 {
		return "Nothing departs from normal."
	}
	parts := make([]string, len(in.Findings))
	for i, f := range in.Findings {
		parts[i] = fmt.Sprintf("%s is %s, ordinarily %s", f.Metric, amount(f.Value, f.Unit), amount(f.Ordinary, f.Unit))
	}
	return fmt.Sprintf("State %s, %d of %d findings new: %s.", state, len(tasks), len(in.Findings), strings.Join(parts, "; "))
}
