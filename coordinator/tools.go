package coordinator

import (
	"context"

	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/claim"
)

// run is one pass over the alerts.
type run struct {
	*Coordinator
	trace  string
	record claim.Record // what was read
	second bool         // a model that may differ from what stands
	known  known
}

func (r *run) tools() []agent.Tool {
	return []agent.Tool{r.getAlerts(), r.updateStatuses(), r.produceInsight(), r.invokeOperators(), r.think(), r.wait(), r.done()}
}

type thinkInput struct {
	Thought string `json:"thought"`
}

func (r *run) think() agent.Tool {
	t := agent.NewTool("think", "Think", "Records a thought, and nothing else.",
		func(_ context.Context, in thinkInput) (agent.Result, error) {
			r.event("coordinator.think", r.trace, map[string]any{"thought": in.Thought})
			return agent.Result{Content: map[string]any{"thought": in.Thought, "recorded": true}}, nil
		})
	t.Echo, t.Idle = true, true
	return t
}
