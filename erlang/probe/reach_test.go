package probe_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// TestReach: a node that does not answer, one that does again, and one that is gone are told apart, without asking it.
func TestReach(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	ask(t, p, "snapshot")
	if up, since, unanswered, _, _ := p.Reach(); !up || !unanswered.IsZero() || time.Since(since) > time.Minute {
		t.Errorf("of a healthy node: %v %v %v", up, since, unanswered)
	}
	if err := syscall.Kill(n.Pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if v, err := p.Call(ctx, etf.A("vm"), etf.A("snapshot")); err == nil {
			t.Errorf("a stopped node answers %v", v)
		}
		cancel()
	}
	if up, _, unanswered, _, _ := p.Reach(); !up || unanswered.Before(began) || time.Since(unanswered) < 200*time.Millisecond {
		t.Errorf("of a stopped node: %v, unanswered since %v, stopped at %v", up, unanswered, began)
	}
	if err := syscall.Kill(n.Pid(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	ask(t, p, "snapshot")
	if _, _, unanswered, _, _ := p.Reach(); !unanswered.IsZero() {
		t.Errorf("it answers again, and is told as unanswered since %s", unanswered)
	}
	n.Kill()
	erlangtest.Eventually(t, "the node is gone, was dialled again, and it is said why", func() bool {
		up, since, unanswered, attempts, why := p.Reach()
		return !up && !since.Before(began) && unanswered.IsZero() && attempts > 1 && why != nil
	})
}
