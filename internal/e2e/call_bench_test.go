package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// BenchmarkCall is the round trip of erlang:node() through our connection, beside rpc:call and erpc:call between two real nodes. The
// two sides take turns, so that a machine that is busy for a while is busy for both.
func BenchmarkCall(b *testing.B) {
	a, to := erlangtest.StartNode(b), erlangtest.StartNode(b)
	c, err := erlang.Dial(b.Context(), to.Name, &erlang.Options{Cookie: erlangtest.Cookie, Name: erlangtest.Unique() + "@localhost"})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	module, function := etf.A("erlang"), etf.A("node")
	a.Eval(b, fmt.Sprintf("net_kernel:connect_node('%s').", to.Name))
	// The loop must be compiled: the shell's interpreter would be what is measured.
	a.Eval(b, "{ok, M, Code} = compile:forms([{attribute, 1, module, turns}, {attribute, 2, export, [{run, 3}]}, "+form(
		"run(_, _, 0) -> ok; run(rpc, N, K) -> N = rpc:call(N, erlang, node, []), run(rpc, N, K - 1); run(erpc, N, K) -> N = erpc:call(N, erlang, node, []), run(erpc, N, K - 1).")+"]), code:load_binary(M, \"turns.beam\", Code).")
	theirs := func(kind string, n int) float64 {
		us, err := strconv.ParseFloat(a.Eval(b, fmt.Sprintf("element(1, timer:tc(turns, run, [%s, '%s', %d])) / %d.", kind, to.Name, n, n)), 64)
		if err != nil {
			b.Fatal(err)
		}
		return us
	}
	theirs("rpc", 1000)
	const turn = 500
	var rpc, erpc float64
	turns := 0
	for i := 0; b.Loop(); i++ {
		if i%turn == 0 {
			b.StopTimer()
			rpc += theirs("rpc", turn)
			erpc += theirs("erpc", turn)
			turns++
			b.StartTimer()
		}
		if _, err := c.Call(b.Context(), module, function); err != nil {
			b.Fatal(err)
		}
	}
	ours := float64(b.Elapsed().Microseconds()) / float64(b.N)
	b.ReportMetric(rpc/float64(turns), "rpc-us/op")
	b.ReportMetric(erpc/float64(turns), "erpc-us/op")
	b.ReportMetric(ours/(rpc/float64(turns)), "ours/rpc")
}

// form gives the abstract form of a function, as an expression.
func form(source string) string {
	return fmt.Sprintf(`(begin {ok, Tokens, _} = erl_scan:string(%q), {ok, Form} = erl_parse:parse_form(Tokens), Form end)`, source)
}

// BenchmarkCallParallel is what many callers on one connection get done.
func BenchmarkCallParallel(b *testing.B) {
	n := erlangtest.StartNode(b)
	c, err := erlang.Dial(b.Context(), n.Name, &erlang.Options{Cookie: erlangtest.Cookie, Name: erlangtest.Unique() + "@localhost"})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.SetParallelism(16)
	var failed atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Call(b.Context(), etf.A("erlang"), etf.A("node")); err != nil {
				failed.Add(1)
			}
		}
	})
	if failed.Load() > 0 {
		b.Fatalf("%d calls failed", failed.Load())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkLargeAnswer is 16 MB from the node to us.
func BenchmarkLargeAnswer(b *testing.B) {
	n := erlangtest.StartNode(b)
	c, err := erlang.Dial(b.Context(), n.Name, &erlang.Options{Cookie: erlangtest.Cookie, Name: erlangtest.Unique() + "@localhost"})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	piece := []byte(strings.Repeat("x", 1024))
	b.SetBytes(16 << 20)
	for b.Loop() {
		v, err := c.Call(b.Context(), etf.A("binary"), etf.A("copy"), piece, 16<<10)
		if err != nil || len(v.([]byte)) != 16<<20 {
			b.Fatal(err)
		}
	}
}
