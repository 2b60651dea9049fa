package epmd_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/epmd"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
)

// answering listens as epmd does and gives one answer to whatever is asked.
func answering(t *testing.T, network, addr string, answer []byte, asked *string) string {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Skipf("%s is not to be had here: %v", network, err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			head := make([]byte, 2)
			if _, err := io.ReadFull(c, head); err == nil {
				body := make([]byte, int(head[0])<<8|int(head[1]))
				io.ReadFull(c, body)
				if asked != nil {
					*asked = string(body)
				}
			}
			c.Write(answer)
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// shop is an answer as epmd gives it: port 4711, normal, TCP, versions 6 to 5.
var shop = append([]byte{119, 0, 0x12, 0x67, 77, 0, 0, 6, 0, 5, 0, 4}, "shop\x00\x00"...)

func TestLookup(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		var asked string
		addr := answering(t, network, map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network], shop, &asked)
		got, err := epmd.Lookup(t.Context(), addr, "shop")
		if want := (epmd.Node{Name: "shop", Port: 4711, Type: 77, Highest: 6, Lowest: 5}); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", network, got, err)
		}
		if asked != "\x7ashop" {
			t.Errorf("asked %q", asked)
		}
	}
}

func TestNames(t *testing.T) {
	addr := answering(t, "tcp", "127.0.0.1:0", []byte("\x00\x00\x11\x11name shop at port 4711\nname other at port 9\nnonsense\n"), nil)
	got, err := epmd.Names(t.Context(), addr)
	if err != nil || len(got) != 2 || got[0].Name != "shop" || got[0].Port != 4711 || got[1].Name != "other" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		answer []byte
		want   error
	}{
		"not registered": {[]byte{119, 1}, epmd.ErrNotFound},
		"no answer":      {nil, epmd.ErrNotRunning},
		"not epmd":       {[]byte("HTTP/1.1 400"), epmd.ErrNotRunning},
		"cut off":        {shop[:7], epmd.ErrNotRunning},
		"port 0":         {append([]byte{119, 0, 0, 0}, shop[4:]...), epmd.ErrNotFound},
	} {
		if _, err := epmd.Lookup(t.Context(), answering(t, "tcp", "127.0.0.1:0", tc.answer, nil), "shop"); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := epmd.Lookup(t.Context(), "127.0.0.1:1", "shop"); !errors.Is(err, epmd.ErrNotRunning) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := epmd.Lookup(t.Context(), "host.invalid", "shop"); !errors.Is(err, epmd.ErrHostUnknown) {
		t.Errorf("unknown host: %v", err)
	}
	if _, err := epmd.Lookup(t.Context(), "127.0.0.1:1", strings.Repeat("x", 2000)); !errors.Is(err, epmd.ErrNotFound) {
		t.Errorf("an endless name: %v", err)
	}
}

// An epmd that accepts and says nothing holds nobody longer than the context.
func TestSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		io.ReadFull(c, make([]byte, 7))
		cancel()
		io.Copy(io.Discard, c)
		c.Close()
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	if _, err := epmd.Lookup(ctx, l.Addr().String(), "shop"); !errors.Is(err, epmd.ErrNotRunning) {
		t.Errorf("got %v", err)
	}
}

func TestRealEpmd(t *testing.T) {
	n := erlangtest.StartNode(t)
	name, _, _ := strings.Cut(n.Name, "@")
	got, err := epmd.Lookup(t.Context(), "127.0.0.1", name)
	if err != nil || got.Port == 0 || got.Type != 77 || got.Highest < 6 {
		t.Errorf("got %+v, %v", got, err)
	}
	all, err := epmd.Names(t.Context(), "127.0.0.1")
	if err != nil || !slices.ContainsFunc(all, func(n epmd.Node) bool { return n.Name == name && n.Port == got.Port }) {
		t.Errorf("%s is not in %+v, %v", name, all, err)
	}
	if _, err := epmd.Lookup(t.Context(), "127.0.0.1", name+"-not"); !errors.Is(err, epmd.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
