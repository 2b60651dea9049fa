package goruntime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Heap is the skill "heap": what is alive, where it was allocated, what grows, and the limit.
func (p *Probe) Heap() *skill.Skill {
	h := &heap{probe: p, reader: newReader("/gc/heap/live:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/stacks:bytes", "/memory/classes/total:bytes",
		"/memory/classes/heap/released:bytes", "/gc/heap/goal:bytes", "/gc/heap/objects:objects", "/gc/gomemlimit:bytes", "/gc/cycles/total:gc-cycles", "/gc/finalizers/queued:finalizers",
		"/gc/finalizers/executed:finalizers")}
	return &skill.Skill{
		ID: "heap", Title: "the heap", Summary: "Live heap by allocation site, growth, memory limit, memory outside of the heap.",
		Prompt:   text("prompt/heap.md"),
		Snapshot: h.snapshot,
		Serve:    h.serve,
		Callbacks: []skill.Callback{
			skill.Func("heap_growth", "The places whose memory that is in use grew most over about so many seconds, by what the collector last saw. steady says that it grew in most readings. rate is what was allocated there and not freed, per second.",
				"heap_growth(60, 5)", h.growth),
			skill.Func("heap_sites", "The places that allocated what is in use, most first.", "heap_sites(10)", h.sites).Costs(skill.Scan),
			p.captures("heap", captureHeap),
			skill.Func("heap_memory", "Memory of this process by what it is for, in MB.", "heap_memory()", h.memory),
		},
		Metrics: []skill.Metric{
			{Name: "live_mb", Unit: "MB", Kind: skill.Gauge, Doc: "what the last cycle of the collector found alive"},
			{Name: "stacks_mb", Unit: "MB", Kind: skill.Gauge, Quiet: true, Doc: "stacks of goroutines"},
			{Name: "total_mb", Unit: "MB", Kind: skill.Gauge, Quiet: true, Doc: "all memory that the runtime has from the system"},
			{Name: "outside_mb", Unit: "MB", Kind: skill.Gauge, Quiet: true, Doc: "memory of the process that is not the runtime's: C, mapped files; Linux only"},
			{Name: "limit_used_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Quiet: true, Doc: "of the memory limit (GOMEMLIMIT); null without one"},
		},
		Rules: []skill.Rule{
			{Metric: "live_mb", Growth: &skill.Growth{Factor: 1.5, Min: 48, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "what is alive grows by half within a minute"},
			{Metric: "live_mb", Growth: &skill.Growth{Factor: 1.3, Min: 12, Over: 90 * time.Second, Steady: true}, Severity: beamlens.SeverityWarning, Doc: "what is alive grows all the time"},
			{Metric: "outside_mb", Growth: &skill.Growth{Factor: 1.5, Min: 128, Over: 90 * time.Second}, Severity: beamlens.SeverityWarning, Doc: "memory grows that the collector does not know"},
		},
		Edges: []beamlens.Edge{
			{From: "heap.live_mb", To: "heap.total_mb", Why: "the heap is part of it", Fact: "memory_mb"},
			{From: "heap.live_mb", To: "heap.limit_used_pct", Why: "what is alive counts against the limit"},
			{From: "heap.limit_used_pct", To: "gc.limiter", Why: "at the limit the collector runs without end"},
			{From: "heap.live_mb", To: "gc.cpu_pct", Why: "the collector goes over all that is alive"},
			{From: "heap.stacks_mb", To: "heap.total_mb", Why: "stacks are part of it"},
			{From: "heap.total_mb", To: "host.process_rss_mb", Why: "it is the same memory", Fact: "memory_mb"},
			{From: "heap.outside_mb", To: "host.process_rss_mb", Why: "it is part of it"},
		},
		Playbooks: []skill.Playbook{
			playbook("heap_growth", "the places whose memory grows", "live_mb", "limit_used_pct", "total_mb"),
			playbook("heap_outside", "what is not the collector's", "outside_mb"),
		},
	}
}

type heap struct {
	probe  *Probe
	reader *reader
}

func (h *heap) snapshot(context.Context) (map[string]any, error) {
	m := h.reader.read(nil)
	total := m["/memory/classes/total:bytes"] - m["/memory/classes/heap/released:bytes"]
	rss := processRSS()
	out := map[string]any{
		"live_mb": mb(m["/gc/heap/live:bytes"]), "objects_mb": mb(m["/memory/classes/heap/objects:bytes"]), "stacks_mb": mb(m["/memory/classes/heap/stacks:bytes"]),
		"total_mb": mb(total), "goal_mb": mb(m["/gc/heap/goal:bytes"]), "objects": m["/gc/heap/objects:objects"], "rss_mb": maybe(mb(rss)), "outside_mb": maybe(mb(max(rss-total, 0))),
		"limit_used_pct": nil, "limit_mb": nil, "finalizers_waiting": m["/gc/finalizers/queued:finalizers"] - m["/gc/finalizers/executed:finalizers"],
	}
	if limit := m["/gc/gomemlimit:bytes"]; limit < math.MaxInt64 {
		out["limit_mb"], out["limit_used_pct"] = mb(limit), round(100*total/limit, 1)
	}
	return out, nil
}

// heapHistory keeps what was in use by the place of its allocation.
type heapHistory struct {
	mu       sync.Mutex // guards what follows
	records  []runtime.MemProfileRecord
	readings []heapReading // the newest last
	stacks   map[uint64][]uintptr
}

type heapReading struct {
	at    time.Time
	inUse map[uint64]float64 // bytes
	alloc map[uint64]float64 // bytes, since the program began
}

const (
	keptReadings  = 12
	mostHeapSites = 100_000
)

var errNoHeap = errors.New("the program has switched the heap profile off (runtime.MemProfileRate is 0)")

// read takes a reading.
func (h *heapHistory) read() (heapReading, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rate := float64(runtime.MemProfileRate)
	if rate <= 0 {
		return heapReading{}, errNoHeap
	}
	n := 0
	for {
		if need := n + n/8 + 64; cap(h.records) < need {
			h.records = make([]runtime.MemProfileRecord, need)
		}
		h.records = h.records[:cap(h.records)]
		var ok bool
		if n, ok = runtime.MemProfile(h.records, true); ok {
			break
		}
		if n > mostHeapSites {
			return heapReading{}, fmt.Errorf("the heap profile has %d places, more than the %d that are read", n, mostHeapSites)
		}
	}
	out := heapReading{time.Now(), make(map[uint64]float64, n), make(map[uint64]float64, n)}
	if h.stacks == nil || len(h.stacks) > 2*mostHeapSites {
		h.stacks = make(map[uint64][]uintptr, n)
	}
	for i := range h.records[:n] {
		r := &h.records[i]
		pcs := r.Stack()
		k := stackHash(pcs)
		if _, ok := h.stacks[k]; !ok {
			h.stacks[k] = slices.Clone(pcs)
		}
		out.inUse[k] += scaled(r.InUseObjects(), r.InUseBytes(), rate)
		out.alloc[k] += scaled(r.AllocObjects, r.AllocBytes, rate)
	}
	return out, nil
}

// scaled undoes the sampling, as pprof does: an object of some size is sampled with a probability that is known.
func scaled(objects, bytes int64, rate float64) float64 {
	if objects == 0 || bytes == 0 {
		return 0
	}
	if rate <= 1 {
		return float64(bytes)
	}
	return float64(bytes) / (1 - math.Exp(-float64(bytes)/float64(objects)/rate))
}

func (h *heapHistory) keep(r heapReading) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.readings) == keptReadings {
		h.readings = slices.Delete(h.readings, 0, 1)
	}
	h.readings = append(h.readings, r)
}

