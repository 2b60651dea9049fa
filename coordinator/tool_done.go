package coordinator

import (
	"context"
	"slices"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
)

type doneInput struct {
	Answer string `json:"answer,omitempty" doc:"the answer, when a question was asked"`
}

type finished struct {
	Answer string `json:"answer,omitempty"`
}

func (r *run) done() agent.Tool {
	return agent.NewTool("done", "Done", "Ends this pass over the alerts.",
		func(ctx context.Context, in doneInput) (agent.Result, error) {
			fields := map[string]any{}
			// Those that came meanwhile. They are looked at in the next pass.
			if alerts, err := r.recent(ctx); err == nil {
				fields["has_unread"] = slices.ContainsFunc(alerts, func(a beamlens.Alert) bool { return a.Status == beamlens.Unread })
			}
			r.prose(&in.Answer)
			r.event("coordinator.done", r.trace, fields)
			return agent.Result{Content: finished(in), End: true}, nil
		})
}
