package beam_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

// logging starts a node that logs, and to nobody but us.
func logging(t *testing.T, s func(beam.Caller) *skill.Skill) (*skill.Skill, *erlangtest.Node) {
	t.Helper()
	p, n := link(t)
	n.Eval(t, "logger:set_primary_config(level, notice), logger:remove_handler(default), ok.")
	sk := s(p)
	erlangtest.Eventually(t, "the handler is in", func() bool {
		_, err := sk.Snapshot(t.Context())
		return err == nil && n.Eval(t, "logger:get_handler_ids().") == "[beamlens_probe_log]"
	})
	return sk, n
}

func TestLogger(t *testing.T) {
	s, n := logging(t, beam.Logger)
	n.Eval(t, `logger:error("first ~p", [1]), logger:error(#{what => report, n => 2}), logger:warning("plain"), logger:info("not seen"), ok.`)
	skilltest.Run(t, s)
}

func lines(t *testing.T, s *skill.Skill, program string) []map[string]any {
	t.Helper()
	var out []map[string]any
	m := skilltest.Lua(t, s, "return "+program).(map[string]any)
	for _, v := range m {
		if list, ok := v.([]any); ok {
			for _, x := range list {
				out = append(out, x.(map[string]any))
			}
		}
	}
	return out
}

// TestLoggerReadsAllShapes: text, format with arguments, reports as maps and lists, and the newest first.
func TestLoggerReadsAllShapes(t *testing.T) {
	s, n := logging(t, beam.Logger)
	n.Eval(t, `logger:error("plain text"), logger:error("format ~p and ~s", [{a, 1}, "b"]), logger:error(#{in => report, n => 3}), logger:error([{list, 4}, {with, pairs}]),
		logger:error("wrong ~p ~p", [1]), logger:error("ünïcode ~ts", [<<"ß"/utf8>>]), logger:warning("the last"), ok.`)
	rows := lines(t, s, "logger_recent(10)")
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprint(r["message"]))
	}
	want := []string{"the last", "ünïcode ß", "", "list: 4, with: pairs", "in: report, n: 3", "format {a,1} and b", "plain text"}
	if len(got) != len(want) {
		t.Fatalf("lines %q", got)
	}
	for i := range want {
		if want[i] != "" && got[i] != want[i] {
			t.Errorf("line %d is %q, want %q", i, got[i], want[i])
		}
	}
	if r := rows[0]; r["level"] != "warning" || r["pid"] == nil {
		t.Errorf("line %v", r)
	}
	if found := lines(t, s, `logger_search("format .*b$", 5)`); len(found) != 1 {
		t.Errorf("search found %v", found)
	}
	if found := lines(t, s, `logger_search("~p[", 5)`); len(found) > 1 {
		t.Errorf("what is no expression is plain text, found %v", found)
	}
}

func TestLoggerOfAStorm(t *testing.T) {
	s, n := logging(t, beam.Logger)
	n.Eval(t, `[logger:error("order ~p of customer ~s failed after ~p ms", [N, "c" ++ integer_to_list(N), N * 3], #{mfa => {shop_orders, place, 2}, line => 17}) || N <- lists:seq(1, 5000)], logger:error("other"), ok.`)
	last := until(t, s, "error_count_1m", 5000)
	if last["error_count_1m"] != int64(5001) || last["error_rate_pct"] != 100.0 {
		t.Errorf("snapshot %v", last)
	}
	if shed, _ := number(last["logs_shed"]); shed < 4000 || shed > 5000 {
		t.Errorf("%v lines were shed of 5001", shed)
	}
	v := concludes(t, s, "error_count_1m", "log_errors", "shop_orders", "5001 errors", "order <*> of customer <*> failed after <*> ms")
	if c := v["culprit"].(map[string]any); c["kind"] != "module" {
		t.Errorf("culprit %v", c)
	}
}

