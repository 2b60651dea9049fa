package probe_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
)

// Nodes and processes that make looking hard.

// everything calls each function once, so that the node has loaded what they need.
func everything(t *testing.T, n *erlangtest.Node) func() {
	p, _ := serve(t, n.Name, nil)
	look := func() {
		ask(t, p, "snapshot")
		for _, by := range []string{"memory", "message_queue", "reductions", "reductions_rate", "message_queue_growth"} {
			ask(t, p, "processes:top", by, 3, 0)
		}
		ask(t, p, "processes:groups", 3)
		ask(t, p, "ets:tables", "memory", 3)
		ask(t, p, "processes:process", "init")
		ask(t, p, "system")
	}
	look()
	return look
}

func TestAProcessThatDoesNotYieldHoldsNobodyUp(t *testing.T) {
	n := erlangtest.StartNode(t, "+S", "4:4")
	p, _ := serve(t, n.Name, nil)
	for _, by := range []string{"memory", "message_queue"} {
		ask(t, p, "processes:top", by, 3, 0)
	}
	ask(t, p, "processes:process", "init")
	ask(t, p, "snapshot")
	// Comparisons of 12 GB that are not the same memory: a second in which the process keeps its lock, as in a native
	// function that hangs. What else waits for the scheduler that it has is stuck too, so there are pauses.
	n.Eval(t, `{A, B} = {binary:copy(<<"0123456789abcdef">>, 8388608), binary:copy(<<"0123456789abcdef">>, 8388608)},
		{LA, LB} = {lists:duplicate(100, A), lists:duplicate(100, B)},
		spawn_opt(fun() -> register(stuck, self()), F = fun F() -> receive after 100 -> LA =:= LB, F() end end, F() end, [{scheduler, 4}]), ok.`)
	// On a node that has nothing else to do the other schedulers sleep, and what waits for the blocked one, maybe the link itself, is not taken over.
	n.Eval(t, "[spawn_opt(fun() -> F = fun F() -> receive after 10 -> F() end end, F() end, [{scheduler, N}]) || N <- [1, 2, 3]], ok.")
	var top map[string]any
	erlangtest.Eventually(t, "the process that does not yield is named", func() bool {
		top = ask(t, p, "processes:top", "message_queue", 3, 0)
		return len(rows(top, "unanswering")) == 1
	})
	if stuck := rows(top, "unanswering")[0]; stuck["name"] != "stuck" || top["complete"] != false {
		t.Errorf("top %v", top)
	}
	if len(rows(top, "processes")) != 3 {
		t.Errorf("the other processes are not shown: %v", top)
	}
}

func TestASaturatedNode(t *testing.T) {
	n := erlangtest.StartNode(t)
	look := everything(t, n)
	n.Eval(t, `[spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 20000)],
		[spawn(fun() -> F = fun F() -> lists:sum(lists:seq(1, 100)), F() end, F() end) || _ <- lists:seq(1, 2 * erlang:system_info(schedulers_online))], ok.`)
	began := time.Now()
	look()
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("looking took %s", d)
	}
}

func TestAScanWakesNobody(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	const processes = 20_000
	n.Eval(t, fmt.Sprintf(`[spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, %d)], ok.`, processes))
	switches := func() int64 { return ask(t, p, "snapshot")["context_switches"].(int64) }
	for _, look := range []func(){
		func() { ask(t, p, "processes:top", "message_queue", 5, 0) },
		func() { ask(t, p, "processes:top", "memory", 5, 0) },
		func() { ask(t, p, "processes:groups", 5) },
	} {
		before := switches()
		look()
		if per := float64(switches()-before) / processes; per > 0.5 {
			t.Errorf("%.2f context switches for each process looked at", per)
		}
	}
}

func TestTicksCostLittle(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	n.Eval(t, `[spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 50000)], ok.`)
	var own map[string]any
	erlangtest.Eventually(t, "a round is complete", func() bool {
		s := ask(t, p, "snapshot")
		own = s["probe"].(map[string]any)
		scan := s["scan"].(map[string]any)
		return scan["complete"] == true && scan["processes"].(int64) > 50_000 && own["ticks"].(int64) > 3
	})
	if us := own["tick_us"].(int64); us > 100_000 {
		t.Errorf("a tick took %d us", us)
	}
	if b := own["memory"].(int64); b > 32<<20 {
		t.Errorf("the probe has %d bytes", b)
	}
}
