package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/llm"
)

// Store is where alerts come from and insights go.
type Store interface {
	Insights
	AlertsAfter(ctx context.Context, seq int64, limit int) ([]beamlens.Alert, int64, error)
	Alerts(ctx context.Context, f beamlens.AlertFilter) ([]beamlens.Alert, error)
	UpdateAlert(ctx context.Context, id string, change func(*beamlens.Alert)) (beamlens.Alert, error)
	Alert(ctx context.Context, id string) (beamlens.Alert, error)
}

// Insights keeps insights.
type Insights interface {
	PutInsight(ctx context.Context, i beamlens.Insight) error // replaces the one with its id
	Insights(ctx context.Context, limit, offset int) ([]beamlens.Insight, error)
}

// Cursor remembers how far the alerts have been read.
type Cursor interface {
	Cursor(ctx context.Context, name string) (int64, error)
	SetCursor(ctx context.Context, name string, seq int64) error
}

// Options of a coordinator. Store, Cursor and a model are required.
type Options struct {
	Target   beamlens.Target
	Model    llm.Model
	Fallback llm.Model
	Store    Store
	Cursor   Cursor
	Journal  agent.Journal
	Edges    []beamlens.Edge
	Skills   []SkillLine

	// Invoke runs operators on demand, in parallel. Nil: the tool says that it cannot.
	Invoke func(ctx context.Context, skills []string, reason string) (any, error)
	// Health gives what the operators are doing, for questions.
	Health func() any
	// Readings gives what is watched, and what departs from normal.
	Readings func() Readings
	// Limits gives how far each metric is from its limit, for questions.
	Limits func() any

	Gather      time.Duration // how long further alerts are waited for before a run; default 2 s
	TurnTimeout time.Duration
	Compaction  agent.Compaction
	Sizes       *llm.Sizes     // shared by all who ask the same models; may be nil
	Clock       beamlens.Clock // nil: the machine's
	OnEvent     func(beamlens.Event)
}

// Readings say what could be read, and what of it departs from normal, whether it was alerted or not.
type Readings struct {
	Watched  []string `json:"watched"`            // ids of skills
	Unread   []string `json:"unread,omitempty"`   // those whose last snapshot failed
	Departed []string `json:"departed,omitempty"` // metrics: "beam.message_queue_max"
}

// SkillLine says in one line what an operator can look at.
type SkillLine struct {
	ID      string `json:"id"`
	Summary string `json:"summary"`
}

// Coordinator correlates alerts. Make it with [New].
type Coordinator struct {
	Options
	signal chan struct{}
	plan   plan // of the goroutine that serves

	mu     sync.Mutex // guards what follows
	status Status
	woken  time.Time
	known  known

	followed []beamlens.Insight // whose outcome may change, oldest first
}

// known is what a run is told of the skills that there are.
type known struct {
	system string
	skills []SkillLine
	edges  []beamlens.Edge
}

// Status is what the coordinator is doing.
type Status struct {
	Running     bool `json:"running"`
	AlertCount  int  `json:"alert_count"`
	UnreadCount int  `json:"unread_count"`
	Iteration   int  `json:"iteration"`
}

// New returns a coordinator.
func New(o Options) *Coordinator {
	if o.Store == nil || o.Cursor == nil || (o.Model == nil && o.Fallback == nil) {
		panic("coordinator: Store, Cursor and a model are required")
	}
	if o.Gather == 0 {
		o.Gather = 2 * time.Second
	}
	if o.Clock == nil {
		o.Clock = beamlens.MachineClock{}
	}
	if o.OnEvent == nil {
		o.OnEvent = func(beamlens.Event) {}
	}
	c := &Coordinator{Options: o, signal: make(chan struct{}, 1)}
	c.Know(o.Skills, o.Edges)
	return c
}

// Know says which skills there are from now on, in place of those of the options. A run that is on keeps what it knows.
func (c *Coordinator) Know(skills []SkillLine, edges []beamlens.Edge) {
	k := known{systemPrompt(skills), slices.Clone(skills), slices.Clone(edges)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = k
}

// Wake says that there may be new alerts. It never blocks.
func (c *Coordinator) Wake() {
	c.mu.Lock()
	if c.woken.IsZero() {
		c.woken = c.Clock.Now()
	}
	c.mu.Unlock()
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

// Due is since when there may be new alerts that no step has seen; zero: there are none.
func (c *Coordinator) Due() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.woken
}

// Status never blocks on a run.
func (c *Coordinator) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// cursorName is the store's name for how far this coordinator has read.
func (c *Coordinator) cursorName() string { return "coordinator " + c.Target.String() }

// retryAfter is how long a failed run or store is left alone.
const retryAfter = 5 * time.Second

// Serve correlates until ctx ends.
func (c *Coordinator) Serve(ctx context.Context) error {
	if err := c.Begin(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.signal:
		case <-timer.C:
		}
		next, err := c.Step(ctx)
		if err != nil {
			return err
		}
		timer.Reset(next.Sub(c.Clock.Now()))
	}
}

