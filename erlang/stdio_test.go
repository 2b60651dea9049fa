//go:build unix

package erlang_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// vm is the other end of a connection, in memory.
type vm struct {
	in  *io.PipeReader // what the connection writes
	out *io.PipeWriter
}

func newVM(o *erlang.StdioOptions) (*vm, *erlang.Stdio) {
	r1, w1 := io.Pipe()
	r2, w2 := io.Pipe()
	return &vm{r1, w2}, erlang.NewStdio(r2, w1, o)
}

func frame(t etf.Term) []byte {
	b, err := etf.Encode(t)
	if err != nil {
		panic(err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func (v *vm) say(t etf.Term) { v.out.Write(frame(t)) }

func (v *vm) hear(t testing.TB) etf.Tuple {
	t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(v.in, head[:]); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(v.in, b); err != nil {
		t.Fatal(err)
	}
	term, _, err := etf.Decode(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return term.(etf.Tuple)
}

var a = etf.A

func TestStdioAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(id etf.Term) etf.Term
		want   etf.Term
		is     error
		says   string
	}{
		"value":      {func(id etf.Term) etf.Term { return etf.Tuple{a("reply"), id, 42} }, int64(42), nil, ""},
		"raised":     {func(id etf.Term) etf.Term { return etf.Tuple{a("error"), id, a("error"), a("badarg"), etf.List{}} }, nil, nil, "exception error: badarg"},
		"undefined":  {func(id etf.Term) etf.Term { return etf.Tuple{a("error"), id, a("error"), a("undef"), etf.List{}} }, nil, nil, "the node has no function beamlens_probe:top/1"},
		"killed":     {func(id etf.Term) etf.Term { return etf.Tuple{a("error"), id, a("killed"), "heap", etf.List{}} }, nil, erlang.ErrKilled, "heap"},
		"busy":       {func(id etf.Term) etf.Term { return etf.Tuple{a("error"), id, a("busy"), "", etf.List{}} }, nil, erlang.ErrBusy, ""},
		"refused":    {func(id etf.Term) etf.Term { return etf.Tuple{a("error"), id, a("refused"), "os:cmd", etf.List{}} }, nil, erlang.ErrRefused, "os:cmd"},
		"too large":  {func(id etf.Term) etf.Term { return etf.Tuple{a("error"), id, a("too_large"), "5 MB", etf.List{}} }, nil, erlang.ErrTooLarge, "5 MB"},
		"other ends": {nil, nil, erlang.ErrClosed, "the VM is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, s := newVM(nil)
				defer s.Close()
				go func() {
					m := v.hear(t)
					if m[0] != etf.Term(a("call")) || string(m[2].([]byte)) != "beamlens_probe" || string(m[3].([]byte)) != "top" {
						t.Errorf("heard %s", etf.Format(m))
					}
					if c.answer == nil {
						v.out.Close()
						return
					}
					v.say(etf.Tuple{a("reply"), 999, a("nobody")}) // one that nobody waits for
					v.say(c.answer(m[1]))
				}()
				got, err := s.Call(t.Context(), a("beamlens_probe"), a("top"), 1)
				if got != c.want || c.is != nil && !errors.Is(err, c.is) || err == nil && c.says != "" || err != nil && !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, %v", got, err)
				}
			})
		})
	}
}

func TestStdioBoundsItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, s := newVM(nil)
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := s.Skill(ctx, "redis", ""); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		counts := map[string]int{}
		for range 16 { // eight calls, and then that each is cancelled
			m := v.hear(t)
			counts[m[0].(etf.Atom).String()]++
			if counts["cancel"] > 0 && counts["skill"] != 8 {
				t.Fatalf("%v", counts)
			}
		}
		wg.Wait()
		if counts["skill"] != 8 || counts["cancel"] != 8 {
			t.Errorf("%v", counts)
		}
	})
}

func TestStdioNeverWaitsToTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := newVM(nil)
		defer s.Close()
		told := 0
		for range 5000 { // nobody reads
			if s.Tell(etf.Tuple{a("notify"), etf.Map{}}) {
				told++
			}
		}
		if dropped := s.Peer().Dropped; told > 1100 || dropped != uint64(5000-told) {
			t.Errorf("told %d, dropped %d", told, dropped)
		}
	})
}

