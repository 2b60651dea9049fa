package goruntime

import (
	"context"
	"math"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Runtime is the skill "runtime": goroutines, threads, the scheduler and the CPU.
func (p *Probe) Runtime() *skill.Skill {
	r := &running{probe: p, reader: newReader("/sched/goroutines:goroutines", "/sched/goroutines/runnable:goroutines", "/sched/goroutines/running:goroutines",
		"/sched/goroutines/waiting:goroutines", "/sched/goroutines/not-in-go:goroutines", "/sched/goroutines-created:goroutines", "/sched/threads/total:threads",
		"/sched/gomaxprocs:threads", "/sched/latencies:seconds")}
	return &skill.Skill{
		ID: "runtime", Title: "the Go runtime", Summary: "Goroutines by state and place, threads, scheduler latency, CPU.",
		Prompt:   text("prompt/runtime.md"),
		Snapshot: r.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("runtime_goroutines", "Goroutines by where they are, what they wait for and how they began, most first.", "runtime_goroutines(10)", r.goroutines).Costs(skill.Scan),
			skill.Func("runtime_cpu", "Profiles the CPU for so many milliseconds: the functions of the program in which it was, most first. cores is how many it used.",
				"runtime_cpu(300, 5)", r.cpuTop).Costs(skill.Costly),
			skill.Func("runtime_stuck", "Traces the program for so many milliseconds: the goroutines that waited all the time and did nothing, by place.", "runtime_stuck(300, 5)", r.stuck).Costs(skill.Costly),
			p.captures("runtime", captureCPU, captureTrace),
			skill.Func("runtime_build", "What this program is: Go version, main module, GOMAXPROCS, since when it runs.", "runtime_build()", r.build),
		},
		Metrics: []skill.Metric{
			{Name: "goroutines", Unit: "goroutines", Kind: skill.Gauge, Doc: "goroutines"},
			{Name: "runnable", Unit: "goroutines", Kind: skill.Gauge, Quiet: true, Doc: "goroutines that could run and wait for a processor"},
			{Name: "runnable_per_proc", Unit: "goroutines", Kind: skill.Gauge, Quiet: true, Doc: "goroutines that wait for a processor, for each that the program may use"},
			{Name: "waiting", Unit: "goroutines", Kind: skill.Gauge, Quiet: true, Doc: "goroutines that wait for something"},
			{Name: "created", Unit: "goroutines", Kind: skill.Counter, Quiet: true, Doc: "goroutines that were started"},
			{Name: "threads", Unit: "threads", Kind: skill.Gauge, Quiet: true, Doc: "threads of the operating system"},
			{Name: "cpu_pct", Unit: "%", Kind: skill.Ratio, Doc: "CPU that this process uses, of GOMAXPROCS"},
			{Name: "sched_latency_p99_ms", Unit: "ms", Kind: skill.Gauge, Quiet: true, Doc: "how long a goroutine that can run waits for a processor; of a hundred the longest but one"},
		},
		Rules: []skill.Rule{
			{Metric: "sched_latency_p99_ms", Above: 100, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "goroutines wait a tenth of a second for a processor: everything is late"},
			{Metric: "runnable_per_proc", Above: 2, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "two wait for each processor all the time: there is more to do than they can"},
			{Metric: "cpu_pct", Above: 90, For: 10 * time.Second, Severity: beamlens.SeverityWarning, Doc: "all processors are busy: what comes next waits"},
			{Metric: "threads", Growth: &skill.Growth{Factor: 2, Min: 200, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "threads are made: calls of the system or of C do not come back"},
		},
		Edges: []beamlens.Edge{
			{From: "runtime.cpu_pct", To: "runtime.runnable_per_proc", Why: "busy processors make goroutines wait"},
			{From: "runtime.runnable_per_proc", To: "runtime.sched_latency_p99_ms", Why: "they wait for each other"},
			{From: "runtime.cpu_pct", To: "runtime.sched_latency_p99_ms", Why: "busy processors make goroutines wait"},
			{From: "runtime.sched_latency_p99_ms", To: "http.p99_ms", Why: "requests wait for a processor"},
			{From: "runtime.sched_latency_p99_ms", To: "http.stuck", Why: "requests wait for a processor"},
			{From: "runtime.sched_latency_p99_ms", To: "locks.wait", Why: "who holds a lock waits for a processor"},
			{From: "gc.cpu_pct", To: "runtime.cpu_pct", Why: "the collector takes processors"},
			{From: "runtime.goroutines", To: "heap.stacks_mb", Why: "every goroutine has a stack"},
			{From: "runtime.goroutines", To: "heap.live_mb", Why: "what goroutines hold stays alive"},
		},
		Playbooks: []skill.Playbook{
			playbook("cpu", "where the CPU is, by a profile", "cpu_pct", "sched_latency_p99_ms", "runnable_per_proc"),
			playbook("threads", "which goroutines are in calls of the system", "threads"),
		},
	}
}

type running struct {
	probe  *Probe
	reader *reader

	mu      sync.Mutex // guards what follows
	latency window
	cpu     float64 // seconds, at
	at      time.Time
	pct     float64
	p50     float64
	p99     float64
}

func (r *running) snapshot(context.Context) (map[string]any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.reader.read(func(_ string, h *metrics.Float64Histogram) {
		q := r.latency.quantiles(h, 0.5, 0.99)
		r.p50, r.p99 = q[0], q[1]
	})
	now := time.Now()
	if used := processCPU(); r.at.IsZero() {
		r.cpu, r.at, r.pct = used, now, math.NaN()
	} else if dt := now.Sub(r.at).Seconds(); dt > 0.05 {
		r.pct = round(100*(used-r.cpu)/dt/max(m["/sched/gomaxprocs:threads"], 1), 1)
		r.cpu, r.at = used, now
	}
	ms := func(s float64) any {
		if math.IsNaN(s) {
			return 0.0 // nobody waited
		}
		return round(1000*s, 3)
	}
	return map[string]any{
		"goroutines": maybe(m["/sched/goroutines:goroutines"]), "runnable": maybe(m["/sched/goroutines/runnable:goroutines"]), "running": maybe(m["/sched/goroutines/running:goroutines"]),
		"waiting": maybe(m["/sched/goroutines/waiting:goroutines"]), "in_system_calls": maybe(m["/sched/goroutines/not-in-go:goroutines"]), "created": maybe(m["/sched/goroutines-created:goroutines"]),
		"threads": maybe(m["/sched/threads/total:threads"]), "gomaxprocs": maybe(m["/sched/gomaxprocs:threads"]), "cpu_pct": maybe(r.pct),
		"runnable_per_proc":    round(m["/sched/goroutines/runnable:goroutines"]/max(m["/sched/gomaxprocs:threads"], 1), 2),
		"sched_latency_p50_ms": ms(r.p50), "sched_latency_p99_ms": ms(r.p99),
	}, nil
}

type goroutinesOut struct {
	Total  int        `json:"total"`
	Took   float64    `json:"took_ms"`
	Groups []groupRow `json:"groups"`
}

func (r *running) goroutines(_ context.Context, in limitIn) (goroutinesOut, error) {
	return r.probe.goroutines(in.Limit, nil)
}

// goroutines groups the goroutines of now.
func (p *Probe) goroutines(limit int, keep func(place) bool) (goroutinesOut, error) {
	now, ok := p.census.latest(time.Second)
	if !ok {
		return goroutinesOut{}, errMany
	}
	all := p.census.groups(now, keep)
	return goroutinesOut{now.total, round(now.took.Seconds()*1000, 2), all[:min(len(all), limit)]}, nil
}

type windowIn struct {
	MS    int `json:"ms" default:"300" min:"50" max:"2000" doc:"how long"`
	Limit int `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

func (w windowIn) window() time.Duration { return time.Duration(w.MS) * time.Millisecond }

type cpuOut struct {
	Over    float64  `json:"over_ms"`
	Samples int64    `json:"samples"`
	Cores   float64  `json:"cores"`
	Top     []cpuRow `json:"functions"`
}

func (r *running) cpuProfile(ctx context.Context, window time.Duration) ([]byte, float64, error) {
	used, began := processCPU(), time.Now()
	raw, err := takeCPU(ctx, window)
	return raw, (processCPU() - used) / time.Since(began).Seconds(), err
}

func (r *running) cpuTop(ctx context.Context, in windowIn) (cpuOut, error) {
	raw, cores, err := r.cpuProfile(ctx, in.window())
	if err != nil {
		return cpuOut{}, err
	}
	samples, err := readProfile(raw)
	if err != nil {
		return cpuOut{}, err
	}
	top, total := hottest(samples, in.Limit)
	return cpuOut{float64(in.MS), total, round(cores, 2), top}, nil
}

type stuckOut struct {
	Over       float64    `json:"over_ms"`
	Goroutines int        `json:"goroutines"`
	Stuck      int        `json:"stuck"`
	Groups     []stuckRow `json:"groups"`
}

type stuckRow struct {
	Count    int      `json:"count"`
	Waits    string   `json:"waits_for"`
	Function string   `json:"function"`
	At       string   `json:"at"`
	Entry    string   `json:"started_as"`
	Stack    []string `json:"stack"`
}

func (r *running) stuck(ctx context.Context, in windowIn) (stuckOut, error) {
	return stuckNow(ctx, in.window(), in.Limit)
}

type buildOut struct {
	Go         string `json:"go"`
	Module     string `json:"module"`
	Version    string `json:"version"`
	MaxProcs   int    `json:"gomaxprocs"`
	CPUs       int    `json:"cpus"`
	System     string `json:"system"`
	Goroutines int    `json:"goroutines"`
}

func (r *running) build(context.Context, none) (buildOut, error) {
	module, version := mainModule()
	return buildOut{runtime.Version(), module, version, runtime.GOMAXPROCS(0), runtime.NumCPU(), runtime.GOOS + "/" + runtime.GOARCH, runtime.NumGoroutine()}, nil
}
