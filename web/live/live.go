// Package live shows an engine on the dashboard of package web: one that runs, or one that has looked through a recording.
package live

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/web"
)

// Options of a source. Nil and zero values mean the defaults.
type Options struct {
	ReadOnly bool // the engine is not asked
}

// Source makes an engine a source of the dashboard. Besides, the dashboard must be told its events: see [web.Dashboard.Event].
func Source(e *engine.Engine, o *Options) web.Source {
	l := e.Look()
	s := web.Source{Target: l.Options.Target, Store: l.Store, Reader: reader{e}}
	if o == nil || !o.ReadOnly {
		s.Ask = e.Ask
	}
	return s
}

type reader struct{ engine *engine.Engine }

// State tells what the engine is doing.
func (r reader) State(context.Context) web.State {
	l := r.engine.Look()
	c := r.engine.Coordinator()
	s := web.State{
		Now: l.Now, Findings: r.engine.Findings(), Model: model(l.Options.Model), Settings: settings(l),
		Coordinator: web.Coordinator{Running: c.Running, Alerts: c.AlertCount, Unread: c.UnreadCount, Iteration: c.Iteration},
	}
	for _, o := range r.engine.Operators() {
		op := web.Operator{Name: o.Operator, Health: o.State, Activity: o.Activity, OpenAlerts: o.Open, Runs: o.Runs}
		for _, w := range l.Skills {
			if w.Skill.ID == o.Skill {
				describe(&op, w)
			}
		}
		s.Operators = append(s.Operators, op)
	}
	for _, w := range l.Skills {
		s.Edges = append(s.Edges, w.Skill.Edges...)
		for _, m := range w.Skill.Metrics {
			s.Metrics = append(s.Metrics, metric(w, m))
		}
		if us, ok := w.Latest.Number("probe_us"); ok {
			kb, _ := w.Latest.Number("probe_memory_kb")
			s.Overhead = &web.Overhead{Micros: us, MemoryKB: kb}
		}
	}
	if l.Budget != nil {
		_, day := l.Budget.Spent()
		s.Cost = &web.Cost{Calls: int64(day.Calls), Tokens: day.Tokens, USD: day.USD, Limit: l.Budget.Limits().Day.USD}
	}
	return s
}

func describe(op *web.Operator, w engine.Watched) {
	op.Skill, op.Summary, op.Prompt = w.Skill.ID, w.Skill.Summary, w.Skill.Prompt
	op.Samples, op.ReadAt = w.Samples, w.Latest.CapturedAt
	if w.Failure != nil {
		op.Failure = w.Failure.Error()
	}
	for _, c := range w.Skill.Callbacks {
		cost := c.Cost
		if cost == "" {
			cost = skill.Cheap
		}
		op.Callbacks = append(op.Callbacks, web.Callback{Signature: c.Signature(), Doc: c.Doc, Returns: c.Returns, Cost: cost})
	}
	for _, p := range w.Skill.Playbooks {
		op.Playbooks = append(op.Playbooks, web.Playbook{ID: p.ID, Doc: p.Doc, Metrics: p.Metrics})
	}
	for _, r := range w.Skill.Rules {
		op.Rules = append(op.Rules, fmt.Sprintf("%s → %s", r, r.Severity))
	}
}

func metric(w engine.Watched, m skill.Metric) web.Metric {
	out := web.Metric{Name: w.Skill.ID + "." + m.Name, Doc: m.Doc, Unit: m.Unit, Kind: m.Kind, Limit: m.Limit}
	out.Value, out.Known = w.Latest.Number(m.Name)
	for _, r := range w.Skill.Rules {
		if r.Metric == m.Name && r.Growth == nil && (out.Rule == 0 || r.Above < out.Rule) {
			out.Rule = r.Above
		}
	}
	return out
}

func model(m llm.Model) string {
	if d, ok := m.(llm.Described); ok {
		if a := d.Describe(); a.Model != "" {
			return strings.TrimSpace(a.Provider + " " + a.Model)
		}
	}
	return "the built-in analyst"
}

func settings(l engine.Look) []web.Setting {
	o := l.Options
	or := func(d, def time.Duration) string {
		if d == 0 {
			d = def
		}
		return d.String()
	}
	kept := o.Retention.WithDefaults()
	var ids []string
	for _, w := range l.Skills {
		ids = append(ids, w.Skill.ID)
	}
	out := []web.Setting{
		{Group: "Target", Name: "Watches", Value: o.Target.String()},
		{Group: "Target", Name: "Skills", Value: strings.Join(ids, ", ")},
		{Group: "Target", Name: "A look every", Value: or(o.Interval, time.Second)},
		{Group: "Target", Name: "Statistical alerts a week, at most about", Value: fmt.Sprintf("%g", o.AlertsPerWeek)},
		{Group: "Models", Name: "Investigates", Value: model(o.Model)},
		{Group: "Models", Name: "Heartbeat when all is well", Value: or(o.Heartbeat, 15*time.Minute)},
		{Group: "Store", Name: "Alerts and insights are kept for", Value: days(kept.Alerts)},
		{Group: "Store", Name: "Snapshots are kept for", Value: days(kept.Snapshots)},
		{Group: "Store", Name: "Transcripts are kept for", Value: days(kept.Journals)},
		{Group: "Store", Name: "It may take", Value: fmt.Sprintf("%d MB", kept.Bytes>>20)},
	}
	if l.Budget != nil {
		limits := l.Budget.Limits()
		out = append(out, web.Setting{Group: "Models", Name: "Budget of a day", Value: fmt.Sprintf("$%.2f, %d calls, %d tokens (0: no limit)", limits.Day.USD, limits.Day.Calls, limits.Day.Tokens)})
	}
	return out
}

