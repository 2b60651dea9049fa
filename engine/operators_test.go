package engine_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/store"
)

func firedBy(events []beamlens.Event) []string {
	by := map[string]bool{}
	for _, ev := range events {
		by[ev.Alert.Operator+" "+ev.Subject] = true
	}
	return slices.Sorted(maps.Keys(by))
}

func names(e *engine.Engine) []string {
	var out []string
	for _, o := range e.Operators() {
		out = append(out, o.Operator)
	}
	return out
}

// TestOperatorsComeAndGo begins with nothing to watch. Two operators of one skill read the target once between them, and each fires
// under its own name; one is taken out and the other goes on; with the last the target is left alone; and one that comes back
// takes its alerts over.
func TestOperatorsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p, kept := &log{}, &plant{}, store.NewMemory()
		var reads atomic.Int64
		s := p.skill()
		read := s.Snapshot
		s.Snapshot = func(ctx context.Context) (map[string]any, error) {
			reads.Add(1)
			return read(ctx)
		}
		e, err := engine.New(engine.Options{Target: target, Store: kept, OnEvent: l.add})
		if err != nil {
			t.Fatal(err)
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(e.Add(s, engine.OperatorOptions{Name: "a"})) // before it serves
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			e.Serve(ctx)
		}()
		defer func() {
			cancel()
			<-done
		}()
		time.Sleep(time.Minute)
		must(e.Add(s, engine.OperatorOptions{Name: "b"}))
		if err := e.Add(s, engine.OperatorOptions{Name: "b"}); err == nil || !strings.Contains(err.Error(), "already") {
			t.Errorf("a second b: %v", err)
		}
		if err := e.Remove("c"); err == nil || !strings.Contains(err.Error(), `no operator "c"`) {
			t.Errorf("no c: %v", err)
		}
		time.Sleep(time.Minute)
		if n := reads.Load(); n > 130 || n < 110 {
			t.Errorf("%d snapshots in two minutes, of which the second had two operators", n)
		}
		if got := names(e); !slices.Equal(got, []string{"a", "b"}) || !slices.Equal(e.Skills(), []string{"plant"}) {
			t.Errorf("operators %v of skills %v", got, e.Skills())
		}
		p.set(func(p *plant) { p.filler = 3000 })
		time.Sleep(time.Minute)
		if got := firedBy(l.named(beamlens.EventAlertFired)); !slices.Equal(got, []string{"a a", "b b"}) {
			t.Errorf("alerts were fired by %v", got)
		}
		if r, err := e.Payload("b"); err != nil || r.System == "" {
			t.Errorf("payload %v", err)
		}

		must(e.Remove("a"))
		before := reads.Load()
		time.Sleep(time.Minute)
		if reads.Load() == before {
			t.Error("the target is not read, though b is there")
		}
		must(e.Remove("b"))
		before = reads.Load()
		time.Sleep(time.Minute)
		if n := reads.Load(); n != before {
			t.Errorf("the target was read %d times for nobody", n-before)
		}
		if len(e.Operators())+len(e.Skills())+len(e.Findings()) != 0 {
			t.Errorf("operators %v, skills %v, findings %v", names(e), e.Skills(), e.Findings())
		}
		if got := l.named("operator.stopped"); len(got) != 2 || got[0].Subject != "a" || got[0].Fields["final_state"] != beamlens.Warning {
			t.Errorf("stopped: %+v", got)
		}
		if open, err := kept.Alerts(t.Context(), beamlens.AlertFilter{Operator: "a", Open: true}); err != nil || len(open) == 0 {
			t.Errorf("the alerts of a: %v, %v", open, err)
		}

		p.set(func(p *plant) { p.filler, p.queue = 0, 0 })
		must(e.Add(s, engine.OperatorOptions{Name: "a"}))
		time.Sleep(3 * time.Minute)
		for _, ev := range l.named(beamlens.EventAlertCleared) {
			if ev.Alert.Operator != "a" {
				t.Errorf("cleared: an alert of %s, which is not there", ev.Alert.Operator)
			}
		}
		if open, err := kept.Alerts(t.Context(), beamlens.AlertFilter{Operator: "a", Open: true}); err != nil || len(open) != 0 {
			t.Errorf("a came back, and its alerts last: %v, %v", open, err)
		}
		if err := e.Add(&skill.Skill{ID: "X"}, engine.OperatorOptions{}); err == nil {
			t.Error("a bad skill was taken")
		}
	})
}
