package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/sandbox"
	"github.com/beamlens/beamlens-go/skill"
)

// verdict is what a playbook concludes.
type verdict struct {
	Type     string            `json:"type"`
	Severity string            `json:"severity"`
	Nothing  bool              `json:"nothing"`
	Culprit  *beamlens.Culprit `json:"culprit"`
}

// verdictOf takes the result of a playbook's program as its verdict; nil if it is none.
func verdictOf(result any) *verdict {
	raw, err := json.Marshal(result)
	if err != nil {
		return nil
	}
	var v verdict
	if json.Unmarshal(raw, &v) != nil || v.Type == "" && !v.Nothing {
		return nil
	}
	if v.Culprit != nil && v.Culprit.ID == "" {
		v.Culprit = nil
	}
	return &v
}

// playbook gives the playbook of a finding, nil if there is none.
func (r *run) playbook(f beamlens.Finding) *skill.Playbook {
	if found := r.Skill.Match(f.Metric); len(found) > 0 {
		return &found[0]
	}
	return nil
}

// investigate gives the verdict of the playbook of a finding: the one of this run, or that of a run of it now. It is nil where there is no
// playbook, or none that came to a conclusion.
func (r *run) investigate(ctx context.Context, f beamlens.Finding) (*verdict, string) {
	p := r.playbook(f)
	if p == nil {
		return nil, ""
	}
	v, known := r.verdicts[p.ID]
	if !known {
		functions := map[string]sandbox.Function{}
		for name, fn := range r.functions() {
			functions[name] = fn
		}
		res, err := sandbox.Run(ctx, header(f)+p.Lua, functions, sandbox.Limits{})
		if err == nil {
			v = verdictOf(res.Value)
		}
		r.verdicts[p.ID] = v
	}
	return v, p.ID
}

// header gives a finding to a playbook's program, as the prompt tells models to.
func header(f beamlens.Finding) string {
	n := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	return fmt.Sprintf("local finding = {metric = %q, kind = %q, value = %s, ordinary = %s, rate = %s, limit = %s, unit = %q}\n",
		f.Metric, f.Kind, n(f.Value), n(f.Ordinary), n(f.Rate), n(f.Limit), f.Unit)
}

// settle holds a claim against what the playbook of its gravest finding concludes. Type, culprit and severity are the playbook's, and without one the
// severity is at least the rule's: a model may say more in words, but what it read cannot talk it, or us, into another verdict. A culprit of
// its own that differs is kept as its hypothesis.
func (r *run) settle(ctx context.Context, a *beamlens.Alert) {
	if len(a.Findings) == 0 {
		a.Findings = r.standing(*a)
	}
	if len(a.Findings) == 0 {
		if r.Skill.Foreign == "" {
			// No detector stands behind it: it is worth knowing, and wakes nobody.
			a.Severity, a.Confidence = beamlens.SeverityInfo, beamlens.Low
		}
		return
	}
	gravest := a.Findings[0]
	for _, f := range a.Findings[1:] {
		if gravity(f.Severity) > gravity(gravest.Severity) {
			gravest = f
		}
	}
	least := "warning"
	for _, f := range a.Findings {
		if gravity(f.Severity) > gravity(least) {
			least = f.Severity
		}
	}
	v, id := r.investigate(ctx, gravest)
	if v == nil || v.Nothing {
		if gravity(least) > gravity(string(a.Severity)) {
			a.Severity = beamlens.Severity(least)
		}
		return
	}
	if gravity(v.Severity) > gravity(least) {
		least = v.Severity
	}
	a.Severity = beamlens.Severity(least)
	a.AnomalyType = symbol(v.Type)
	own := a.Culprit
	if v.Culprit == nil {
		return
	}
	if own == nil || own.Key() != v.Culprit.Key() {
		if own != nil {
			a.Hypothesis = strings.TrimSpace(a.Hypothesis + fmt.Sprintf(" The model blames %s; the investigation %s blames %s.", own, id, v.Culprit))
			a.Confidence = beamlens.Low
			r.event(beamlens.EventContradicted, r.trace, map[string]any{"playbook": id, "model": own.String(), "verdict": v.Culprit.String()})
		} else if a.Confidence == beamlens.Low {
			a.Confidence = beamlens.Medium
		}
		own = v.Culprit
	}
	if own.Facts == nil {
		own.Facts = map[string]any{}
	}
	for k, x := range v.Culprit.Facts {
		own.Facts[k] = x
	}
	a.Culprit = own
}

// standing gives the findings of the open alert that this one updates.
func (r *run) standing(a beamlens.Alert) []beamlens.Finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, open := range r.open {
		if open.Fingerprint() == a.Fingerprint() {
			return open.Findings
		}
	}
	return nil
}

func gravity(severity string) int {
	return slices.Index([]string{"", "info", "warning", "critical"}, severity)
}

// together keeps of the findings that an alert would cover those that one investigation explains: those with the playbook of the gravest, and
// those without any. The others are left for alerts of their own.
func (r *run) together(findings []beamlens.Finding) []beamlens.Finding {
	var first *skill.Playbook
	worst := -1
	for _, f := range findings {
		if p := r.playbook(f); p != nil && gravity(f.Severity) > worst {
			first, worst = p, gravity(f.Severity)
		}
	}
	var out []beamlens.Finding
	for _, f := range findings {
		if p := r.playbook(f); p == nil || p.ID == first.ID {
			out = append(out, f)
		}
	}
	return out
}
