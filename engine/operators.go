package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/coordinator"
	"github.com/beamlens/beamlens-go/llm/analyst"
	"github.com/beamlens/beamlens-go/operator"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/watch"
	"github.com/thejerf/suture/v4"
)

// watched is a skill with its watch. Its operators share it: the target is read once, whoever looks at what is found.
type watched struct {
	skill *skill.Skill
	watch *watch.Watch
	parts []*part
}

// watching is an operator that runs.
type watching struct {
	*operator.Operator
	part *part
}

// part is work that can be taken out of a running engine.
type part struct {
	named
	gone chan struct{} // closed when it has been taken out
	busy chan struct{} // holds a token while it serves
}

func newPart(name string, w Work) *part {
	return &part{named{name, w}, make(chan struct{}), make(chan struct{}, 1)}
}

// Serve serves until ctx ends or the part is taken out. Then it is not started again.
func (p *part) Serve(ctx context.Context) error {
	p.busy <- struct{}{}
	defer func() { <-p.busy }()
	if p.removed() {
		return suture.ErrDoNotRestart
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-p.gone:
			cancel()
		case <-done:
		}
	}()
	defer func() {
		close(done)
		<-ended
	}()
	err := p.Work.Serve(ctx)
	if p.removed() {
		return suture.ErrDoNotRestart
	}
	return err
}

func (p *part) removed() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// removeIn is how long what is taken out may take to end. It ends all the same, later.
const removeIn = 5 * time.Second

// remove takes the part out, and waits until it has ended.
func (p *part) remove() {
	close(p.gone)
	t := time.NewTimer(removeIn)
	defer t.Stop()
	select {
	case p.busy <- struct{}{}:
		<-p.busy
	case <-t.C:
	}
}

// Add lets a further operator run a skill, now or, before Serve, with the rest. Operators with the same skill share its watch; their names
// differ. It does not wait.
func (e *Engine) Add(s *skill.Skill, own OperatorOptions) error {
	if err := s.Check(); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if own.Name == "" {
		own.Name = s.ID
	}
	e.mu.Lock()
	if slices.ContainsFunc(e.operators, func(o *watching) bool { return o.Name == own.Name }) {
		e.mu.Unlock()
		return fmt.Errorf("engine: there is an operator %s already", own.Name)
	}
	var start []*part
	i := slices.IndexFunc(e.watched, func(w *watched) bool { return w.skill.ID == s.ID })
	if i < 0 {
		i = len(e.watched)
		e.watched = append(e.watched, e.watchOf(screened(s)))
		start = append(start, e.watched[i].parts...)
	}
	op := e.operatorOf(e.watched[i], own)
	e.operators = append(e.operators, op)
	e.know()
	e.mu.Unlock()
	for _, p := range append(start, op.part) {
		e.supervisor.Add(p)
	}
	return nil
}

// watchOf makes the watch of a skill.
func (e *Engine) watchOf(s *skill.Skill) *watched {
	w := watch.New(e.options.Target, s, &watch.Options{
		Interval: e.options.Interval, OnEvent: e.event, OnSample: e.options.OnSample, Clock: e.options.Clock, Baselines: e.options.Store,
		AlertsPerWeek: e.options.AlertsPerWeek / float64(max(len(e.options.Skills), len(e.watched)+1)),
		OnFinding: func(f beamlens.Finding, snap beamlens.Snapshot, evidence []beamlens.Evidence) {
			for _, o := range e.working() {
				if o.Skill.ID == s.ID {
					o.Notify(f, snap, evidence...)
				}
			}
		},
	})
	parts := []*part{newPart("watch "+s.ID, w)}
	if s.Serve != nil {
		parts = append(parts, newPart("skill "+s.ID, serve(s.Serve)))
	}
	return &watched{s, w, parts}
}

