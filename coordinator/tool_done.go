package coordinator

import (
	"context"

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
		func(_ context.Context, in doneInput) (agent.Result, error) {
			r.event("coordinator.done", r.trace, nil)
			return agent.Result{Content: finished(in), End: true}, nil
		})
}
