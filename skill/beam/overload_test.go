package beam_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

const lineErl = `-module(line). -behaviour(gen_server). -export([start/2, init/1, handle_call/3, handle_cast/2, bank/0]).
	start(Name, Next) -> {ok, P} = gen_server:start({local, Name}, line, Next, []), P.
	init(Next) -> {ok, Next}.
	handle_call(slow, _, S) -> bank(), {reply, ok, S};
	handle_call(pay, _, Next) -> {reply, gen_server:call(Next, case Next of bank -> slow; _ -> pay end, infinity), Next}.
	handle_cast(order, Next) -> gen_server:call(Next, case Next of bank -> slow; _ -> pay end, infinity), {noreply, Next};
	handle_cast(spin, S) -> lists:sum(lists:seq(1, 3000)), {noreply, S}.
	bank() -> receive never -> ok after 100000 -> ok end.`

func overloaded(t *testing.T) (*skill.Skill, *erlangtest.Node) {
	t.Helper()
	p, n := link(t)
	s := beam.Overload(p)
	until(t, s, "queue_max", -1)
	loadModule(t, n, lineErl)
	return s, n
}

func TestOverload(t *testing.T) {
	s, _ := overloaded(t)
	skilltest.Run(t, s)
	if v := skilltest.Lua(t, s, "return overload_bottleneck()").(map[string]any); v["kind"] != "none" {
		t.Errorf("of an idle node: %v", v)
	}
}

// TestOverloadOfACascade: two flooded processes wait for a third, which waits for a bank that does not answer.
func TestOverloadOfACascade(t *testing.T) {
	s, n := overloaded(t)
	n.Eval(t, `line:start(bank, none), line:start(payments, bank), line:start(orders, payments), line:start(carts, payments), [gen_server:cast(P, order) || _ <- lists:seq(1, 20000), P <- [orders, carts]], ok.`)
	last := until(t, s, "cascade_victims", 1)
	if last["cascade_root"] != "bank" || last["severity"] != "high" || last["state"] != "transient" {
		t.Errorf("snapshot %v", last)
	}
	if depth, _ := number(last["cascade_depth"]); depth != 3 {
		t.Errorf("snapshot %v", last)
	}
	v := concludes(t, s, "cascade_victims", "overload_cascade", "bank", "orders (1", "carts (1", "line:bank/0")
	if !strings.Contains(fmt.Sprint(v["culprit"]), "waits_for_process") {
		t.Errorf("culprit %v", v["culprit"])
	}
	plan := skilltest.Lua(t, s, "return overload_remediation_plan()").(map[string]any)
	if plan["process"] != "bank" || len(plan["structural"].([]any)) == 0 {
		t.Errorf("plan %v", plan)
	}
}

// TestOverloadTellsArrivals: of a process that waits they are what its mailbox grows by. The senders count what they send, so that the truth is known
// also where the host gives them no time: then a look may be at another moment than the count, and another one is taken.
func TestOverloadTellsArrivals(t *testing.T) {
	s, n := overloaded(t)
	n.Eval(t, `line:start(bank, none), line:start(orders, bank), [gen_server:cast(orders, order) || _ <- lists:seq(1, 3000)], Sent = counters:new(1, []),
		Send = fun() -> F = fun F() -> receive after 5 -> [gen_server:cast(orders, order) || _ <- lists:seq(1, 10)], counters:add(Sent, 1, 10), F() end end, F() end, ok.`)
	sent := func() (at, count float64) {
		at, err := strconv.ParseFloat(n.Eval(t, "erlang:monotonic_time(microsecond)."), 64)
		if err != nil {
			t.Fatal(err)
		}
		count, err = strconv.ParseFloat(n.Eval(t, "counters:get(Sent, 1)."), 64)
		if err != nil {
			t.Fatal(err)
		}
		return at / 1e6, count
	}
	until(t, s, "queue_max", 2900)
	// One sender sends some 1,700 a second, two twice as many.
	for senders := range 2 {
		n.Eval(t, "spawn(Send), ok.")
		var truth float64
		var row map[string]any
		erlangtest.Eventually(t, fmt.Sprintf("the arrivals from %d senders are told to a fifth", senders+1), func() bool {
			t0, n0 := sent()
			row = lines(t, s, "overload_queue_analysis(1)")[0]
			t1, n1 := sent()
			truth = (n1 - n0) / (t1 - t0)
			arrival, known := number(row["arrival_per_s"])
			return known && math.Abs(arrival-truth) < truth/5
		})
		if service, ok := number(row["service_per_s"]); ok && service > truth {
			t.Errorf("it handles nothing, of %.0f a second that come: %v", truth, row)
		}
	}
}

func TestOverloadOfOneThatComputes(t *testing.T) {
	s, n := overloaded(t)
	n.Eval(t, `line:start(spinner, none), [gen_server:cast(spinner, spin) || _ <- lists:seq(1, 400000)], ok.`)
	until(t, s, "queue_max", 10000)
	b := skilltest.Lua(t, s, "return overload_bottleneck()").(map[string]any)
	if b["kind"] != "computes" {
		t.Errorf("bottleneck %v", b)
	}
	// It waits for nobody, so there is no cascade.
	if v := skilltest.Lua(t, s, "return overload_cascade_detection()").(map[string]any); len(v["cascades"].([]any)) != 0 {
		t.Errorf("cascades %v", v)
	}
}

func TestOverloadNamesCallers(t *testing.T) {
	s, n := overloaded(t)
	n.Eval(t, `line:start(bank, none), [spawn(fun() -> register(list_to_atom("teller" ++ integer_to_list(I)), self()), gen_server:call(bank, slow, infinity) end) || I <- lists:seq(1, 3)], timer:sleep(100), [gen_server:cast(bank, spin) || _ <- lists:seq(1, 2000)], ok.`)
	until(t, s, "queue_max", 1999)
	row := lines(t, s, "overload_queue_analysis(1)")[0]
	if callers := fmt.Sprint(row["callers"]); !strings.Contains(callers, "teller1") || !strings.Contains(callers, "teller3") {
		t.Errorf("callers %v", row)
	}
}
