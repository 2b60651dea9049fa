package beam

import (
	"context"
	"strings"
)

// monitoredOut is what the VM's system monitor told. It has one owner; when that is somebody else, or nobody listens, it tells us nothing.
type monitoredOut struct {
	Available bool             `json:"available"`
	Note      *string          `json:"note"`
	Events    []map[string]any `json:"events"`
}

// monitored asks the part that listens to the system monitor for the events of one kind, newest first.
func monitored(ctx context.Context, c Caller, function string, limit int64) (monitoredOut, error) {
	out, err := ask[monitoredOut](ctx, c, "events", function, limit)
	if err != nil && strings.Contains(err.Error(), "no part") {
		note := "not available: the probe here does not listen to the system monitor"
		return monitoredOut{Note: &note, Events: []map[string]any{}}, nil
	}
	out.Available = err == nil
	if out.Events == nil {
		out.Events = []map[string]any{}
	}
	return out, err
}
