package erlang_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// dialFake joins a node in memory, over a port of the loopback interface.
func dialFake(t *testing.T, f *erlangtest.Fake, o erlang.Options) (erlang.Conn, error) {
	t.Helper()
	o.Port, o.Cookie = f.Listen(t), erlangtest.Cookie
	if o.Name == "" {
		o.Name = "fake-test@127.0.0.1"
	}
	c, err := erlang.Dial(t.Context(), f.Name, &o)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// The contract of a node, which a real one and the one in memory both keep.
func testContract(t *testing.T, node string, o *erlang.Options) {
	c, err := erlang.Dial(t.Context(), node, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if p := c.Peer(); p.Node != node || p.NodeAtom.String() != node || p.Self.Node != p.NameAtom || p.Transport != "tcp" || p.Flags == 0 {
		t.Errorf("peer is %+v", p)
	}
	if got := call(t, c, "erlang", "node"); got != etf.Term(c.Peer().NodeAtom) {
		t.Errorf("node() is %s", etf.Format(got))
	}
	term := etf.List{int64(1), etf.Tuple{etf.A("two"), 3.5}, []byte("four"), etf.Map{{Key: etf.A("k"), Value: c.Peer().Self}}}
	if got := call(t, c, "lists", "reverse", etf.List{int64(1), term}); !reflect.DeepEqual(got, etf.List{term, int64(1)}) {
		t.Errorf("got %s", etf.Format(got))
	}
	for _, class := range []string{"error", "exit", "throw"} {
		_, err := c.Call(t.Context(), etf.A("erlang"), etf.A(class), etf.A("boom"))
		var remote *erlang.RemoteError
		if !errors.As(err, &remote) || remote.Class != class || remote.Reason != etf.Term(etf.A("boom")) || remote.Undef() || !strings.Contains(err.Error(), "boom") {
			t.Errorf("%s: %v", class, err)
		}
	}
	_, err = c.Call(t.Context(), etf.A("beamlens_no_module"), etf.A("f"), int64(1))
	var remote *erlang.RemoteError
	if !errors.As(err, &remote) || !remote.Undef() || !strings.Contains(err.Error(), "no function beamlens_no_module:f/1") {
		t.Errorf("undef: %v", err)
	}
	call(t, c, "erlang", "send", c.Peer().Self, etf.A("hello"))
	if got := <-c.Messages(); got != etf.Term(etf.A("hello")) {
		t.Errorf("message %s", etf.Format(got))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := c.Call(ctx, etf.A("timer"), etf.A("sleep"), etf.A("infinity")); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("deadline: %v after %s", err, time.Since(start))
	}
	wrong := *o
	wrong.Cookie, wrong.Name = "wrong", "wrong-"+o.Name
	if _, err := erlang.Dial(t.Context(), node, &wrong); !errors.Is(err, erlang.ErrCookie) {
		t.Errorf("wrong cookie: %v", err)
	}
	c.Close()
	if err := c.Wait(t.Context()); !errors.Is(err, erlang.ErrClosed) {
		t.Errorf("Wait: %v", err)
	}
	if _, ok := <-c.Messages(); ok {
		t.Error("Messages is open after Close")
	}
	if _, err := c.Call(t.Context(), etf.A("erlang"), etf.A("node")); !errors.Is(err, erlang.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestContract(t *testing.T) {
	t.Run("real node", func(t *testing.T) {
		n := erlangtest.StartNode(t)
		testContract(t, n.Name, &erlang.Options{Cookie: erlangtest.Cookie, Name: erlangtest.Unique() + "@localhost"})
	})
	t.Run("in memory", func(t *testing.T) {
		f := contractFake(t)
		testContract(t, f.Name, &erlang.Options{Cookie: erlangtest.Cookie, Name: "fake-test@127.0.0.1", Port: f.Listen(t)})
	})
	t.Run("in memory, over a pipe", func(t *testing.T) {
		f := contractFake(t)
		testContract(t, f.Name, &erlang.Options{Cookie: erlangtest.Cookie, Name: "fake-test@127.0.0.1", Port: 1, Dial: pipe(f)})
	})
}

// pipe dials a node in memory without sockets.
func pipe(f *erlangtest.Fake) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		f.Accept(theirs)
		return ours, nil
	}
}

func contractFake(t *testing.T) *erlangtest.Fake {
	f := erlangtest.NewFake(t)
	for _, class := range []string{"error", "exit", "throw"} {
		f.Funcs["erlang:"+class] = func(args []etf.Term) (etf.Term, error) {
			return nil, &erlangtest.Exception{Class: class, Reason: args[0]}
		}
	}
	f.Funcs["lists:reverse"] = func(args []etf.Term) (etf.Term, error) {
		l := args[0].(etf.List)
		out := make(etf.List, len(l))
		for i, x := range l {
			out[len(l)-1-i] = x
		}
		return out, nil
	}
	f.Funcs["erlang:send"] = func(args []etf.Term) (etf.Term, error) { return args[1], f.Send(args[0].(etf.Pid), args[1]) }
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	f.Funcs["timer:sleep"] = func([]etf.Term) (etf.Term, error) { <-forever; return etf.A("ok"), nil }
	return f
}

func TestHandshakeFaults(t *testing.T) {
	for fault, tc := range map[erlangtest.Fault]struct {
		want error
		says string
	}{
		erlangtest.NotAllowed:   {erlang.ErrNotAllowed, "net_kernel:allow/1"},
		erlangtest.Alive:        {erlang.ErrNameInUse, "another name"},
		erlangtest.Nok:          {erlang.ErrNameInUse, "try again"},
		erlangtest.Old:          {erlang.ErrTooOld, "lacks SPAWN, V4_NC"},
		erlangtest.OtherNode:    {erlang.ErrNodeNotFound, "somebody@else"},
		erlangtest.NoStatus:     {erlang.ErrHandshake, "port of an Erlang node"},
		erlangtest.NoChallenge:  {erlang.ErrHandshake, "no challenge"},
		erlangtest.NotErlang:    {erlang.ErrHandshake, "Erlang node"},
		erlangtest.WrongDigest:  {erlang.ErrCookie, "could not prove"},
		erlangtest.SilentAtName: {erlang.ErrTimeout, "longer than 100ms"},
	} {
		t.Run(string(fault), func(t *testing.T) {
			f := erlangtest.NewFake(t)
			f.Fault = fault
			_, err := dialFake(t, f, erlang.Options{DialTimeout: 100 * time.Millisecond})
			var op *erlang.OpError
			if !errors.Is(err, tc.want) || !errors.As(err, &op) || op.Node != f.Name || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v\nwant %q, saying %q", err, tc.want, tc.says)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		f := erlangtest.NewFake(t)
		f.Fault = erlangtest.SilentAtName
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := erlang.Dial(ctx, f.Name, &erlang.Options{Port: f.Listen(t), Cookie: "x"})
		if !errors.Is(err, context.Canceled) || errors.Is(err, erlang.ErrTimeout) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no TLS there", func(t *testing.T) {
		f := erlangtest.NewFake(t)
		if _, err := dialFake(t, f, erlang.Options{TLS: &tls.Config{}, DialTimeout: time.Second}); !errors.Is(err, erlang.ErrTLS) && !errors.Is(err, erlang.ErrTimeout) {
			t.Errorf("got %v", err)
		}
	})
}

func TestFaultsOfCalls(t *testing.T) {
	for fault, tc := range map[erlangtest.Fault]struct {
		want error // nil: the call works
		says string
		ends bool // the connection
	}{
		erlangtest.Garbage:      {erlang.ErrClosed, "control message", true},
		erlangtest.DropOnCall:   {erlang.ErrClosed, "closed the connection", true},
		erlangtest.PartialFrame: {erlang.ErrClosed, "closed the connection", true},
		erlangtest.NoAnswer:     {context.DeadlineExceeded, "", false},
		erlangtest.NoProcess:    {nil, "system_limit", false},
		erlangtest.UnknownOps:   {nil, "", false},
	} {
		t.Run(string(fault), func(t *testing.T) {
			f := erlangtest.NewFake(t)
			f.Fault = fault
			c, err := dialFake(t, f, erlang.Options{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err = c.Call(ctx, etf.A("erlang"), etf.A("node"))
			if !errors.Is(err, tc.want) && tc.says == "" || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("got %v, want %v, saying %q", err, tc.want, tc.says)
			}
			if tc.ends {
				if err := c.Wait(t.Context()); err == nil {
					t.Error("Wait has no reason")
				}
			}
			if fault == erlangtest.NoAnswer {
				erlangtest.Eventually(t, "the process is killed", func() bool { return f.Killed() == 1 })
			}
			if fault == erlangtest.UnknownOps && c.Peer().Ignored != 2 {
				t.Errorf("%d messages ignored", c.Peer().Ignored)
			}
		})
	}
}

// A node that takes nothing: callers leave when their contexts end, and the connection is given up.
func TestStalledNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := erlangtest.NewFake(t)
		f.Fault = erlangtest.Stall
		c, err := erlang.Dial(t.Context(), f.Name, &erlang.Options{Cookie: erlangtest.Cookie, Port: 1, Name: "x@127.0.0.1", Dial: pipe(f), WriteTimeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 200 { // more than the queue holds
			wg.Go(func() {
				if _, err := c.Call(ctx, etf.A("erlang"), etf.A("node")); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("the callers left after %s", took)
		}
		if err := c.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "does not take") || time.Since(start) > 11*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		c.Close()
		f.Drop()
	})
}

// A node that says nothing is given up after Options.Silence, and hears of us at each tick until then.
func TestSilentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := erlangtest.NewFake(t)
		f.Fault = erlangtest.NoAnswer
		c, err := erlang.Dial(t.Context(), f.Name, &erlang.Options{Cookie: erlangtest.Cookie, Port: 1, Name: "x@127.0.0.1", Dial: pipe(f)})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = c.Call(t.Context(), etf.A("erlang"), etf.A("node"))
		if took := time.Since(start); !errors.Is(err, erlang.ErrClosed) || !strings.Contains(err.Error(), "silent") || took != 75*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		c.Close()
		f.Drop()
	})
}
