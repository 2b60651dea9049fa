package beam_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

// The node of a test gets a supervisor whose children are told by a function.
const treeErl = `-module(tree). -export([start/4, init/1, child/1, sleeper/1, slow/0, crash/1, trapper/0]).
	start(Name, Intensity, Period, Children) -> P = supervisor:start_link({local, Name}, tree, {Intensity, Period, Children}), case P of {ok, Pid} -> unlink(Pid); _ -> ok end, P.
	init({I, P, Children}) -> {ok, {{one_for_one, I, P}, Children}}.
	child(Id) -> {Id, {tree, sleeper, [Id]}, permanent, 1000, worker, [tree]}.
	sleeper(Id) -> {ok, proc_lib:spawn_link(fun() -> register(Id, self()), receive stop -> ok; fail -> error({cannot, work}) end end)}.
	crash(Ms) -> {ok, proc_lib:spawn_link(fun() -> receive after Ms -> error(no_database) end end)}.
	slow() -> receive after 60000 -> ok end, {error, late}.
	trapper() -> {ok, proc_lib:spawn_link(fun() -> process_flag(trap_exit, true), register(trapper, self()), F = fun F() -> receive stop -> ok; _ -> F() end end, F() end)}.`

// loadModule compiles a module on the node.
func loadModule(t testing.TB, n *erlangtest.Node, source string) {
	t.Helper()
	source = strings.Join(strings.Fields(source), " ")
	got := n.Eval(t, fmt.Sprintf(`(fun(Source) -> {ok, Ts, _} = erl_scan:string(Source), Forms = fun Split(L) -> case lists:splitwith(fun(X) -> element(1, X) =/= dot end, L) of {[], _} -> []; {F, [D | R]} -> {ok, Form} = erl_parse:parse_form(F ++ [D]), [Form | Split(R)] end end,
		{ok, M, B} = compile:forms(Forms(Ts)), {module, M} = code:load_binary(M, atom_to_list(M) ++ ".erl", B), loaded end)(%q).`, source))
	if got != "loaded" {
		t.Fatal(got)
	}
}

func supervised(t *testing.T) (*skill.Skill, *erlangtest.Node) {
	t.Helper()
	s, n := logging(t, beam.Supervisors)
	loadModule(t, n, treeErl)
	return s, n
}

func TestSupervisors(t *testing.T) {
	s, n := supervised(t)
	n.Eval(t, "{ok, _} = tree:start(shop_sup, 1, 5, [tree:child(C) || C <- [a, b, c]] ++ [{empty, {supervisor, start_link, [{local, empty_sup}, tree, {1, 5, []}]}, permanent, infinity, supervisor, [tree]}]), ok.")
	last := until(t, s, "supervisor_count", 4)
	// The next walk is to see them.
	erlangtest.Eventually(t, "the tree is known", func() bool {
		last, _ = s.Snapshot(t.Context())
		return skilltest.Lua(t, s, `local ok, r = pcall(sup_children, "empty_sup") return ok and r.child_count == 0`) == true
	})
	if v, _ := number(last["total_children"]); v < 15 {
		t.Errorf("snapshot %v", last)
	}
	skilltest.Run(t, s)
	c := skilltest.Lua(t, s, `return sup_children("shop_sup")`).(map[string]any)
	if c["child_count"] != int64(4) || c["active_children"] != int64(4) || c["asked"] != true {
		t.Errorf("children %v", c)
	}
	tree := fmt.Sprint(skilltest.Lua(t, s, `return sup_tree("shop_sup")`))
	for _, want := range []string{"empty_sup", "name:a", "name:c"} {
		if !strings.Contains(tree, want) {
			t.Errorf("%s is missing in %s", want, tree)
		}
	}
	// A child that is terminated and not deleted is undefined, and not restarted.
	n.Eval(t, "supervisor:terminate_child(shop_sup, b).")
	i := skilltest.Lua(t, s, `return sup_tree_integrity("shop_sup")`).(map[string]any)
	if fmt.Sprint(i["undefined"]) != "[b]" || i["child_count"] != int64(4) || i["active_children"] != int64(3) {
		t.Errorf("integrity %v", i)
	}
}

