package beam

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Exceptions is the skill "exception": processes that ended with an error, grouped by kind, type and where it happened.
func Exceptions(c Caller) *skill.Skill {
	e := &exceptions{caller: c}
	return &skill.Skill{
		ID: "exception", Title: "exceptions", Summary: "Crash reports grouped by kind, type and place, with counts and stack traces.",
		Prompt:   text("prompt/exception.md"),
		Snapshot: e.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("exception_stats", "Exceptions of the last five minutes by kind, level and type, and the groups with the most.", "exception_stats()", e.stats).Costs(skill.Cheap),
			skill.Func("exception_recent", "The last exceptions, newest first.", "exception_recent(5)", e.recent).Costs(skill.Cheap),
			skill.Func("exception_by_type", "The last exceptions of a type, newest first.", `exception_by_type("badarith", 5)`, e.byType).Costs(skill.Cheap),
			skill.Func("exception_search", "The last exceptions whose message matches a pattern (RE2), newest first.", `exception_search("timeout", 5)`, e.search).Costs(skill.Cheap),
			skill.Func("exception_stacktrace", "The stack of an exception, by its id.", `exception_stacktrace("0")`, e.stacktrace).Costs(skill.Cheap),
		},
		Metrics: []skill.Metric{
			{Name: "total_exceptions_5m", Unit: "exceptions", Kind: skill.Gauge, Quiet: true, Doc: "processes that ended with an error in the last five minutes"},
			{Name: "exceptions_1m", Unit: "exceptions", Kind: skill.Gauge, Doc: "the same in the last minute"},
			{Name: "unique_exception_types", Unit: "types", Kind: skill.Gauge, Quiet: true, Doc: "types among them"},
		},
		Rules: []skill.Rule{
			{Metric: "exceptions_1m", Above: 60, For: 30 * time.Second, Severity: beamlens.SeverityWarning, Doc: "one a second for a minute and a half: something fails now and then, and goes on doing so"},
			{Metric: "exceptions_1m", Above: 120, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "two a second for a minute: no single accident, but something that fails whenever it is tried"},
		},
		Edges: []beamlens.Edge{
			{From: "beam.message_queue_max", To: "exception.exceptions_1m", Why: "who calls a process that is behind ends when it has waited too long"},
			{From: "exception.exceptions_1m", To: "sup.restarts_max_child", Why: "a supervised process that ends with an error is restarted"},
			{From: "exception.exceptions_1m", To: "sup.restarts_1m", Why: "a supervised process that ends with an error is restarted"},
		},
		Playbooks: []skill.Playbook{
			playbook("exceptions", "the group with the most exceptions: its type, place and process", "exceptions_1m", "total_exceptions_5m"),
		},
	}
}

const keptExceptions = 500

type stackFrame struct {
	Module   *string `json:"module"`
	Function *string `json:"function"`
	File     *string `json:"file"`
	Line     *int64  `json:"line"`
	Text     *string `json:"text"`
}

// crash is one record of the probe.
type crash struct {
	Seq       int64        `json:"seq"`
	AtUS      int64        `json:"at_us"`
	Level     string       `json:"level"`
	Source    string       `json:"source"`
	Pid       *string      `json:"pid"`
	Name      *string      `json:"name"`
	Initial   *string      `json:"initial_call"`
	Ancestors []string     `json:"ancestors"`
	Queue     *int64       `json:"message_queue"`
	Kind      string       `json:"kind"`
	Type      string       `json:"type"`
	Message   string       `json:"message"`
	Stack     []stackFrame `json:"stack"`
}

// ofLibrary are modules in which an error happens that another one made.
var ofLibrary = []string{
	"erlang", "lists", "maps", "ets", "binary", "proc_lib", "gen", "gen_server", "gen_statem", "gen_event", "io_lib", "string", "dict", "queue", "sets", "proplists",
	"Enum", "Map", "List", "Keyword", "String", "Access", "GenServer", "Task", "Task.Supervised", "Agent", "Kernel", "erl_eval", "supervisor",
}

// at is where it happened: the first frame that is not of a library, else the first.
func (c crash) at() string {
	first := ""
	for _, f := range c.Stack {
		if f.Text == nil || f.Module == nil {
			continue
		}
		if first == "" {
			first = *f.Text
		}
		if !slices.Contains(ofLibrary, *f.Module) {
			return *f.Text
		}
	}
	return first
}

func (c crash) who() string {
	for _, s := range []*string{c.Name, c.Initial, c.Pid} {
		if s != nil {
			return *s
		}
	}
	return ""
}

type pulledCrashes struct {
	head
	CrashReports int64   `json:"crash_reports"`
	Emulator     int64   `json:"emulator"`
	Terminate    int64   `json:"terminate"`
	Records      []crash `json:"records"`
}

