package goruntime

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Guard returns a function that runs f and counts its panic, which goes on as if nobody had looked: go p.Guard(work)().
func (p *Probe) Guard(f func()) func() {
	return func() {
		defer p.Caught()
		f()
	}
}

// Caught counts the panic that is under way, if one is, and lets it go on. It is for a defer: in middleware of one's own, for example.
func (p *Probe) Caught() {
	if v := recover(); v != nil {
		p.panics.count(v, "")
		panic(v)
	}
}

// Report counts an error that the program has handled, at the line that calls it. nil is nothing.
func (p *Probe) Report(err error) {
	if err == nil {
		return
	}
	at := callerOutside(2)
	p.panics.add(exception{Kind: "error", What: cut(err.Error(), keptText), Type: fmt.Sprintf("%T", err), Function: at.Function, Place: at.At})
}

// ErrorLog returns a logger for http.Server.ErrorLog, which writes to w and counts the panics that net/http caught.
func (p *Probe) ErrorLog(w io.Writer) *log.Logger {
	return log.New(lineWriter{w, func(s string) {
		if strings.Contains(s, "http: panic serving") {
			p.panics.served(s)
		}
	}}, "", log.LstdFlags)
}

// panicCounts counts panics and errors by what and where they are.
type panicCounts struct {
	mu       sync.Mutex // guards what follows
	groups   map[exceptionKey]*exceptionGroup
	newest   []exception // the newest last
	repeated int         // were counted by the middleware; net/http logs each of them once more
}

type exceptionKey struct{ kind, typ, at string }

type exceptionGroup struct {
	minute rolling
	total  int
	last   exception
}

// exception is a panic or an error that was reported.
type exception struct {
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"` // panic, error, service
	What     string    `json:"what"`
	Type     string    `json:"type"`
	Function string    `json:"function"`
	Place    string    `json:"place"`
	Stack    []string  `json:"stack"`
	Route    string    `json:"route"`
}

const (
	mostExceptionGroups = 1000
	keptExceptions      = 100
)

// count takes a panic, called in a deferred function: the stack of where it happened is still there.
func (c *panicCounts) count(v any, route string) {
	if v == http.ErrAbortHandler {
		return // it asks net/http to hang up, and nothing is wrong
	}
	var pcs [64]uintptr
	n := runtime.Callers(2, pcs[:])
	e := exception{Kind: "panic", What: cut(fmt.Sprint(v), keptText), Type: fmt.Sprintf("%T", v), Route: route}
	// The frames before the runtime's panic are ours and that of the deferred function.
	frames := runtime.CallersFrames(pcs[:n])
	var at place
	best, inside := -1, false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic" || f.Function == "runtime.panicmem" || f.Function == "runtime.sigpanic":
			inside = true
			at, best = place{}, -1
		case inside:
			at.take(f, &best)
		}
		if !more {
			break
		}
	}
	e.Function, e.Place, e.Stack = at.Function, at.At, at.frames
	c.add(e)
	if route != "" {
		c.mu.Lock()
		c.repeated++
		c.mu.Unlock()
	}
}

func (c *panicCounts) add(e exception) {
	e.At = time.Now().UTC()
	c.mu.Lock()
	defer c.mu.Unlock()
	k := exceptionKey{e.Kind, e.Type, e.Place}
	if c.groups == nil {
		c.groups = map[exceptionKey]*exceptionGroup{}
	}
	g := c.groups[k]
	if g == nil {
		if len(c.groups) >= mostExceptionGroups {
			return // untested: there are as many lines that panic
		}
		g = &exceptionGroup{}
		c.groups[k] = g
	}
	g.minute.add(e.At)
	g.total++
	g.last = e
	if len(c.newest) == keptExceptions {
		c.newest = slices.Delete(c.newest, 0, 1)
	}
	c.newest = append(c.newest, e)
}

// stackRE finds the function and the line of a frame in a stack as the runtime prints it.
var stackRE = regexp.MustCompile(`(?m)^([^\s(].*?)\([^()]*\)\n\t(.+?):(\d+)`)

