package coordinator

import (
	"context"

	"github.com/beamlens/beamlens-go/agent"
)

type waitInput struct {
	MS int64 `json:"ms" doc:"milliseconds, at most 60000"`
}

type waited struct {
	MS int64 `json:"waited_ms"`
}

func (r *run) wait() agent.Tool {
	return agent.NewTool("wait", "Wait", "Ends this pass and looks again after the time, or when an alert arrives.",
		func(_ context.Context, in waitInput) (agent.Result, error) {
			ms := min(max(in.MS, 1000), 60_000)
			r.event("coordinator.wait", r.trace, map[string]any{"ms": ms})
			return agent.Result{Content: waited{ms}, End: true}, nil
		})
}
