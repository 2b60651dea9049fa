package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/erlang/probe"
	"github.com/beamlens/beamlens-go/skill"
)

// Subject is a running system that can be broken.
type Subject interface {
	Target() beamlens.Target
	// Watching gives what an engine needs to watch it. It is called once.
	Watching() ([]*skill.Skill, []engine.Work, error)
	// Do does a step. It returns when the step has begun.
	Do(ctx context.Context, s Step) error
	// Stop ends it, and waits until it has ended.
	Stop()
}

// Start starts a subject for a scenario, under its load.
type Start func(ctx context.Context, t Truth) (Subject, error)

// Options of a run. The zero value is ready.
type Options struct {
	Wrap    func([]*skill.Skill) []*skill.Skill // around the skills that the engine gets: a recorder
	OnEvent func(beamlens.Event)                // every event, in order
	// Early ends the run soon after all causes were named and explained as is expected, and does not wait for what else may be said until the end of the record.
	Early bool
}

// Times of a run.
const (
	Settle = 8 * time.Second // healthy, before the first step
	linger = 8 * time.Second // after the last cause was named, when it ends early: who else is blamed?
)

// Result is what a run gave.
type Result struct {
	Settled  time.Time // when the record begins
	Alerts   []beamlens.Alert
	Insights []beamlens.Insight // all that were produced
	Failures []string           // what the engine itself could not do
	Named    []Named            // for each cause; empty: nothing has to be found
}

// Named is how a cause was named.
type Named struct {
	Took  time.Duration // from the onset; 0: it was not
	Alert *beamlens.Alert
}

// Run starts a subject, watches it, does what the scenario says, and judges. The error says what was wrong.
func Run(ctx context.Context, start Start, t Truth, o *Options) (Result, error) {
	if o == nil {
		o = &Options{}
	}
	return run(ctx, start, t, o, nil)
}

// run is Run with a recorder, if one is made.
func run(ctx context.Context, start Start, t Truth, o *Options, record func(Subject, []*skill.Skill) (*recorder, error)) (Result, error) {
	s, err := start(ctx, t)
	if err != nil {
		return Result{}, err
	}
	defer s.Stop()
	steps := t.Steps
	for len(steps) > 0 && steps[0].AtS < 0 {
		if err := s.Do(ctx, steps[0]); err != nil {
			return Result{}, fmt.Errorf("before the run: %w", err)
		}
		steps = steps[1:]
	}
	w, err := watch(ctx, s, t, o, record)
	if err != nil {
		return Result{}, err
	}
	defer w.stop()
	if err := w.until(ctx, time.Now().Add(Settle)); err != nil {
		return w.Result, err
	}
	w.Settled = time.Now()
	w.mark(settledMark)
	if len(w.Alerts) > 0 {
		return w.Result, fmt.Errorf("a false alarm of %s before anything was done: %s", w.Alerts[0].Operator, w.Alerts[0].Summary)
	}
	if len(w.Failures) > 0 {
		return w.Result, fmt.Errorf("before anything was done: %s", w.Failures[0])
	}
	for _, step := range steps {
		if err := w.until(ctx, w.Settled.Add(seconds(step.AtS))); err != nil {
			return w.Result, err
		}
		w.mark(step.text())
		if err := s.Do(ctx, step); err != nil {
			return w.Result, fmt.Errorf("step at %g s: %w", step.AtS, err)
		}
	}
	w.steps = true
	if err := w.until(ctx, w.Settled.Add(seconds(t.RecordS))); err != nil {
		return w.Result, err
	}
	return w.Result, t.Judge(&w.Result)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// watched is an engine that watches a subject.
type watched struct {
	Result
	truth  Truth
	early  bool
	steps  bool // all are done
	events chan beamlens.Event
	stop   func()
	record *recorder // nil: nothing is recorded
}

func (w *watched) mark(text string) {
	if w.record != nil {
		w.record.Mark(time.Now(), text)
	}
}

// room is how many events may wait to be read.
const room = 100_000

func watch(ctx context.Context, s Subject, t Truth, o *Options, record func(Subject, []*skill.Skill) (*recorder, error)) (*watched, error) {
	w := &watched{truth: t, early: o.Early, events: make(chan beamlens.Event, room)}
	skills, work, err := s.Watching()
	if err != nil {
		return nil, err
	}
	if o.Wrap != nil {
		skills = o.Wrap(skills)
	}
	var onSample func(beamlens.Snapshot)
	if record != nil {
		if w.record, err = record(s, skills); err != nil {
			return nil, err
		}
		skills, onSample = w.record.skills, w.record.Sample
	}
	var order sync.Mutex
	e, err := engine.New(engine.Options{
		Target: s.Target(), Skills: skills, Work: work, OnSample: onSample,
		OnEvent: func(ev beamlens.Event) {
			order.Lock()
			defer order.Unlock()
			if o.OnEvent != nil {
				o.OnEvent(ev)
			}
			select {
			case w.events <- ev:
			default: // untested: the reader does nothing else
			}
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() { _ = e.Serve(ctx) }) // it ends with its context
	if w.record != nil {
		serving.Go(func() { w.record.sweep(ctx) })
	}
	w.stop = func() {
		cancel()
		serving.Wait()
	}
	return w, nil
}

// until reads events until it is so late, or everything was named and the run may end early.
func (w *watched) until(ctx context.Context, end time.Time) error {
	over := time.NewTimer(time.Until(end))
	defer over.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			return nil
		case ev := <-w.events:
			w.take(ev)
		}
		if w.early && w.steps {
			named := w.truth.named(&w.Result)
			if len(named) > 0 && w.truth.correlated(w.Insights) && !slices.ContainsFunc(named, func(n Named) bool { return n.Alert == nil }) {
				w.early = false
				over.Reset(min(linger, time.Until(end)))
			}
		}
	}
}

var failures = []string{"watch.snapshot_failed", "operator.run_failed", "operator.store_failed", "coordinator.run_failed", "engine.panic", "engine.restart"}

func (w *watched) take(ev beamlens.Event) {
	switch {
	case ev.Name == beamlens.EventAlertFired || ev.Name == beamlens.EventAlertUpdated || ev.Name == beamlens.EventAlertCleared:
		w.Alerts = append(w.Alerts, *ev.Alert)
	case ev.Insight != nil:
		w.Insights = append(w.Insights, *ev.Insight)
	case ev.Name == "watch.snapshot_recovered" && w.Settled.IsZero():
		// What a probe has not read yet, when it has just been loaded, is no failure once it has.
		w.Failures = slices.DeleteFunc(w.Failures, func(f string) bool { return strings.HasPrefix(f, ev.Subject+" watch.snapshot_failed") })
	case slices.Contains(failures, ev.Name):
		// Before the first connection, and while a subject starts again, there is nothing to read.
		reason := fmt.Sprint(ev.Fields["reason"])
		if !strings.Contains(reason, probe.ErrNotConnected.Error()) {
			w.Failures = append(w.Failures, fmt.Sprintf("%s %s: %s", ev.Subject, ev.Name, reason))
		}
	}
}