func TestSupervisorsOfARestartStorm(t *testing.T) {
	s, n := supervised(t)
	n.Eval(t, "{ok, _} = tree:start(storm_sup, 100000, 1, [{connection, {tree, crash, [20]}, permanent, 1000, worker, [tree]}, tree:child(a)]), ok.")
	until(t, s, "restarts_max_child", 20)
	v := concludes(t, s, "restarts_max_child", "restart_storm", "storm_sup", "connection of storm_sup was restarted", "no_database")
	if c := v["culprit"].(map[string]any); c["kind"] != "supervisor" {
		t.Errorf("culprit %v", c)
	}
	n.Eval(t, "exit(whereis(storm_sup), kill).")
}

// TestSupervisorsThatGiveUp: at once, or after a storm of restarts; and with one that starts them again. What has one cause makes one alert, whichever
// metric shows it first.
func TestSupervisorsThatGiveUp(t *testing.T) {
	for _, c := range []struct{ name, limit, above, kind string }{
		{"at once", "2, 10", "1, 1", "supervisor_gave_up"},
		{"after a storm", "30, 100", "1, 1", "restart_storm"},
		{"again and again", "2, 10", "1000, 1", "supervisor_gave_up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, n := supervised(t)
			weak := fmt.Sprintf("[{local, weak_sup}, tree, {%s, [{connection, {tree, crash, [20]}, permanent, 1000, worker, [tree]}]}]", c.limit)
			n.Eval(t, fmt.Sprintf("{ok, _} = tree:start(top_sup, %s, [{weak, {supervisor, start_link, %s}, transient, infinity, supervisor, [tree]}]), ok.", c.above, weak))
			if c.kind == "restart_storm" {
				until(t, s, "restarts_max_child", 20)
				concludes(t, s, "restarts_max_child", "restart_storm", "weak_sup", "connection of weak_sup was restarted")
			}
			until(t, s, "gave_up_1m", 0)
			for _, metric := range []string{"gave_up_1m", "restarts_max_child"} {
				v := concludes(t, s, metric, c.kind, "weak_sup", "weak_sup reached its limit", "connection", "no_database")
				if v["severity"] != "critical" {
					t.Errorf("%v", v)
				}
			}
			n.Eval(t, "catch exit(whereis(top_sup), kill), ok.")
		})
	}
}

// dropsSasl is a filter as Elixir has one since 1.15: no handler gets the reports of supervisors and crashes.
const dropsSasl = `ok = logger:add_primary_filter(logger_translator, {fun(E, _) -> case E of #{meta := #{domain := [otp, sasl | _]}} -> stop; _ -> ignore end end, #{sasl => false}}), ok.`

// TestSupervisorsWhoseReportsAreDropped: they are seen all the same, once each, and nobody else sees them.
func TestSupervisorsWhoseReportsAreDropped(t *testing.T) {
	s, n := supervised(t)
	n.Eval(t, dropsSasl)
	loadModule(t, n, `-module(theirs). -export([log/2]). log(#{meta := #{domain := [otp, sasl | _]}}, _) -> register(theirs, spawn(fun() -> receive stop -> ok end end)), ok; log(_, _) -> ok.`)
	first := func() bool {
		return n.Eval(t, "element(1, hd(maps:get(filters, logger:get_primary_config()))).") == "beamlens_probe_log"
	}
	erlangtest.Eventually(t, "our filter is the first", first)
	n.Eval(t, "ok = logger:add_handler(theirs, theirs, #{level => all}).")
	// The application sets its logger up anew.
	n.Eval(t, "logger:remove_primary_filter(beamlens_probe_log), logger:remove_primary_filter(logger_translator), ok.")
	n.Eval(t, dropsSasl)
	erlangtest.Eventually(t, "our filter is the first again", first)
	n.Eval(t, "{ok, _} = tree:start(storm_sup, 100000, 1, [tree:child(a)]), [begin a ! fail, timer:sleep(20) end || _ <- lists:seq(1, 25)], ok.")
	last := until(t, s, "restarts_max_child", 20)
	for range 3 {
		last, _ = s.Snapshot(t.Context())
	}
	if last["restarts_max_child"] != int64(25) {
		t.Errorf("25 restarts are told as %v", last["restarts_max_child"])
	}
	if got := n.Eval(t, "whereis(theirs)."); got != "undefined" {
		t.Error("another handler has got a report that the application drops")
	}
}

