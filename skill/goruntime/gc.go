package goruntime

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// GC is the skill "gc": the garbage collector.
func (p *Probe) GC() *skill.Skill {
	g := &collector{heap: &heap{probe: p}, reader: newReader("/gc/cycles/total:gc-cycles", "/gc/cycles/forced:gc-cycles", "/cpu/classes/gc/total:cpu-seconds", "/cpu/classes/gc/mark/idle:cpu-seconds",
		"/cpu/classes/gc/mark/assist:cpu-seconds", "/cpu/classes/total:cpu-seconds", "/gc/heap/allocs:bytes", "/gc/heap/allocs:objects", "/gc/limiter/last-enabled:gc-cycle",
		"/gc/heap/live:bytes", "/gc/heap/goal:bytes", "/gc/gomemlimit:bytes", "/gc/gogc:percent", "/sched/pauses/total/gc:seconds")}
	return &skill.Skill{
		ID: "gc", Title: "the garbage collector", Summary: "Cycles, the CPU that they take, pauses, allocation by place, the memory limit.",
		Prompt:   text("prompt/gc.md"),
		Snapshot: g.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("gc_allocators", "The places that allocated most over about so many seconds, whether it is still in use or not.", "gc_allocators(60, 5)", g.allocators),
			p.captures("gc", captureHeap, captureCPU),
			skill.Func("gc_state", "The collector now: goal, live heap, limit, settings, cycles.", "gc_state()", g.state),
		},
		Metrics: []skill.Metric{
			{Name: "cycles", Unit: "cycles", Kind: skill.Counter, Quiet: true, Doc: "cycles of the collector"},
			{Name: "cpu_pct", Unit: "%", Kind: skill.Ratio, Doc: "CPU that the collector takes, of all processors; told where a cycle ended"},
			{Name: "allocated_mb", Unit: "MB", Kind: skill.Counter, Doc: "memory allocated"},
			{Name: "pause_p99_ms", Unit: "ms", Kind: skill.Gauge, Quiet: true, Doc: "how long the collector stopped everything; of a hundred the longest but one"},
			{Name: "limiter", Unit: "", Kind: skill.Gauge, Quiet: true, Doc: "1 when the runtime had to limit the collector in the last ten seconds: it would have taken more than half of the CPU"},
		},
		Rules: []skill.Rule{
			{Metric: "limiter", Above: 0.5, For: 3 * time.Second, Severity: beamlens.SeverityCritical, Doc: "the heap is at the memory limit, and the collector runs without end and frees nothing"},
			{Metric: "cpu_pct", Above: 15, For: 10 * time.Second, Severity: beamlens.SeverityWarning, Doc: "the collector runs more than half of the time: a quarter of the processors is what a cycle takes"},
			{Metric: "pause_p99_ms", Above: 50, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "everything stands still for a twentieth of a second"},
		},
		Edges: []beamlens.Edge{
			{From: "gc.allocated_mb", To: "gc.cycles", Why: "what is allocated has to be collected"},
			{From: "gc.cycles", To: "gc.cpu_pct", Why: "every cycle goes over what is alive"},
			{From: "gc.limiter", To: "gc.cpu_pct", Why: "at the limit one cycle follows another"},
			{From: "gc.cpu_pct", To: "runtime.cpu_pct", Why: "the collector takes processors"},
			{From: "gc.cpu_pct", To: "http.p99_ms", Why: "who allocates has to help the collector"},
			{From: "gc.pause_p99_ms", To: "http.p99_ms", Why: "requests stand still"},
		},
		Playbooks: []skill.Playbook{
			playbook("gc_limit", "what fills the memory up to its limit", "limiter"),
			playbook("gc_pressure", "who allocates most", "cpu_pct", "allocated_mb", "cycles", "pause_p99_ms"),
		},
	}
}

type collector struct {
	heap   *heap
	reader *reader

	mu      sync.Mutex // guards what follows
	pauses  window
	p99     float64
	cycle   float64 // of the last reading with a new one
	gc      float64 // CPU seconds then
	assist  float64
	at      time.Time
	pct     float64
	assists float64
	limited float64   // the last cycle that was
	since   time.Time // when that was seen
}

// gcSmooth is over how many seconds the collector's share is smoothed.
const gcSmooth = 4

// limiterHolds is how long a limited cycle counts.
const limiterHolds = 10 * time.Second

