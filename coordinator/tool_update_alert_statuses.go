package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
)

type updateStatusesInput struct {
	AlertIDs []string `json:"alert_ids"`
	Status   string   `json:"status" enum:"acknowledged,resolved"`
	Reason   string   `json:"reason,omitempty"`
}

func (r *run) updateStatuses() agent.Tool {
	return agent.NewTool("update_alert_statuses", "Update alert statuses", "Marks alerts as acknowledged (seen, not explained) or resolved (explained, or unrelated to anything).",
		func(ctx context.Context, in updateStatusesInput) (agent.Result, error) {
			if _, err := r.these(ctx, in.AlertIDs); err != nil {
				return agent.Result{}, err
			}
			if err := r.setStatus(ctx, in.AlertIDs, beamlens.AlertStatus(in.Status)); err != nil {
				return agent.Result{}, err
			}
			r.event("coordinator.update_alert_statuses", r.trace, map[string]any{"alert_ids": in.AlertIDs, "status": in.Status, "reason": in.Reason})
			return agent.Result{Content: map[string]any{"updated": in.AlertIDs, "status": in.Status}}, nil
		})
}

// these gives the alerts with the ids; an id that is not among the recent alerts is an error.
func (r *run) these(ctx context.Context, ids []string) ([]beamlens.Alert, error) {
	if len(ids) == 0 {
		return nil, errors.New("alert_ids must not be empty")
	}
	alerts, err := r.recent(ctx)
	if err != nil {
		return nil, err
	}
	var out []beamlens.Alert
	var missing []string
	for _, id := range ids {
		i := slices.IndexFunc(alerts, func(a beamlens.Alert) bool { return a.ID == id })
		if i < 0 {
			missing = append(missing, id)
			continue
		}
		out = append(out, alerts[i])
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("alerts not found: %.200s; get_alerts lists them", strings.Join(missing, ", "))
	}
	return out, nil
}

func (r *run) setStatus(ctx context.Context, ids []string, status beamlens.AlertStatus) error {
	for _, id := range ids {
		_, err := r.Store.UpdateAlert(ctx, id, func(a *beamlens.Alert) { a.Status, a.UpdatedAt = status, r.Clock.Now() })
		if err != nil {
			return fmt.Errorf("update alert %s: %w", id, err)
		}
	}
	return nil
}
