package beam_test

import (
	"context"
	"testing"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/probe"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

// link starts a real node and returns a probe of it, and the node. The arguments are for erl.
func link(t testing.TB, args ...string) (*probe.Probe, *erlangtest.Node) {
	t.Helper()
	n := erlangtest.StartNode(t, args...)
	return linkTo(t, n.Name), n
}

// linkTo returns a probe of a node that runs.
func linkTo(t testing.TB, node string) *probe.Probe {
	t.Helper()
	p, _ := linkUntil(t, node)
	return p
}

// linkUntil is the same, and a function that ends the link.
func linkUntil(t testing.TB, node string) (*probe.Probe, func()) {
	t.Helper()
	up := make(chan probe.State, 10)
	own := erlangtest.Unique() + "@localhost"
	p := probe.New(node, func(ctx context.Context) (erlang.Conn, error) {
		return erlang.Dial(ctx, node, &erlang.Options{Cookie: erlangtest.Cookie, Name: own})
	}, &probe.Options{OnState: func(s probe.State) { up <- s }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Serve(ctx)
	}()
	stop := func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	if s := <-up; !s.Up {
		t.Fatal(s.Err)
	}
	return p, stop
}

// playbook runs a playbook as the analyst does.
func playbook(t *testing.T, s *skill.Skill, metric, finding string) map[string]any {
	t.Helper()
	books := s.Match(metric)
	if len(books) == 0 {
		t.Fatalf("no playbook for %s", metric)
	}
	v, _ := skilltest.Lua(t, s, "local finding = {metric = '"+metric+"', "+finding+"}\n"+books[0].Lua).(map[string]any)
	return v
}
