package beam_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

const shopErl = `-module(shop_orders). -export([place/3, caller/0, busy/0]).
	place(_, _, _) -> hidden(1).
	hidden(X) -> receive after 0 -> X end.
	caller() -> receive {place, A, B, C} -> place(A, B, C), caller(); stop -> ok end.
	busy() -> hidden(2), busy().`

// untraced says whether nothing is traced in the node, nor any process of ours left.
func untraced(t *testing.T, n *erlangtest.Node, function string) bool {
	t.Helper()
	return n.Eval(t, fmt.Sprintf(`{erlang:trace_info(new, flags), erlang:trace_info(%s, all), [P || P <- processes(), {_, {beamlens_probe_trace, _, _}} <- [process_info(P, current_function)]], erlang:trace_info(whereis(init), flags)}.`, function)) ==
		"{{flags,[]},{all,false},[],{flags,[]}}"
}

func traced(t *testing.T) (*skill.Skill, *erlangtest.Node, func()) {
	t.Helper()
	n := erlangtest.StartNode(t)
	p, stop := linkUntil(t, n.Name)
	loadModule(t, n, shopErl)
	n.Eval(t, "Caller = spawn(shop_orders, caller, []), ok.")
	return beam.Tracer(p), n, stop
}

func TestTracer(t *testing.T) {
	s, n, _ := traced(t)
	skilltest.Run(t, s)
	if !untraced(t, n, "{application, get_all_env, 1}") {
		t.Error("the trace is still there")
	}
}

func TestTracerSeesShapesAndNoValues(t *testing.T) {
	s, n, _ := traced(t)
	v := skilltest.Lua(t, s, `return trace_start("shop_orders", "place", 3)`).(map[string]any)
	if v["status"] != "running" {
		t.Fatalf("status %v", v)
	}
	n.Eval(t, `Caller ! {place, <<"secret">>, #{password => 1}, [card]}, Caller ! {place, {a, b}, nobody, []}, ok.`)
	var events string
	erlangtest.Eventually(t, "both calls are seen", func() bool {
		events = fmt.Sprint(skilltest.Lua(t, s, "return trace_events(10)"))
		return strings.Count(events, "seq:") == 2
	})
	for _, want := range []string{"binary of 6 bytes map of 1 list", "tuple of 2 atom empty list"} {
		if !strings.Contains(events, want) {
			t.Errorf("%q is missing in %s", want, events)
		}
	}
	for _, never := range []string{"secret", "password", "nobody"} {
		if strings.Contains(events, never) {
			t.Errorf("a value was read: %s", events)
		}
	}
	// The fifth call of a second ends it.
	n.Eval(t, "[Caller ! {place, 1, 2, 3} || _ <- lists:seq(1, 20)], ok.")
	erlangtest.Eventually(t, "it ends", func() bool {
		v = skilltest.Lua(t, s, "return trace_status()").(map[string]any)
		return v["status"] == "ended"
	})
	if v["reason"] != "five events in a second" {
		t.Errorf("ended %v", v)
	}
	if !untraced(t, n, "{shop_orders, place, 3}") {
		t.Error("the trace is still there")
	}
}

func TestTracerRefuses(t *testing.T) {
	s, n, _ := traced(t)
	n.Eval(t, "Busy = spawn(shop_orders, busy, []), ok.")
	for _, c := range []struct{ call, says string }{
		{`trace_start("ets", "lookup", 2)`, "run through by everybody"},
		{`trace_start("erlang", "send", 2)`, "run through by everybody"},
		{`trace_start("gen_server", "call", 2)`, "run through by everybody"},
		{`trace_start("GenServer", "call", 2)`, "run through by everybody"},
		{`trace_start("no_module_of_that_name", "f", 2)`, "there is no such function"},
		{`trace_start("shop_orders", "place", 2)`, "there is no such function in a module that is loaded"},
		{`trace_start("shop_orders", "hidden", 1)`, "it is called too often"},
	} {
		got := fmt.Sprint(skilltest.Lua(t, s, `local ok, r = pcall(function() return `+c.call+` end) return ok and (r.reason or r.status) or tostring(r)`))
		if !strings.Contains(got, c.says) {
			t.Errorf("%s gave %s, want %q", c.call, got, c.says)
		}
	}
	n.Eval(t, "exit(Busy, kill), ok.")
	if !untraced(t, n, "{shop_orders, hidden, 1}") {
		t.Error("the trial is still there")
	}
	atoms := n.Eval(t, "erlang:system_info(atom_count).")
	skilltest.Lua(t, s, `pcall(function() return trace_start("one_more_name", "and_another", 2) end) return 1`)
	if now := n.Eval(t, "erlang:system_info(atom_count)."); now != atoms {
		t.Errorf("atoms were made: %s, now %s", atoms, now)
	}
}

// TestTracerStandsAside: who traces already goes on. With sessions both do.
func TestTracerStandsAside(t *testing.T) {
	s, n, _ := traced(t)
	sessions := n.Eval(t, "code:ensure_loaded(trace), erlang:function_exported(trace, session_create, 3).") == "true"
	n.Eval(t, "Other = spawn(fun() -> receive stop -> ok end end), erlang:trace(new, true, [call, {tracer, Other}]), ok.")
	v := skilltest.Lua(t, s, `return trace_start("shop_orders", "place", 3)`).(map[string]any)
	if want := map[bool]string{true: "running", false: "refused"}[sessions]; v["status"] != want {
		t.Errorf("status %v, want %s", v, want)
	}
	if got := n.Eval(t, "erlang:trace_info(new, flags)."); got != "{flags,[call]}" {
		t.Errorf("the other's trace is %s", got)
	}
}

// TestTracerIsTakenDown: when the link drops, when the resident process is killed, and when the tracer is.
func TestTracerIsTakenDown(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*erlangtest.Node, func())
	}{
		{"the link drops", func(_ *erlangtest.Node, stop func()) { stop() }},
		{"the resident process is killed", func(n *erlangtest.Node, _ func()) { n.Eval(t, "exit(whereis(beamlens_probe), kill).") }},
		{"the tracer is killed", func(n *erlangtest.Node, _ func()) {
			n.Eval(t, "[exit(P, kill) || P <- processes(), {_, {beamlens_probe_trace, _, _}} <- [process_info(P, current_function)]], ok.")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, n, stop := traced(t)
			v := skilltest.Lua(t, s, `return trace_start("shop_orders", "place", 3)`).(map[string]any)
			if v["status"] != "running" {
				t.Fatalf("status %v", v)
			}
			c.end(n, stop)
			erlangtest.Eventually(t, "nothing is traced", func() bool { return untraced(t, n, "{shop_orders, place, 3}") })
		})
	}
}
