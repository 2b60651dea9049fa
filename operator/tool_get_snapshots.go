package operator

import (
	"context"
	"slices"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
)

func (r *run) getSnapshots() agent.Tool {
	return agent.NewTool("get_snapshots", "Get snapshots", "The latest snapshots, newest first.",
		func(_ context.Context, in pageInput) (agent.Result, error) {
			r.mu.Lock()
			list := append([]beamlens.Snapshot(nil), r.snapshots...)
			r.mu.Unlock()
			slices.Reverse(list)
			limit := in.Limit
			if limit <= 0 {
				limit = 10
			}
			out := []snapshotView{}
			for _, s := range page(list, limit, in.Offset) {
				out = append(out, view(s))
			}
			r.event("operator.get_snapshots", r.trace, map[string]any{"count": len(out)})
			return agent.Result{Content: out}, nil
		})
}
