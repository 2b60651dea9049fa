package analyst

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

type coordinatorInput struct {
	Unread   int      `json:"unread"`
	Question string   `json:"question"`
	Edges    []edge   `json:"causal_graph"`
	Readings readings `json:"readings"`
	Borne    []string `json:"borne_out_before"` // fingerprints of causes whose insights were confirmed
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

// readings say what is watched and what departs from normal, alerted or not.
type readings struct {
	Watched  []string `json:"watched"`  // skills
	Unread   []string `json:"unread"`   // skills that could not be read
	Departed []string `json:"departed"` // metrics
}

type edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	Why  string `json:"why"`
	Fact string `json:"fact"`
}

type alert struct {
	ID          string     `json:"id"`
	Status      string     `json:"status"`
	Operator    string     `json:"operator"`
	Type        string     `json:"anomaly_type"`
	Severity    string     `json:"severity"`
	Summary     string     `json:"summary"`
	Observation string     `json:"observation"`
	Context     string     `json:"context"`
	Confidence  string     `json:"confidence"`
	Culprit     *culprit   `json:"culprit"`
	Metrics     []metric   `json:"metrics"`
	Onset       time.Time  `json:"onset"`
	DetectedAt  time.Time  `json:"detected_at"`
	ClearedAt   *time.Time `json:"cleared_at"`
	Snapshots   []string   `json:"snapshot_ids"`
	Earlier     int        `json:"earlier_7d"` // alerts of this type in the week before
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
	Kind        string    `json:"kind"`
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
	claims := in.correlate(alerts)
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
		lines = append(lines, fmt.Sprintf("%s (%.0f %% sure)", c.summary(), 100*c.probability))
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
