package beam

import (
	"context"

	"github.com/beamlens/beamlens-go/skill"
)

// Tracer is the skill "tracer": the calls of one function for a moment. It is the only skill that changes something in the VM, so it is
// off by default.
func Tracer(c Caller) *skill.Skill {
	t := tracer{c}
	return &skill.Skill{
		ID: "tracer", Prefix: "trace", Title: "tracer", Summary: "The calls of one function of given arity, with the shapes of the arguments; off by default.",
		Prompt:   text("prompt/tracer.md"),
		Snapshot: t.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("trace_start", "Traces a function for a minute, fifty calls, or until there are five in a second. Functions that everybody calls are refused.",
				`trace_start("application", "get_all_env", 1)`, t.start).Costs(skill.Costly),
			skill.Func("trace_status", "Whether a trace runs, of what, and why the last one ended.", "trace_status()", t.status),
			skill.Func("trace_events", "The calls that were seen, newest first, with what kind of terms the arguments were. Values are never read.", "trace_events(10)", t.events),
			skill.Func("trace_stop", "Ends the trace. It also ends by itself.", "trace_stop()", t.stop),
		},
		Metrics: []skill.Metric{
			{Name: "event_count", Unit: "calls", Kind: skill.Gauge, Quiet: true, Doc: "calls that the last trace has seen"},
		},
	}
}

type tracer struct{ caller Caller }

type traceOut struct {
	Status   string       `json:"status"` // idle, running, ended, refused
	Active   bool         `json:"active"`
	Function *string      `json:"function"`
	Reason   *string      `json:"reason"`
	Count    int64        `json:"event_count"`
	ForMS    *int64       `json:"for_ms"`
	Trial    *int64       `json:"trial_calls"` // calls in 50 ms, before it began
	Events   []traceEvent `json:"events"`
}

type traceEvent struct {
	Seq       int64    `json:"seq"`
	AtMS      int64    `json:"at_ms"`
	At        string   `json:"at"`
	Pid       *string  `json:"pid"`
	Arguments []string `json:"arguments"`
}

type traceIn struct {
	Module   string `json:"module" doc:"shop_orders, or Shop.Orders"`
	Function string `json:"function"`
	Arity    int64  `json:"arity" min:"0" max:"255"`
}

func (t tracer) start(ctx context.Context, in traceIn) (traceOut, error) {
	return ask[traceOut](ctx, t.caller, "trace", "begin_trace", in.Module, in.Function, in.Arity)
}

func (t tracer) status(ctx context.Context, _ none) (traceOut, error) {
	return ask[traceOut](ctx, t.caller, "trace", "snapshot")
}

func (t tracer) events(ctx context.Context, in limitIn) (traceOut, error) {
	out, err := ask[traceOut](ctx, t.caller, "trace", "events", in.Limit)
	for i := range out.Events {
		out.Events[i].At = utc(out.Events[i].AtMS)
	}
	return out, err
}

func (t tracer) stop(ctx context.Context, _ none) (traceOut, error) {
	return ask[traceOut](ctx, t.caller, "trace", "end_trace")
}

func (t tracer) snapshot(ctx context.Context) (map[string]any, error) {
	r, err := t.status(ctx, none{})
	if err != nil {
		return nil, err
	}
	s := map[string]any{"status": r.Status, "active": r.Active, "event_count": r.Count}
	if r.Function != nil {
		s["function"] = *r.Function
	}
	if r.Reason != nil {
		s["reason"] = *r.Reason
	}
	return s, nil
}
