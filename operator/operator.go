package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/skill"
)

// Store keeps what an operator finds.
type Store interface {
	PutAlert(ctx context.Context, a beamlens.Alert) error
	UpdateAlert(ctx context.Context, id string, change func(*beamlens.Alert)) (beamlens.Alert, error)
	Alerts(ctx context.Context, f beamlens.AlertFilter) ([]beamlens.Alert, error)
	PutSnapshot(ctx context.Context, s beamlens.Snapshot) error
	Snapshot(ctx context.Context, id string) (beamlens.Snapshot, error)
}

// Watch tells what is open now.
type Watch interface {
	Open() []beamlens.Finding
	Samples() int // how many were read: of the first few, that nothing is open means nothing
}

// settled is how many samples after the start a finding that still lasts has been found again, by its kind: a threshold is at
// once, a growth needs its window.
func settled(kind string) int {
	if kind == beamlens.FindingRule || kind == beamlens.FindingLimit {
		return 20
	}
	return 90
}

// Options of an operator. Name, Target, Skill, Store and a model are required; zero values of the rest mean the defaults.
type Options struct {
	Name     string
	Target   beamlens.Target
	Skill    *skill.Skill
	Model    llm.Model
	Fallback llm.Model // the analyst
	Store    Store
	Journal  agent.Journal
	Watch    Watch

	Heartbeat   time.Duration // default 15 min; < 0: take the model's word, however short
	TurnTimeout time.Duration
	Compaction  agent.Compaction
	Sizes       *llm.Sizes     // shared by all who ask the same models; may be nil
	Clock       beamlens.Clock // nil: the machine's
	OnEvent     func(beamlens.Event)
}

// Operator runs one skill. Make it with [New].
type Operator struct {
	Options
	system string
	signal chan struct{}
	busy   chan struct{} // holds a token while a run is on: runs do not overlap
	plan   plan          // of the goroutine that serves

	mu        sync.Mutex // guards what follows
	pending   []pending
	gather    time.Time // when what is pending is looked at; zero: it was
	health    beamlens.Health
	open      map[string]beamlens.Alert // alerts that are not cleared, by id
	inherited map[string]bool           // those of an earlier life: the watch has yet to find again what they are about
	snapshots []beamlens.Snapshot       // newest last
	activity  string
	runs      int

	strikes  int       // runs in a row in which the model was taken over from
	distrust time.Time // until then it is not asked

	transcript agent.Transcript // of the continuous conversation; guarded by busy
}

// pending is a finding that no run has seen yet, with the snapshot it was found in.
type pending struct {
	finding  beamlens.Finding
	snapshot beamlens.Snapshot
	captured []beamlens.Evidence // in that moment
}

// Bounds of what is kept in memory; the store keeps the rest.
const (
	maxPending   = 256
	maxSnapshots = 100
)

// New returns an operator. It panics when something required is missing.
func New(o Options) *Operator {
	if o.Skill == nil || o.Store == nil || (o.Model == nil && o.Fallback == nil) || o.Watch == nil {
		panic("operator: Skill, Store, Watch and a model are required")
	}
	if o.Name == "" {
		o.Name = o.Skill.ID
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 15 * time.Minute
	}
	if o.Clock == nil {
		o.Clock = beamlens.MachineClock{}
	}
	if o.OnEvent == nil {
		o.OnEvent = func(beamlens.Event) {}
	}
	return &Operator{
		Options: o, system: systemPrompt(o.Skill),
		signal: make(chan struct{}, 1), busy: make(chan struct{}, 1),
		health: beamlens.Healthy, open: map[string]beamlens.Alert{}, inherited: map[string]bool{}, activity: "starting",
	}
}

// Notify hands over a finding that opened or cleared, with the snapshot it was found in and what was captured then. It never blocks; when too many wait,
// the oldest is dropped, because what still lasts is read from the watch anyway.
func (o *Operator) Notify(f beamlens.Finding, s beamlens.Snapshot, captured ...beamlens.Evidence) {
	o.mu.Lock()
	if len(o.pending) == maxPending {
		o.pending = slices.Delete(o.pending, 0, 1)
	}
	o.pending = append(o.pending, pending{f, s, captured})
	if o.gather.IsZero() {
		o.gather = o.Clock.Now().Add(gather)
	}
	o.mu.Unlock()
	select {
	case o.signal <- struct{}{}:
	default:
	}
}

// Status is what an operator is doing.
type Status struct {
	Operator string          `json:"operator"`
	Skill    string          `json:"-"` // its id
	State    beamlens.Health `json:"state"`
	Activity string          `json:"activity"`
	Open     int             `json:"open_alerts"`
	Runs     int             `json:"runs"`
}

