package beam_test

import (
	"fmt"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

func TestETS(t *testing.T) {
	p, _ := link(t)
	skilltest.Run(t, beam.ETS(p))
}

func TestETSFaults(t *testing.T) {
	const fill = `[ets:insert(T, {N, lists:seq(1, 50)}) || N <- lists:seq(1, 50000)], ok.`
	for _, f := range []fault{
		{"growth", `T = ets:new(swelling, [named_table, public]), ` + fill,
			"total_memory_mb", 30, "value = 60, ordinary = 1", "ets_growth", "swelling", "50000 rows"},
		{"growth of a table with decentralized counters", `T = ets:new(wide, [ordered_set, public, {write_concurrency, true}, {decentralized_counters, true}]), ` + fill,
			"largest_table_mb", 30, "value = 60, ordinary = 1", "ets_growth", "wide", "50000 rows"},
		{"growth of a bag", `T = ets:new(sack, [bag, public]), [ets:insert(T, {N rem 5000, {N, lists:seq(1, 20)}}) || N <- lists:seq(1, 60000)], ok.`,
			"largest_table_mb", 20, "value = 60, ordinary = 1", "ets_growth", "sack", "60000 rows"},
		{"tables that nobody deletes", `spawn(fun() -> register(maker, self()), [ets:new(session, []) || _ <- lists:seq(1, 2000)], receive stop -> ok end end), ok.`,
			"table_count", 2000, "value = 2020, ordinary = 20", "ets_table_leak", "maker", "2000 tables"},
	} {
		t.Run(f.name, func(t *testing.T) {
			p, n := link(t)
			f.induce(t, beam.ETS(p), n)
		})
	}
}

// TestETSGrowth: a table that grows is told with its rate, and no leak is seen in one that shrinks: the original has the sign the other
// way round.
func TestETSGrowth(t *testing.T) {
	p, n := link(t)
	s := beam.ETS(p)
	n.Eval(t, `G = ets:new(growing, [named_table, public]), S = ets:new(shrinking, [named_table, public]),
		[ets:insert(S, {N, lists:seq(1, 50)}) || N <- lists:seq(1, 20000)], [ets:insert(G, {N, N}) || N <- lists:seq(1, 100)], ok.`)
	erlangtest.Eventually(t, "both are known", func() bool {
		if _, err := s.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(skilltest.Lua(t, s, `return {#ets_table_info("growing").growth, #ets_table_info("shrinking").growth}`)) == "[3 3]"
	})
	n.Eval(t, `[ets:insert(G, {N, lists:seq(1, 50)}) || N <- lists:seq(1, 20000)], [ets:delete(S, N) || N <- lists:seq(1, 19000)], ok.`)
	erlangtest.Eventually(t, "the one that grows is a candidate and the fastest", func() bool {
		data, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rows := skilltest.Lua(t, s, `local names = {count = 0} for _, t in ipairs(ets_leak_candidates(50).tables) do names[t.name] = t.growth_rows end return names`).(map[string]any)
		if _, wrong := rows["shrinking"]; wrong {
			t.Fatalf("the table that shrinks is called a leak: %v", rows)
		}
		return rows["growing"] == int64(19900) && data["fastest_growing_table"] == "growing"
	})
	if v := skilltest.Lua(t, s, `local t = ets_table_info("shrinking") return t.growth[1].growth_rows`); v != int64(-19000) {
		t.Errorf("the table that shrank grew by %v", v)
	}
	if v := skilltest.Lua(t, s, `return ets_table_info("nothing of this name").error`); v != "table_not_found" {
		t.Errorf("a table that is not there: %v", v)
	}
}

// TestETSOrphans: a table whose maker died and an heir has it, and one of a process outside of all applications.
func TestETSOrphans(t *testing.T) {
	p, n := link(t)
	s := beam.ETS(p)
	n.Eval(t, `Heir = spawn(fun() -> register(heir, self()), receive stop -> ok end end),
		{_, Ref} = spawn_monitor(fun() -> ets:new(left_behind, [named_table, {heir, Heir, none}]) end), receive {'DOWN', Ref, _, _, _} -> ok end.`)
	v := skilltest.Lua(t, s, `for _, t in ipairs(ets_orphans(10).tables) do if t.name == "left_behind" then return {t.reason, t.owner_name} end end`)
	if fmt.Sprint(v) != "[inherited heir]" {
		t.Errorf("orphans %v", skilltest.Lua(t, s, `return ets_orphans(10)`))
	}
	v = skilltest.Lua(t, s, `for _, a in ipairs(ets_by_application(10).applications) do if a.application == "kernel" then return a.tables > 3 end end`)
	if v != true {
		t.Errorf("applications %v", skilltest.Lua(t, s, `return ets_by_application(10)`))
	}
}