type exceptions struct {
	caller Caller

	mu     sync.Mutex // guards what follows
	id     string
	newest int64
	now    time.Time // the node's clock
	counts counted   // crash reports, errors of the emulator, reports of behaviours
	kept   []crash   // the oldest first
}

func (e *exceptions) pull(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := ask[pulledCrashes](ctx, e.caller, "log", "crashes", e.newest)
	if err != nil {
		return err
	}
	if p.ID != e.id && e.id != "" && e.newest > 0 {
		if p, err = ask[pulledCrashes](ctx, e.caller, "log", "crashes", int64(0)); err != nil {
			return err
		}
	}
	if p.ID != e.id {
		e.id, e.counts = p.ID, counted{window: 5 * time.Minute}
	}
	e.newest, e.now = p.Newest, time.UnixMicro(p.NowUS)
	e.counts.add(time.Now(), p.CrashReports, p.Emulator, p.Terminate)
	for _, c := range p.Records {
		e.keep(c)
	}
	return nil
}

// keep joins the two reports that a process of a behaviour makes when it ends: its own, and that of proc_lib.
func (e *exceptions) keep(c crash) {
	for i := len(e.kept) - 1; i >= 0 && i >= len(e.kept)-20; i-- {
		have := &e.kept[i]
		if have.Pid == nil || c.Pid == nil || *have.Pid != *c.Pid || have.Source == c.Source || c.AtUS-have.AtUS > 2_000_000 {
			continue
		}
		if len(have.Stack) == 0 {
			have.Stack = c.Stack
		}
		if have.Name == nil {
			have.Name = c.Name
		}
		if c.Initial != nil && c.Source == "crash" {
			have.Initial, have.Ancestors, have.Queue = c.Initial, c.Ancestors, c.Queue
		}
		return
	}
	e.kept = append(e.kept, c)
	if n := len(e.kept) - keptExceptions; n > 0 {
		e.kept = slices.Delete(e.kept, 0, n)
	}
}

// total is exact: every process makes one crash report, or one report of its behaviour where crash reports are filtered.
func (e *exceptions) total(d time.Duration) int64 {
	return e.counts.within(d, 1) + max(e.counts.within(d, 0), e.counts.within(d, 2))
}

type exceptionStats struct {
	Total5m  int64            `json:"total_exceptions_5m"`
	Total1m  int64            `json:"exceptions_1m"`
	ByKind   map[string]int64 `json:"by_kind"`
	ByLevel  map[string]int64 `json:"by_level"`
	TopTypes []typeCount      `json:"top_exception_types"`
	Types    int64            `json:"unique_exception_types"`
	Groups   []crashGroup     `json:"groups"`
	Kept     int64            `json:"kept"`
}

type typeCount struct {
	Type  string `json:"type"`
	Count int64  `json:"count"`
}

// crashGroup is the exceptions of one kind, type and place.
type crashGroup struct {
	Kind    string  `json:"kind"`
	Type    string  `json:"type"`
	At      string  `json:"at"`
	Module  string  `json:"module"`
	Process string  `json:"process"`
	Pid     *string `json:"pid"`
	Count   int64   `json:"count"`
	First   string  `json:"first_seen"`
	Last    string  `json:"last_seen"`
	LastID  string  `json:"last_id"`
	Message string  `json:"message"`
}