func days(d time.Duration) string { return fmt.Sprintf("%d days", int(d.Hours()/24)) }

// Series gives the points of a metric that are in memory.
func (r reader) Series(_ context.Context, name string, from, to time.Time) ([]web.Point, error) {
	samples, thin := r.engine.Series(name)
	var out []web.Point
	var first time.Time
	if len(samples) > 0 {
		first = samples[0].At
	}
	for _, p := range thin {
		if p.At.Before(from) || p.At.After(to) || !first.IsZero() && !p.At.Add(5*time.Minute).Before(first) {
			continue
		}
		out = append(out, web.Point{At: p.At.Add(150 * time.Second), Mean: p.Mean, Low: p.Low, High: p.High})
	}
	for _, s := range samples {
		if !s.At.Before(from) && !s.At.After(to) {
			out = append(out, web.Point{At: s.At, Mean: s.Value, Low: s.Value, High: s.Value})
		}
	}
	return out, nil
}

// maxScanned is how many runs are looked at for those of one operator.
const maxScanned = 300

// Runs lists investigations.
func (r reader) Runs(ctx context.Context, operator string, limit int) ([]web.Run, error) {
	kept := r.engine.Look().Store
	scan := limit
	if operator != "" {
		scan = max(limit, maxScanned)
	}
	list, err := kept.Runs(ctx, "", scan)
	if err != nil {
		return nil, err
	}
	var out []web.Run
	for _, run := range list {
		if len(out) == limit {
			break
		}
		entries, err := entries(ctx, kept, run.ID)
		if err != nil {
			return nil, err
		}
		if len(entries) == 0 || operator != "" && entries[0].By != operator {
			continue
		}
		out = append(out, summary(run.ID, entries))
	}
	return out, nil
}

type journal interface {
	Entries(ctx context.Context, run string) ([][]byte, error)
}

func entries(ctx context.Context, j journal, run string) ([]agent.Entry, error) {
	raw, err := j.Entries(ctx, run)
	if err != nil {
		return nil, err
	}
	out := make([]agent.Entry, 0, len(raw))
	for _, r := range raw {
		var e agent.Entry
		if json.Unmarshal(r, &e) != nil {
			continue // an entry of another version
		}
		out = append(out, e)
	}
	return out, nil
}

func summary(id string, list []agent.Entry) web.Run {
	run := web.Run{ID: id, Operator: list[0].By, Began: list[0].At, Entries: len(list), Reason: reason(list[0].Message.Text)}
	for _, e := range list {
		for _, c := range e.Message.Calls {
			run.Tools = append(run.Tools, c.Name)
		}
		if e.Usage != nil {
			run.Tokens += e.Usage.Input + e.Usage.Output
		}
		if e.Spent != nil && e.Spent.USD != nil {
			run.USD += *e.Spent.USD
		}
	}
	return run
}

// reason is why a run began, as its input says.
func reason(input string) string {
	from := strings.Index(input, "```json\n")
	if from < 0 {
		return ""
	}
	body, _, _ := strings.Cut(input[from+len("```json\n"):], "\n```")
	var in struct{ Reason, Question string }
	if json.Unmarshal([]byte(body), &in) != nil {
		return ""
	}
	if in.Question != "" {
		return in.Reason + ": " + in.Question
	}
	return in.Reason
}

// Turns gives the transcript of a run.
func (r reader) Turns(ctx context.Context, run string) ([]web.Turn, error) {
	list, err := entries(ctx, r.engine.Look().Store, run)
	if err != nil {
		return nil, err
	}
	var out []web.Turn
	for _, e := range list {
		turns := turnsOf(e)
		if e.Usage != nil && len(turns) > 0 { // once for the entry
			turns[0].Model, turns[0].Input, turns[0].Output = e.Model, e.Usage.Input, e.Usage.Output
			turns[0].USD = e.Usage.CostUSD
			if e.Spent != nil {
				turns[0].USD = e.Spent.USD
			}
		}
		out = append(out, turns...)
	}
	return out, nil
}

func turnsOf(e agent.Entry) []web.Turn {
	var out []web.Turn
	m := e.Message
	if m.Text != "" {
		kind := web.TurnInput
		if m.Role == llm.Assistant {
			kind = web.TurnThought
		}
		out = append(out, web.Turn{At: e.At, Kind: kind, Text: m.Text})
	}
	for _, c := range m.Calls {
		t := web.Turn{At: e.At, Kind: web.TurnCall, Tool: c.Name}
		t.Program, t.Text = arguments(c.Args)
		out = append(out, t)
	}
	for _, res := range m.Results {
		out = append(out, web.Turn{At: e.At, Kind: web.TurnResult, Tool: res.Name, Failed: res.Failed, Text: indented([]byte(res.Content))})
	}
	return out
}

// arguments gives the Lua program of a call, if it has one, and the rest as text.
func arguments(raw json.RawMessage) (program, text string) {
	var args map[string]any
	if json.Unmarshal(raw, &args) != nil {
		return "", string(raw)
	}
	program, _ = args["code"].(string)
	delete(args, "code")
	if len(args) == 0 {
		return program, ""
	}
	names := make([]string, 0, len(args))
	for k := range args {
		names = append(names, k)
	}
	slices.Sort(names)
	var lines []string
	for _, k := range names {
		value, ok := args[k].(string)
		if !ok {
			b, err := agent.EncodeIndent(args[k])
			if err != nil {
				continue // unreachable: it came from JSON
			}
			value = string(b)
		}
		lines = append(lines, k+": "+value)
	}
	return program, strings.Join(lines, "\n")
}

func indented(raw []byte) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	b, err := agent.EncodeIndent(v)
	if err != nil {
		return string(raw) // unreachable: it came from JSON
	}
	return string(b)
}
