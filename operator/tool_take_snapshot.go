package operator

import (
	"context"
	"fmt"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
)

type noInput struct{}

type snapshotView struct {
	ID         string         `json:"id"`
	CapturedAt time.Time      `json:"captured_at"`
	Data       map[string]any `json:"data"`
}

func view(s beamlens.Snapshot) snapshotView { return snapshotView{s.ID, s.CapturedAt, s.Data} }

func (r *run) takeSnapshot() agent.Tool {
	return agent.NewTool("take_snapshot", "Take snapshot", "Reads the present values. The result has the id to cite in alerts.",
		func(ctx context.Context, _ noInput) (agent.Result, error) {
			data, err := r.Skill.Snapshot(ctx)
			if err != nil {
				return agent.Result{}, fmt.Errorf("the snapshot could not be read: %w", err)
			}
			s := beamlens.Snapshot{ID: r.Clock.NewID(), Skill: r.Skill.ID, Target: r.Target, CapturedAt: r.Clock.Now(), Data: data}
			r.keep(ctx, s)
			r.saw(data)
			r.event("operator.take_snapshot", r.trace, map[string]any{"snapshot_id": s.ID})
			return agent.Result{Content: view(s)}, nil
		})
}
