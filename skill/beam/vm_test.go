package beam_test

import (
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

func vm(t *testing.T) (*skill.Skill, *erlangtest.Node) {
	t.Helper()
	p, n := link(t)
	return beam.VM(p), n
}

func TestVM(t *testing.T) {
	s, _ := vm(t)
	skilltest.Run(t, s)
}

// TestFaults induces each fault on a real node and looks whether the snapshot shows it and the playbook names its cause.
func TestFaults(t *testing.T) {
	for _, f := range []fault{
		{"mailbox", `P = spawn(fun() -> register(victim, self()), receive stop -> ok end end), timer:sleep(50), [P ! N || N <- lists:seq(1, 20000)], ok.`,
			"message_queue_max", 19_999, "value = 20000, ordinary = 0, rate = 0", "mailbox_flood", "victim", "20000 messages"},
		{"process memory", `P = spawn(fun() -> register(fat, self()), L = lists:seq(1, 10000000), receive stop -> L end end), timer:sleep(1500), ok.`,
			"memory_processes_mb", 150, "value = 250, ordinary = 20, rate = 0", "memory_growth", "fat", "fat"},
		{"process leak", `P = spawn(fun() -> register(leaker, self()), [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 5000)], receive stop -> ok end end), timer:sleep(200), ok.`,
			"process_count", 5000, "value = 5000, ordinary = 50, rate = 100", "process_leak", "leaker", "5000 processes"},
		{"table", `T = ets:new(swelling, [named_table, public]), [ets:insert(T, {N, lists:seq(1, 50)}) || N <- lists:seq(1, 50000)], ok.`,
			"memory_ets_mb", 30, "value = 60, ordinary = 1, rate = 0", "table_growth", "swelling", "50000 rows"},
		{"binaries", `P = spawn(fun() -> register(holder, self()), B = [binary:copy(<<N, 0:8388600>>) || N <- lists:seq(1, 100)], receive stop -> B end end), ok.`,
			"binary_memory_mb", 90, "value = 100, ordinary = 1, rate = 0", "binary_growth", "holder", "holder"},
		{"atoms", `[list_to_atom("leaked_" ++ integer_to_list(N)) || N <- lists:seq(1, 200000)], ok.`,
			"atom_utilization_pct", 15, "value = 60, ordinary = 1, rate = 0", "atom_exhaustion", "atom table", "The newest are like leaked_"},
		{"binaries of an idle process", idleHolder,
			"binary_memory_mb", 60, "value = 66, ordinary = 1, rate = 0", "binary_growth", "router", "router"},
		{"a hot process", hot, "hottest_process_pct", 85, "value = 95, ordinary = 1, rate = 0", "hot_process", "hot", "computes without a pause, in lists:sum"},
		{"hot processes", `[spawn(fun() -> F = fun F() -> F() end, F() end) || _ <- lists:seq(1, 12)], ok.`,
			"scheduler_run_queue", 2, "value = 10, ordinary = 0, rate = 0", "scheduler_overload", "<0.", "wait for"},
	} {
		t.Run(f.name, func(t *testing.T) {
			s, n := vm(t)
			f.induce(t, s, n)
		})
	}
}

// TestSpawnStorm: those that are started are gone before anybody sees them.
func TestSpawnStorm(t *testing.T) {
	s, n := vm(t)
	f := fault{"storm", `spawn(fun() -> register(spawner, self()), F = fun F() -> spawn(fun() -> ok end), F() end, F() end), ok.`,
		"spawns_per_s", 5000, "value = 50000, ordinary = 30, rate = 0", "spawn_rate", "spawner", "processes a second are started"}
	n.Eval(t, f.erl)
	f.shows(t, s)
	f.metric = "processes_spawned"
	f.explains(t, s)
}
