package beam_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/skill/beam"
)

// BenchmarkLog measures what a line costs the process that logs it, in microseconds: with no handler at all, with ours while there are
// no tokens left, and what dying with 100,000 messages costs with ours and without.
func BenchmarkLog(b *testing.B) {
	p, n := link(b)
	n.Eval(b, "logger:set_primary_config(level, notice), logger:remove_handler(default), ok.")
	n.Eval(b, `{ok, Ts, _} = erl_scan:string("-module(storm). -export([run/1, die/1, par/2]). `+
		`run(N) -> T = erlang:monotonic_time(microsecond), loop(N), (erlang:monotonic_time(microsecond) - T) / N. `+
		`loop(0) -> ok; loop(N) -> logger:error(\"order ~p of ~s failed\", [N, \"somebody\"]), loop(N - 1). `+
		`par(K, N) -> Me = self(), T = erlang:monotonic_time(microsecond), [spawn(fun() -> loop(N), Me ! done end) || _ <- lists:seq(1, K)], [receive done -> ok end || _ <- lists:seq(1, K)], (erlang:monotonic_time(microsecond) - T) / (K * N). `+
		`die(N) -> {P, R} = proc_lib:spawn_opt(fun() -> receive go -> error(full) end end, [monitor]), [P ! {message, I, lists:seq(1, 20)} || I <- lists:seq(1, N)], T = erlang:monotonic_time(microsecond), P ! go, receive {'DOWN', R, _, _, _} -> (erlang:monotonic_time(microsecond) - T) / 1000 end."),
		Forms = fun Split(L) -> case lists:splitwith(fun(X) -> element(1, X) =/= dot end, L) of {[], _} -> []; {F, [D | R]} -> {ok, Form} = erl_parse:parse_form(F ++ [D]), [Form | Split(R)] end end,
		{ok, M, B} = compile:forms(Forms(Ts)), {module, storm} = code:load_binary(M, "storm.erl", B), ok.`)
	read := func(exprs string) float64 {
		v, err := strconv.ParseFloat(strings.TrimSpace(n.Eval(b, exprs)), 64)
		if err != nil {
			b.Fatal(err)
		}
		return v
	}
	read("storm:run(10000).")
	none, par, dying := read("storm:run(200000)."), read("storm:par(4, 50000)."), read("storm:die(100000).")
	s := beam.Logger(p)
	for n.Eval(b, "logger:get_handler_ids().") != "[beamlens_probe_log]" {
		if _, err := s.Snapshot(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		b.ReportMetric(none, "us/line-without")
		b.ReportMetric(read("storm:run(200000)."), "us/line")
		b.ReportMetric(par, "us/line-without-4")
		b.ReportMetric(read("storm:par(4, 50000)."), "us/line-4")
		b.ReportMetric(dying, "ms/death-without")
		b.ReportMetric(read("storm:die(100000)."), "ms/death")
		if _, err := s.Snapshot(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