func (g *collector) snapshot(context.Context) (map[string]any, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	m := g.reader.read(func(_ string, h *metrics.Float64Histogram) {
		if x := g.pauses.quantiles(h, 0.99)[0]; !math.IsNaN(x) {
			g.p99 = x
		}
	})
	cycles := m["/gc/cycles/total:gc-cycles"]
	// The runtime adds up its CPU times at the end of a cycle: between two of them nothing is known.
	gc, assist := m["/cpu/classes/gc/total:cpu-seconds"]-m["/cpu/classes/gc/mark/idle:cpu-seconds"], m["/cpu/classes/gc/mark/assist:cpu-seconds"]
	switch dt := now.Sub(g.at).Seconds(); {
	case g.at.IsZero():
		g.at, g.cycle, g.gc, g.assist, g.limited = now, cycles, gc, assist, m["/gc/limiter/last-enabled:gc-cycle"]
	case cycles != g.cycle && dt > 0.2:
		all := dt * float64(runtime.GOMAXPROCS(0))
		// Smoothed over some seconds: a cycle is counted where it ends.
		w := min(1, dt/gcSmooth)
		g.pct += w * (min(100, 100*(gc-g.gc)/all) - g.pct)
		g.assists += w * (100*(assist-g.assist)/all - g.assists)
		g.at, g.cycle, g.gc, g.assist = now, cycles, gc, assist
	case dt > 5: // no cycle for so long: it takes nothing
		g.pct, g.assists = 0, 0
	}
	if last := m["/gc/limiter/last-enabled:gc-cycle"]; last != g.limited {
		g.limited, g.since = last, now
	}
	limiter := 0
	if !g.since.IsZero() && now.Sub(g.since) < limiterHolds {
		limiter = 1
	}
	return map[string]any{
		"cycles": cycles, "forced_cycles": m["/gc/cycles/forced:gc-cycles"], "cpu_pct": round(g.pct, 2), "assist_cpu_pct": round(g.assists, 2), "allocated_mb": mb(m["/gc/heap/allocs:bytes"]),
		"allocated_objects": m["/gc/heap/allocs:objects"], "pause_p99_ms": round(1000*g.p99, 3), "limiter": limiter, "goal_mb": mb(m["/gc/heap/goal:bytes"]), "live_mb": mb(m["/gc/heap/live:bytes"]),
	}, nil
}

type gcStateOut struct {
	Goal    float64  `json:"goal_mb"`
	Live    float64  `json:"live_mb"`
	Limit   *float64 `json:"limit_mb"`
	GOGC    *float64 `json:"gogc_pct"`
	Cycles  float64  `json:"cycles"`
	CPU     float64  `json:"cpu_pct"`
	Assists float64  `json:"assist_cpu_pct"`
	Limited bool     `json:"limited_lately"`
}

func (g *collector) state(context.Context, none) (gcStateOut, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.reader.read(nil)
	out := gcStateOut{Goal: mb(m["/gc/heap/goal:bytes"]), Live: mb(m["/gc/heap/live:bytes"]), Cycles: m["/gc/cycles/total:gc-cycles"], CPU: round(g.pct, 2), Assists: round(g.assists, 2),
		Limited: !g.since.IsZero() && time.Since(g.since) < limiterHolds}
	if limit := m["/gc/gomemlimit:bytes"]; limit < math.MaxInt64 {
		x := mb(limit)
		out.Limit = &x
	}
	if gogc := m["/gc/gogc:percent"]; gogc < math.MaxInt32 {
		out.GOGC = &gogc
	}
	return out, nil
}

type allocatorsOut struct {
	Over      float64   `json:"over_s"`
	Allocated float64   `json:"allocated_mb_per_s"` // by all of them
	Sites     []heapRow `json:"sites"`
}

func (g *collector) allocators(_ context.Context, in heapGrowthIn) (allocatorsOut, error) {
	now, err := g.heap.probe.heap.read()
	if err != nil {
		return allocatorsOut{}, err
	}
	readings := g.heap.probe.heap.all()
	for len(readings) > 1 && now.at.Sub(readings[0].at) > time.Duration(in.Seconds)*time.Second {
		readings = readings[1:]
	}
	if len(readings) == 0 {
		return allocatorsOut{Sites: []heapRow{}}, nil
	}
	rows := g.heap.compare([]heapReading{readings[0], now})
	slices.SortFunc(rows, func(a, b heapRow) int { return cmp.Or(cmp.Compare(b.Alloc, a.Alloc), cmp.Compare(a.At, b.At)) })
	out := allocatorsOut{Over: round(now.at.Sub(readings[0].at).Seconds(), 1)}
	for _, r := range rows {
		out.Allocated += r.Alloc
	}
	for i := range rows {
		rows[i].Share = round(100*rows[i].Alloc/max(out.Allocated, 0.001), 0)
	}
	out.Allocated = round(out.Allocated, 2)
	out.Sites = rows[:min(len(rows), in.Limit)]
	return out, nil
}
