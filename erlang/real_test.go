package erlang_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// These tests talk to a real node.

func dial(t *testing.T, n *erlangtest.Node, o *erlang.Options) erlang.Conn {
	t.Helper()
	c, err := try(t, n.Name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func try(t *testing.T, node string, o *erlang.Options) (erlang.Conn, error) {
	t.Helper()
	if o == nil {
		o = &erlang.Options{}
	}
	if o.Cookie == "" {
		o.Cookie = erlangtest.Cookie
	}
	if o.Name == "" {
		o.Name = erlangtest.Unique() + "@localhost"
	}
	return erlang.Dial(t.Context(), node, o)
}

func call(t *testing.T, c erlang.Conn, m, f string, args ...etf.Term) etf.Term {
	t.Helper()
	v, err := c.Call(t.Context(), etf.A(m), etf.A(f), args...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCall(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	if got := call(t, c, "erlang", "node").(etf.Atom).String(); got != n.Name {
		t.Errorf("node() is %s, want %s", got, n.Name)
	}
	if got := call(t, c, "lists", "reverse", etf.List{int64(1), etf.A("two"), 3.5}); !reflect.DeepEqual(got, etf.List{3.5, etf.A("two"), int64(1)}) {
		t.Errorf("got %s", etf.Format(got))
	}
}

func TestHidden(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	if got := n.Eval(t, "nodes()."); got != "[]" {
		t.Errorf("nodes() is %s", got)
	}
	if got := n.Eval(t, "nodes(hidden)."); !strings.Contains(got, c.Peer().Name) {
		t.Errorf("nodes(hidden) is %s, without %s", got, c.Peer().Name)
	}
	n.Eval(t, fmt.Sprintf("erlang:monitor_node('%s', true).", c.Peer().Name))
	c.Close()
	if got := n.Eval(t, "receive {nodedown, N} -> N after 5000 -> none end."); !strings.Contains(got, c.Peer().Name) {
		t.Errorf("after Close the node saw %s go down", got)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ name, host, extra string }{
		{"long name", "127.0.0.1", ""},
		{"IPv6", "::1", "-proto_dist inet6_tcp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := erlangtest.StartNode(t, append([]string{"-name", c.host}, strings.Fields(c.extra)...)...)
			call(t, dial(t, n, nil), "erlang", "node")
		})
	}
}

func TestRemoteErrors(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	for _, tc := range []struct {
		m, f  string
		args  []etf.Term
		class string
		undef bool
	}{
		{"erlang", "error", []etf.Term{etf.A("boom")}, "error", false},
		{"erlang", "exit", []etf.Term{etf.A("boom")}, "exit", false},
		{"erlang", "throw", []etf.Term{etf.A("boom")}, "throw", false},
		{"beamlens_no_such_module", "f", nil, "error", true},
	} {
		_, err := c.Call(t.Context(), etf.A(tc.m), etf.A(tc.f), tc.args...)
		var remote *erlang.RemoteError
		if !errors.As(err, &remote) || remote.Class != tc.class || remote.Undef() != tc.undef {
			t.Errorf("%s:%s: %v", tc.m, tc.f, err)
		}
	}
	call(t, c, "erlang", "node")
}

func TestHeapLimitKillsTheCallAlone(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, &erlang.Options{MaxHeap: 100_000})
	_, err := c.Call(t.Context(), etf.A("lists"), etf.A("seq"), int64(1), int64(1_000_000))
	if !errors.Is(err, erlang.ErrKilled) {
		t.Errorf("got %v", err)
	}
	call(t, c, "erlang", "node")
}

func TestLargeAnswers(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
	got := call(t, c, "erlang", "list_to_binary", etf.List{want}).([]byte)
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back, or others than the %d sent", len(got), len(want))
	}
	small := dial(t, n, &erlang.Options{MaxFrame: 1 << 20})
	if _, err := small.Call(t.Context(), etf.A("binary"), etf.A("copy"), []byte("0123456789abcdef"), int64(1<<20)); !errors.Is(err, erlang.ErrTooLarge) {
		t.Errorf("an answer over the limit: %v", err)
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	atoms := call(t, c, "erlang", "system_info", etf.A("atom_count")).(int64)
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			v, err := c.Call(t.Context(), etf.A("erlang"), etf.A("abs"), int64(-i))
			if err != nil || v != int64(i) {
				t.Errorf("abs(-%d) is %v, %v", i, v, err)
			}
		})
	}
	wg.Wait()
	if grown := call(t, c, "erlang", "system_info", etf.A("atom_count")).(int64) - atoms; grown > 3 {
		t.Errorf("1000 calls made %d atoms", grown)
	}
}

