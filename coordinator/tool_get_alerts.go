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
	Metrics     []metricView         `json:"metrics"`
	Onset       time.Time            `json:"onset"`
	DetectedAt  time.Time            `json:"detected_at"`
	ClearedAt   *time.Time           `json:"cleared_at,omitempty"`
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
			out := []alertView{}
			for _, a := range alerts {
				if in.Status == "" || in.Status == "all" || in.Status == string(a.Status) {
					out = append(out, view(a))
				}
			}
			r.event("coordinator.get_alerts", r.trace, map[string]any{"count": len(out)})
			return agent.Result{Content: out}, nil
		})
}

func view(a beamlens.Alert) alertView {
	v := alertView{
		ID: a.ID, Status: a.Status, Operator: a.Operator, Type: a.AnomalyType, Severity: a.Severity, Summary: a.Summary, Context: a.Context,
		Observation: a.Observation, Hypothesis: a.Hypothesis, Culprit: a.Culprit, Metrics: []metricView{},
		Onset: a.Onset, DetectedAt: a.DetectedAt, ClearedAt: a.ClearedAt,
	}
	for _, f := range a.Findings {
		v.Metrics = append(v.Metrics, metricView{f.Skill + "." + f.Metric, f.Kind, f.Value, f.Ordinary, f.Unit, f.Rate, f.Onset, f.Uncertainty.Seconds()})
	}
	return v
}
