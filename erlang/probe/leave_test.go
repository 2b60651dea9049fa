package probe_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/probe"
)

func optionsFor(hello chan map[string]any) *probe.Options {
	return &probe.Options{OnState: func(s probe.State) {
		select {
		case hello <- s.Hello:
		default:
		}
	}}
}

// TestEngineToBeKilled is no test: it is the engine that TestNothingStaysAfterKill9 starts and kills.
func TestEngineToBeKilled(t *testing.T) {
	node := os.Getenv("BEAMLENS_TEST_NODE")
	if node == "" {
		t.Skip("run by TestNothingStaysAfterKill9")
	}
	p := probe.New(node, func(ctx context.Context) (erlang.Conn, error) {
		return erlang.Dial(ctx, node, &erlang.Options{Cookie: erlangtest.Cookie, Name: erlangtest.Unique() + "@localhost"})
	}, nil)
	_ = p.Serve(t.Context())
}

func TestNothingStaysAfterKill9(t *testing.T) {
	n := erlangtest.StartNode(t)
	n.Eval(t, "{erl_eval:module_info(), erl_scan:module_info(), erl_parse:module_info()}, ok.")
	engine := exec.Command(os.Args[0], "-test.run", "^TestEngineToBeKilled$")
	engine.Env = append(os.Environ(), "BEAMLENS_TEST_NODE="+n.Name)
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	erlangtest.Eventually(t, "the engine has attached", func() bool { return n.Eval(t, "is_pid(whereis(beamlens_probe)).") == "true" })
	if err := engine.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = engine.Wait()
	erlangtest.Eventually(t, "the module is gone", func() bool { return gone(t, n) })
}

func TestAnEngineThatDiesLeavesTheOtherItsProbe(t *testing.T) {
	n := erlangtest.StartNode(t)
	engine := exec.Command(os.Args[0], "-test.run", "^TestEngineToBeKilled$")
	engine.Env = append(os.Environ(), "BEAMLENS_TEST_NODE="+n.Name)
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	// One that has no operators does not attach again when the other loads the module at the same moment.
	erlangtest.Eventually(t, "the engine has attached", func() bool { return n.Eval(t, "is_pid(whereis(beamlens_probe)).") == "true" })
	p, stop := serve(t, n.Name, nil)
	owners := func() int64 { return ask(t, p, "snapshot")["probe"].(map[string]any)["owners"].(int64) }
	erlangtest.Eventually(t, "both have attached", func() bool { return owners() == 2 })
	if err := engine.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = engine.Wait()
	erlangtest.Eventually(t, "one has gone", func() bool { return owners() == 1 })
	stop()
	erlangtest.Eventually(t, "the module is gone", func() bool { return gone(t, n) })
}

func TestAKilledResidentIsStartedAgain(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, stop := serve(t, n.Name, nil)
	n.Eval(t, "exit(whereis(beamlens_probe), kill).")
	if s := ask(t, p, "snapshot"); s["scan"] == nil || s["attached"] != true {
		t.Errorf("snapshot %v", s)
	}
	stop()
	erlangtest.Eventually(t, "the module is gone", func() bool { return gone(t, n) })
}

func TestAWrongCookieIsNotTriedFast(t *testing.T) {
	n := erlangtest.StartNode(t)
	states := make(chan probe.State, 10)
	p := probe.New(n.Name, func(ctx context.Context) (erlang.Conn, error) {
		return erlang.Dial(ctx, n.Name, &erlang.Options{Cookie: "wrong", Name: erlangtest.Unique() + "@localhost"})
	}, &probe.Options{OnState: func(s probe.State) { states <- s }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Serve(ctx)
	}()
	s := <-states
	if s.Up || !errors.Is(s.Err, erlang.ErrCookie) || s.Attempt != 1 || s.Retry < 15*time.Second || time.Until(s.NextTry) < 10*time.Second {
		t.Errorf("state %+v", s)
	}
	cancel()
	<-done
}