func TestCancelKillsTheProcess(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	processes := n.Eval(t, "length(processes()).")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := c.Call(ctx, etf.A("timer"), etf.A("sleep"), etf.A("infinity"))
		done <- err
	}()
	erlangtest.Eventually(t, "the process starts", func() bool { return n.Eval(t, "length(processes()).") != processes })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	erlangtest.Eventually(t, "the process is gone", func() bool { return n.Eval(t, "length(processes()).") == processes })
}

func TestProcessesDieWithTheConnection(t *testing.T) {
	n := erlangtest.StartNode(t)
	processes := n.Eval(t, "length(processes()).")
	c := dial(t, n, nil)
	go c.Call(context.Background(), etf.A("timer"), etf.A("sleep"), etf.A("infinity"))
	erlangtest.Eventually(t, "the process starts", func() bool {
		return n.Eval(t, "length([P || P <- processes(), {current_function, {timer, sleep, 1}} == process_info(P, current_function)]).") == "1"
	})
	c.Close()
	erlangtest.Eventually(t, "the process is gone", func() bool { return n.Eval(t, "length(processes()).") == processes })
}

func TestPrintingDoesNotHang(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	if got := call(t, c, "io", "format", []byte("hello~n"), etf.List{}); got != etf.A("ok") {
		t.Errorf("io:format gave %s", etf.Format(got))
	}
	if got, ok := call(t, c, "io", "get_line", []byte("?")).(etf.Tuple); !ok || got[0] != etf.A("error") {
		t.Errorf("io:get_line gave %s", etf.Format(got))
	}
}

func TestMessages(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	call(t, c, "erlang", "send", c.Peer().Self, etf.Tuple{etf.A("hello"), int64(1)})
	if got := <-c.Messages(); !reflect.DeepEqual(got, etf.Tuple{etf.A("hello"), int64(1)}) {
		t.Errorf("got %s", etf.Format(got))
	}
	// Nobody reads: what is too much is dropped and counted, and calls go on.
	for range 1100 {
		call(t, c, "erlang", "send", c.Peer().Self, etf.A("flood"))
	}
	if d := c.Peer().Dropped; d == 0 || d > 100 {
		t.Errorf("%d messages dropped", d)
	}
}

func TestKilledNode(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	result := make(chan error, 1)
	go func() {
		_, err := c.Call(context.Background(), etf.A("timer"), etf.A("sleep"), etf.A("infinity"))
		result <- err
	}()
	erlangtest.Eventually(t, "the call runs", func() bool {
		return n.Eval(t, "length([P || P <- processes(), {current_function, {timer, sleep, 1}} == process_info(P, current_function)]).") == "1"
	})
	n.Kill()
	if err := <-result; err == nil || !strings.Contains(err.Error(), "closed the connection") && !strings.Contains(err.Error(), "reset") {
		t.Errorf("a call when the node is killed: %v", err)
	}
	if err := c.Wait(t.Context()); err == nil {
		t.Error("Wait has no reason")
	}
	if _, err := c.Call(t.Context(), etf.A("erlang"), etf.A("node")); !errors.Is(err, erlang.ErrClosed) {
		t.Errorf("a call afterwards: %v", err)
	}
	if _, err := try(t, n.Name, nil); !errors.Is(err, erlang.ErrNodeNotFound) && !errors.Is(err, erlang.ErrUnreachable) {
		t.Errorf("dialling a node that is gone: %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	_, host, _ := strings.Cut(n.Name, "@")
	for _, tc := range []struct {
		name, node string
		options    *erlang.Options
		want       error
		says       string
	}{
		{"wrong cookie", n.Name, &erlang.Options{Cookie: "wrong"}, erlang.ErrCookie, "take the cookie of the user"},
		{"no cookie", n.Name, &erlang.Options{CookieFile: "/nonexistent", Cookie: ""}, erlang.ErrNoCookie, "give the node's cookie"},
		{"name in use", n.Name, &erlang.Options{Name: c.Peer().Name}, erlang.ErrNameInUse, "another name"},
		{"unknown node", "beamlens-nobody@" + host, nil, erlang.ErrNodeNotFound, "There: "},
		{"unknown host", "shop@host.invalid", nil, erlang.ErrHostUnknown, "host.invalid"},
		{"no epmd", "shop@127.0.0.1", &erlang.Options{Epmd: "127.0.0.1:1"}, erlang.ErrNoEpmd, "-sname or -name"},
		{"nobody listens", n.Name, &erlang.Options{Port: 1}, erlang.ErrUnreachable, "port 1"},
		{"no name", "@x", nil, erlang.ErrBadName, "shop@"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := tc.options
			if o == nil {
				o = &erlang.Options{}
			}
			if o.Cookie == "" && o.CookieFile == "" {
				o.Cookie = erlangtest.Cookie
			}
			if o.Name == "" {
				o.Name = erlangtest.Unique() + "@localhost"
			}
			_, err := erlang.Dial(t.Context(), tc.node, o)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v\nwant %q, saying %q", err, tc.want, tc.says)
			}
		})
	}
	call(t, c, "erlang", "node") // who had the name keeps it
}

