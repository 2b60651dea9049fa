package beam

import (
	"context"
	"math"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// GC is the skill "gc": garbage collection, heaps, and who does not collect.
func GC(c Caller) *skill.Skill {
	g := &gc{caller: c}
	return &skill.Skill{
		ID: "gc", Title: "garbage collection", Summary: "Collections and what they free, large heaps, long collections, processes that hold garbage and do not collect.",
		Prompt:   text("prompt/gc.md"),
		Snapshot: g.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("gc_stats", "Collections, what they freed, and both per second since the last reading.", "gc_stats()", g.stats),
			skill.Func("gc_top_processes", "The processes with the largest heaps. unused is room in the heap, uncollected what was made since the last collection, survived what that one left; no_gc_for_s counts from when the process was first watched.",
				"gc_top_processes(5)", g.top).Costs(skill.Scan),
			skill.Func("gc_find_spiky_processes", "Processes whose heap was larger by so many MB than it is used, or moved by as much within a minute.", "gc_find_spiky_processes(10)", g.spiky).Costs(skill.Scan),
			skill.Func("gc_find_lazy_gc_processes", "Processes that hold at least so many MB of garbage or binaries and have not been collected for so many minutes.",
				"gc_find_lazy_gc_processes(10, 5)", g.lazy).Costs(skill.Scan),
			skill.Func("gc_calculate_efficiency", "How much of a process's heap its last collection left free.", `gc_calculate_efficiency("init")`, g.efficiency),
			skill.Func("gc_recommend_hibernation", "Processes that do nothing and hold memory, which hibernation or a collection would give back.", "gc_recommend_hibernation(5)", g.hibernation).Costs(skill.Scan),
			skill.Func("gc_get_long_gcs", "Long collections and the process that had them, newest first.", "gc_get_long_gcs(10)", g.longGCs),
		},
		Metrics: []skill.Metric{
			{Name: "total_gcs", Unit: "collections", Kind: skill.Counter, Doc: "collections"},
			{Name: "words_reclaimed", Unit: "words", Kind: skill.Counter, Quiet: true, Doc: "words that collections freed"},
			{Name: "bytes_reclaimed_mb", Unit: "MB", Kind: skill.Counter, Doc: "memory that collections freed"},
			{Name: "largest_heap_mb", Unit: "MB", Kind: skill.Gauge, Doc: "the largest heap of a process, of those that have been weighed", Largest: true},
			{Name: "largest_binaries_mb", Unit: "MB", Kind: skill.Gauge, Doc: "the most binaries that one process refers to, of those that have been weighed"},
			{Name: "lazy_binaries_mb", Unit: "MB", Kind: skill.Gauge, Doc: "binaries of processes that have not been collected for half a minute"},
		},
		Rules: []skill.Rule{
			// A heap that rises and falls with its collections does so by a factor of two or three.
			{Metric: "largest_heap_mb", Growth: &skill.Growth{Factor: 4, Min: 150, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "a heap has become so large that its collections stop its process"},
			// Twice as much within two minutes, and a fifth of a gigabyte, is no cache that fills: those are collected while they do.
			{Metric: "lazy_binaries_mb", Growth: &skill.Growth{Factor: 2, Min: 200, Over: 2 * time.Minute}, Severity: beamlens.SeverityWarning, Doc: "processes keep binaries and are never collected"},
		},
		Edges: []beamlens.Edge{
			{From: "beam.memory_processes_mb", To: "gc.largest_heap_mb", Why: "memory of processes is heaps", Fact: "heap_mb"},
			{From: "beam.message_queue_max", To: "gc.largest_heap_mb", Why: "messages that wait are part of the heap of the process that does not take them", Fact: "heap_mb"},
			{From: "gc.largest_heap_mb", To: "gc.total_gcs", Why: "a heap that grows is collected"},
			{From: "gc.largest_heap_mb", To: "vm_events.long_gc_1m", Why: "a large heap takes long to collect"},
			{From: "gc.total_gcs", To: "beam.run_queue_per_scheduler", Why: "collections take the schedulers"},
			{From: "gc.total_gcs", To: "gc.bytes_reclaimed_mb", Why: "collections free memory"},
			{From: "gc.lazy_binaries_mb", To: "beam.binary_memory_mb", Why: "binaries live until all who refer to them are collected", Fact: "binary_mb"},
			{From: "gc.largest_binaries_mb", To: "beam.binary_memory_mb", Why: "they are part of the total", Fact: "binary_mb"},
		},
		Playbooks: []skill.Playbook{
			playbook("gc_lazy", "the processes that hold garbage or binaries and are not collected", "lazy_binaries_mb", "largest_binaries_mb"),
			playbook("gc_heaps", "the processes with the largest heaps, and long collections", "largest_heap_mb", "bytes_reclaimed_mb", "total_gcs"),
		},
	}
}

type gc struct {
	caller Caller

	mu   sync.Mutex // guards what follows
	last gcTotals
	rate gcTotals // per second
}

type gcTotals struct {
	at   time.Time
	gcs  float64
	mb   float64
	over float64 // seconds
}

type gcReading struct {
	GCs       *int64 `json:"gcs"`
	Words     *int64 `json:"words_reclaimed"`
	Wordsize  int64  `json:"wordsize"`
	Fullsweep int64  `json:"fullsweep_after"`
	Watched   int64  `json:"watched"`
	Lazy      int64  `json:"lazy_binary_words"`
	Heaviest  map[string]struct {
		Pid  string  `json:"pid"`
		Name *string `json:"name"`
		KB   int64   `json:"kb"`
	} `json:"heaviest"`
}

// rateSpan is the least time between two readings that tell a rate.
const rateSpan = 500 * time.Millisecond

func (g *gc) read(ctx context.Context) (gcReading, gcTotals, error) {
	r, err := ask[gcReading](ctx, g.caller, "gc", "snapshot")
	if err != nil {
		return r, gcTotals{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.GCs != nil && r.Words != nil {
		now := gcTotals{at: time.Now(), gcs: float64(*r.GCs), mb: float64(*r.Words*r.Wordsize) / (1 << 20)}
		if d := now.at.Sub(g.last.at); g.last.at.IsZero() || d > rateSpan {
			if !g.last.at.IsZero() && now.gcs >= g.last.gcs {
				s := d.Seconds()
				g.rate = gcTotals{gcs: (now.gcs - g.last.gcs) / s, mb: (now.mb - g.last.mb) / s, over: s}
			}
			g.last = now
		}
	}
	return r, g.rate, nil
}

func (g *gc) snapshot(ctx context.Context) (map[string]any, error) {
	r, rate, err := g.read(ctx)
	if err != nil {
		return nil, err
	}
	s := map[string]any{"lazy_binaries_mb": mb(r.Lazy * r.Wordsize), "largest_heap_mb": 0.0, "largest_binaries_mb": 0.0}
	// A scheduler that runs something which does not yield does not tell its collections.
	if r.GCs != nil && r.Words != nil {
		s["total_gcs"], s["words_reclaimed"], s["bytes_reclaimed_mb"] = *r.GCs, *r.Words, mb(*r.Words*r.Wordsize)
	}
	if rate.over > 0 {
		s["gcs_per_s"], s["reclaimed_mb_per_s"] = math.Round(rate.gcs*10)/10, math.Round(rate.mb*100)/100
	}
	for what, metric := range map[string]string{"heap": "largest_heap", "binary": "largest_binaries", "lazy": "lazy_binaries"} {
		h, ok := r.Heaviest[what]
		if !ok || h.KB == 0 {
			continue
		}
		if what != "lazy" {
			s[metric+"_mb"] = mb(h.KB << 10)
		}
		s[metric+"_pid"] = h.Pid
		if h.Name != nil {
			s[metric+"_name"] = *h.Name
		}
	}
	return s, nil
}

type gcStatsOut struct {
	GCs       *int64   `json:"total_gcs"`
	Words     *int64   `json:"words_reclaimed"`
	MB        *float64 `json:"bytes_reclaimed_mb"`
	PerSecond *float64 `json:"gcs_per_s"`
	MBPS      *float64 `json:"reclaimed_mb_per_s"`
	Over      float64  `json:"rate_over_s"`
	Fullsweep int64    `json:"fullsweep_after"`
	Watched   int64    `json:"watched_processes"`
}

func (g *gc) stats(ctx context.Context, _ none) (gcStatsOut, error) {
	r, rate, err := g.read(ctx)
	out := gcStatsOut{GCs: r.GCs, Words: r.Words, Fullsweep: r.Fullsweep, Watched: r.Watched}
	if r.Words != nil {
		freed := mb(*r.Words * r.Wordsize)
		out.MB = &freed
	}
	if rate.over > 0 {
		out.PerSecond, out.MBPS, out.Over = &rate.gcs, &rate.mb, rate.over
	}
	return out, err
}

type heapRow struct {
	Pid         string  `json:"pid"`
	Name        *string `json:"name"`
	Label       *string `json:"label"`
	HeapKB      int64   `json:"heap_size_kb"`
	OldHeapKB   int64   `json:"old_heap_size_kb"`
	TotalKB     int64   `json:"total_heap_size_kb"`
	UnusedKB    int64   `json:"unused_kb"`
	Uncollected int64   `json:"uncollected_kb"`
	Survived    int64   `json:"survived_kb"`
	BinaryKB    int64   `json:"binary_kb"`
	MinorGCs    int64   `json:"minor_gcs"`
	Fullsweep   int64   `json:"fullsweep_after"`
	Queue       int64   `json:"message_queue_len"`
	Efficiency  int64   `json:"efficiency_pct"`
	NoGC        *int64  `json:"no_gc_for_s"`
	Idle        *int64  `json:"idle_for_s"`
	MovedKB     *int64  `json:"moved_kb"`
	Current     *string `json:"current_function"`
	Why         *string `json:"why"`
}

type heapsOut struct {
	Seen      int64     `json:"seen"`
	Complete  bool      `json:"complete"`
	Processes []heapRow `json:"processes"`
}

func (g *gc) top(ctx context.Context, in limitIn) (heapsOut, error) {
	return ask[heapsOut](ctx, g.caller, "gc", "top", in.Limit)
}

type spikyIn struct {
	MB    int64 `json:"threshold_mb" default:"50" min:"1" max:"100000" doc:"the least room or movement"`
	Limit int64 `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

func (g *gc) spiky(ctx context.Context, in spikyIn) (heapsOut, error) {
	return ask[heapsOut](ctx, g.caller, "gc", "spiky", in.MB, in.Limit)
}

type lazyIn struct {
	MB      int64   `json:"threshold_mb" default:"10" min:"0" max:"100000" doc:"the least that it holds"`
	Minutes float64 `json:"minutes" default:"5" min:"0" max:"1440" doc:"without a collection; only processes that have been watched for so long can be told"`
	Limit   int64   `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

func (g *gc) lazy(ctx context.Context, in lazyIn) (heapsOut, error) {
	return ask[heapsOut](ctx, g.caller, "gc", "lazy", in.MB, in.Minutes, in.Limit)
}

type efficiencyOut struct {
	Error *string `json:"error"`
	heapRow
}

// efficiency says in its result that there is no such process: a program can go on.
func (g *gc) efficiency(ctx context.Context, in processIn) (efficiencyOut, error) {
	out, err := ask[efficiencyOut](ctx, g.caller, "gc", "efficiency", in.Process)
	if err != nil && err.Error() == processNotFound {
		missing := processNotFound
		return efficiencyOut{Error: &missing}, nil
	}
	return out, err
}

const processNotFound = "process_not_found"

func (g *gc) hibernation(ctx context.Context, in limitIn) (heapsOut, error) {
	return ask[heapsOut](ctx, g.caller, "gc", "hibernation", in.Limit)
}

func (g *gc) longGCs(ctx context.Context, in limitIn) (monitoredOut, error) {
	return monitored(ctx, g.caller, "long_gcs", in.Limit)
}