// Status never blocks on a run.
func (o *Operator) Status() Status {
	o.mu.Lock()
	defer o.mu.Unlock()
	return Status{Operator: o.Name, Skill: o.Skill.ID, State: o.health, Activity: o.activity, Open: len(o.open), Runs: o.runs}
}

// reconcileEvery is how often alerts are compared with what is open. It costs nothing: no model, no target.
const reconcileEvery = 5 * time.Second

// gather is how long siblings of a finding are waited for, so that they are looked at together.
const gather = 300 * time.Millisecond

// Serve runs until ctx ends.
func (o *Operator) Serve(ctx context.Context) error {
	if err := o.Begin(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-o.signal:
		case <-timer.C:
		}
		next, err := o.Step(ctx)
		if err != nil {
			return err
		}
		timer.Reset(next.Sub(o.Clock.Now()))
	}
}

// plan is what a Serve has to do when.
type plan struct {
	due       time.Time // the next run
	reason    string    // of it
	reconcile time.Time
}

// Begin starts a life of the operator: it takes over what an earlier one left open. Serve calls it; a replay does, and then makes the steps.
func (o *Operator) Begin(ctx context.Context) error {
	if err := o.load(ctx); err != nil {
		return fmt.Errorf("operator %s: load open alerts: %w", o.Name, err)
	}
	o.event("operator.started", "", nil)
	now := o.Clock.Now()
	o.plan = plan{due: now, reason: "start", reconcile: now.Add(reconcileEvery)}
	return nil
}

// Step does what is due, and says when something is due next, if no finding arrives before. The error is ctx's.
func (o *Operator) Step(ctx context.Context) (time.Time, error) {
	now := o.Clock.Now()
	if o.gathered(now) {
		o.reconcile(ctx)
		if o.wakes() {
			o.plan.due, o.plan.reason = now, "finding"
		}
	}
	if !now.Before(o.plan.reconcile) {
		o.plan.reconcile = now.Add(reconcileEvery)
		if o.reconcile(ctx) {
			o.plan.due, o.plan.reason = now, "cleared"
		}
	}
	if !now.Before(o.plan.due) {
		if o.Watch.Samples() == 0 {
			o.plan.due = now.Add(time.Second) // the target has not been read yet: there is nothing to ask a model
		} else {
			pause, err := o.continuous(ctx, o.plan.reason)
			if err != nil && !errors.Is(err, agent.ErrFenced) && ctx.Err() != nil {
				return now, ctx.Err()
			}
			o.plan.due, o.plan.reason = o.Clock.Now().Add(pause), "wait is over"
		}
	}
	next := o.plan.due
	if o.plan.reconcile.Before(next) {
		next = o.plan.reconcile
	}
	if g := o.Due(); !g.IsZero() && g.Before(next) {
		next = g
	}
	return next, nil
}

// Due is when the finding that arrived last, and its siblings, will be looked at; zero if none has.
func (o *Operator) Due() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.gather
}

// gathered says whether siblings of a finding have been waited for long enough.
func (o *Operator) gathered(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gather.IsZero() || now.Before(o.gather) {
		return false
	}
	o.gather = time.Time{}
	return true
}

// load takes over the open alerts of an earlier life, so that they are updated and cleared and not fired again.
func (o *Operator) load(ctx context.Context) error {
	alerts, err := o.Store.Alerts(ctx, beamlens.AlertFilter{Target: o.Target, Operator: o.Name, Open: true})
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range alerts {
		o.open[a.ID], o.inherited[a.ID] = a, true
	}
	return nil
}

// wakes says whether what is pending is worth a run: a finding of the alert tier, two notable ones on linked metrics, or the
// end of something that had been alerted. The rest stays pending as context of the next run.
func (o *Operator) wakes() bool {
	open := o.Watch.Open()
	o.mu.Lock()
	defer o.mu.Unlock()
	notable := map[string]bool{}
	for _, f := range open {
		if f.Tier != beamlens.TierAlert {
			notable[o.Skill.ID+"."+f.Metric] = true
		}
	}
	for _, e := range o.Skill.Edges {
		if notable[e.From] && notable[e.To] {
			return true
		}
	}
	for _, p := range o.pending {
		if p.finding.Tier == beamlens.TierAlert && (!p.finding.Cleared() || o.health != beamlens.Healthy) {
			return true
		}
	}
	return false
}

// openAlerts gives them in the order in which they were fired. The lock is held.
func (o *Operator) openAlerts() []beamlens.Alert {
	return slices.SortedFunc(maps.Values(o.open), func(a, b beamlens.Alert) int {
		return cmp.Or(a.DetectedAt.Compare(b.DetectedAt), strings.Compare(a.ID, b.ID))
	})
}

