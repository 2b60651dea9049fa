package beam_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

// until takes snapshots until the metric is over a value, and returns the last.
func until(t *testing.T, s *skill.Skill, metric string, over float64) map[string]any {
	t.Helper()
	long(t)
	var last map[string]any
	erlangtest.Eventually(t, fmt.Sprintf("%s > %g", metric, over), func() bool {
		data, err := s.Snapshot(t.Context())
		if err != nil {
			t.Logf("snapshot: %v", err)
			return false
		}
		last = data
		v, ok := number(data[metric])
		return ok && v > over
	})
	return last
}

// concludes runs the playbook of a metric until it concludes that type, and checks whom it blames and what it says.
func concludes(t *testing.T, s *skill.Skill, metric, kind, culprit string, says ...string) map[string]any {
	t.Helper()
	var v map[string]any
	erlangtest.Eventually(t, "the playbook of "+metric+" concludes", func() bool {
		v = playbook(t, s, metric, "kind = 'rule', value = 100, ordinary = 0, rate = 1, limit = 5")
		return v["nothing"] != true
	})
	if v["type"] != kind {
		t.Fatalf("concluded %v", v)
	}
	c, _ := v["culprit"].(map[string]any)
	if name := fmt.Sprint(c["name"], " ", c["id"]); culprit != "" && !strings.Contains(name, culprit) {
		t.Errorf("culprit %v, want %s; %v", c, culprit, v["summary"])
	}
	all := fmt.Sprint(v["summary"], v["observation"])
	for _, want := range says {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not said in %q", want, all)
		}
	}
	return v
}

// blames takes snapshots and runs the playbook of a metric until it blames that culprit and says so much: others may have been busy before.
func blames(t *testing.T, s *skill.Skill, metric, culprit, says string) {
	t.Helper()
	var v map[string]any
	defer func() {
		if t.Failed() {
			t.Logf("concluded %v", v)
		}
	}()
	erlangtest.Eventually(t, culprit+" is blamed", func() bool {
		v = playbook(t, s, metric, "kind = 'rule', value = 5000, ordinary = 0, rate = 0, limit = 1")
		c, _ := v["culprit"].(map[string]any)
		return c["name"] == culprit && strings.Contains(fmt.Sprint(v["summary"]), says)
	})
}

func TestEvents(t *testing.T) {
	p, n := link(t)
	s := beam.Events(p)
	skilltest.Run(t, s)
	erlangtest.Eventually(t, "it listens", func() bool {
		return n.Eval(t, "erlang:function_exported(trace, system, 3) orelse erlang:system_monitor() =/= undefined.") == "true"
	})
}

func TestEventsOfALargeHeap(t *testing.T) {
	p, n := link(t)
	s := beam.Events(p)
	until(t, s, "long_gc_1m", -1)
	n.Eval(t, `spawn(fun() -> register(hoarder, self()), L = lists:seq(1, 40000000), F = fun F(X) -> erlang:garbage_collect(), receive stop -> X after 20 -> F(X) end end, F(L) end), ok.`)
	until(t, s, "large_heap_1m", 0)
	concludes(t, s, "large_heap_1m", "large_heap", "hoarder", "MB")
	until(t, s, "long_gc_worst_ms_1m", 600)
	concludes(t, s, "long_gc_worst_ms_1m", "long_gc", "hoarder", "long garbage collections")
	n.Eval(t, "exit(whereis(hoarder), kill).")
}