func TestDefaultNamesStepAside(t *testing.T) {
	n := erlangtest.StartNode(t)
	names := map[string]bool{}
	for range 3 {
		c, err := erlang.Dial(t.Context(), n.Name, &erlang.Options{Cookie: erlangtest.Cookie})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		names[c.Peer().Name] = true
	}
	if len(names) != 3 {
		t.Errorf("three engines have the names %v", names)
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	n := erlangtest.StartNode(t)
	before := runtime.NumGoroutine()
	for range 5 {
		c := dial(t, n, nil)
		call(t, c, "erlang", "node")
		c.Close()
	}
	erlangtest.Eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

func TestTicksKeepAnIdleConnection(t *testing.T) {
	n := erlangtest.StartNode(t, "-kernel", "net_ticktime", "4")
	c := dial(t, n, &erlang.Options{TickInterval: 500 * time.Millisecond, Silence: 3 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	if err := c.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an idle connection ended: %v", err)
	}
	call(t, c, "erlang", "node")
}

func TestNotAllowed(t *testing.T) {
	n := erlangtest.StartNode(t)
	n.Eval(t, "net_kernel:allow(['friend@localhost']).")
	if _, err := try(t, n.Name, nil); !errors.Is(err, erlang.ErrNotAllowed) {
		t.Errorf("got %v", err)
	}
}

// What processes of the node do to us as they would to any node must not leave them waiting.
func TestProcessesThatWatchUs(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	n.Eval(t, fmt.Sprintf("Us = '%s'.", c.Peer().Name))
	for what, tc := range map[string]struct{ ask, want string }{
		"ping":           {"net_adm:ping(Us).", "pong"},
		"monitor a name": {"M = erlang:monitor(process, {nobody, Us}), receive {'DOWN', M, _, _, R1} -> R1 after 5000 -> none end.", "noproc"},
		"call a name":    {"{'EXIT', {R2, _}} = catch gen_server:call({nobody, Us}, hi, 5000), R2.", "noproc"},
		"spawn":          {"Q = spawn_request(Us, erlang, node, []), receive {spawn_reply, Q, error, R3} -> R3 after 5000 -> none end.", "notsup"},
		"send to a name": {"{nobody, Us} ! hi.", "hi"},
		"erpc":           {"{'EXIT', {{erpc, R4}, _}} = catch erpc:call(Us, erlang, node, [], 5000), R4.", "notsup"},
	} {
		if got := n.Eval(t, tc.ask); got != tc.want {
			t.Errorf("%s: got %s, want %s", what, got, tc.want)
		}
	}
	call(t, c, "erlang", "node")
}

// Our pid can be monitored, linked to and unlinked from, and who does hears when we leave.
func TestOurPidIsWatched(t *testing.T) {
	n := erlangtest.StartNode(t)
	c := dial(t, n, nil)
	n.Eval(t, "Me = self(), register(shell_of_test, Me), Me.")
	call(t, c, "erlang", "send", etf.A("shell_of_test"), c.Peer().Self)
	n.Eval(t, "Us = receive P when is_pid(P) -> P after 5000 -> none end.")
	n.Eval(t, "process_flag(trap_exit, true), link(Us), unlink(Us), link(Us), Mon = monitor(process, Us), exit(Us, kill), Us ! {from, self()}.")
	if got, ok := (<-c.Messages()).(etf.Tuple); !ok || len(got) != 2 || got[0] != etf.Term(etf.A("from")) {
		t.Errorf("got %s", etf.Format(got))
	}
	c.Close()
	if got := n.Eval(t, "receive {'DOWN', Mon, process, Us, W1} -> W1 after 5000 -> none end."); got != "noconnection" {
		t.Errorf("the monitor says %s", got)
	}
	if got := n.Eval(t, "receive {'EXIT', Us, W2} -> W2 after 5000 -> none end."); got != "noconnection" {
		t.Errorf("the link says %s", got)
	}
}
