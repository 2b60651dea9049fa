package operator

import (
	"context"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
)

type setStateInput struct {
	State  string `json:"state" enum:"healthy,observing,warning,critical" doc:"your assessment"`
	Reason string `json:"reason" doc:"why, in one sentence"`
}

func (r *run) setState() agent.Tool {
	return agent.NewTool("set_state", "Set state", "Changes your assessment of the system's health.",
		func(ctx context.Context, in setStateInput) (agent.Result, error) {
			to := beamlens.Health(in.State)
			r.prose(&in.Reason)
			r.mu.Lock()
			from := r.health
			r.health = to
			var stale []string
			if to == beamlens.Healthy {
				for id, a := range r.open {
					if len(a.Findings) == 0 { // fired on the model's own judgement, so cleared by it
						stale = append(stale, id)
					}
				}
			}
			r.mu.Unlock()
			for _, id := range stale {
				r.clear(ctx, id)
			}
			if from != to {
				r.event(beamlens.EventStateChange, r.trace, map[string]any{"from": from, "to": to, "reason": in.Reason})
			}
			return agent.Result{Content: map[string]any{"state": to}}, nil
		})
}
