package operator

import (
	"context"
	"fmt"

	"github.com/beamlens/beamlens-go/agent"
)

type idInput struct {
	ID string `json:"id" doc:"of the snapshot"`
}

func (r *run) getSnapshot() agent.Tool {
	return agent.NewTool("get_snapshot", "Get snapshot", "One snapshot by its id.",
		func(ctx context.Context, in idInput) (agent.Result, error) {
			s, ok := r.find(ctx, in.ID)
			if !ok {
				return agent.Result{}, fmt.Errorf("snapshot_not_found: there is no snapshot %.40q; get_snapshots lists them", in.ID)
			}
			r.saw(s.Data)
			r.event("operator.get_snapshot", r.trace, map[string]any{"snapshot_id": s.ID})
			return agent.Result{Content: view(s)}, nil
		})
}