// plan is what a Serve has to do when.
type plan struct {
	seq  int64     // how far the alerts have been read
	look time.Time // for new alerts
	run  time.Time // over them; zero: there are none
}

// idle is how long a coordinator sleeps that nobody wakes.
const idle = time.Minute

// Begin starts a life of the coordinator. Serve calls it; a replay does, and then makes the steps.
func (c *Coordinator) Begin(ctx context.Context) error {
	c.event("coordinator.started", "", nil)
	seq, err := c.Cursor.Cursor(ctx, c.cursorName())
	if err != nil {
		return fmt.Errorf("coordinator: read cursor: %w", err)
	}
	c.plan = plan{seq: seq, look: c.Clock.Now()}
	return c.takeUp(ctx)
}

// Step does what is due, and says when something is due next, if no alert arrives before. The error is ctx's.
func (c *Coordinator) Step(ctx context.Context) (time.Time, error) {
	now := c.Clock.Now()
	c.mu.Lock()
	if !c.woken.IsZero() {
		c.woken, c.plan.look = time.Time{}, now
	}
	c.mu.Unlock()
	if !now.Before(c.plan.look) {
		c.plan.look = now.Add(idle)
		c.follow(ctx, now)
		fresh, next, err := c.read(ctx, c.plan.seq)
		switch {
		case err != nil:
			c.event("coordinator.store_failed", "", map[string]any{"reason": err.Error()})
			c.plan.look = now.Add(retryAfter)
		case fresh && c.plan.run.IsZero():
			c.plan.run = now.Add(c.Gather)
		case !fresh:
			c.advance(ctx, next)
		}
	}
	if !c.plan.run.IsZero() && !now.Before(c.plan.run) {
		c.plan.run = time.Time{}
		// What came while gathering is part of this run.
		if _, next, err := c.read(ctx, c.plan.seq); err != nil {
			c.plan.look = now.Add(retryAfter)
		} else {
			if c.correlate(ctx, now) {
				c.advance(ctx, next)
			}
		}
	}
	if ctx.Err() != nil {
		return now, ctx.Err()
	}
	if r := c.plan.run; !r.IsZero() && r.Before(c.plan.look) {
		return r, nil
	}
	return c.plan.look, nil
}

// correlate makes one run over the alerts, and says whether it came to its end.
func (c *Coordinator) correlate(ctx context.Context, now time.Time) bool {
	outcome, err := c.run(ctx, "alerts", "")
	if ctx.Err() != nil {
		return false
	}
	if err != nil || !outcome.Ended {
		c.event("coordinator.run_failed", "", map[string]any{"reason": reasonOf(outcome, err)})
		c.plan.look = now.Add(retryAfter)
		return false
	}
	if w, ok := outcome.Content.(waited); ok {
		c.plan.run = now.Add(time.Duration(w.MS) * time.Millisecond)
	}
	return true
}

// advance remembers how far the alerts have been read.
func (c *Coordinator) advance(ctx context.Context, next int64) {
	if next == c.plan.seq {
		return
	}
	if err := c.Cursor.SetCursor(ctx, c.cursorName(), next); err != nil {
		c.event("coordinator.store_failed", "", map[string]any{"reason": err.Error()})
	}
	c.plan.seq = next
}

func reasonOf(o agent.Outcome, err error) string {
	if err != nil {
		return err.Error()
	}
	return o.Reason
}

// read says whether there are unread alerts of this target after seq, and how far the store goes.
func (c *Coordinator) read(ctx context.Context, seq int64) (fresh bool, next int64, err error) {
	next = seq
	for {
		alerts, last, err := c.Store.AlertsAfter(ctx, next, 100)
		if err != nil {
			return fresh, next, err
		}
		for _, a := range alerts {
			if a.Target == c.Target && a.Status == beamlens.Unread {
				fresh = true
			}
		}
		if len(alerts) == 0 || last <= next {
			return fresh, next, nil
		}
		next = last
	}
}

// window is how far back alerts are looked at together.
const window = 30 * time.Minute

// run makes one run. Over alerts the fallback, which is the analyst, concludes first, and then the model is asked: what it adds is held
// against what stands. So there is an insight at once, and no text that a model has read can take it away. A question is the model's.
func (c *Coordinator) run(ctx context.Context, reason, question string) (agent.Outcome, error) {
	if c.Model == nil || c.Fallback == nil || question != "" {
		return c.pass(ctx, c.Model, reason, question)
	}
	first, err := c.pass(ctx, nil, reason, "")
	if _, waits := first.Content.(waited); err != nil || !first.Ended || waits {
		return first, err
	}
	second, err := c.pass(ctx, c.Model, "concluded", "")
	if err == nil && !second.Ended {
		c.event("coordinator.run_failed", "", map[string]any{"reason": second.Reason})
	}
	return first, err
}

