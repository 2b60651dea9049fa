// Package engine wires the parts of BeamLens for one target and supervises them. It is the entry point of the library.
//
// An [Engine] is a suture.Service; it also runs alone, with Serve. It has, for each skill, a watch, an operator or several and the skill's
// own background work, and one coordinator, all under one supervisor: what fails is started again, with back-off, and no
// panic escapes. Operators come and go with Add and Remove.
//
//	e, err := engine.New(engine.Options{Target: target, Skills: skills, Store: store.NewMemory()})
//	if err != nil { … }
//	err = e.Serve(ctx)
//
// # Promises
//
// The engine reads its target and never changes it. Serve returns when ctx ends, after everything has stopped. OnEvent is called from
// many goroutines, and must return soon.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/coordinator"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/analyst"
	"github.com/beamlens/beamlens-go/llm/route"
	"github.com/beamlens/beamlens-go/operator"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/store"
	"github.com/thejerf/suture/v4"
)

// Work is long-lived work that the engine supervises besides its own. Serve blocks until ctx ends or the work fails; then it is
// called again.
type Work interface {
	Serve(ctx context.Context) error
}

// Options of an engine. Target is required; zero values of the rest mean the defaults.
type Options struct {
	Target beamlens.Target
	Skills []*skill.Skill // each gets an operator; none: those that [Engine.Add] gives it
	Store  store.Store    // default: in memory
	Model  llm.Model      // default: the analyst, which is also the fallback of any other

	Privacy Privacy       // what may reach the model
	Budget  *route.Budget // the one that Model is limited by, to tell what is spent; may be nil

	// Work is supervised with the rest: what keeps the link to the target, for example.
	Work []Work

	Interval time.Duration // between two snapshots; default 1 s
	// AlertsPerWeek is how many alerts the statistical detectors of all skills may give; default 1. Rules and limits are not bound by it.
	AlertsPerWeek float64
	Heartbeat     time.Duration // see operator.Options
	Compaction    agent.Compaction
	Operators     map[string]OperatorOptions // by the id of their skill, where they differ
	Retention     store.Retention
	Clock         beamlens.Clock // default: the machine's
	OnEvent       func(beamlens.Event)
	OnSample      func(beamlens.Snapshot) // is told each snapshot that a watch takes: to record it, for example
}

// OperatorOptions are one operator's own.
type OperatorOptions struct {
	Name       string // default: the skill's id
	Compaction agent.Compaction
}

// Engine watches one target.
type Engine struct {
	options     Options
	coordinator *coordinator.Coordinator
	supervisor  *suture.Supervisor
	sizes       *llm.Sizes

	mu        sync.Mutex // guards what follows; nothing is waited for under it
	watched   []*watched
	operators []*watching
}

// New checks the options and returns an engine that does nothing until Serve.
func New(o Options) (*Engine, error) {
	if o.Target.Name == "" || o.Target.Kind == "" {
		return nil, errors.New("engine: Options.Target needs a kind and a name")
	}
	if o.Store == nil {
		o.Store = store.NewMemory()
	}
	if o.Clock == nil {
		o.Clock = beamlens.MachineClock{}
	}
	if o.OnEvent == nil {
		o.OnEvent = func(beamlens.Event) {}
	}
	if o.AlertsPerWeek <= 0 {
		o.AlertsPerWeek = 1
	}
	o.screen()
	e := &Engine{options: o, sizes: &llm.Sizes{}}
	if o.Budget != nil {
		o.Budget.Watch(e.spending)
	}
	e.supervisor = suture.New("beamlens "+o.Target.String(), suture.Spec{
		EventHook: e.supervision, FailureThreshold: 5, FailureDecay: 30, FailureBackoff: 5 * time.Second, Timeout: 10 * time.Second,
	})
	e.coordinator = coordinator.New(coordinator.Options{
		Target: o.Target, Model: o.Model, Fallback: analyst.Analyst{}, Store: o.Store, Cursor: o.Store, Journal: o.Store,
		Invoke: e.invoke, Health: func() any { return e.Operators() }, Limits: func() any { return e.Margins() }, Readings: e.readings, Compaction: o.Compaction, Sizes: e.sizes, Clock: o.Clock, OnEvent: e.event,
	})
	for _, s := range o.Skills {
		if e.skill(s.ID) != nil {
			return nil, fmt.Errorf("engine: skill %s is given twice", s.ID)
		}
		if err := e.Add(s, o.Operators[s.ID]); err != nil {
			return nil, err
		}
	}
	e.supervisor.Add(named{"coordinator", e.coordinator})
	e.supervisor.Add(named{"pruning", serve(e.prune)})
	for _, s := range o.Work {
		e.supervisor.Add(s)
	}
	return e, nil
}

