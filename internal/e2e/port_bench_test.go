package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// portPeer is what Beamlens.Engine and Beamlens.Worker do with a call: a process for each, of low priority and with a heap limit, which
// writes its answer to the port itself. The names of what it serves are looked up and never made.
var portPeer = []string{
	`run() -> P = open_port({fd, 3, 4}, [binary, {packet, 4}]), loop(P, #{{<<"erlang">>, <<"node">>, 0} => {erlang, node}}, #{}).`,
	`loop(P, Served, Working) -> receive
		{P, {data, B}} -> loop(P, Served, handle(P, binary_to_term(B, [safe]), Served, Working));
		{'DOWN', Ref, _, _, _} -> {{_, Timer}, Left} = maps:take(Ref, Working), erlang:cancel_timer(Timer), loop(P, Served, Left)
	end.`,
	`handle(P, {call, Id, M, F, A}, Served, Working) ->
		{Module, Function} = maps:get({M, F, length(A)}, Served),
		Answer = fun() -> port_command(P, term_to_binary({reply, Id, apply(Module, Function, A)})) end,
		{Pid, Ref} = spawn_opt(Answer, [monitor, {priority, low}, {max_heap_size, #{size => 8000000, kill => true, error_logger => false}}]),
		Working#{Ref => {Pid, erlang:send_after(15000, self(), {expire, Id, Ref})}};
	handle(P, {hello, 1, _}, _, Working) -> port_command(P, term_to_binary({hello, 1, #{node => node()}})), Working.`,
}

func startPort(b *testing.B) *erlang.Stdio {
	forms := []string{"{attribute, 1, module, port_peer}", "{attribute, 2, export, [{run, 0}]}"}
	for _, f := range portPeer {
		forms = append(forms, form(strings.Join(strings.Fields(f), " ")))
	}
	// The names of the variables that form uses are the same in each, so each is a fun of its own.
	for i, f := range forms[2:] {
		forms[i+2] = "(fun() -> " + f + " end)()"
	}
	eval := fmt.Sprintf(`{ok, M, Code} = compile:forms([%s]), code:load_binary(M, "port_peer.beam", Code), port_peer:run().`, strings.Join(forms, ", "))
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(erlangtest.Erl(b), "-noinput", "-boot", "start_clean", "-eval", eval)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{theirIn, theirOut}, os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	s := erlang.NewStdio(ourIn, ourOut, nil)
	b.Cleanup(func() {
		s.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	if _, err := s.Hello(b.Context(), etf.Map{}); err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkPortCall is the round trip of erlang:node() over a port, as the Elixir package has it, beside that over distribution. The two
// take turns.
func BenchmarkPortCall(b *testing.B) {
	n := erlangtest.StartNode(b)
	dist, err := erlang.Dial(b.Context(), n.Name, &erlang.Options{Cookie: erlangtest.Cookie, Name: erlangtest.Unique() + "@localhost"})
	if err != nil {
		b.Fatal(err)
	}
	defer dist.Close()
	port := startPort(b)
	module, function := etf.A("erlang"), etf.A("node")
	call := func(c erlang.Conn) {
		if _, err := c.Call(b.Context(), module, function); err != nil {
			b.Fatal(err)
		}
	}
	const turn = 500
	var distribution time.Duration
	turns := 0
	for i := 0; b.Loop(); i++ {
		if i%turn == 0 {
			b.StopTimer()
			began := time.Now()
			for range turn {
				call(dist)
			}
			distribution += time.Since(began)
			turns++
			b.StartTimer()
		}
		call(port)
	}
	other := float64(distribution.Nanoseconds()) / float64(turns*turn)
	ours := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	b.ReportMetric(other/1000, "dist-us/op")
	b.ReportMetric(ours/other, "port/dist")
}