func TestStdioGreets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, s := newVM(nil)
		defer s.Close()
		go func() {
			v.hear(t)
			v.say(etf.Tuple{a("hello"), 1, etf.Map{{Key: a("node"), Value: "shop@host"}}})
			v.say(etf.Tuple{a("ask"), 7, "how are you?"})
		}()
		if _, err := s.Hello(t.Context(), etf.Map{}); err != nil || s.Peer().Node != "shop@host" {
			t.Errorf("%v, %s", err, s.Peer().Node)
		}
		if m := (<-s.Messages()).(etf.Tuple); string(m[2].([]byte)) != "how are you?" {
			t.Errorf("asked %s", etf.Format(m))
		}
	})
}

func TestStdioOfAnotherVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, s := newVM(nil)
		defer s.Close()
		go func() {
			v.hear(t)
			v.say(etf.Tuple{a("hello"), 2, etf.Map{}})
		}()
		if _, err := s.Hello(t.Context(), etf.Map{}); err == nil || !strings.Contains(err.Error(), "install the two together") {
			t.Error(err)
		}
	})
}

// FuzzStdio: whatever comes in, the connection ends or goes on; it does not panic and takes no more memory than comes.
func FuzzStdio(f *testing.F) {
	for _, t := range []etf.Term{
		etf.Tuple{a("reply"), 1, etf.List{a("ok")}}, etf.Tuple{a("error"), 1, a("error"), a("undef"), etf.List{}}, etf.Tuple{a("hello"), 1, etf.Map{}},
		etf.Tuple{a("ask"), 1, "why?"}, etf.Tuple{}, a("stop"), etf.Tuple{a("reply")}, etf.Tuple{a("error"), "x", 1, 2, 3},
	} {
		f.Add(frame(t))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 131})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := erlang.NewStdio(io.NopCloser(bytes.NewReader(b)), io.Discard, nil)
		_ = s.Wait(t.Context()) // it ends with the input
		for range s.Messages() {
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// portChild is set in a copy of this test's program that a VM starts as a port.
const portChild = "BEAMLENS_TEST_PORT"

func TestMain(m *testing.M) {
	if os.Getenv(portChild) != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

func child() int {
	in, out, err := erlang.Standard()
	if err != nil {
		return 1
	}
	fmt.Println("this is printed and must not reach the VM as a frame")
	s := erlang.NewStdio(in, out, nil)
	ctx := context.Background()
	if _, err := s.Hello(ctx, etf.Map{}); err != nil {
		return 2
	}
	big := bytes.Repeat([]byte("x"), 1<<20)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			args := []etf.Term{i, big[:1<<(i%20)]}
			got, err := s.Call(ctx, etf.A("test"), etf.A("echo"), args...)
			if l, ok := got.(etf.List); err != nil || !ok || l[0] != etf.Term(int64(i)) || len(l[1].([]byte)) != 1<<(i%20) {
				s.Tell(etf.Tuple{etf.A("notify"), "wrong"})
			}
		})
	}
	wg.Wait()
	s.Tell(etf.Tuple{etf.A("notify"), "done"})
	_ = s.Wait(ctx) // until the VM closes the port
	return 0
}

// TestStdioWithAVM has a real VM start this test's program as a port, and answer its calls.
func TestStdioWithAVM(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	loop := `P = open_port({spawn_executable, "` + self + `"}, [binary, exit_status, use_stdio, {packet, 4}, {env, [{"` + portChild + `", "1"}]}]),
		Say = fun(T) -> port_command(P, term_to_binary(T)) end,
		Say({hello, 1, #{node => node()}}),
		F = fun F(N) -> receive
			{P, {data, B}} -> case binary_to_term(B) of
				{call, Id, <<"test">>, <<"echo">>, Args} -> Say({reply, Id, Args}), F(N + 1);
				{notify, <<"done">>} -> io:format("~p calls~n", [N]), port_close(P), halt(0);
				{hello, _, _} -> F(N);
				Other -> io:format("~p~n", [Other]), halt(1)
			end;
			Other -> io:format("~p~n", [Other]), halt(1)
		end end, F(0).`
	out, err := exec.CommandContext(t.Context(), erlangtest.Erl(t), "-noshell", "-boot", "start_clean", "-eval", strings.ReplaceAll(loop, "\n", " ")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "200 calls") {
		t.Errorf("%v: %s", err, out)
	}
}