type serve func(context.Context) error

func (s serve) Serve(ctx context.Context) error { return s(ctx) }

// named gives work the name that the supervisor reports.
type named struct {
	name string
	Work
}

func (n named) String() string { return n.name }

// Serve runs the engine until ctx ends.
func (e *Engine) Serve(ctx context.Context) error { return e.supervisor.Serve(ctx) }

// event hands an event on, and wakes the coordinator when it is an alert.
func (e *Engine) event(ev beamlens.Event) {
	if ev.Alert != nil {
		e.coordinator.Wake()
	}
	e.options.OnEvent(ev)
}

// supervision tells what the supervisor had to do.
func (e *Engine) supervision(ev suture.Event) {
	if ev.Type() == suture.EventTypeResume {
		return
	}
	e.options.OnEvent(beamlens.Event{Name: "engine." + supervisionNames[ev.Type()], At: e.options.Clock.Now(), Target: e.options.Target, Subject: "engine",
		Fields: map[string]any{"reason": ev.String()}})
}

var supervisionNames = map[suture.EventType]string{
	suture.EventTypeStopTimeout: "stop_timeout", suture.EventTypeServicePanic: "panic", suture.EventTypeServiceTerminate: "restart", suture.EventTypeBackoff: "backoff",
}

// readIn is how long the store may take to show what would be asked.
const readIn = 5 * time.Second

// pruneEvery is how often the store is kept within its bounds.
const pruneEvery = time.Hour

func (e *Engine) prune(ctx context.Context) error {
	t := time.NewTicker(pruneEvery)
	defer t.Stop()
	for {
		if err := e.options.Store.Prune(ctx, e.options.Retention); err != nil && ctx.Err() == nil {
			e.event(beamlens.Event{Name: "store.prune_failed", At: e.options.Clock.Now(), Target: e.options.Target, Subject: "store", Fields: map[string]any{"reason": err.Error()}})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// Coordinator tells what the coordinator is doing.
func (e *Engine) Coordinator() coordinator.Status { return e.coordinator.Status() }

// Margin is how far a metric is from its limit.
type Margin struct {
	Metric string  `json:"metric"` // "beam.process_utilization_pct"
	Value  float64 `json:"value"`
	Limit  float64 `json:"limit"`
	Unit   string  `json:"unit"`
}

// Margins returns the metrics that have a limit, the nearest to it first.
func (e *Engine) Margins() []Margin {
	var out []Margin
	for _, w := range e.all() {
		latest, _ := w.watch.Latest()
		for _, m := range w.skill.Metrics {
			if x, ok := latest.Number(m.Name); ok && m.Limit > 0 {
				out = append(out, Margin{w.skill.ID + "." + m.Name, x, m.Limit, m.Unit})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Margin) int { return cmp.Compare(b.Value/b.Limit, a.Value/a.Limit) })
	return out
}

// Latest returns the newest snapshot of a skill.
func (e *Engine) Latest(skillID string) (beamlens.Snapshot, error) {
	w := e.skill(skillID)
	if w == nil {
		return beamlens.Snapshot{}, fmt.Errorf("there is no skill %q", skillID)
	}
	return w.watch.Latest()
}

// Ask puts a question to the coordinator.
func (e *Engine) Ask(ctx context.Context, question string) (string, error) {
	return e.coordinator.Ask(ctx, question)
}

// next is what an operator, or the coordinator, would ask next.
func (e *Engine) next(name string) (*llm.Request, error) {
	if name == "coordinator" {
		ctx, cancel := context.WithTimeout(context.Background(), readIn)
		defer cancel()
		return e.coordinator.Payload(ctx)
	}
	for _, o := range e.working() {
		if o.Name == name {
			return o.Payload(), nil
		}
	}
	return nil, fmt.Errorf("there is no operator %q", name)
}

// invoke runs operators on demand, in parallel: of each skill the first.
func (e *Engine) invoke(ctx context.Context, skills []string, reason string) (any, error) {
	type answer struct {
		operator.Report
		Error string `json:"error,omitempty"`
	}
	answers := make([]answer, len(skills))
	operators := e.working()
	var wg sync.WaitGroup
	for i, id := range skills {
		j := slices.IndexFunc(operators, func(o *operator.Operator) bool { return o.Skill.ID == id })
		if j < 0 {
			answers[i].Error = "there is no such skill"
			continue
		}
		wg.Go(func() {
			report, err := operators[j].Run(ctx, reason)
			answers[i].Report = report
			if err != nil {
				answers[i].Error = err.Error()
			}
		})
	}
	wg.Wait()
	return answers, ctx.Err()
}
