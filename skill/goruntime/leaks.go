package goruntime

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/metrics"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

var errMany = fmt.Errorf("there are more than %d goroutines, which are not counted by place: ask for a trace instead", mostGoroutine)

// Leaks is the skill "leaks": goroutines that can never run again, or wait at one place and only become more. It also counts the goroutines by
// place for the other skills.
func (p *Probe) Leaks() *skill.Skill {
	l := &leaks{probe: p}
	return &skill.Skill{
		ID: "leaks", Title: "goroutine leaks", Summary: "Goroutines that wait at one place and only become more, and those that can never run again.",
		Prompt:   text("prompt/leaks.md"),
		Snapshot: l.snapshot,
		Serve:    func(ctx context.Context) error { return p.census.serve(ctx, p.options.Every, l.counted) },
		Callbacks: []skill.Callback{
			skill.Func("leaks_groups", "Groups of goroutines that wait for something which need not come (no network, no timer), by how much they grew since the oldest counting.",
				"leaks_groups(10)", l.groups).Costs(skill.Scan),
			skill.Func("leaks_stuck", "Traces the program for so many milliseconds: the goroutines that waited all the time and did nothing, by place. What works now and then is not among them.",
				"leaks_stuck(300, 10)", l.stuck).Costs(skill.Costly),
			p.captures("leaks", captureGoroutines, captureTrace),
			skill.Func("leaks_profile", "The runtime's own proof: goroutines that nothing can wake any more, by place. It needs a Go with the goroutineleak profile, and collects garbage: it takes a second for a gigabyte.",
				"leaks_profile(10)", l.profile).Costs(skill.Costly),
		},
		Metrics: []skill.Metric{
			{Name: "goroutines", Unit: "goroutines", Kind: skill.Gauge, Quiet: true, Doc: "goroutines"},
			{Name: "growing", Unit: "goroutines", Kind: skill.Gauge, Quiet: true, Doc: "goroutines in groups that have only grown for some countings"},
			{Name: "locked", Unit: "goroutines", Kind: skill.Gauge, Quiet: true, Doc: "goroutines that have waited for a lock through some countings while no wait for any lock ended"},
		},
		Rules: []skill.Rule{
			{Metric: "growing", Above: 30, Severity: beamlens.SeverityWarning, Doc: "groups of goroutines that only grow: they do not end"},
			{Metric: "goroutines", Growth: &skill.Growth{Factor: 2, Min: 1000, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "goroutines are started and do not end"},
			{Metric: "locked", Above: 1.5, Severity: beamlens.SeverityCritical, Doc: "goroutines wait for a lock that nobody gives back"},
		},
		Edges: []beamlens.Edge{
			{From: "leaks.growing", To: "runtime.goroutines", Why: "what does not end becomes more", Fact: "goroutines"},
			{From: "leaks.goroutines", To: "runtime.goroutines", Why: "it is the same number", Fact: "goroutines"},
			{From: "leaks.growing", To: "heap.live_mb", Why: "what waits keeps what it holds"},
			{From: "leaks.goroutines", To: "heap.live_mb", Why: "what waits keeps what it holds"},
			{From: "leaks.locked", To: "http.stuck", Why: "requests wait for a lock that nobody gives back"},
			{From: "leaks.locked", To: "leaks.growing", Why: "more and more come to a lock that nobody gives back", Fact: "goroutines"},
			{From: "leaks.locked", To: "http.in_flight", Why: "requests wait for a lock that nobody gives back"},
			{From: "leaks.growing", To: "http.in_flight", Why: "requests wait for what does not come"},
			{From: "leaks.growing", To: "http.stuck", Why: "requests wait for what does not come"},
		},
		Playbooks: []skill.Playbook{
			playbook("deadlock", "who waits for a lock that nobody gives back", "locked"),
			playbook("goroutine_leak", "the group of goroutines that grows, confirmed by a trace", "growing", "goroutines"),
		},
	}
}

type leaks struct {
	probe *Probe

	mu      sync.Mutex // guards what follows
	growing int
	locked  int
	waits   []float64 // what had been waited for locks at the countings
}

// How a group shows that it leaks.
const (
	leakCounts = 4   // countings, in which …
	leakRises  = 3   // … it grew so often, and never shrank
	leakLeast  = 8   // goroutines more
	lockCounts = 3   // countings at which there were waiters at a lock …
	lockStill  = 0.5 // … and less than so many seconds of waiting ended between them
)

// stays says whether a goroutine that waits so may wait for ever. What waits for the network or a timer does not count.
func stays(p place) bool {
	if p.own {
		return false
	}
	switch p.Kind {
	case "chan send", "chan receive", "select", "lock", "condition", "wait group":
		// The halves of a client's connection, and who waits to break it off, wait as long as it is kept: those are descriptors.
		return p.from != standard || !strings.HasPrefix(p.Entry.Function, "http.")
	}
	return false
}

// counted looks at the countings after each.
func (l *leaks) counted() {
	history := l.probe.census.counts()
	s := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits = append(l.waits, s[0].Value.Float64())
	if len(l.waits) > lockCounts {
		l.waits = l.waits[1:]
	}
	l.growing, l.locked = 0, 0
	for _, g := range l.series(history) {
		n := len(g.counts)
		if n >= leakCounts && leaking(g.counts[n-leakCounts:]) {
			l.growing += g.counts[n-1]
		}
		if g.lock && n >= lockCounts && len(l.waits) == lockCounts && l.waits[lockCounts-1]-l.waits[0] < lockStill {
			l.locked += slices.Min(g.counts[n-lockCounts:])
		}
	}
}

// leaking says whether a series only grew.
func leaking(counts []int) bool {
	rises := 0
	for i := 1; i < len(counts); i++ {
		switch {
		case counts[i] < counts[i-1]:
			return false
		case counts[i] > counts[i-1]:
			rises++
		}
	}
	return rises >= leakRises && counts[len(counts)-1]-counts[0] >= leakLeast
}

type groupSeries struct {
	counts []int
	lock   bool
}

// series gives, by place and start, how many there were at each counting.
func (l *leaks) series(history []count) []groupSeries {
	type key struct{ at, kind, entry string }
	all := map[key]*groupSeries{}
	for i, c := range history {
		for h, n := range c.groups {
			p := l.probe.census.place(h)
			if !stays(p) {
				continue
			}
			k := key{p.At, p.Kind, p.Entry.At}
			g := all[k]
			if g == nil {
				g = &groupSeries{counts: make([]int, len(history)), lock: p.Kind == "lock"}
				all[k] = g
			}
			g.counts[i] += n
		}
	}
	out := make([]groupSeries, 0, len(all))
	for _, g := range all {
		out = append(out, *g)
	}
	return out
}

func (l *leaks) snapshot(context.Context) (map[string]any, error) {
	s := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}}
	metrics.Read(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	return map[string]any{"goroutines": int64(s[0].Value.Uint64()), "growing": l.growing, "locked": l.locked}, nil
}

