package goruntime

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Locks is the skill "locks": who holds mutexes for long, and who waits for them.
func (p *Probe) Locks() *skill.Skill {
	l := &locks{probe: p, reader: newReader("/sync/mutex/wait/total:seconds")}
	return &skill.Skill{
		ID: "locks", Title: "locks", Summary: "Time lost at mutexes, who holds them, who waits.",
		Prompt:   text("prompt/locks.md"),
		Snapshot: l.snapshot,
		Serve:    l.serve,
		Callbacks: []skill.Callback{
			skill.Func("locks_holders", "The places that unlocked mutexes for which others had waited, over about so many seconds: what the others lost by it, most first.",
				"locks_holders(30, 5)", l.holders),
			p.captures("locks", captureMutex, captureGoroutines),
			skill.Func("locks_waiters", "Goroutines that wait for a lock now, by place.", "locks_waiters(10)", l.waiters).Costs(skill.Scan),
		},
		Metrics: []skill.Metric{
			{Name: "wait", Unit: "s", Kind: skill.Counter, Doc: "seconds that goroutines have waited for mutexes, all together; told when a wait ends"},
		},
		Rules: []skill.Rule{
			{Metric: "wait", Above: 4, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "on average four goroutines wait for a mutex all the time"},
		},
		Edges: []beamlens.Edge{
			{From: "locks.wait", To: "http.p99_ms", Why: "requests wait for a lock"},
			{From: "locks.wait", To: "http.in_flight", Why: "requests wait for a lock"},
			{From: "locks.wait", To: "http.slowdown", Why: "requests wait for a lock"},
			{From: "locks.wait", To: "http.stuck", Why: "requests wait for a lock"},
			{From: "locks.wait", To: "runtime.goroutines", Why: "who waits does not end"},
		},
		Playbooks: []skill.Playbook{playbook("locks", "who holds the mutexes for which others wait", "wait")},
	}
}

type locks struct {
	probe  *Probe
	reader *reader
}

func (l *locks) snapshot(context.Context) (map[string]any, error) {
	return map[string]any{"wait": round(l.reader.read(nil)["/sync/mutex/wait/total:seconds"], 3)}, nil
}

// lockHistory keeps the mutex profile of some times.
type lockHistory struct {
	mu       sync.Mutex // guards what follows
	readings []lockReading
	stacks   map[uint64][]uintptr
}

type lockReading struct {
	at   time.Time
	held map[uint64]lockCount
}

type lockCount struct {
	cycles float64
	times  float64
}

const (
	// sampledLocks: one contention in so many is sampled. Switched on in the moment of trouble it shows nothing, because
	// waiters hand on when they began to wait.
	sampledLocks  = 10
	mostLockSites = 10_000
)

func (h *lockHistory) read() lockReading {
	var records []runtime.BlockProfileRecord
	n := 64
	for {
		records = make([]runtime.BlockProfileRecord, n+n/4)
		var ok bool
		if n, ok = runtime.MutexProfile(records); ok {
			break
		}
		if n > mostLockSites {
			return lockReading{at: time.Now()} // untested: nobody has so many
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stacks == nil || len(h.stacks) > 2*mostLockSites {
		h.stacks = map[uint64][]uintptr{}
	}
	out := lockReading{time.Now(), make(map[uint64]lockCount, n)}
	for i := range records[:n] {
		pcs := records[i].Stack()
		k := stackHash(pcs)
		if _, ok := h.stacks[k]; !ok {
			h.stacks[k] = slices.Clone(pcs)
		}
		c := out.held[k]
		out.held[k] = lockCount{c.cycles + float64(records[i].Cycles), c.times + float64(records[i].Count)}
	}
	return out
}

// serve has contentions sampled, and keeps readings.
func (l *locks) serve(ctx context.Context) error {
	if before := runtime.SetMutexProfileFraction(-1); before == 0 {
		runtime.SetMutexProfileFraction(sampledLocks)
		defer runtime.SetMutexProfileFraction(0)
	}
	h := &l.probe.locks
	tick := time.NewTicker(l.probe.options.Every)
	defer tick.Stop()
	for {
		r := h.read()
		h.mu.Lock()
		if len(h.readings) == keptReadings {
			h.readings = slices.Delete(h.readings, 0, 1)
		}
		h.readings = append(h.readings, r)
		h.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

type holdersIn struct {
	Seconds int `json:"seconds" default:"30" min:"1" max:"120" doc:"since when"`
	Limit   int `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

type holdersOut struct {
	Over    float64     `json:"over_s"`
	Holders []holderRow `json:"holders"`
}

type holderRow struct {
	Function string   `json:"function"`
	At       string   `json:"at"`
	Waited   float64  `json:"others_waited_s"`
	Share    float64  `json:"share_pct"`
	Times    float64  `json:"times"`
	Stack    []string `json:"stack"`
}

func (l *locks) holders(_ context.Context, in holdersIn) (holdersOut, error) {
	h := &l.probe.locks
	now := h.read()
	h.mu.Lock()
	var before lockReading
	for _, r := range h.readings {
		if before.held == nil || now.at.Sub(r.at) >= time.Duration(in.Seconds)*time.Second {
			before = r
		}
	}
	stacks := map[uint64][]uintptr{}
	for k := range now.held {
		stacks[k] = h.stacks[k]
	}
	h.mu.Unlock()
	out := holdersOut{Holders: []holderRow{}}
	if before.held == nil {
		return out, nil
	}
	out.Over = round(now.at.Sub(before.at).Seconds(), 1)
	rows := map[site]*holderRow{}
	most := map[site]float64{}
	perSecond := cyclesPerSecond()
	total := 0.0
	for k, c := range now.held {
		d := lockCount{c.cycles - before.held[k].cycles, c.times - before.held[k].times}
		p := known.of(k, stacks[k])
		if d.cycles <= 0 || p.Function == "" || p.own {
			continue
		}
		r := rows[p.site]
		if r == nil {
			r = &holderRow{Function: p.Function, At: p.At}
			rows[p.site] = r
		}
		waited := d.cycles / perSecond
		r.Waited += waited
		r.Times += d.times
		total += waited
		if waited >= most[p.site] {
			most[p.site], r.Stack = waited, p.frames
		}
	}
	for _, r := range rows {
		r.Share = round(100*r.Waited/max(total, 1e-9), 0)
		r.Waited = round(r.Waited, 2)
		out.Holders = append(out.Holders, *r)
	}
	slices.SortFunc(out.Holders, func(a, b holderRow) int { return cmp.Or(cmp.Compare(b.Waited, a.Waited), cmp.Compare(a.At, b.At)) })
	out.Holders = out.Holders[:min(len(out.Holders), in.Limit)]
	return out, nil
}

func (l *locks) waiters(_ context.Context, in limitIn) (goroutinesOut, error) {
	return l.probe.goroutines(in.Limit, func(p place) bool { return p.Kind == "lock" })
}