func (h *heapHistory) all() []heapReading {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.readings)
}

func (h *heapHistory) place(k uint64) place {
	h.mu.Lock()
	pcs := h.stacks[k]
	h.mu.Unlock()
	return known.of(k, pcs)
}

// serve reads the heap by place, after each cycle of the collector, but not more often than it is asked to.
func (h *heap) serve(ctx context.Context) error {
	cycles := newReader("/gc/cycles/total:gc-cycles")
	timer := time.NewTimer(0)
	defer timer.Stop()
	last := math.NaN()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if now := cycles.read(nil)["/gc/cycles/total:gc-cycles"]; now != last {
			last = now
			r, err := h.probe.heap.read()
			if err != nil && !errors.Is(err, errNoHeap) {
				return err
			}
			if err == nil {
				h.probe.heap.keep(r)
			}
		}
		timer.Reset(h.probe.options.Every)
	}
}

type heapGrowthIn struct {
	Seconds int `json:"seconds" default:"60" min:"1" max:"600" doc:"since when"`
	Limit   int `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

type heapGrowthOut struct {
	Over     float64   `json:"over_s"`
	Readings int       `json:"readings"`
	Grown    float64   `json:"growth_mb"` // of all together
	Sites    []heapRow `json:"sites"`
}

type heapRow struct {
	Function string   `json:"function"`
	At       string   `json:"at"`
	InUse    float64  `json:"memory_mb"`
	Growth   float64  `json:"growth_mb"`
	Rate     float64  `json:"growth_mb_per_s"`
	Alloc    float64  `json:"allocated_mb_per_s"`
	Share    float64  `json:"share_pct"`
	Steady   bool     `json:"steady"`
	Stack    []string `json:"stack"`
}

// growth compares now with the reading that is as old as is asked for.
func (h *heap) growth(_ context.Context, in heapGrowthIn) (heapGrowthOut, error) {
	now, err := h.probe.heap.read()
	if err != nil {
		return heapGrowthOut{}, err
	}
	readings := h.probe.heap.all()
	for len(readings) > 2 && now.at.Sub(readings[1].at) > time.Duration(in.Seconds)*time.Second {
		readings = readings[1:]
	}
	if len(readings) == 0 {
		return heapGrowthOut{Sites: []heapRow{}}, nil
	}
	rows := h.compare(append(readings, now))
	out := heapGrowthOut{Over: round(now.at.Sub(readings[0].at).Seconds(), 1), Readings: len(readings) + 1}
	for _, r := range rows {
		out.Grown += max(r.Growth, 0)
	}
	for i := range rows {
		rows[i].Share = round(100*max(rows[i].Growth, 0)/max(out.Grown, 0.001), 0)
	}
	out.Grown = round(out.Grown, 2)
	out.Sites = rows[:min(len(rows), in.Limit)]
	return out, nil
}

// compare joins the stacks by the program's own function and line in them, what grew most first.
func (h *heap) compare(readings []heapReading) []heapRow {
	first, last := readings[0], readings[len(readings)-1]
	dt := max(last.at.Sub(first.at).Seconds(), 0.001)
	rows := map[site]*heapRow{}
	series := map[site][]float64{}
	largest := map[site]float64{}
	for k, bytes := range last.inUse {
		p := h.probe.heap.place(k)
		if p.Function == "" {
			continue
		}
		r := rows[p.site]
		if r == nil {
			r = &heapRow{Function: p.Function, At: p.At}
			rows[p.site], series[p.site] = r, make([]float64, len(readings))
		}
		r.InUse += bytes
		r.Growth += bytes - first.inUse[k]
		r.Alloc += last.alloc[k] - first.alloc[k]
		for i, x := range readings {
			series[p.site][i] += x.inUse[k]
		}
		if bytes >= largest[p.site] {
			largest[p.site], r.Stack = bytes, p.frames
		}
	}
	out := make([]heapRow, 0, len(rows))
	for k, r := range rows {
		rises, falls := 0, 0
		for i := 1; i < len(series[k]); i++ {
			switch d := series[k][i] - series[k][i-1]; {
			case d > 0:
				rises++
			case d < 0:
				falls++
			}
		}
		r.Steady = rises > 0 && falls*3 <= rises
		r.InUse, r.Growth, r.Rate, r.Alloc = mb(r.InUse), mb(r.Growth), round(r.Growth/(1<<20)/dt, 3), round(r.Alloc/(1<<20)/dt, 2)
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b heapRow) int { return cmp.Or(cmp.Compare(b.Growth, a.Growth), cmp.Compare(a.At, b.At)) })
	return out
}

func (h *heap) sites(_ context.Context, in limitIn) ([]heapRow, error) {
	now, err := h.probe.heap.read()
	if err != nil {
		return nil, err
	}
	rows := h.compare([]heapReading{now})
	slices.SortFunc(rows, func(a, b heapRow) int { return cmp.Or(cmp.Compare(b.InUse, a.InUse), cmp.Compare(a.At, b.At)) })
	return rows[:min(len(rows), in.Limit)], nil
}

func (h *heap) memory(ctx context.Context, _ none) (map[string]any, error) { return h.snapshot(ctx) }

// mainModule is what the program is built of.
func mainModule() (path, version string) {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Path, info.Main.Version
	}
	return "", ""
}