func (e *exceptions) stats(ctx context.Context, _ none) (exceptionStats, error) {
	s := exceptionStats{ByKind: map[string]int64{}, ByLevel: map[string]int64{}, TopTypes: []typeCount{}, Groups: []crashGroup{}}
	if err := e.pull(ctx); err != nil {
		return s, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Total5m, s.Total1m = e.total(5*time.Minute), e.total(minute)
	types, groups := map[string]int64{}, map[string]*crashGroup{}
	for _, c := range e.kept {
		if e.now.Sub(time.UnixMicro(c.AtUS)) > 5*time.Minute {
			continue
		}
		s.Kept++
		s.ByKind[c.Kind]++
		s.ByLevel[c.Level]++
		types[c.Type]++
		at := c.at()
		key := c.Kind + "|" + c.Type + "|" + at
		g, ok := groups[key]
		if !ok {
			g = &crashGroup{Kind: c.Kind, Type: c.Type, At: at, First: utc(c.AtUS / 1000)}
			groups[key] = g
		}
		g.Count++
		g.Last, g.LastID, g.Message, g.Process, g.Pid = utc(c.AtUS/1000), c.id(), c.Message, c.who(), c.Pid
		g.Module = c.module()
	}
	for t, n := range types {
		s.TopTypes = append(s.TopTypes, typeCount{t, n})
	}
	slices.SortFunc(s.TopTypes, func(a, b typeCount) int {
		if a.Count != b.Count {
			return int(b.Count - a.Count)
		}
		return strings.Compare(a.Type, b.Type)
	})
	s.Types = int64(len(s.TopTypes))
	s.TopTypes = s.TopTypes[:min(5, len(s.TopTypes))]
	for _, g := range groups {
		s.Groups = append(s.Groups, *g)
	}
	slices.SortFunc(s.Groups, func(a, b crashGroup) int {
		if a.Count != b.Count {
			return int(b.Count - a.Count)
		}
		return strings.Compare(a.At+a.Type, b.At+b.Type)
	})
	s.Groups = s.Groups[:min(10, len(s.Groups))]
	return s, nil
}

// module is that of the place, or of the process's initial call.
func (c crash) module() string {
	at := c.at()
	for _, f := range c.Stack {
		if f.Text != nil && *f.Text == at && f.Module != nil {
			return *f.Module
		}
	}
	return ""
}

func (e *exceptions) snapshot(ctx context.Context) (map[string]any, error) {
	s, err := e.stats(ctx, none{})
	if err != nil {
		return nil, err
	}
	types := []any{}
	for _, t := range s.TopTypes {
		types = append(types, map[string]any{"type": t.Type, "count": t.Count})
	}
	return map[string]any{
		"total_exceptions_5m": s.Total5m, "exceptions_1m": s.Total1m, "by_kind": anyMap(s.ByKind), "by_level": anyMap(s.ByLevel),
		"top_exception_types": types, "unique_exception_types": s.Types,
	}, nil
}

func anyMap(m map[string]int64) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

type exceptionsOut struct {
	Exceptions []exceptionRow `json:"exceptions"`
}

type exceptionRow struct {
	ID       string  `json:"id"`
	Datetime string  `json:"datetime"`
	Kind     string  `json:"kind"`
	Level    string  `json:"level"`
	Type     string  `json:"type"`
	Message  string  `json:"message"`
	At       string  `json:"at"`
	Pid      *string `json:"pid"`
	Name     *string `json:"name"`
	Initial  *string `json:"initial_call"`
	Queue    *int64  `json:"message_queue"`
}

// id is unique among the lives of the part only by its time.
func (c crash) id() string { return fmt.Sprintf("%d-%d", c.AtUS/1000%1e9, c.Seq) }

func (e *exceptions) matching(ctx context.Context, limit int64, fits func(crash) bool) (exceptionsOut, error) {
	out := exceptionsOut{Exceptions: []exceptionRow{}}
	if err := e.pull(ctx); err != nil {
		return out, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range slices.Backward(e.kept) {
		if fits(c) && int64(len(out.Exceptions)) < limit {
			out.Exceptions = append(out.Exceptions, exceptionRow{c.id(), utc(c.AtUS / 1000), c.Kind, c.Level, c.Type, c.Message, c.at(), c.Pid, c.Name, c.Initial, c.Queue})
		}
	}
	return out, nil
}

type recentExceptionsIn struct {
	Limit int64   `json:"limit" default:"20" min:"1" max:"50" doc:"how many rows"`
	Kind  *string `json:"kind" enum:"error,exit,throw" doc:"only of this kind"`
}

func (e *exceptions) recent(ctx context.Context, in recentExceptionsIn) (exceptionsOut, error) {
	return e.matching(ctx, in.Limit, func(c crash) bool { return in.Kind == nil || c.Kind == *in.Kind })
}

type typeIn struct {
	Type  string `json:"type" doc:"badarith, RuntimeError"`
	Limit int64  `json:"limit" default:"20" min:"1" max:"50" doc:"how many rows"`
}

func (e *exceptions) byType(ctx context.Context, in typeIn) (exceptionsOut, error) {
	want := strings.TrimPrefix(in.Type, "Elixir.")
	return e.matching(ctx, in.Limit, func(c crash) bool { return c.Type == want })
}

func (e *exceptions) search(ctx context.Context, in searchIn) (exceptionsOut, error) {
	re := compile(in.Pattern)
	return e.matching(ctx, in.Limit, func(c crash) bool { return re.MatchString(c.Message) || re.MatchString(c.Type) })
}

type idIn struct {
	ID string `json:"id" doc:"of an exception"`
}

type stackOut struct {
	Found bool         `json:"found"`
	Type  string       `json:"type"`
	Stack []stackFrame `json:"stacktrace"`
}

func (e *exceptions) stacktrace(ctx context.Context, in idIn) (stackOut, error) {
	if err := e.pull(ctx); err != nil {
		return stackOut{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.kept {
		if c.id() == in.ID {
			return stackOut{true, c.Type, c.Stack}, nil
		}
	}
	return stackOut{Stack: []stackFrame{}}, nil
}
