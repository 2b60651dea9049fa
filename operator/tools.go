package operator

import "github.com/beamlens/beamlens-go/agent"

// tools gives the operator's tools in the order in which a model sees them.
func (r *run) tools(demand bool) []agent.Tool {
	tools := []agent.Tool{
		r.setState(), r.fireAlert(), r.getAlerts(), r.takeSnapshot(), r.getSnapshot(), r.getSnapshots(), r.execute(), r.wait(demand), r.think(),
	}
	if demand {
		tools = append(tools, r.done())
	}
	return tools
}

// page cuts a list.
func page[T any](list []T, limit, offset int) []T {
	if limit <= 0 || limit > 50 {
		limit = 50
	}
	if offset < 0 || offset >= len(list) {
		return []T{}
	}
	return list[offset:min(offset+limit, len(list))]
}
