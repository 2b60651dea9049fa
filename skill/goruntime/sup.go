package goruntime

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// SupervisorEvent is what a supervisor tells its hook. The events of github.com/thejerf/suture/v4 are such; nothing of it is imported here. The names in
// Map that are read: supervisor_name, service_name, panic_msg, stacktrace, error, restarting.
type SupervisorEvent interface {
	String() string
	Map() map[string]any
}

// Supervised takes what a supervisor tells. It returns at once, for a supervisor waits for its hook:
//
//	suture.New("shop", suture.Spec{EventHook: func(e suture.Event) { p.Supervised(e) }})
//
// A hook has to be given where a supervisor is made: one that is added to another gets that one's.
func (p *Probe) Supervised(ev SupervisorEvent) {
	m := ev.Map()
	get := func(name string) string {
		if v, ok := m[name]; ok && v != nil {
			return fmt.Sprint(v)
		}
		return ""
	}
	e := supEvent{At: time.Now().UTC(), Supervisor: cut(get("supervisor_name"), keptText), Service: cut(get("service_name"), keptText)}
	_, hasError := m["error"]
	switch {
	case m["panic_msg"] != nil:
		at := placeOfText(get("stacktrace"))
		e.Kind, e.What, e.Function, e.Place = "panic", cut(get("panic_msg"), keptText), at.Function, at.At
		p.panics.add(exception{Kind: "service", What: e.What, Type: "panic", Function: at.Function, Place: at.At, Stack: at.frames, Route: e.Service})
	case hasError:
		e.Kind, e.What = "ended", cut(get("error"), keptText)
	case e.Service != "":
		e.Kind, e.What = "did not stop", cut(ev.String(), keptText)
	default:
		e.Kind = "back-off"
		if strings.Contains(strings.ToLower(ev.String()), "exiting") {
			e.Kind = "back-off ended"
		}
	}
	p.sup.add(e)
}

// supEvent is what happened in a tree of supervisors.
type supEvent struct {
	At         time.Time `json:"at"`
	Kind       string    `json:"kind"` // panic, ended, did not stop, back-off, back-off ended
	Supervisor string    `json:"supervisor"`
	Service    string    `json:"service"`
	What       string    `json:"what"`
	Function   string    `json:"function"`
	Place      string    `json:"place"`
}

type supCounts struct {
	mu       sync.Mutex // guards what follows
	services map[[2]string]*supCount
	backoff  map[string]bool
	newest   []supEvent
}

type supCount struct {
	minute rolling
	total  int
	last   supEvent
}

const (
	mostServices  = 2000
	keptSupEvents = 200
)

func (c *supCounts) add(e supEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.services == nil {
		c.services, c.backoff = map[[2]string]*supCount{}, map[string]bool{}
	}
	switch e.Kind {
	case "back-off":
		if len(c.backoff) < mostServices {
			c.backoff[e.Supervisor] = true
		}
	case "back-off ended":
		delete(c.backoff, e.Supervisor)
	case "panic", "ended":
		k := [2]string{e.Supervisor, e.Service}
		s := c.services[k]
		if s == nil {
			if len(c.services) >= mostServices {
				return // untested: so many services have failed
			}
			s = &supCount{}
			c.services[k] = s
		}
		s.minute.add(e.At)
		s.total++
		s.last = e
	}
	if len(c.newest) == keptSupEvents {
		c.newest = slices.Delete(c.newest, 0, 1)
	}
	c.newest = append(c.newest, e)
}

// Supervisors is the skill "sup": trees of supervised services.
func (p *Probe) Supervisors() *skill.Skill {
	s := &supervisors{&p.sup}
	return &skill.Skill{
		ID: "sup", Title: "supervisors", Summary: "Services that fail and are started again, back-off, last errors.",
		Prompt:   text("prompt/sup.md"),
		Snapshot: s.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("sup_services", "Services that ended or panicked in the last minute, with why and where the last time, most first.", "sup_services(5)", s.list),
			skill.Func("sup_events", "What supervisors told last, the newest first.", "sup_events(10)", s.events),
		},
		Metrics: []skill.Metric{
			{Name: "restarts_1m", Unit: "restarts", Kind: skill.Gauge, Doc: "services that ended in the last minute, and were started again"},
			{Name: "restarts_max_service", Unit: "restarts", Kind: skill.Gauge, Quiet: true, Doc: "of one service in the last minute, the most"},
			{Name: "in_backoff", Unit: "supervisors", Kind: skill.Gauge, Quiet: true, Doc: "supervisors that wait before they start a service again"},
		},
		Rules: []skill.Rule{
			{Metric: "restarts_max_service", Above: 5.5, Severity: beamlens.SeverityWarning, Doc: "a service that is started every ten seconds does not do its work; and its supervisor may never say so"},
			{Metric: "in_backoff", Above: 0.5, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "a service failed so often that its supervisor waits"},
		},
		Edges: []beamlens.Edge{
			{From: "sup.restarts_max_service", To: "sup.restarts_1m", Why: "they are counted together"},
			{From: "sup.restarts_max_service", To: "sup.in_backoff", Why: "who fails often is started later"},
		},
		Playbooks: []skill.Playbook{playbook("restarts", "which service fails, why and where", "restarts_max_service", "restarts_1m", "in_backoff")},
	}
}

type supervisors struct{ counts *supCounts }

func (s *supervisors) snapshot(context.Context) (map[string]any, error) {
	c := s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	sum, most := 0, 0
	now := time.Now()
	for _, x := range c.services {
		n := x.minute.sum(now)
		sum, most = sum+n, max(most, n)
	}
	return map[string]any{"restarts_1m": sum, "restarts_max_service": most, "in_backoff": len(c.backoff)}, nil
}

type restartedRow struct {
	supEvent
	Count int `json:"restarts_1m"`
	Total int `json:"restarts"`
}

func (s *supervisors) list(_ context.Context, in limitIn) ([]restartedRow, error) {
	c := s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []restartedRow{}
	now := time.Now()
	for _, x := range c.services {
		if n := x.minute.sum(now); n > 0 {
			out = append(out, restartedRow{x.last, n, x.total})
		}
	}
	slices.SortFunc(out, func(a, b restartedRow) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Service, b.Service))
	})
	return out[:min(len(out), in.Limit)], nil
}

func (s *supervisors) events(_ context.Context, in limitIn) ([]supEvent, error) {
	c := s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]supEvent, len(c.newest))
	copy(out, c.newest)
	slices.Reverse(out)
	return out[:min(len(out), in.Limit)], nil
}
