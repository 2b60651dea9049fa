package analyst

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

type coordinatorInput struct {
	Unread   int    `json:"unread"`
	Question string `json:"question"`
	Edges    []edge `json:"causal_graph"`
	Health   []struct {
		Operator string `json:"operator"`
		State    string `json:"state"`
	} `json:"operators"`
	Limits []struct {
		Metric string  `json:"metric"`
		Value  float64 `json:"value"`
		Limit  float64 `json:"limit"`
		Unit   string  `json:"unit"`
	} `json:"limits"`
}

type edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	Why  string `json:"why"`
}

type alert struct {
	ID          string     `json:"id"`
	Status      string     `json:"status"`
	Operator    string     `json:"operator"`
	Type        string     `json:"anomaly_type"`
	Severity    string     `json:"severity"`
	Summary     string     `json:"summary"`
	Observation string     `json:"observation"`
	Culprit     *culprit   `json:"culprit"`
	Metrics     []metric   `json:"metrics"`
	Onset       time.Time  `json:"onset"`
	DetectedAt  time.Time  `json:"detected_at"`
	ClearedAt   *time.Time `json:"cleared_at"`
}

type culprit struct {
	Kind  string `json:"kind"`
	ID    string `json:"id"`
	Name  string `json:"name"`
	Facts object `json:"facts"`
}

func (c culprit) key() string {
	if c.Name != "" {
		return c.Kind + " " + c.Name
	}
	return c.Kind + " " + c.ID
}

func (c culprit) String() string {
	if c.Name == "" || c.Name == c.ID {
		return c.Kind + " " + c.ID
	}
	return c.Kind + " " + c.Name + " (" + c.ID + ")"
}

type metric struct {
	Metric      string    `json:"metric"`
	Value       float64   `json:"value"`
	Ordinary    float64   `json:"ordinary"`
	Unit        string    `json:"unit"`
	Onset       time.Time `json:"onset"`
	Uncertainty float64   `json:"onset_uncertainty_s"`
}

