package beam_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

// watched reads snapshots until a program says true.
func watched(t *testing.T, s *skill.Skill, what, program string) {
	t.Helper()
	var last any
	defer func() {
		if t.Failed() {
			t.Logf("last %v", last)
		}
	}()
	erlangtest.Eventually(t, what, func() bool {
		if _, err := s.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		last = skilltest.Lua(t, s, program)
		return last == true
	})
}

func TestSchedulerUtilization(t *testing.T) {
	s, n := vm(t)
	watched(t, s, "an idle node has capacity", `return beam_scheduler_capacity_available().available == true and beam_scheduler_health().level == "healthy"`)
	v := skilltest.Lua(t, s, `local ids = {} for i, r in ipairs(beam_scheduler_utilization(5000).schedulers) do ids[i] = r.id end return ids`).([]any)
	for i, id := range v {
		if id != int64(i+1) {
			t.Errorf("not by id: %v", v)
		}
	}
	n.Eval(t, `[spawn(fun() -> F = fun F() -> F() end, F() end) || _ <- lists:seq(1, 2 * erlang:system_info(schedulers_online))], ok.`)
	watched(t, s, "a busy one has none", `return beam_scheduler_capacity_available().available == false and beam_scheduler_health().level ~= "healthy"`)
	data, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if u, _ := number(data["scheduler_utilization_pct"]); u < 70 {
		t.Errorf("snapshot %v", data)
	}
	// The flag is ours and goes with us; that is tested where everything else of that kind is.
	if v := n.Eval(t, `erlang:statistics(scheduler_wall_time) =/= undefined.`); v != "true" {
		t.Errorf("nobody counts: %s", v)
	}
}

const hot = `spawn(fun() -> register(hot, self()), F = fun F(L) -> lists:sum(L), F(L) end, F(lists:seq(1, 1000000)) end), ok.`

func TestHotProcesses(t *testing.T) {
	s, n := vm(t)
	watched(t, s, "it is watched", `return beam_burst_detection(1000, 200).before_ms >= 1000`)
	n.Eval(t, hot)
	watched(t, s, "the hot process is first in the window", `local p = beam_top_reducers_window(3, 3000).processes[1] return p ~= nil and p.name == "hot"`)
	watched(t, s, "it is a burst", `local p = beam_burst_detection(2000, 200).processes[1] return p ~= nil and p.name == "hot"`)
	watched(t, s, "its function is hot", `local f = beam_hot_functions(3, 200).functions[1] return f ~= nil and f["function"]:sub(1, 9) == "lists:sum" and f.name == "hot"`)
	if v := skilltest.Lua(t, s, `local r = beam_reduction_rate("hot", 200) return {r.level, r.measured_ms <= 400}`); fmt.Sprint(v) != "[very_high true]" {
		t.Errorf("rate %v", v)
	}
	if v := skilltest.Lua(t, s, `return beam_reduction_rate("init", 100).level`); v != "idle" && v != "low" {
		t.Errorf("an idle process is %v", v)
	}
}

func TestQueues(t *testing.T) {
	s, n := vm(t)
	n.Eval(t, `Full = fun(Name, N) -> P = spawn(fun() -> register(Name, self()), receive never -> ok end end), timer:sleep(50), [P ! M || M <- lists:seq(1, N)] end, Full(large, 2000), Full(critical, 20000), ok.`)
	v := skilltest.Lua(t, s, `local q = beam_queue_stats() return {q.large, q.critical, q.max, q.total_messages >= 22000}`)
	if fmt.Sprint(v) != "[2 1 20000 true]" {
		t.Errorf("stats %v", v)
	}
	v = skilltest.Lua(t, s, `local q = beam_queue_processes(5000) return {q.over_threshold, #q.processes, q.processes[1].name, q.processes[1].message_queue}`)
	if fmt.Sprint(v) != "[1 1 critical 20000]" {
		t.Errorf("processes %v", v)
	}
	n.Eval(t, `spawn(fun() -> F = fun F() -> large ! x, receive after 1 -> F() end end, F() end), ok.`)
	watched(t, s, "the one that grows is told", `local p = beam_queue_growth(5000, 1).processes[1] return p ~= nil and p.name == "large" and p.message_queue_growth_per_s > 50`)
}

func TestTimeToExhaustion(t *testing.T) {
	s, n := vm(t)
	n.Eval(t, `spawn(fun() -> F = fun F(N) -> [list_to_atom("made_" ++ integer_to_list(N * 1000 + I)) || I <- lists:seq(1, 100)], receive after 20 -> F(N + 1) end end, F(1) end),
		spawn(fun() -> F = fun F() -> spawn(fun() -> receive never -> ok end end), receive after 5 -> F() end end, F() end), ok.`)
	watched(t, s, "both are seen to end", `local out = {} for _, r in ipairs(beam_time_to_exhaustion().resources) do out[r.resource] = r.seconds_to_exhaustion end
		return out.atoms ~= nil and out.atoms < 3600 and out.processes ~= nil and out.ports == nil`)
	v := skilltest.Lua(t, s, `local a, g = beam_atom_leak_detected(), beam_atom_growth_rate(5) return {a.leak_detected, a.urgency, g.atoms_per_min > 50000}`)
	if fmt.Sprint(v) != "[true critical true]" && fmt.Sprint(v) != "[true high true]" {
		t.Errorf("atoms %v", v)
	}
}

func TestAHealthyNodeLeaksNoAtoms(t *testing.T) {
	s, _ := vm(t)
	watched(t, s, "it is watched for long enough", `return beam_atom_growth_rate(1).atoms_per_min ~= nil`)
	if v := skilltest.Lua(t, s, `local a = beam_atom_leak_detected() return {a.leak_detected, a.urgency}`); fmt.Sprint(v) != "[false none]" {
		t.Errorf("%v: %v", v, skilltest.Lua(t, s, `return beam_atom_leak_detected()`))
	}
}

func TestBinaries(t *testing.T) {
	s, n := vm(t)
	n.Eval(t, idleHolder)
	watched(t, s, "the idle holder is first, and a leak", `local a, b = beam_binary_top_memory(3).processes[1], beam_binary_leak(3).processes[1]
		return a ~= nil and b ~= nil and a.name == "router" and b.name == "router" and b.binary_kb >= 65536`)
	v := skilltest.Lua(t, s, `local b = beam_binary_info("router", 3) return {b.distinct, #b.binaries, b.binaries[1].size, b.total_kb}`)
	if fmt.Sprint(v) != "[64 3 1048576 65536]" {
		t.Errorf("binaries of the holder %v", v)
	}
	// Nothing was collected to find out.
	if v := n.Eval(t, `{_, I} = process_info(whereis(router), garbage_collection_info), proplists:get_value(bin_vheap_size, I) + proplists:get_value(bin_old_vheap_size, I).`); !strings.HasPrefix(v, "83886") {
		t.Errorf("the holder has %s words", v)
	}
}