// operatorOf makes an operator of a skill that is watched.
func (e *Engine) operatorOf(w *watched, own OperatorOptions) *watching {
	if own.Compaction.MaxTokens == 0 {
		own.Compaction.MaxTokens = e.options.Compaction.MaxTokens
	}
	if own.Compaction.KeepLast == 0 {
		own.Compaction.KeepLast = e.options.Compaction.KeepLast
	}
	op := operator.New(operator.Options{
		Name: own.Name, Target: e.options.Target, Skill: w.skill, Model: e.options.Model, Fallback: analyst.Analyst{}, Store: e.options.Store, Journal: e.options.Store,
		Watch: w.watch, Heartbeat: e.options.Heartbeat, Compaction: own.Compaction, Sizes: e.sizes, Clock: e.options.Clock, OnEvent: e.event,
	})
	return &watching{op, newPart("operator "+own.Name, op)}
}

// know tells the coordinator which skills there are; e.mu is held.
func (e *Engine) know() {
	var lines []coordinator.SkillLine
	var edges []beamlens.Edge
	for _, w := range e.watched {
		lines = append(lines, coordinator.SkillLine{ID: w.skill.ID, Summary: w.skill.Summary})
		edges = append(edges, w.skill.Edges...)
	}
	e.coordinator.Know(lines, edges)
}

// Remove ends an operator, by its name, and the watch of its skill with the skill's last operator. It returns when they have ended, or
// soon. Its alerts stay as they are; an operator that is added under that name takes them over.
func (e *Engine) Remove(name string) error {
	e.mu.Lock()
	i := slices.IndexFunc(e.operators, func(o *watching) bool { return o.Name == name })
	if i < 0 {
		e.mu.Unlock()
		return fmt.Errorf("engine: there is no operator %q", name)
	}
	op := e.operators[i]
	e.operators = slices.Delete(e.operators, i, i+1)
	stop := []*part{op.part}
	if !slices.ContainsFunc(e.operators, func(o *watching) bool { return o.Skill.ID == op.Skill.ID }) {
		j := slices.IndexFunc(e.watched, func(w *watched) bool { return w.skill.ID == op.Skill.ID })
		stop = append(stop, e.watched[j].parts...)
		e.watched = slices.Delete(e.watched, j, j+1)
	}
	e.know()
	e.mu.Unlock()
	for _, p := range stop {
		p.remove()
	}
	e.event(beamlens.Event{Name: "operator.stopped", At: e.options.Clock.Now(), Target: e.options.Target, Subject: name,
		Fields: map[string]any{"final_state": op.Status().State}})
	return nil
}

// all gives what is watched now.
func (e *Engine) all() []*watched {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.watched)
}

// skill gives a skill that is watched, or nil.
func (e *Engine) skill(id string) *watched {
	all := e.all()
	if i := slices.IndexFunc(all, func(w *watched) bool { return w.skill.ID == id }); i >= 0 {
		return all[i]
	}
	return nil
}

// working gives the operators that run now.
func (e *Engine) working() []*operator.Operator {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*operator.Operator, len(e.operators))
	for i, o := range e.operators {
		out[i] = o.Operator
	}
	return out
}

// Operators tells what the operators are doing, without waiting for any.
func (e *Engine) Operators() []operator.Status {
	operators := e.working()
	out := make([]operator.Status, len(operators))
	for i, o := range operators {
		out[i] = o.Status()
	}
	return out
}

// Findings returns what departs from normal now.
func (e *Engine) Findings() []beamlens.Finding {
	var out []beamlens.Finding
	for _, w := range e.all() {
		out = append(out, w.watch.Open()...)
	}
	return out
}

// Skills gives the ids of the skills that are watched.
func (e *Engine) Skills() []string {
	var ids []string
	for _, w := range e.all() {
		ids = append(ids, w.skill.ID)
	}
	return ids
}

// readings says what is watched, and what departs from normal.
func (e *Engine) readings() coordinator.Readings {
	var out coordinator.Readings
	for _, w := range e.all() {
		out.Watched = append(out.Watched, w.skill.ID)
		if _, err := w.watch.Latest(); err != nil || w.watch.Samples() == 0 {
			out.Unread = append(out.Unread, w.skill.ID)
		}
		for _, f := range w.watch.Open() {
			if m := w.skill.ID + "." + f.Metric; !slices.Contains(out.Departed, m) {
				out.Departed = append(out.Departed, m)
			}
		}
	}
	return out
}