func (p *page) coordinator() step {
	var in coordinatorInput
	if err := json.Unmarshal(p.raw, &in); err != nil {
		return step{"done", object{}}
	}
	m, ok := p.last("get_alerts")
	if !ok {
		if p.count("get_alerts") >= 2 {
			return step{"done", object{"answer": "The alerts could not be read."}}
		}
		return step{"get_alerts", object{"status": "all"}}
	}
	var alerts []alert
	if err := json.Unmarshal(m.result, &alerts); err != nil {
		return step{"done", object{"answer": "The alerts could not be read."}}
	}
	// Oldest onset first: causes before effects.
	slices.SortFunc(alerts, func(a, b alert) int {
		if c := a.Onset.Compare(b.Onset); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	claims := correlate(alerts, in.Edges)
	done := p.concluded()
	for _, c := range claims {
		if c.fresh && !slices.Contains(done, c.alerts[0].ID) {
			return step{"produce_insight", c.args()}
		}
	}
	var alone []string
	for _, a := range alerts {
		if a.Status == "unread" && !slices.Contains(done, a.ID) {
			alone = append(alone, a.ID)
		}
	}
	if len(alone) > 0 && p.count("update_alert_statuses") == 0 {
		return step{"update_alert_statuses", object{"alert_ids": alone, "status": "acknowledged", "reason": "no other alert belongs to it so far"}}
	}
	return step{"done", object{"answer": in.answer(alerts, claims)}}
}

// concluded gives the ids of the alerts that this run has tried to make an insight of.
func (p *page) concluded() []string {
	var ids []string
	for _, m := range p.made {
		var args struct {
			AlertIDs []string `json:"alert_ids"`
		}
		if m.tool == "produce_insight" && json.Unmarshal(m.args, &args) == nil {
			ids = append(ids, args.AlertIDs...)
		}
	}
	return ids
}

func (in coordinatorInput) answer(alerts []alert, claims []claim) string {
	if in.Question == "" {
		return ""
	}
	var lines []string
	for _, c := range claims {
		lines = append(lines, c.summary())
	}
	for _, a := range alerts {
		if a.ClearedAt == nil {
			lines = append(lines, a.Summary)
		}
	}
	if len(lines) > 0 {
		return strings.Join(lines, "\n")
	}
	checked := make([]string, len(in.Health))
	for i, h := range in.Health {
		checked[i] = h.Operator + " (" + h.State + ")"
	}
	text := "Nothing is wrong as far as is known. Checked: " + strings.Join(checked, ", ") + "."
	if len(in.Limits) > 0 {
		margins := make([]string, len(in.Limits))
		for i, l := range in.Limits {
			margins[i] = fmt.Sprintf("%s is %s of %s", l.Metric, amount(l.Value, l.Unit), amount(l.Limit, l.Unit))
		}
		text += "\nLimits, the nearest first: " + strings.Join(margins, "; ") + "."
	}
	return text
}

// claim is a group of alerts and how they belong together. alerts[0] is the cause, when there is one.
type claim struct {
	kind       string
	confidence string
	alerts     []alert
	path       []string
	why        []string
	evidence   []string
	gaps       []string
	ruledOut   []string
	fresh      bool // at least one of the alerts is in no insight yet
	shared     bool // cause and effects blame the same
}

// The bounds of correlation: what began within together belongs to one story unless the graph says more.
const (
	together   = 15 * time.Second
	longestWay = 6
)

// correlate groups alerts: first by cause and effect over the graph, then by a common cause, then by time alone.
func correlate(alerts []alert, edges []edge) []claim {
	g := graphOf(edges)
	anomalous := map[string]bool{}
	for _, a := range alerts {
		for _, m := range a.Metrics {
			anomalous[m.Metric] = true
		}
	}
	used := map[string]bool{}
	var claims []claim
	for i, cause := range alerts {
		if used[cause.ID] || g.explained(cause, alerts) {
			continue
		}
		c := claim{kind: "causal", alerts: []alert{cause}, confidence: "medium", shared: true}
		for j, effect := range alerts {
			if i == j || used[effect.ID] {
				continue
			}
			path, ok := g.rather(cause, effect)
			if !ok || !overlap(cause, effect) {
				continue
			}
			c.take(effect, path, g)
		}
		if len(c.alerts) == 1 {
			continue
		}
		for _, a := range c.alerts {
			used[a.ID] = true
		}
		// A fact in common ties cause and effect: the same culprit, and enough of it.
		if c.shared && len(c.gaps) == 0 {
			c.confidence = "high"
		}
		claims = append(claims, c)
	}
	claims = append(claims, g.siblings(alerts, used, anomalous)...)
	for i := range claims {
		claims[i].fresh = slices.ContainsFunc(claims[i].alerts, func(a alert) bool { return a.Status != "resolved" })
	}
	return claims
}

// take adds an effect to a causal claim.
func (c *claim) take(effect alert, path []string, g graph) {
	cause := c.alerts[0]
	c.alerts = append(c.alerts, effect)
	if len(path) > len(c.path) {
		c.path = path
		c.why = g.reasons(path)
	}
	if cause.Culprit == nil || effect.Culprit == nil || cause.Culprit.key() != effect.Culprit.key() {
		c.shared = false
	} else {
		c.evidence = append(c.evidence, fmt.Sprintf("%s and %s name the same culprit: %s.", cause.Type, effect.Type, cause.Culprit))
	}
	if text, ok := sufficient(cause, effect); ok {
		c.evidence = append(c.evidence, text)
	} else if cause.Culprit != nil {
		c.gaps = append(c.gaps, fmt.Sprintf("how much of %s comes from %s", effect.Type, cause.Culprit))
	}
	c.evidence = append(c.evidence, orderText(cause, effect))
}

// sufficient compares what the culprit has with how much the effect's metric grew, where both are told in MB: a cause that is too
// small is none.
func sufficient(cause, effect alert) (string, bool) {
	if effect.Culprit == nil || cause.Culprit == nil || effect.Culprit.key() != cause.Culprit.key() {
		return "", false
	}
	has, ok := effect.Culprit.Facts["memory_mb"].(float64)
	if !ok {
		return "", false
	}
	for _, m := range effect.Metrics {
		if grown := m.Value - m.Ordinary; m.Unit == "MB" && grown > 0 && has >= grown/2 {
			return fmt.Sprintf("%s has %.0f MB; %s grew by %.0f MB.", cause.Culprit, has, m.Metric, grown), true
		}
	}
	return "", false
}

func orderText(cause, effect alert) string {
	gap := effect.Onset.Sub(cause.Onset)
	if gap.Abs().Seconds() <= unsure(cause)+unsure(effect) {
		return fmt.Sprintf("%s and %s began within %.1f s of each other, which is within the uncertainty.", cause.Type, effect.Type, gap.Abs().Seconds())
	}
	return fmt.Sprintf("%s began %.1f s before %s.", cause.Type, gap.Seconds(), effect.Type)
}

func unsure(a alert) float64 {
	u := 1.0
	for _, m := range a.Metrics {
		u = max(u, m.Uncertainty)
	}
	return u
}

// overlap says whether both lasted at one time.
func overlap(a, b alert) bool {
	return (a.ClearedAt == nil || a.ClearedAt.After(b.Onset)) && (b.ClearedAt == nil || b.ClearedAt.After(a.Onset))
}

func (c claim) args() object {
	args := object{"correlation_type": c.kind, "confidence": c.confidence, "summary": c.summary()}
	ids := make([]string, len(c.alerts))
	for i, a := range c.alerts {
		ids[i] = a.ID
	}
	args["alert_ids"] = ids
	if c.kind == "causal" {
		args["root_cause_hypothesis"] = c.root()
		if c.alerts[0].Culprit != nil {
			args["culprit_alert_id"] = c.alerts[0].ID
		}
	}
	for key, list := range map[string][]string{"path": c.path, "evidence": c.evidence, "gaps": c.gaps, "alternatives": c.ruledOut} {
		if len(list) > 0 {
			args[key] = list
		}
	}
	return args
}

func (c claim) root() string {
	return c.alerts[0].Summary
}

func (c claim) summary() string {
	names := make([]string, len(c.alerts))
	for i, a := range c.alerts {
		names[i] = a.Type
	}
	switch c.kind {
	case "causal":
		who := "an unknown culprit"
		if c.alerts[0].Culprit != nil {
			who = c.alerts[0].Culprit.String()
		}
		s := fmt.Sprintf("%s led to %s. To blame: %s.", names[0], strings.Join(names[1:], " and "), who)
		for _, why := range c.why {
			s += " " + strings.ToUpper(why[:1]) + why[1:] + "."
		}
		return s
	case "symptomatic":
		return fmt.Sprintf("%s are symptoms of one cause that no alert shows: %s.", strings.Join(names, " and "), strings.Join(c.path, ", "))
	}
	return fmt.Sprintf("%s began together; no link between them is known.", strings.Join(names, " and "))
}