// served takes what net/http says of a panic that it caught.
func (c *panicCounts) served(s string) {
	c.mu.Lock()
	if c.repeated > 0 {
		c.repeated--
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	e := exception{Kind: "panic", Type: "panic"}
	head, stack, _ := strings.Cut(s, "\n")
	if _, what, ok := strings.Cut(head, "http: panic serving "); ok {
		_, what, _ = strings.Cut(what, ": ")
		e.What = cut(what, keptText)
	}
	at := placeOfText(stack)
	e.Function, e.Place, e.Stack = at.Function, at.At, at.frames
	c.add(e)
}

// placeOfText is placeOf for a stack as the runtime prints it; what is before its panic is left out.
func placeOfText(stack string) place {
	if i := strings.LastIndex(stack, "\npanic("); i >= 0 {
		stack = stack[i+1:]
		if _, rest, ok := strings.Cut(stack, "\n"); ok {
			if _, rest, ok := strings.Cut(rest, "\n"); ok {
				stack = rest
			}
		}
	}
	var at place
	best := -1
	for _, m := range stackRE.FindAllStringSubmatch(stack, keptFrames*2) {
		name := strings.TrimPrefix(m[1], "created by ")
		line := 0
		_, _ = fmt.Sscan(m[3], &line)
		at.take(runtime.Frame{Function: name, File: m[2], Line: line}, &best)
	}
	return at
}

// Exceptions is the skill "exception": panics that were caught, and errors that were reported.
func (p *Probe) Exceptions() *skill.Skill {
	x := &exceptions{&p.panics}
	return &skill.Skill{
		ID: "exception", Title: "panics", Summary: "Panics that were caught and errors that were reported, by type and place.",
		Prompt:   text("prompt/exception.md"),
		Snapshot: x.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("exception_groups", "Panics and errors of the last minute by type and place, most first.", "exception_groups(5)", x.list),
			skill.Func("exception_recent", "The newest panics and errors with their stacks, the newest first.", "exception_recent(5)", x.recent),
		},
		Metrics: []skill.Metric{
			{Name: "panics_1m", Unit: "panics", Kind: skill.Gauge, Doc: "panics in the last minute"},
			{Name: "errors_1m", Unit: "errors", Kind: skill.Gauge, Doc: "errors reported in the last minute"},
		},
		Rules: []skill.Rule{
			{Metric: "panics_1m", Above: 4.5, Severity: beamlens.SeverityWarning, Doc: "a panic is a mistake in the program; five a minute are no accident"},
			{Metric: "errors_1m", Above: 120, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "two errors a second for a minute: something fails whenever it is tried"},
		},
		Edges: []beamlens.Edge{
			{From: "exception.panics_1m", To: "http.errors_pct", Why: "a request whose handler panics fails"},
			{From: "exception.panics_1m", To: "sup.restarts_1m", Why: "a service that panics is started again"},
		},
		Playbooks: []skill.Playbook{playbook("panics", "what panics most, and where", "panics_1m", "errors_1m")},
	}
}

type exceptions struct{ counts *panicCounts }

func (x *exceptions) snapshot(context.Context) (map[string]any, error) {
	c := x.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	panics, errs, total := 0, 0, 0
	for k, g := range c.groups {
		n := g.minute.sum(now)
		if k.kind == "error" {
			errs += n
		} else {
			panics += n
		}
		total += g.total
	}
	return map[string]any{"panics_1m": panics, "errors_1m": errs, "total": total}, nil
}

type exceptionGroupsOut struct {
	Total  int                 `json:"total_1m"`
	Groups []exceptionGroupRow `json:"groups"`
}

type exceptionGroupRow struct {
	Kind     string   `json:"kind"`
	Type     string   `json:"type"`
	What     string   `json:"what"`
	Function string   `json:"function"`
	At       string   `json:"at"`
	Route    string   `json:"route"`
	Count    int      `json:"count_1m"`
	Total    int      `json:"count"`
	Stack    []string `json:"stack"`
}

func (x *exceptions) list(_ context.Context, in limitIn) (exceptionGroupsOut, error) {
	c := x.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	out := exceptionGroupsOut{Groups: []exceptionGroupRow{}}
	now := time.Now()
	for k, g := range c.groups {
		if n := g.minute.sum(now); n > 0 {
			out.Total += n
			out.Groups = append(out.Groups, exceptionGroupRow{k.kind, k.typ, g.last.What, g.last.Function, k.at, g.last.Route, n, g.total, g.last.Stack})
		}
	}
	slices.SortFunc(out.Groups, func(a, b exceptionGroupRow) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.At, b.At))
	})
	out.Groups = out.Groups[:min(len(out.Groups), in.Limit)]
	return out, nil
}

func (x *exceptions) recent(_ context.Context, in limitIn) ([]exception, error) {
	c := x.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]exception, len(c.newest))
	copy(out, c.newest)
	slices.Reverse(out)
	return out[:min(len(out), in.Limit)], nil
}
