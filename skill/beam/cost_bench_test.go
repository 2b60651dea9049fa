package beam_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/sandbox"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
)

// BenchmarkSnapshots measures what the snapshots of each skill cost a node with 100,000 processes and 10,000 tables when they are taken
// once a second: in % of one core, beside the same node when nobody looks, and beside what a person would have on his screen: recon's three lists of
// the top ten and the tables, once a second, and the one list that observer_cli shows, every one and a half. The goal is 1 % for all together.
func BenchmarkSnapshots(b *testing.B) {
	// A scheduler that has nothing to do spins for a while before it sleeps: that is counted as work, and is none.
	p, n := link(b, "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none")
	n.Eval(b, "[spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 60000)], [proc_lib:spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 40000)], [ets:insert(ets:new(t, []), {1, 2}) || _ <- lists:seq(1, 10000)], ok.")
	loadModule(b, n, pingErl)
	all := beam.All(p)
	usedBy := func(warm int, look func()) float64 {
		for range warm {
			look()
		}
		before, began := cpu(b, n), time.Now()
		for range 8 {
			look()
		}
		return float64(cpu(b, n)-before) / time.Since(began).Seconds() * 100
	}
	used := func(skills []*skill.Skill) float64 { return usedBy(6, func() { round(b, skills) }) }
	for b.Loop() {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(used(nil), "%-idle")
		for _, s := range all {
			if only := os.Getenv("BEAMLENS_BENCH_SKILLS"); strings.Contains(only, s.ID) {
				b.ReportMetric(used([]*skill.Skill{s}), "%-"+s.ID)
			}
		}
		ours := used(all)
		b.ReportMetric(ours, "%-all")
		if recon, _ := filepath.Glob("/usr/lib/rabbitmq/lib/*/plugins/recon-*/ebin"); len(recon) > 0 {
			n.Eval(b, fmt.Sprintf("code:add_patha(%q), code:ensure_loaded(recon), ok.", recon[0]))
			beside := func(what, erl string, every time.Duration) {
				theirs := usedBy(1, func() {
					next := time.After(every)
					n.Eval(b, erl)
					<-next
				})
				b.ReportMetric(theirs, "%-"+what)
				b.ReportMetric(theirs/ours, "x-"+what)
			}
			beside("recon", "[recon:proc_count(W, 10) || W <- [memory, message_queue_len, reductions]], [ets:info(T) || T <- ets:all()], ok.", time.Second)
			beside("observer_cli", "recon:proc_count(memory, 30), ok.", 1500*time.Millisecond)
		}
		b.ReportMetric(delayed(b, n, nil), "us-p99-idle")
		b.ReportMetric(delayed(b, n, all), "us-p99-all")
		b.Log("largest of ours: ", n.Eval(b, "lists:sublist(lists:reverse(lists:sort([{element(2, process_info(P, memory)) div 1024, M, F} || P <- processes(), {_, {M, F, _}} <- [process_info(P, current_function)], lists:prefix(\"beamlens\", atom_to_list(M))])), 3)."))
	}
}

// A process that asks another a thousand times a second, and says how long 99 of 100 answers took at most, in microseconds.
const pingErl = `-module(ping). -export([begin_/1, result/0]).
	begin_(Ms) -> Until = erlang:monotonic_time(millisecond) + Ms, spawn(fun() -> register(pinger, self()), Echo = spawn_link(fun F() -> receive {From, X} -> From ! X, F() end end), done(ping(Echo, Until, [])) end).
	ping(Echo, Until, Acc) -> T = erlang:monotonic_time(microsecond), Echo ! {self(), T}, receive T -> ok end, Took = erlang:monotonic_time(microsecond) - T,
		receive after 1 -> ok end, case erlang:monotonic_time(millisecond) > Until of true -> lists:sort([Took | Acc]); false -> ping(Echo, Until, [Took | Acc]) end.
	done(Sorted) -> receive {From, result} -> From ! {result, lists:nth(length(Sorted) * 99 div 100, Sorted)} end.
	result() -> pinger ! {self(), result}, receive {result, R} -> R end.`

// delayed gives the 99th percentile of round trips between two processes of the node while the snapshots are taken.
func delayed(b *testing.B, n *erlangtest.Node, skills []*skill.Skill) float64 {
	b.Helper()
	for range 3 {
		round(b, skills)
	}
	n.Eval(b, "ping:begin_(8000), ok.")
	for range 8 {
		round(b, skills)
	}
	return parsed(n.Eval(b, "ping:result()."))
}