// TestSupervisorsThatAreBusyAreNotWaitedFor: one that starts a child for a minute.
func TestSupervisorsThatAreBusyAreNotWaitedFor(t *testing.T) {
	s, n := supervised(t)
	n.Eval(t, "{ok, _} = tree:start(slow_sup, 1, 5, [tree:child(quick)]), ok.")
	n.Eval(t, "spawn(fun() -> supervisor:start_child(slow_sup, {slow, {tree, slow, []}, permanent, 1000, worker, [tree]}) end), timer:sleep(50), [spawn(fun() -> supervisor:which_children(slow_sup) end) || _ <- lists:seq(1, 30)], ok.")
	began := time.Now()
	until(t, s, "busy_queue_max", 20)
	for _, program := range []string{`sup_children("slow_sup")`, `sup_tree("slow_sup")`, `sup_tree_integrity("slow_sup")`, "sup_list(50)"} {
		at := time.Now()
		skilltest.Lua(t, s, "return "+program)
		if took := time.Since(at); took > 2*time.Second {
			t.Errorf("%s took %s", program, took)
		}
	}
	c := skilltest.Lua(t, s, `return sup_children("slow_sup")`).(map[string]any)
	if c["asked"] != false || c["active_children"] != int64(1) {
		t.Errorf("children %v", c)
	}
	concludes(t, s, "busy_queue_max", "supervisor_busy", "slow_sup", "tree:slow/0")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestSupervisorsAndOrphans(t *testing.T) {
	s, n := supervised(t)
	before := until(t, s, "orphans", -1)
	n.Eval(t, "{ok, Gone} = tree:start(gone_sup, 1, 5, [{stays, {tree, trapper, []}, permanent, 1000, worker, [tree]}]), exit(Gone, kill), proc_lib:spawn(fun() -> register(alone, self()), receive stop -> ok end end), ok.")
	had, _ := number(before["orphans"])
	until(t, s, "orphans", had)
	concludes(t, s, "orphans", "orphaned_processes", "trapper", "lost their parent")
	if all := fmt.Sprint(skilltest.Lua(t, s, "return sup_unlinked_processes(50)")); !strings.Contains(all, "name:alone") || strings.Contains(all, "beamlens") {
		t.Errorf("unlinked: %s", all)
	}
}

// TestSupervisorsOfElixir: dynamic supervisors, and those of tasks, with and without children.
func TestSupervisorsOfElixir(t *testing.T) {
	s, n := logging(t, beam.Supervisors)
	elixir(t, n)
	n.Eval(t, `{ok, D} = 'Elixir.DynamicSupervisor':start_link([{strategy, one_for_one}, {name, 'Elixir.Shop.Dynamic'}, {max_restarts, 10000}]), unlink(D),
		{ok, _} = 'Elixir.DynamicSupervisor':start_child(D, #{id => agent, start => {'Elixir.Agent', start_link, [fun() -> 1 end]}}),
		{ok, T} = 'Elixir.Task.Supervisor':start_link([{name, 'Elixir.Shop.Tasks'}]), unlink(T),
		{ok, S} = 'Elixir.Supervisor':start_link([{'Elixir.Task.Supervisor', [{name, 'Elixir.Shop.Inner'}]}], [{strategy, one_for_one}, {name, 'Elixir.Shop.Supervisor'}]), unlink(S), ok.`)
	// Tasks without children and without a supervisor above are found once they have had one.
	n.Eval(t, `'Elixir.Task.Supervisor':start_child(T, fun() -> receive stop -> ok end end), ok.`)
	var names string
	erlangtest.Eventually(t, "all are found", func() bool {
		if _, err := s.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		names = fmt.Sprint(skilltest.Lua(t, s, "return sup_list(50)"))
		return strings.Contains(names, "Shop.Dynamic") && strings.Contains(names, "Shop.Tasks") && strings.Contains(names, "Shop.Inner") && strings.Contains(names, "Shop.Supervisor")
	})
	n.Eval(t, `[begin [{_, P, _, _} | _] = 'Elixir.DynamicSupervisor':which_children(D), exit(P, oops), timer:sleep(10) end || _ <- lists:seq(1, 30)], ok.`)
	until(t, s, "restarts_max_child", 20)
	concludes(t, s, "restarts_max_child", "restart_storm", "Shop.Dynamic", "Agent.start_link", "oops")
}
