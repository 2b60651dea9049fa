package operator

import (
	"context"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
)

type pageInput struct {
	Limit  int `json:"limit,omitempty" doc:"how many, at most 50"`
	Offset int `json:"offset,omitempty"`
}

type ownAlert struct {
	ID          string               `json:"id"`
	Type        string               `json:"type"`
	Severity    beamlens.Severity    `json:"severity"`
	Status      beamlens.AlertStatus `json:"status"`
	Summary     string               `json:"summary"`
	Culprit     *beamlens.Culprit    `json:"culprit,omitempty"`
	SnapshotIDs []string             `json:"snapshot_ids"`
	DetectedAt  time.Time            `json:"detected_at"`
	ClearedAt   *time.Time           `json:"cleared_at,omitempty"`
}

func (r *run) getAlerts() agent.Tool {
	return agent.NewTool("get_alerts", "Get alerts", "Your own alerts, newest first, with the ids of their snapshots.",
		func(ctx context.Context, in pageInput) (agent.Result, error) {
			limit := in.Limit
			if limit <= 0 || limit > 50 {
				limit = 50
			}
			alerts, err := r.Store.Alerts(ctx, beamlens.AlertFilter{Target: r.Target, Operator: r.Name, Limit: limit, Offset: max(in.Offset, 0)})
			if err != nil {
				return agent.Result{}, err
			}
			out := make([]ownAlert, len(alerts))
			for i, a := range alerts {
				out[i] = ownAlert{a.ID, a.AnomalyType, a.Severity, a.Status, a.Summary, a.Culprit, []string{}, a.DetectedAt, a.ClearedAt}
				for _, s := range a.Snapshots {
					out[i].SnapshotIDs = append(out[i].SnapshotIDs, s.ID)
				}
			}
			r.event("operator.get_alerts", r.trace, map[string]any{"count": len(out)})
			return agent.Result{Content: out}, nil
		})
}