func TestEventsOfABusyPort(t *testing.T) {
	p, n := link(t)
	s := beam.Events(p)
	until(t, s, "busy_port_1m", -1)
	// The other side of the connection never reads.
	n.Eval(t, `{ok, L} = gen_tcp:listen(0, [{active, false}]), {ok, Nr} = inet:port(L),
		spawn(fun() -> {ok, _} = gen_tcp:accept(L), receive stop -> ok end end),
		spawn(fun() -> register(sock_owner, self()), {ok, C} = gen_tcp:connect("localhost", Nr, [{high_watermark, 8192}]),
			[spawn(fun() -> register(list_to_atom("writer" ++ integer_to_list(I)), self()), timer:sleep(I * 50), F = fun F() -> gen_tcp:send(C, binary:copy(<<0>>, 100000)), F() end, F() end) || I <- lists:seq(1, 9)], receive stop -> ok end end), ok.`)
	last := until(t, s, "busy_port_suspended_same", 4)
	if v, _ := number(last["busy_port_suspended"]); v < 5 {
		t.Errorf("snapshot %v", last)
	}
	concludes(t, s, "busy_port_suspended_same", "busy_port", "#Port", "sock_owner", "processes wait to write")
}

func TestEventsOfABusyDistribution(t *testing.T) {
	other := erlangtest.StartNode(t)
	p, n := link(t, "+zdbbl", "64")
	s := beam.Events(p)
	until(t, s, "busy_dist_port_1m", -1)
	n.Eval(t, fmt.Sprintf("true = net_kernel:connect_node('%s'), ok.", other.Name))
	if err := syscall.Kill(other.Pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(other.Pid(), syscall.SIGCONT)
	n.Eval(t, fmt.Sprintf("spawn(fun() -> register(replicator, self()), F = fun F() -> {nobody, '%s'} ! binary:copy(<<0>>, 100000), F() end, F() end), ok.", other.Name))
	until(t, s, "busy_dist_port_suspended_s", 2)
	v := concludes(t, s, "busy_dist_port_suspended_s", "busy_distribution", other.Name, "does not read", "replicator")
	if c := v["culprit"].(map[string]any); c["kind"] != "port" {
		t.Errorf("culprit %v", c)
	}
}

func TestEventsOfABlockedScheduler(t *testing.T) {
	p, n := link(t, "+S", "4:4")
	s := beam.Events(p)
	until(t, s, "scheduler_blocked_ms_1m", -1)
	// Comparing lists of large binaries does not yield.
	n.Eval(t, `{A, B} = {binary:copy(<<"0123456789abcdef">>, 8388608), binary:copy(<<"0123456789abcdef">>, 8388608)},
		{LA, LB} = {lists:duplicate(150, A), lists:duplicate(150, B)},
		spawn_opt(fun() -> register(native, self()), F = fun F() -> receive after 100 -> LA =:= LB, F() end end, F() end, [{scheduler, 4}]), ok.`)
	until(t, s, "scheduler_blocked_ms_1m", 3000)
	blames(t, s, "scheduler_blocked_ms_1m", "native", "keeps a scheduler")
	n.Eval(t, "exit(whereis(native), kill).")
}

// TestEventsStandAside: who has the system monitor keeps it, and gets ours when it goes.
func TestEventsStandAside(t *testing.T) {
	p, n := link(t)
	if n.Eval(t, "code:ensure_loaded(trace), erlang:function_exported(trace, system, 3).") == "true" {
		t.Skip("since OTP 28 everybody has his own")
	}
	n.Eval(t, "Owner = spawn(fun() -> register(sysmon_handler, self()), receive stop -> ok end end), erlang:system_monitor(Owner, [busy_dist_port]), ok.")
	s := beam.Events(p)
	var last map[string]any
	erlangtest.Eventually(t, "it stands aside", func() bool {
		var err error
		last, err = s.Snapshot(t.Context())
		return err == nil && last["system_monitor"] == "other"
	})
	if owner, _ := last["system_monitor_owner"].(map[string]any); owner["name"] != "sysmon_handler" {
		t.Errorf("snapshot %v", last)
	}
	if _, ok := last["long_gc_1m"]; ok {
		t.Errorf("it claims to see long collections: %v", last)
	}
	if got := n.Eval(t, "erlang:system_monitor() =:= {Owner, [busy_dist_port]}."); got != "true" {
		t.Errorf("the owner has lost it: %s", n.Eval(t, "erlang:system_monitor()."))
	}
	n.Eval(t, "exit(Owner, kill).")
	until(t, s, "long_gc_1m", -1)
}

// TestEventsLeaveNothing: neither when the engine goes, nor when the resident process is killed.
func TestEventsLeaveNothing(t *testing.T) {
	n := erlangtest.StartNode(t)
	free := func() bool {
		return n.Eval(t, "erlang:system_monitor() =:= undefined andalso [P || P <- processes(), {_, {beamlens_probe_events, _, _}} <- [process_info(P, current_function)]] =:= [].") == "true"
	}
	p, stop := linkUntil(t, n.Name)
	until(t, beam.Events(p), "long_gc_1m", -1)
	n.Eval(t, "exit(whereis(beamlens_probe), kill).")
	erlangtest.Eventually(t, "it is free after the resident process was killed", free)
	until(t, beam.Events(p), "long_gc_1m", -1)
	stop()
	erlangtest.Eventually(t, "it is free when the engine has gone", func() bool {
		return free() && n.Eval(t, `[M || {M, _} <- code:all_loaded(), lists:prefix("beamlens", atom_to_list(M))].`) == "[]"
	})
}

// TestEventsNameTheFunctionThatBlocks: the process is asked while it is blocked, and answers as soon as it can, from where it is then. What it was in
// is told by that, or by the event of the VM; of one that waits for its next message by then only the caller is known.
func TestEventsNameTheFunctionThatBlocks(t *testing.T) {
	const same = `{A, B} = {[binary:copy(<<0>>, 100000000)], [binary:copy(<<0>>, 100000000)]}, {As, Bs} = {lists:append(lists:duplicate(80, A)), lists:append(lists:duplicate(80, B))}, `
	for _, c := range []struct{ name, module, start, says string }{
		{"a loop of its own", `-module(sums). -export([run/2]). run(A, B) -> receive after 100 -> ok end, case same(A, B) of true -> run(A, B); false -> ok end. same(A, B) -> A =:= B.`,
			"spawn(fun() -> register(checker, self()), sums:run(As, Bs) end)", "in sums:run/2"},
		{"a server that goes on", `-module(sums). -behaviour(gen_server). -export([init/1, handle_call/3, handle_cast/2, handle_info/2, spin/1]). init(S) -> self() ! go, {ok, S}. handle_call(_, _, S) -> {reply, ok, S}. handle_cast(_, S) -> {noreply, S}.
			handle_info(_, S = {A, B}) -> true = A =:= B, spin(20000), erlang:send_after(100, self(), go), {noreply, S}. spin(0) -> ok; spin(N) -> spin(N - 1).`,
			"{ok, P} = gen_server:start({local, checker}, sums, {As, Bs}, [])", "in sums:"},
		{"a server that waits again", `-module(sums). -behaviour(gen_server). -export([init/1, handle_call/3, handle_cast/2, handle_info/2]). init(S) -> self() ! go, {ok, S}. handle_call(_, _, S) -> {reply, ok, S}. handle_cast(_, S) -> {noreply, S}.
			handle_info(_, S = {A, B}) -> true = A =:= B, erlang:send_after(100, self(), go), {noreply, S}.`,
			"{ok, P} = gen_server:start({local, checker}, sums, {As, Bs}, [])", "in a function that sums calls"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, n := link(t, "+S", "4:4")
			s := beam.Events(p)
			until(t, s, "scheduler_blocked_ms_1m", -1)
			loadModule(t, n, c.module)
			n.Eval(t, same+c.start+", ok.")
			until(t, s, "scheduler_blocked_ms_1m", 3000)
			blames(t, s, "scheduler_blocked_ms_1m", "checker", c.says)
			n.Eval(t, "exit(whereis(checker), kill).")
		})
	}
}
