package coordinator

import (
	"context"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/llm"
)

// Payload is what the first request of the next run would send to the model. It changes nothing.
func (c *Coordinator) Payload(ctx context.Context) (*llm.Request, error) {
	alerts, err := c.recent(ctx)
	if err != nil {
		return nil, err
	}
	unread := 0
	for _, a := range alerts {
		if a.Status == beamlens.Unread {
			unread++
		}
	}
	r := &run{Coordinator: c}
	c.mu.Lock()
	r.known = c.known
	c.mu.Unlock()
	o := agent.Options{System: r.known.system, Tools: r.tools(), Name: "coordinator"}
	return o.Request([]llm.Message{{Role: llm.User, Text: r.input("concluded", "", unread)}}), nil
}