// reconcile clears the alerts whose findings have all cleared, and says whether it cleared any.
func (o *Operator) reconcile(ctx context.Context) bool {
	samples := o.Watch.Samples()
	lasting := map[string]bool{}
	for _, f := range o.Watch.Open() {
		lasting[f.Metric+"/"+f.Kind] = true
	}
	o.mu.Lock()
	var done []string
	for _, a := range o.openAlerts() {
		lasts := func(f beamlens.Finding) bool {
			return lasting[f.Metric+"/"+f.Kind] || o.inherited[a.ID] && samples < settled(f.Kind)
		}
		if len(a.Findings) > 0 && !slices.ContainsFunc(a.Findings, lasts) {
			done = append(done, a.ID)
		}
	}
	o.mu.Unlock()
	for _, id := range done {
		o.clear(ctx, id)
	}
	return len(done) > 0
}

func (o *Operator) clear(ctx context.Context, id string) {
	now := o.Clock.Now()
	a, err := o.Store.UpdateAlert(ctx, id, func(a *beamlens.Alert) {
		if a.ClearedAt == nil {
			a.ClearedAt, a.UpdatedAt = &now, now
		}
	})
	if err != nil {
		o.event("operator.store_failed", "", map[string]any{"reason": err.Error()})
		return // it stays open and is tried again
	}
	o.mu.Lock()
	delete(o.open, id)
	delete(o.inherited, id)
	o.mu.Unlock()
	o.OnEvent(beamlens.Event{Name: beamlens.EventAlertCleared, At: now, Target: o.Target, Subject: o.Name, TraceID: a.TraceID, Alert: &a})
}

// continuous makes one run of the continuous conversation and returns how long to wait for the next.
func (o *Operator) continuous(ctx context.Context, reason string) (time.Duration, error) {
	select {
	case o.busy <- struct{}{}:
		defer func() { <-o.busy }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	r := o.begin(ctx, reason)
	outcome, err := agent.Run(ctx, r.agentOptions(false), &o.transcript, r.input(reason, ""))
	o.end()
	o.judge(outcome)
	if err != nil {
		if errors.Is(err, agent.ErrFenced) {
			o.transcript = agent.Transcript{}
		}
		return time.Second, err
	}
	pause := 30 * time.Second
	if w, ok := outcome.Content.(waited); ok {
		pause = time.Duration(w.MS) * time.Millisecond
	}
	if !outcome.Ended {
		o.event("operator.run_failed", r.trace, map[string]any{"reason": outcome.Reason})
		// A model that cannot end a run starts the next one afresh: what confused it is not kept.
		o.transcript = agent.Transcript{}
	}
	return o.stretch(pause), nil
}

// stretch bounds the model's wait: at least a second, at most a heartbeat; a heartbeat while healthy and nothing is found.
func (o *Operator) stretch(pause time.Duration) time.Duration {
	if o.Heartbeat < 0 {
		return max(pause, time.Second)
	}
	o.mu.Lock()
	healthy := o.health == beamlens.Healthy && len(o.open) == 0
	o.mu.Unlock()
	if healthy && !slices.ContainsFunc(o.Watch.Open(), func(f beamlens.Finding) bool { return f.Tier == beamlens.TierAlert }) {
		return o.Heartbeat
	}
	return min(max(pause, time.Second), o.Heartbeat)
}

// Report is what a run on demand gave.
type Report struct {
	Operator string           `json:"operator"`
	State    beamlens.Health  `json:"state"`
	Summary  string           `json:"summary,omitempty"`
	Alerts   []beamlens.Alert `json:"alerts"`
}

// Run investigates on demand, and blocks until the model is done. Runs of one operator do not overlap.
func (o *Operator) Run(ctx context.Context, reason string) (Report, error) {
	select {
	case o.busy <- struct{}{}:
		defer func() { <-o.busy }()
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
	r := o.begin(ctx, "asked")
	var t agent.Transcript
	outcome, err := agent.Run(ctx, r.agentOptions(true), &t, r.input("asked", reason))
	o.end()
	o.judge(outcome)
	if err != nil {
		return Report{}, err
	}
	report := Report{Operator: o.Name, State: o.Status().State, Alerts: r.fired}
	if d, ok := outcome.Content.(finished); ok {
		report.Summary = d.Summary
	}
	if !outcome.Ended {
		return report, fmt.Errorf("operator %s: the run did not end: %s", o.Name, outcome.Reason)
	}
	return report, nil
}

func (o *Operator) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.activity = "watching"
	o.runs++
}

func (o *Operator) event(name, trace string, fields map[string]any) {
	o.OnEvent(beamlens.Event{Name: name, At: o.Clock.Now(), Target: o.Target, Subject: o.Name, TraceID: trace, Fields: fields})
}
