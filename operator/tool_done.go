package operator

import (
	"context"

	"github.com/beamlens/beamlens-go/agent"
)

type doneInput struct {
	Summary string `json:"summary,omitempty" doc:"what you found, and what you checked"`
}

// finished is the result of done.
type finished struct {
	Summary string `json:"summary,omitempty"`
}

func (r *run) done() agent.Tool {
	return agent.NewTool("done", "Done", "Ends this investigation.",
		func(_ context.Context, in doneInput) (agent.Result, error) {
			r.prose(&in.Summary)
			r.event("operator.done", r.trace, map[string]any{"summary": in.Summary})
			return agent.Result{Content: finished(in), End: true}, nil
		})
}