// round takes the snapshots of all, and waits for the next second.
func round(b *testing.B, skills []*skill.Skill) {
	b.Helper()
	next := time.After(time.Second)
	for _, s := range skills {
		if _, err := s.Snapshot(b.Context()); err != nil {
			b.Log(s.ID, err)
		}
	}
	<-next
}

func parsed(text string) float64 {
	v, _ := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return v
}

// cpu is the processor time that the threads of the node have used, in seconds. The kernel counts it to the nanosecond.
func cpu(b *testing.B, n *erlangtest.Node) float64 {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", n.Pid()))
	if err != nil || len(threads) == 0 {
		b.Skip("there is no /proc here")
	}
	sum := 0.0
	for _, t := range threads {
		raw, err := os.ReadFile(t)
		if err != nil {
			continue // it has ended
		}
		ns, _, _ := strings.Cut(string(raw), " ")
		sum += parsed(ns)
	}
	return sum / 1e9
}

// A process that looks each millisecond at what processes, tables and binaries hold together, and at the heaps of the resident process, which are
// read without asking it. It says by how much the first has grown at most since it was asked last, by how much without the resident process, and what
// that had at most.
const peakErl = `-module(peak). -export([run/0, take/0]).
	run() -> spawn_opt(fun() -> register(peak, self()), loop(held(), {0, 0, 0}) end, [{priority, high}]), ok.
	held() -> {lists:sum([N || {_, N} <- erlang:memory([processes, ets, binary])]), resident()}.
	resident() -> case process_info(whereis(beamlens_probe), garbage_collection_info) of
		{_, Gc} -> 8 * lists:sum([N || {K, N} <- Gc, lists:member(K, [heap_block_size, old_heap_block_size, mbuf_size])]); undefined -> 0 end.
	loop(Base = {All0, Own0}, {All, Other, Own}) -> receive {From, take} -> From ! {most, [All, Other, Own]}, loop(held(), {0, 0, 0})
		after 1 -> {A, O} = held(), loop(Base, {max(All, A - All0), max(Other, A - O - (All0 - Own0)), max(Own, O)}) end.
	take() -> peak ! {self(), take}, receive {most, M} -> M end.`

// most is what one callback, the process that is always there, and all together held.
const most = 16.0

// BenchmarkCallbacks measures what each callback holds at most on a node with 100,000 processes and 10,000 tables, by its example, and what the resident
// process has meanwhile. The goal is 16 MB for each, and it fails above that.
func BenchmarkCallbacks(b *testing.B) {
	p, n := link(b)
	n.Eval(b, "[spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 100000)], [ets:insert(ets:new(t, []), {1, 2}) || _ <- lists:seq(1, 10000)], ok.")
	loadModule(b, n, peakErl)
	all := beam.All(p)
	// Everything ticks, as it does under an engine.
	for range 3 {
		round(b, all)
	}
	n.Eval(b, "peak:run().")
	for b.Loop() {
		b.ReportMetric(0, "ns/op")
		var worst [3]float64
		var lines strings.Builder
		for _, s := range all {
			functions := map[string]sandbox.Function{}
			for _, c := range s.Callbacks {
				functions[c.Name] = c.Run
			}
			for _, c := range s.Callbacks {
				took, mb := held(b, n, c.Example, functions)
				fmt.Fprintf(&lines, "\n%-50s %5.1f MB, with the resident process %5.1f, which has %5.1f; %s", c.Example, mb[1], mb[0], mb[2], took.Round(time.Millisecond))
				for i := range worst {
					worst[i] = max(worst[i], mb[i])
				}
			}
			round(b, all)
		}
		fmt.Println(lines.String()) // of a log, ten lines are shown
		b.ReportMetric(worst[0], "MB-all")
		b.ReportMetric(worst[1], "MB-callback")
		b.ReportMetric(worst[2], "MB-resident")
		if max(worst[0], worst[1], worst[2]) > most {
			b.Errorf("more than %g MB are held", most)
		}
	}
}

// held runs one callback. It gives how long that took, and what was held at most: by all, by all but the resident process, and by that (MB).
func held(b *testing.B, n *erlangtest.Node, example string, functions map[string]sandbox.Function) (took time.Duration, mb [3]float64) {
	b.Helper()
	n.Eval(b, "peak:take().")
	began := time.Now()
	if _, err := sandbox.Run(b.Context(), "return "+example, functions, sandbox.Limits{}); err != nil {
		b.Logf("%s: %v", example, err)
	}
	took = time.Since(began)
	for i, text := range strings.Split(strings.Trim(n.Eval(b, "peak:take()."), "[]"), ",") {
		mb[i] = parsed(text) / (1 << 20)
	}
	return took, mb
}
