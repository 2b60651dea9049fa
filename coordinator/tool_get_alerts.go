package coordinator

import (
	"context"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
)

type getAlertsInput struct {
	Status string `json:"status,omitempty" enum:"unread,acknowledged,resolved,all" doc:"default all"`
}

type alertView struct {
	ID          string               `json:"id"`
	Status      beamlens.AlertStatus `json:"status"`
	Operator    string               `json:"operator"`
	Type        string               `json:"anomaly_type"`
	Severity    beamlens.Severity    `json:"severity"`
	Summary     string               `json:"summary"`
	Context     string               `json:"context,omitempty"`
	Observation string               `json:"observation,omitempty"`
	Hypothesis  string               `json:"hypothesis,omitempty"`
	Culprit     *beamlens.Culprit    `json:"culprit,omitempty"`
	Confidence  beamlens.Confidence  `json:"confidence,omitempty"` // that the culprit is right
	Metrics     []metricView         `json:"metrics"`
	Onset       time.Time            `json:"onset"`
	DetectedAt  time.Time            `json:"detected_at"`
	ClearedAt   *time.Time           `json:"cleared_at,omitempty"`
	Snapshots   []string             `json:"snapshot_ids"`
	Earlier     int                  `json:"earlier_7d"` // alerts of this operator and type in the week before
}

// metricView is what the snapshots show of the metrics that an alert is about.
type metricView struct {
	Metric      string    `json:"metric"` // "beam.message_queue_max"
	Kind        string    `json:"kind"`
	Value       float64   `json:"value"`
	Ordinary    float64   `json:"ordinary"`
	Unit        string    `json:"unit,omitempty"`
	Rate        float64   `json:"rate_per_s"`
	Onset       time.Time `json:"onset"`
	Uncertainty float64   `json:"onset_uncertainty_s"`
}

func (r *run) getAlerts() agent.Tool {
	return agent.NewTool("get_alerts", "Get alerts", "The alerts that last and those of the last half hour, newest first, with culprit, onset and key figures.",
		func(ctx context.Context, in getAlertsInput) (agent.Result, error) {
			alerts, err := r.recent(ctx)
			if err != nil {
				return agent.Result{}, err
			}
			week, err := r.Store.Alerts(ctx, beamlens.AlertFilter{Target: r.Target, Since: r.Clock.Now().Add(-7 * 24 * time.Hour), Limit: mostEarlier})
			if err != nil {
				return agent.Result{}, err
			}
			out := []alertView{}
			for _, a := range alerts {
				if in.Status == "" || in.Status == "all" || in.Status == string(a.Status) {
					v := view(a)
					v.Earlier = earlier(a, week)
					out = append(out, v)
				}
			}
			r.event("coordinator.get_alerts", r.trace, map[string]any{"count": len(out)})
			return agent.Result{Content: out}, nil
		})
}

// mostEarlier bounds how many alerts are looked through for how often one comes.
const mostEarlier = 500

// earlier counts the alerts of the same operator and type that were fired before.
func earlier(a beamlens.Alert, week []beamlens.Alert) int {
	n := 0
	for _, b := range week {
		if b.ID != a.ID && b.Operator == a.Operator && b.AnomalyType == a.AnomalyType && b.DetectedAt.Before(a.DetectedAt) {
			n++
		}
	}
	return n
}

func view(a beamlens.Alert) alertView {
	v := alertView{
		ID: a.ID, Status: a.Status, Operator: a.Operator, Type: a.AnomalyType, Severity: a.Severity, Summary: a.Summary, Context: a.Context,
		Observation: a.Observation, Hypothesis: a.Hypothesis, Culprit: a.Culprit, Confidence: a.Confidence, Metrics: []metricView{}, Snapshots: []string{},
		Onset: a.Onset, DetectedAt: a.DetectedAt, ClearedAt: a.ClearedAt,
	}
	for _, s := range a.Snapshots {
		v.Snapshots = append(v.Snapshots, s.ID)
	}
	for _, f := range a.Findings {
		v.Metrics = append(v.Metrics, metricView{f.Skill + "." + f.Metric, f.Kind, f.Value, f.Ordinary, f.Unit, f.Rate, f.Onset, f.Uncertainty.Seconds()})
	}
	return v
}
