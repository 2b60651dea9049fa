package beam_test

import (
	"strings"
	"testing"
	"time"

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
	for _, c := range []struct {
		name, fault, metric, finding string
		over                         float64 // what the metric must exceed
		kind, culprit, says          string
	}{
		{"mailbox", `P = spawn(fun() -> register(victim, self()), receive stop -> ok end end), timer:sleep(50), [P ! N || N <- lists:seq(1, 20000)], ok.`,
			"message_queue_max", "value = 20000, ordinary = 0, rate = 0", 19_999, "mailbox_flood", "victim", "20000 messages"},
		{"process memory", `P = spawn(fun() -> register(fat, self()), L = lists:seq(1, 10000000), receive stop -> L end end), timer:sleep(1500), ok.`,
			"memory_processes_mb", "value = 250, ordinary = 20, rate = 0", 150, "memory_growth", "fat", "fat"},
		{"process leak", `P = spawn(fun() -> register(leaker, self()), [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 5000)], receive stop -> ok end end), timer:sleep(200), ok.`,
			"process_count", "value = 5000, ordinary = 50, rate = 100", 5000, "process_leak", "leaker", "5000 processes"},
		{"table", `T = ets:new(swelling, [named_table, public]), [ets:insert(T, {N, lists:seq(1, 50)}) || N <- lists:seq(1, 50000)], ok.`,
			"memory_ets_mb", "value = 60, ordinary = 1, rate = 0", 30, "table_growth", "swelling", "50000 rows"},
		{"binaries", `P = spawn(fun() -> register(holder, self()), B = [crypto_free_binary(N) || N <- lists:seq(1, 100)], receive stop -> B end end), ok.`,
			"binary_memory_mb", "value = 100, ordinary = 1, rate = 0", 90, "binary_growth", "holder", "holder"},
		{"atoms", `[list_to_atom("leaked_" ++ integer_to_list(N)) || N <- lists:seq(1, 200000)], ok.`,
			"atom_utilization_pct", "value = 60, ordinary = 1, rate = 0", 15, "atom_exhaustion", "atom table", "atoms are used"},
		{"binaries of an idle process", idleHolder,
			"binary_memory_mb", "value = 66, ordinary = 1, rate = 0", 60, "binary_growth", "router", "router"},
		{"a storm of processes", `spawn(fun() -> register(spawner, self()), F = fun F() -> spawn(fun() -> ok end), F() end, F() end), ok.`,
			"spawns_per_s", "value = 50000, ordinary = 30, rate = 0", 5000, "spawn_rate", "spawner", "processes a second are started"},
		{"hot processes", `[spawn(fun() -> F = fun F() -> F() end, F() end) || _ <- lists:seq(1, 12)], ok.`,
			"scheduler_run_queue", "value = 10, ordinary = 0, rate = 0", 2, "scheduler_overload", "<0.", "wait for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, n := vm(t)
			n.Eval(t, strings.ReplaceAll(c.fault, "crypto_free_binary(N)", "binary:copy(<<N, 0:8388600>>)"))
			var last map[string]any
			erlangtest.Eventually(t, c.metric+" shows it", func() bool {
				data, err := s.Snapshot(t.Context())
				last = data
				if err != nil {
					return false
				}
				switch v := data[c.metric].(type) {
				case int64:
					return float64(v) > c.over
				case float64:
					return v > c.over
				}
				return false
			})
			var v map[string]any
			deadline := time.Now().Add(10 * time.Second)
			for {
				v = playbook(t, s, strings.Replace(c.metric, "spawns_per_s", "processes_spawned", 1), c.finding)
				culprit, _ := v["culprit"].(map[string]any)
				if v["nothing"] != true && (c.kind != "spawn_rate" || culprit["name"] == c.culprit) || time.Now().After(deadline) {
					break
				}
				// Rates are known from the second reading on.
				if _, err := s.Snapshot(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if v["type"] != c.kind {
				t.Fatalf("got %v\nsnapshot %v", v, last)
			}
			culprit, _ := v["culprit"].(map[string]any)
			id, _ := culprit["id"].(string)
			if culprit["name"] != c.culprit && !strings.HasPrefix(id, c.culprit) {
				t.Errorf("culprit %v, want %s", culprit, c.culprit)
			}
			if text, _ := v["summary"].(string); !strings.Contains(text, c.says) {
				t.Errorf("summary %q does not say %q", text, c.says)
			}
		})
	}
}