// TestLoggerHoldsNothingLarge: a crash report of a process with a mailbox, a line with a huge argument, a huge text.
func TestLoggerHoldsNothingLarge(t *testing.T) {
	s, n := logging(t, beam.Logger)
	n.Eval(t, `P = proc_lib:spawn(fun() -> receive go -> error(full) end end), [P ! {message, N, lists:seq(1, 20)} || N <- lists:seq(1, 100000)], P ! go,
		logger:error("huge ~p", [lists:duplicate(100000, {some, "thing"})]), logger:error(lists:duplicate(3000000, $a)), logger:error("~p", [binary:copy(<<"b">>, 50000000)]),
		logger:error(#{tuple => list_to_tuple(lists:seq(1, 100000)), map => maps:from_list([{X, X} || X <- lists:seq(1, 100000)])}), ok.`)
	until(t, s, "error_count_1m", 4)
	words := n.Eval(t, "lists:sum([ets:info(T, memory) || T <- ets:all(), ets:info(T, name) =:= beamlens_probe_log]).")
	if len(words) > 5 {
		t.Errorf("the records take %s words", words)
	}
	n.Eval(t, "erlang:garbage_collect(), [erlang:garbage_collect(P0) || P0 <- processes()], ok.")
	if kb := n.Eval(t, "erlang:memory(binary) div 1024."); len(kb) > 4 {
		t.Errorf("%s KB of binaries are held", kb)
	}
	for _, r := range lines(t, s, "logger_recent(10)") {
		if len(fmt.Sprint(r["message"])) > 4000 {
			t.Errorf("a line has %d bytes", len(fmt.Sprint(r["message"])))
		}
	}
}

// TestLoggerLeavesNothing: neither when the engine goes, nor when the resident process, the guard or the table is gone.
func TestLoggerLeavesNothing(t *testing.T) {
	n := erlangtest.StartNode(t)
	n.Eval(t, "logger:set_primary_config(level, notice), logger:remove_handler(default), ok.")
	free := func() bool { return n.Eval(t, "logger:get_handler_ids().") == "[]" }
	in := func() bool { return n.Eval(t, "logger:get_handler_ids().") == "[beamlens_probe_log]" }
	p, stop := linkUntil(t, n.Name)
	s := beam.Logger(p)
	until(t, s, "total_logs_1m", -1)
	erlangtest.Eventually(t, "the handler is in", in)
	n.Eval(t, "exit(whereis(beamlens_probe), kill).")
	erlangtest.Eventually(t, "the handler is out after the resident process was killed", free)
	until(t, s, "total_logs_1m", -1)
	erlangtest.Eventually(t, "the handler is in again", in)
	// The guard and the resident process at once: then the next line that is logged takes the handler out.
	n.Eval(t, "[exit(P, kill) || P <- processes(), {_, {beamlens_probe_log, guard, 2}} <- [process_info(P, current_function)]], exit(whereis(beamlens_probe), kill), ok.")
	erlangtest.Eventually(t, "the handler takes itself out", func() bool { n.Eval(t, "logger:error(\"x\"), ok."); return free() })
	until(t, s, "total_logs_1m", -1)
	erlangtest.Eventually(t, "the handler is in again", in)
	// Somebody logs all the time while we leave.
	n.Eval(t, "Busy = [spawn(fun() -> F = fun F() -> logger:error(\"busy ~p\", [lists:seq(1, 50)]), F() end, F() end) || _ <- [1, 2, 3]], ok.")
	until(t, s, "total_logs_1m", 1000)
	stop()
	erlangtest.Eventually(t, "nothing is left", func() bool {
		return free() && n.Eval(t, `[M || {M, _} <- code:all_loaded(), lists:prefix("beamlens", atom_to_list(M))].`) == "[]"
	})
	if got := n.Eval(t, "[is_process_alive(P) || P <- Busy]."); got != "[true,true,true]" {
		t.Errorf("processes that logged were killed: %s", got)
	}
}

func TestExceptions(t *testing.T) {
	s, n := logging(t, beam.Exceptions)
	n.Eval(t, `spawn(fun() -> 1 / (self() - 1) end), proc_lib:spawn(fun() -> throw(ball) end), proc_lib:spawn(fun() -> exit({noproc, {gen_server, call, [x]}}) end),
		spawn(fun() -> lists:nth(5, lists:seq(1, 2)) end), ok.`)
	until(t, s, "exceptions_1m", 3)
	skilltest.Run(t, s)
	got := map[string]string{}
	for _, r := range lines(t, s, "exception_recent(10)") {
		got[fmt.Sprint(r["type"])] = fmt.Sprint(r["kind"])
	}
	want := map[string]string{"badarith": "error", "ball": "throw", "noproc": "exit", "function_clause": "error"}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("got %v, want %v", got, want)
			break
		}
	}
	rows := lines(t, s, `exception_by_type("function_clause", 5)`)
	if len(rows) != 1 {
		t.Fatalf("rows %v", rows)
	}
	stack := lines(t, s, fmt.Sprintf("exception_stacktrace(%q)", rows[0]["id"]))
	if len(stack) == 0 || stack[0]["module"] != "lists" || !strings.HasPrefix(fmt.Sprint(stack[0]["function"]), "nth") {
		t.Errorf("stack %v", stack)
	}
}

