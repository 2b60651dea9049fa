// Package scenario has faults with their ground truth, and runs them: a real shop is started under a real engine, broken, and what the
// engine says is compared with what is true.
//
// A scenario passes when, in time, an alert of one of the right skills blames one of the right culprits, and no alert of any skill blames
// anybody else. The control is the shop as it is, under load: there no alert passes.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/probe"
	"github.com/beamlens/beamlens-go/examples/shop"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
)

// Scenario is a fault with its ground truth.
type Scenario struct {
	Fault string // what Shop.Faults calls it
	Tell  string // what happens, for people
	Quick bool   // one of those that run with every test

	Skills   []string // one of these must say it
	Culprits string   // a regular expression over kind, id and name: who may be blamed, by any skill
	Causal   bool     // a causal insight is expected
}

// Bounds of a run.
const (
	AlertWithin = 30 * time.Second
	settle      = 8 * time.Second  // healthy, before the fault
	linger      = 10 * time.Second // after the right alert: who else is blamed?
)

// Result is what a run gave.
type Result struct {
	Took   time.Duration // from the fault to the right alert
	Right  beamlens.Alert
	Alerts []beamlens.Alert // all that were fired
}

// Run starts a shop of the project, breaks it as the scenario says, and judges. The error says what was wrong.
func Run(ctx context.Context, p *shop.Project, sc Scenario) (Result, error) {
	var result Result
	s, err := p.Start(ctx)
	if err != nil {
		return result, err
	}
	defer s.Stop()
	w, err := watch(ctx, s)
	if err != nil {
		return result, err
	}
	defer w.stop()
	if err := w.quiet(ctx, settle); err != nil {
		return result, err
	}
	began := time.Now()
	if err := s.On(ctx, sc.Fault); err != nil {
		return result, err
	}
	result.Right, err = w.right(ctx, sc)
	result.Took = time.Since(began)
	if err == nil {
		err = w.rest(ctx, linger)
	}
	result.Alerts = w.alerts
	return result, errors.Join(err, sc.judge(w.alerts))
}

// Control runs a healthy shop for a while: any alert is an error.
func Control(ctx context.Context, p *shop.Project, d time.Duration) error {
	s, err := p.Start(ctx)
	if err != nil {
		return err
	}
	defer s.Stop()
	w, err := watch(ctx, s)
	if err != nil {
		return err
	}
	defer w.stop()
	return w.quiet(ctx, d)
}

// judge says who was blamed and should not have been.
func (sc Scenario) judge(alerts []beamlens.Alert) error {
	var wrong []error
	for _, a := range alerts {
		if a.Culprit != nil && !sc.Blames(a.Culprit) {
			wrong = append(wrong, fmt.Errorf("%s blames %s: %s", a.Operator, a.Culprit, a.Summary))
		}
	}
	return errors.Join(wrong...)
}

// Blames says whether this is one of the right culprits.
func (sc Scenario) Blames(c *beamlens.Culprit) bool {
	return c != nil && regexp.MustCompile(sc.Culprits).MatchString(strings.Join([]string{c.Kind, c.ID, c.Name}, " "))
}

// watched is an engine that watches a shop.
type watched struct {
	events chan beamlens.Event
	alerts []beamlens.Alert
	stop   func()
}

func watch(ctx context.Context, s *shop.Shop) (*watched, error) {
	w := &watched{events: make(chan beamlens.Event, 10_000)}
	link := probe.New(s.Node, func(ctx context.Context) (erlang.Conn, error) {
		return erlang.Dial(ctx, s.Node, &erlang.Options{Cookie: s.Cookie})
	}, nil)
	e, err := engine.New(engine.Options{
		Target: beamlens.Target{Kind: "beam", Name: s.Node}, Skills: Skills(link), Work: []engine.Work{link},
		OnEvent: func(ev beamlens.Event) {
			select {
			case w.events <- ev:
			default: // a test that reads too late sees that something is missing
			}
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() { _ = e.Serve(ctx) }) // it ends with its context
	w.stop = func() {
		cancel()
		serving.Wait()
	}
	return w, nil
}

// Skills are those under test.
func Skills(c beam.Caller) []*skill.Skill { return beam.All(c) }

// next waits for an event, and keeps alerts. It returns false when the time is over.
func (w *watched) next(ctx context.Context, over <-chan time.Time) (beamlens.Event, bool, error) {
	select {
	case <-ctx.Done():
		return beamlens.Event{}, false, ctx.Err()
	case <-over:
		return beamlens.Event{}, false, nil
	case ev := <-w.events:
		if ev.Name == beamlens.EventAlertFired || ev.Name == beamlens.EventAlertUpdated {
			w.alerts = append(w.alerts, *ev.Alert)
		}
		return ev, true, nil
	}
}

// quiet is an error if an alert is fired meanwhile, or if a snapshot or an operator fails.
func (w *watched) quiet(ctx context.Context, d time.Duration) error {
	over := time.After(d)
	for {
		ev, ok, err := w.next(ctx, over)
		switch {
		case err != nil:
			return err
		case !ok:
			return nil
		case ev.Name == beamlens.EventAlertFired:
			return fmt.Errorf("a false alarm of %s while all is well: %s", ev.Alert.Operator, ev.Alert.Summary)
		case slices.Contains(failures, ev.Name) && !strings.Contains(fmt.Sprint(ev.Fields["reason"]), probe.ErrNotConnected.Error()):
			return fmt.Errorf("%s %s: %v", ev.Subject, ev.Name, ev.Fields["reason"])
		}
	}
}

var failures = []string{"watch.snapshot_failed", "operator.run_failed", "operator.store_failed", "coordinator.run_failed", "engine.panic", "engine.restart"}

func (w *watched) right(ctx context.Context, sc Scenario) (beamlens.Alert, error) {
	over := time.After(AlertWithin)
	for {
		ev, ok, err := w.next(ctx, over)
		if err != nil {
			return beamlens.Alert{}, err
		}
		if !ok {
			return beamlens.Alert{}, fmt.Errorf("no alert of %s named %s within %s; there were: %s", strings.Join(sc.Skills, " or "), sc.Culprits, AlertWithin, w.said())
		}
		if (ev.Name == beamlens.EventAlertFired || ev.Name == beamlens.EventAlertUpdated) && slices.Contains(sc.Skills, ev.Alert.Operator) && sc.Blames(ev.Alert.Culprit) {
			return *ev.Alert, nil
		}
	}
}

func (w *watched) rest(ctx context.Context, d time.Duration) error {
	over := time.After(d)
	for {
		if _, ok, err := w.next(ctx, over); err != nil || !ok {
			return err
		}
	}
}

func (w *watched) said() string {
	lines := make([]string, len(w.alerts))
	for i, a := range w.alerts {
		lines[i] = fmt.Sprintf("%s %s", a.Operator, a.Summary)
	}
	return strings.Join(lines, "; ")
}