// pass is one conversation with a model, or with the fallback alone.
func (c *Coordinator) pass(ctx context.Context, model llm.Model, reason, question string) (agent.Outcome, error) {
	r := &run{Coordinator: c, trace: c.Clock.NewTraceID(), second: model != nil && c.Fallback != nil}
	alerts, err := c.recent(ctx)
	if err != nil {
		return agent.Outcome{}, err
	}
	unread := 0
	for _, a := range alerts {
		if a.Status == beamlens.Unread {
			unread++
		}
	}
	c.mu.Lock()
	c.status.Running, c.status.AlertCount, c.status.UnreadCount = true, len(alerts), unread
	c.status.Iteration++
	iteration := c.status.Iteration
	r.known = c.known
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.status.Running = false
		c.mu.Unlock()
	}()
	c.event("coordinator.iteration_start", r.trace, map[string]any{"iteration": iteration, "reason": reason})
	compaction := c.Compaction
	compaction.Prompt = compactionPrompt
	var t agent.Transcript
	return agent.Run(ctx, agent.Options{
		Model: model, Fallback: c.Fallback, System: r.known.system, Tools: r.tools(), Name: "coordinator", Sizes: c.Sizes, RunID: r.trace, Journal: c.Journal, Now: c.Clock.Now,
		TurnTimeout: c.TurnTimeout, ToolTimeout: 2 * time.Minute, Compaction: compaction,
		Saw: r.record.Saw, Unmet: func(content any) string { return r.unmet(ctx, question, content) },
		Observe: func(name string, fields map[string]any) { c.event(name, r.trace, fields) },
	}, &t, r.input(reason, question, unread))
}

type input struct {
	For      string          `json:"for"` // "coordinator"
	Reason   string          `json:"reason"`
	Question string          `json:"question,omitempty"`
	Unread   int             `json:"unread"`
	Edges    []beamlens.Edge `json:"causal_graph"`
	Readings *Readings       `json:"readings,omitempty"`
	Borne    []string        `json:"borne_out_before,omitempty"`
	Health   any             `json:"operators,omitempty"`
	Limits   any             `json:"limits,omitempty"`
}

func (r *run) input(reason, question string, unread int) string {
	in := input{For: "coordinator", Reason: reason, Question: question, Unread: unread, Edges: r.known.edges, Borne: r.borne()}
	if r.Readings != nil {
		readings := r.Readings()
		in.Readings = &readings
	}
	if r.Health != nil {
		in.Health = r.Health()
	}
	if r.Limits != nil && question != "" {
		in.Limits = r.Limits()
	}
	raw, err := agent.EncodeIndent(in)
	if err != nil {
		raw = []byte("{}") // unreachable: plain values always encode
	}
	return "Process alerts.\n\n```json\n" + string(raw) + "\n```"
}

// recent gives the alerts that may belong together: those that last, and those of the last half hour.
func (c *Coordinator) recent(ctx context.Context) ([]beamlens.Alert, error) {
	open, err := c.Store.Alerts(ctx, beamlens.AlertFilter{Target: c.Target, Open: true})
	if err != nil {
		return nil, err
	}
	late, err := c.Store.Alerts(ctx, beamlens.AlertFilter{Target: c.Target, Since: c.Clock.Now().Add(-window)})
	if err != nil {
		return nil, err
	}
	for _, a := range late {
		if !slices.ContainsFunc(open, func(b beamlens.Alert) bool { return a.ID == b.ID }) {
			open = append(open, a)
		}
	}
	slices.SortFunc(open, func(a, b beamlens.Alert) int {
		return cmp.Or(b.DetectedAt.Compare(a.DetectedAt), strings.Compare(a.ID, b.ID))
	})
	return open, nil
}

// Ask answers a question on demand.
func (c *Coordinator) Ask(ctx context.Context, question string) (string, error) {
	outcome, err := c.run(ctx, "asked", question)
	if err != nil {
		return "", err
	}
	if !outcome.Ended {
		return "", errors.New("coordinator: the run did not end: " + outcome.Reason)
	}
	if d, ok := outcome.Content.(finished); ok {
		return d.Answer, nil
	}
	return "", nil
}

func (c *Coordinator) event(name, trace string, fields map[string]any) {
	s := c.Status()
	all := map[string]any{"running": s.Running, "alert_count": s.AlertCount}
	for k, v := range fields {
		all[k] = v
	}
	c.OnEvent(beamlens.Event{Name: name, At: c.Clock.Now(), Target: c.Target, Subject: "coordinator", TraceID: trace, Fields: all})
}