func TestExceptionsOfAStorm(t *testing.T) {
	s, n := logging(t, beam.Exceptions)
	n.Eval(t, `{ok, Ts, _} = erl_scan:string("-module(failing). -export([run/1]). run(X) -> X + not_a_number."), Forms = fun Split(L) -> case lists:splitwith(fun(X) -> element(1, X) =/= dot end, L) of {[], _} -> []; {F, [D | R]} -> {ok, Form} = erl_parse:parse_form(F ++ [D]), [Form | Split(R)] end end,
		{ok, M, B} = compile:forms(Forms(Ts)), code:load_binary(M, "failing.erl", B),
		[begin proc_lib:spawn(failing, run, [I]), (I rem 100 =:= 0) andalso timer:sleep(100) end || I <- lists:seq(1, 2000)], spawn(fun() -> error(other) end), ok.`)
	last := until(t, s, "exceptions_1m", 2000)
	if last["exceptions_1m"] != int64(2001) {
		t.Errorf("snapshot %v", last)
	}
	v := concludes(t, s, "exceptions_1m", "exception_storm", "failing", "2001 processes", "badarith", "failing:run/1")
	if c := v["culprit"].(map[string]any); c["kind"] != "module" {
		t.Errorf("culprit %v", c)
	}
}

// TestExceptionsOfElixir: the reports of GenServer and Task, joined with those of proc_lib.
func TestExceptionsOfElixir(t *testing.T) {
	s, n := logging(t, beam.Exceptions)
	elixir(t, n)
	n.Eval(t, fmt.Sprintf(`'Elixir.Code':eval_string(<<%q>>), ok.`, "defmodule Till do\n use GenServer\n def init(x), do: {:ok, x}\n def handle_cast(:ring, _), do: raise(\"out of paper\")\nend\n"))
	n.Eval(t, `{ok, Till} = 'Elixir.GenServer':start('Elixir.Till', 1, [{name, 'Elixir.Shop.Till'}]), 'Elixir.GenServer':cast(Till, ring), {ok, Sup} = 'Elixir.Task.Supervisor':start_link(), unlink(Sup), 'Elixir.Task.Supervisor':start_child(Sup, fun() -> error({badmatch, 1}) end), ok.`)
	erlangtest.Eventually(t, "both are seen", func() bool {
		_, _ = s.Snapshot(t.Context())
		return len(lines(t, s, "exception_recent(10)")) >= 2
	})
	rows := lines(t, s, "exception_recent(10)")
	if len(rows) != 2 {
		t.Fatalf("reports of a process are not joined: %v", rows)
	}
	var till, task map[string]any
	for _, r := range rows {
		if r["type"] == "RuntimeError" {
			till = r
		}
		if r["type"] == "badmatch" {
			task = r
		}
	}
	if till == nil || till["message"] != "out of paper" || till["name"] != "Shop.Till" || !strings.HasPrefix(fmt.Sprint(till["at"]), "Till.handle_cast/2") {
		t.Errorf("of the GenServer: %v", till)
	}
	if task == nil {
		t.Errorf("of the Task: %v", rows)
	}
}

// elixir starts Elixir on a node, with its logger, which writes nothing. Where it is not installed, or the node has another OTP than it was made for, the test is skipped.
func elixir(t *testing.T, n *erlangtest.Node) {
	t.Helper()
	// Debian's place, also in the node's own root.
	lib := "/usr/lib/elixir/lib"
	if n.Eval(t, fmt.Sprintf("filelib:is_dir(%q).", lib+"/elixir/ebin")) != "true" {
		if os.Getenv("BEAMLENS_ERL") != "" {
			t.Skip("there is no Elixir with this OTP")
		}
		out, err := exec.Command("elixir", "-e", "IO.write(Path.dirname(to_string(:code.lib_dir(:elixir))))").Output()
		if err != nil {
			t.Skip("Elixir is not installed")
		}
		lib = string(out)
	}
	// It makes what is read binaries, and the node's reader wants lists.
	n.Eval(t, fmt.Sprintf(`code:add_pathsa([%[1]q ++ "/" ++ A ++ "/ebin" || A <- ["elixir", "logger", "eex"]]), {ok, _} = application:ensure_all_started(logger),
		[logger:remove_handler(H) || H <- [default, 'Elixir.Logger']], io:setopts([list, {encoding, unicode}]), ok.`, lib))
	// Where it drops reports, it is seen within seconds that our filter is the first.
	erlangtest.Eventually(t, "what Elixir drops is seen", func() bool {
		return n.Eval(t, "case maps:get(filters, logger:get_primary_config()) of [{logger_translator, _} | _] -> dropped; _ -> seen end.") == "seen"
	})
}
