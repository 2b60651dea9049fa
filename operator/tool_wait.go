package operator

import (
	"context"
	"time"

	"github.com/beamlens/beamlens-go/agent"
)

type waitInput struct {
	MS int64 `json:"ms" doc:"milliseconds: 30000 when normal, 5000 when elevated, 1000 when critical"`
}

// waited is the result of wait: what the model wished, within bounds.
type waited struct {
	MS int64 `json:"waited_ms"`
}

// maxWait keeps a model's wish within what a time.Duration holds; Serve bounds it further.
const maxWait = int64(24 * time.Hour / time.Millisecond)

func (r *run) wait(demand bool) agent.Tool {
	doc := "Ends your turn until the time is over or a new finding arrives."
	if demand {
		doc = "Waits at most 30 seconds and goes on, to see how something develops."
	}
	return agent.NewTool("wait", "Wait", doc, func(ctx context.Context, in waitInput) (agent.Result, error) {
		ms := min(max(in.MS, 0), maxWait)
		r.event("operator.wait", r.trace, map[string]any{"ms": ms})
		if demand {
			ms = min(ms, 25_000)
			return agent.Result{Content: waited{ms}}, r.Clock.Sleep(ctx, time.Duration(ms)*time.Millisecond)
		}
		return agent.Result{Content: waited{ms}, End: true}, nil
	})
}
