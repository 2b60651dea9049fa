package beam_test

import (
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

func TestAllocator(t *testing.T) {
	p, _ := link(t)
	skilltest.Run(t, beam.Allocator(p))
}

// TestAllocatorFaults: many blocks of one kind, of which most go and the few that stay are in all carriers.
func TestAllocatorFaults(t *testing.T) {
	for _, f := range []fault{
		{"binaries", `spawn(fun() -> register(survivor, self()), Few = fun() -> [X || {X, I} <- lists:zip([binary:copy(<<N>>, 2000) || N <- lists:seq(1, 50000)], lists:seq(1, 50000)), I rem 100 =:= 0] end,
			Kept = Few(), erlang:garbage_collect(), receive stop -> Kept end end), ok.`,
			"unused_mb", 60, "value = 90, ordinary = 5", "allocator_fragmentation", "binary_alloc", "binaries outside of heaps). Most of what is left is held by survivor"},
		{"rows of a table", `T = ets:new(sparse, [named_table, public]), [ets:insert(T, {N, list_to_tuple(lists:seq(1, 120))}) || N <- lists:seq(1, 60000)], [ets:delete(T, N) || N <- lists:seq(1, 60000), N rem 100 =/= 0], ok.`,
			"unused_mb", 40, "value = 60, ordinary = 5", "allocator_fragmentation", "ets_alloc", "Most of what is left is held by sparse"},
	} {
		t.Run(f.name, func(t *testing.T) {
			p, n := link(t)
			f.induce(t, beam.Allocator(p), n)
		})
	}
}

// TestAllocatorUsage: the original reads the wrong shape and says that everything is used.
func TestAllocatorUsage(t *testing.T) {
	p, n := link(t)
	s := beam.Allocator(p)
	before, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := number(before["usage_ratio"]); r < 0.2 || r >= 1 {
		t.Errorf("usage %v", before)
	}
	if c, _ := number(before["total_carriers"]); c < 10 {
		t.Errorf("carriers %v", before)
	}
	n.Eval(t, `Kept = [binary:copy(<<N>>, 1000000) || N <- lists:seq(1, 100)], ok.`)
	erlangtest.Eventually(t, "a hundred MB of binaries are used", func() bool {
		v := skilltest.Lua(t, s, `for _, a in ipairs(allocator_by_type().allocators) do if a.name == "binary_alloc" then return a.blocks_mb end end`)
		x, _ := number(v)
		return x > 95
	})
}
