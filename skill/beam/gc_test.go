package beam_test

import (
	"fmt"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

func TestGC(t *testing.T) {
	p, _ := link(t)
	skilltest.Run(t, beam.GC(p))
}

// idleHolder keeps a few bytes of each message, and with them the message: a part of a binary refers to the whole.
const idleHolder = `spawn(fun() -> register(router, self()), F = fun F(0, Kept) -> receive stop -> Kept end; F(N, Kept) -> receive B when is_binary(B) -> F(N - 1, [binary:part(B, 0, 100) | Kept]) end end, F(64, []) end),
	timer:sleep(100), spawn(fun() -> [router ! binary:copy(<<N>>, 1048576) || N <- lists:seq(1, 64)] end), ok.`

func TestGCFaults(t *testing.T) {
	for _, f := range []fault{
		{"a large heap", `spawn(fun() -> register(fat, self()), L = lists:seq(1, 5000000), receive stop -> L end end), ok.`,
			"largest_heap_mb", 60, "value = 100, ordinary = 1", "gc_large_heap", "fat", "fat ("},
		{"binaries of an idle process", idleHolder,
			"largest_binaries_mb", 60, "value = 64, ordinary = 1", "gc_lazy", "router", "refers to 64"},
	} {
		t.Run(f.name, func(t *testing.T) {
			p, n := link(t)
			f.induce(t, beam.GC(p), n)
		})
	}
}

// TestLazyProcessesAreFound: the original never finds one.
func TestLazyProcessesAreFound(t *testing.T) {
	p, n := link(t)
	s := beam.GC(p)
	n.Eval(t, idleHolder)
	n.Eval(t, `spawn(fun() -> register(busy, self()), B = [binary:copy(<<N>>, 1048576) || N <- lists:seq(1, 32)], F = fun F(L) -> receive stop -> {B, L} after 20 -> F(lists:seq(1, rand:uniform(5000))) end end, F([]) end), ok.`)
	erlangtest.Eventually(t, "the idle one is found, and the one that is collected is not", func() bool {
		if _, err := s.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		v := skilltest.Lua(t, s, `local out = {} for i, p in ipairs(gc_find_lazy_gc_processes(10, 0.05).processes) do out[i] = p.name or p.pid end return out`)
		return fmt.Sprint(v) == "[router]"
	})
	erlangtest.Eventually(t, "it is one to hibernate", func() bool {
		return skilltest.Lua(t, s, `local p = gc_recommend_hibernation(5).processes[1] return p and p.name`) == "router"
	})
	if v := skilltest.Lua(t, s, `return gc_calculate_efficiency("no such process").error`); v != "process_not_found" {
		t.Errorf("a process that is not there: %v", v)
	}
	if v := skilltest.Lua(t, s, `local e = gc_calculate_efficiency("router") return e.efficiency_pct >= 0 and e.efficiency_pct <= 100 and e.name`); v != "router" {
		t.Errorf("efficiency %v", v)
	}
}

// TestSpikyProcessesAreFound: one that had a large term and let it go, with a heap that nobody has shrunk yet.
func TestSpikyProcessesAreFound(t *testing.T) {
	p, n := link(t)
	s := beam.GC(p)
	n.Eval(t, `spawn(fun() -> register(spiky, self()), F = fun F() -> length(lists:seq(1, 3000000)), receive stop -> ok after 500 -> erlang:garbage_collect(), receive stop -> ok after 500 -> F() end end end, F() end), ok.`)
	erlangtest.Eventually(t, "it is found", func() bool {
		if _, err := s.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		return skilltest.Lua(t, s, `local p = gc_find_spiky_processes(10).processes[1] return p and p.name`) == "spiky"
	})
}

func TestGCRates(t *testing.T) {
	p, n := link(t)
	s := beam.GC(p)
	n.Eval(t, `spawn(fun() -> F = fun F() -> length(lists:seq(1, 10000)), F() end, F() end), ok.`)
	erlangtest.Eventually(t, "the snapshot has rates", func() bool {
		data, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		gcs, _ := number(data["gcs_per_s"])
		freed, _ := number(data["reclaimed_mb_per_s"])
		return gcs > 10 && freed > 1
	})
}