func (l *leaks) groups(_ context.Context, in limitIn) (goroutinesOut, error) {
	out, err := l.probe.goroutines(1<<30, stays)
	slices.SortStableFunc(out.Groups, func(a, b groupRow) int { return cmp.Compare(b.Growth, a.Growth) })
	out.Groups = out.Groups[:min(len(out.Groups), in.Limit)]
	return out, err
}

func (l *leaks) stuck(ctx context.Context, in windowIn) (stuckOut, error) {
	return stuckNow(ctx, in.window(), in.Limit)
}

// stuckNow traces, and joins what did nothing by place.
func stuckNow(ctx context.Context, window time.Duration, limit int) (stuckOut, error) {
	raw, err := takeTrace(ctx, window)
	if err != nil {
		return stuckOut{}, err
	}
	t, err := readTrace(raw)
	if err != nil {
		return stuckOut{}, err
	}
	out := stuckOut{Over: float64(window.Milliseconds()), Goroutines: len(t.idle) + len(t.moved), Groups: []stuckRow{}}
	type key struct{ at, entry string }
	rows := map[key]*stuckRow{}
	for s, n := range t.stuck() {
		p := placeOfSites(t.stacks[s])
		if p.own || !stays(p) {
			continue
		}
		k := key{p.At, p.Entry.At}
		if rows[k] == nil {
			rows[k] = &stuckRow{Waits: p.Kind, Function: p.Function, At: p.At, Entry: p.Entry.Function, Stack: p.frames}
		}
		rows[k].Count += n
		out.Stuck += n
	}
	for _, r := range rows {
		out.Groups = append(out.Groups, *r)
	}
	slices.SortFunc(out.Groups, func(a, b stuckRow) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.At, b.At)) })
	out.Groups = out.Groups[:min(len(out.Groups), limit)]
	return out, nil
}

type leakProfileOut struct {
	Available bool       `json:"available"`
	Note      string     `json:"note"`
	Leaked    int        `json:"leaked"`
	Groups    []stuckRow `json:"groups"`
}

// leakProfile is not there before Go 1.27, unless the program was built with GOEXPERIMENT=goroutineleakprofile.
const leakProfile = "goroutineleak"

// mostForLeakProfile goroutines: with more the profile stops everything for too long.
const mostForLeakProfile = 500_000

func (l *leaks) profile(_ context.Context, in limitIn) (leakProfileOut, error) {
	out := leakProfileOut{Groups: []stuckRow{}}
	p := pprof.Lookup(leakProfile)
	if p == nil {
		out.Note = "this program has no such profile: build it with Go 1.27, or with GOEXPERIMENT=goroutineleakprofile"
		return out, nil
	}
	s := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Uint64() > mostForLeakProfile || s[1].Value.Uint64() > 1<<30 {
		return out, errors.New("it would take too long: more than 500,000 goroutines, or a heap of more than a gigabyte")
	}
	var b bytes.Buffer
	if err := p.WriteTo(&b, 0); err != nil {
		return out, err
	}
	samples, err := readProfile(b.Bytes())
	if err != nil {
		return out, err
	}
	out.Available = true
	for _, x := range samples {
		at := placeOfSites(x.frames)
		out.Leaked += int(x.value)
		out.Groups = append(out.Groups, stuckRow{int(x.value), at.Kind, at.Function, at.At, at.Entry.Function, at.frames})
	}
	slices.SortFunc(out.Groups, func(a, b stuckRow) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.At, b.At)) })
	out.Groups = out.Groups[:min(len(out.Groups), in.Limit)]
	return out, nil
}
