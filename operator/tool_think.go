package operator

import (
	"context"

	"github.com/beamlens/beamlens-go/agent"
)

type thinkInput struct {
	Thought string `json:"thought"`
}

func (r *run) think() agent.Tool {
	t := agent.NewTool("think", "Think", "Records a thought, and nothing else.",
		func(_ context.Context, in thinkInput) (agent.Result, error) {
			r.event("operator.think", r.trace, map[string]any{"thought": in.Thought})
			return agent.Result{Content: map[string]any{"thought": in.Thought, "recorded": true}}, nil
		})
	t.Echo, t.Idle = true, true
	return t
}
