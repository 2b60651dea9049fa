// Package host has the skill for the operating system that a program runs on: CPU, memory, disks, load, and the limits, throttling and pressure of its
// control group. It reads this machine, and this process as part of it.
//
// It is for Linux: there it reads /proc and /sys/fs/cgroup, versions 1 and 2, some files of a few hundred bytes, and asks no other process. On other systems every metric is
// null, and the callbacks say why.
package host

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

//go:embed prompt/*.md playbook/*.lua
var files embed.FS

func text(name string) string {
	raw, err := files.ReadFile(name)
	if err != nil {
		panic(err) // unreachable: the file is embedded
	}
	return string(raw)
}

func playbook(id, doc string, metrics ...string) skill.Playbook {
	return skill.Playbook{ID: id, Metrics: metrics, Doc: doc, Lua: text("playbook/" + id + ".lua")}
}

var errLinuxOnly = errors.New("the host is read on Linux only")

// Options of the skill. The zero value reads this machine.
type Options struct {
	Root string // where /proc and /sys are; default "/"
}

// New returns the skill "host".
func New(o *Options) *skill.Skill {
	h := &host{root: "/"}
	if o != nil && o.Root != "" {
		h.root = o.Root
	}
	return &skill.Skill{
		ID: "host", Title: "the host", Summary: "CPU, memory, disks and load of the host; limits, throttling and pressure of the container.",
		Prompt:   text("prompt/host.md"),
		Snapshot: h.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("host_cpu", "Load, CPUs, how busy they are, how much of it is this process, and how often the container was stopped for its quota.", "host_cpu()", h.cpu),
			skill.Func("host_memory", "Memory of the host, the container's limit, and this process.", "host_memory()", h.memory),
			skill.Func("host_disks", "File systems and how full they are, fullest first.", "host_disks()", h.disks),
			skill.Func("host_processes", "The processes of the host with most memory or CPU since they began; own is true for this one.", `host_processes(5, "memory")`, h.processes).Costs(skill.Scan),
		},
		Metrics: []skill.Metric{
			{Name: "load_1m", Kind: skill.Gauge, Quiet: true, Doc: "load of the last minute"},
			{Name: "cpu_used_pct", Unit: "%", Kind: skill.Ratio, Doc: "how busy the CPUs of the host are"},
			{Name: "cpu_stolen_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "CPU that the hypervisor gave to others"},
			{Name: "process_cpu_pct", Unit: "%", Kind: skill.Gauge, Doc: "CPU of this process; 100 is one CPU"},
			{Name: "process_rss_mb", Unit: "MB", Kind: skill.Gauge, Doc: "memory of this process, as the host sees it"},
			{Name: "memory_used_pct", Unit: "%", Kind: skill.Ratio, Doc: "memory of the host that is not available"},
			{Name: "memory_limit_used_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Doc: "memory of what is the tighter limit, the host's or the container's"},
			{Name: "throttled_pct", Unit: "%", Kind: skill.Ratio, Doc: "of the container's periods those in which it was stopped for its quota"},
			{Name: "memory_pressure_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "of the last ten seconds in which somebody waited for memory"},
			{Name: "cpu_pressure_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "the same for CPU"},
			{Name: "io_pressure_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "the same for disks"},
			{Name: "oom_kills", Unit: "kills", Kind: skill.Gauge, Quiet: true, Doc: "processes of the container that were killed for want of memory"},
			{Name: "disk_max_used_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Quiet: true, Doc: "the fullest file system"},
			{Name: "clock_jump_s", Unit: "s", Kind: skill.Gauge, Quiet: true, Doc: "by how much the wall clock jumped since the snapshot before, forwards or back"},
		},
		Rules: []skill.Rule{
			{Metric: "memory_limit_used_pct", Above: 90, For: 30 * time.Second, Severity: beamlens.SeverityWarning, Doc: "at the limit the kernel kills the largest process"},
			{Metric: "memory_limit_used_pct", Above: 97, For: 5 * time.Second, Severity: beamlens.SeverityCritical, Doc: "at the limit the kernel kills the largest process"},
			{Metric: "memory_pressure_pct", Above: 25, For: 30 * time.Second, Severity: beamlens.SeverityWarning, Doc: "a quarter of the time somebody waits for memory"},
			{Metric: "throttled_pct", Above: 50, For: 10 * time.Second, Severity: beamlens.SeverityWarning, Doc: "in half of its periods the container stands still"},
			{Metric: "oom_kills", Growth: &skill.Growth{Factor: 1, Min: 0.5, Over: time.Minute}, Severity: beamlens.SeverityCritical, Doc: "the kernel has killed a process of the container"},
			{Metric: "disk_max_used_pct", Above: 90, Severity: beamlens.SeverityWarning, Doc: "soon what writes will fail"},
			{Metric: "disk_max_used_pct", Above: 97, Severity: beamlens.SeverityCritical, Doc: "what writes will fail soon"},
		},
		Edges: []beamlens.Edge{
			{From: "host.process_rss_mb", To: "host.memory_limit_used_pct", Why: "the process counts against the limit"},
			{From: "host.process_rss_mb", To: "host.memory_used_pct", Why: "the process is on the host"},
			{From: "host.memory_limit_used_pct", To: "host.memory_pressure_pct", Why: "near the limit the kernel takes pages back, and who needs them waits"},
			{From: "host.memory_limit_used_pct", To: "host.oom_kills", Why: "at the limit somebody is killed"},
			{From: "runtime.cpu_pct", To: "host.process_cpu_pct", Why: "it is the same CPU"},
			{From: "host.process_cpu_pct", To: "host.throttled_pct", Why: "who uses up the quota is stopped"},
			{From: "host.process_cpu_pct", To: "host.cpu_used_pct", Why: "the process is on the host"},
			{From: "host.cpu_used_pct", To: "host.load_1m", Why: "who cannot run waits"},
			{From: "host.throttled_pct", To: "runtime.sched_latency_p99_ms", Why: "a container that is stopped runs nothing"},
			{From: "host.throttled_pct", To: "http.p99_ms", Why: "a container that is stopped answers nobody"},
			{From: "host.cpu_used_pct", To: "runtime.sched_latency_p99_ms", Why: "CPU that others have is missing"},
		},
		Playbooks: []skill.Playbook{
			playbook("host_memory", "whose memory it is: this process's or somebody else's", "memory_limit_used_pct", "memory_used_pct", "memory_pressure_pct", "oom_kills", "process_rss_mb"),
			playbook("host_cpu", "whose CPU it is, and whether the container is stopped", "throttled_pct", "cpu_used_pct", "cpu_pressure_pct", "process_cpu_pct", "load_1m", "cpu_stolen_pct"),
			playbook("host_disk", "the fullest file system", "disk_max_used_pct"),
		},
	}
}

type host struct {
	root string

	mu     sync.Mutex // guards what follows
	last   reading
	at     time.Time
	shares shares
	full   []disk
	looked time.Time
}

// shares are of the time between two readings. What is not known is NaN.
type shares struct{ cpu, stolen, process, throttled, jump float64 }

// disksEvery is how often disks are looked at.
const disksEvery = 30 * time.Second

// now reads the host, and what it did since the reading before.
func (h *host) now() (reading, shares, error) {
	r, err := read(h.root)
	if err != nil {
		return r, shares{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at := time.Now()
	const span = 200 * time.Millisecond
	switch dt := at.Sub(h.at); {
	case h.at.IsZero():
		h.shares = shares{math.NaN(), math.NaN(), math.NaN(), 0, 0}
		h.last, h.at = r, at
	case dt > span:
		s := shares{throttled: 0}
		if d := r.cpuTotal - h.last.cpuTotal; d > 0 {
			s.cpu, s.stolen = round(100*(r.cpuBusy-h.last.cpuBusy)/d), round(100*(r.cpuStolen-h.last.cpuStolen)/d)
			// Jiffies of all CPUs went by: of one, a share of them.
			s.process = round(100 * (r.process - h.last.process) / d * r.cpus)
		}
		if d := r.periods - h.last.periods; d > 0 {
			s.throttled = round(100 * (r.throttled - h.last.throttled) / d)
		}
		// Round strips the monotonic clock: what is left is by how much the wall clock went wrong.
		s.jump = round(at.Round(0).Sub(h.at.Round(0)).Seconds() - dt.Seconds())
		h.shares, h.last, h.at = s, r, at
	}
	return r, h.shares, nil
}

func (h *host) snapshot(ctx context.Context) (map[string]any, error) {
	r, s, err := h.now()
	if errors.Is(err, errLinuxOnly) {
		out := map[string]any{"note": err.Error()}
		for _, m := range []string{"load_1m", "cpu_used_pct", "cpu_stolen_pct", "process_cpu_pct", "process_rss_mb", "memory_used_pct", "memory_limit_used_pct", "throttled_pct",
			"memory_pressure_pct", "cpu_pressure_pct", "io_pressure_pct", "oom_kills", "disk_max_used_pct", "clock_jump_s"} {
			out[m] = nil
		}
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	disks, err := h.disks(ctx, none{})
	if err != nil {
		return nil, err
	}
	used, limit, container := r.tighter()
	out := map[string]any{
		"load_1m": maybe(r.load1), "cpus": maybe(r.cpus), "cpu_used_pct": maybe(s.cpu), "cpu_stolen_pct": maybe(s.stolen), "process_cpu_pct": maybe(s.process), "process_rss_mb": maybe(mb(r.rss)),
		"memory_used_pct": maybe(percent(r.total-r.available, r.total)), "memory_limit_used_pct": maybe(percent(used, limit)), "memory_limit_mb": maybe(mb(limit)), "memory_limit_is_container": container,
		"throttled_pct": maybe(s.throttled), "quota_cpus": maybe(r.quota), "memory_pressure_pct": maybe(r.pressureMemory), "cpu_pressure_pct": maybe(r.pressureCPU), "io_pressure_pct": maybe(r.pressureIO),
		"oom_kills": maybe(r.oomKills), "clock_jump_s": maybe(s.jump), "disk_max_used_pct": nil,
	}
	if len(disks) > 0 {
		out["disk_max_used_pct"], out["disk_max_used"] = disks[0].UsedPct, disks[0].Mount
	}
	return out, nil
}

type none struct{}

type cpuOut struct {
	Load1     *float64 `json:"load_1m"`
	Load5     *float64 `json:"load_5m"`
	Load15    *float64 `json:"load_15m"`
	CPUs      *float64 `json:"cpus"`
	Used      *float64 `json:"used_pct"`
	Stolen    *float64 `json:"stolen_pct"`
	Process   *float64 `json:"process_pct"`
	Quota     *float64 `json:"quota_cpus"`
	Throttled *float64 `json:"throttled_pct"`
	Periods   *float64 `json:"periods_throttled"`
	Pressure  *float64 `json:"pressure_pct"`
	Version   int      `json:"cgroup_version"`
}

func (h *host) cpu(context.Context, none) (cpuOut, error) {
	r, s, err := h.now()
	return cpuOut{ptr(r.load1), ptr(r.load5), ptr(r.load15), ptr(r.cpus), ptr(s.cpu), ptr(s.stolen), ptr(s.process), ptr(r.quota), ptr(s.throttled), ptr(r.throttled), ptr(r.pressureCPU), r.cgroup}, err
}

type memoryOut struct {
	Total     *float64 `json:"total_mb"`
	Available *float64 `json:"available_mb"`
	UsedPct   *float64 `json:"used_pct"`
	Cached    *float64 `json:"cached_mb"`
	SwapUsed  *float64 `json:"swap_used_mb"`
	Process   *float64 `json:"process_rss_mb"`
	Container bool     `json:"limit_is_container"`
	Limit     *float64 `json:"limit_mb"`
	LimitUsed *float64 `json:"limit_used_mb"`
	LimitPct  *float64 `json:"limit_used_pct"`
	Pressure  *float64 `json:"pressure_pct"`
	OOMKills  *float64 `json:"oom_kills"`
}

func (h *host) memory(context.Context, none) (memoryOut, error) {
	r, _, err := h.now()
	used, limit, container := r.tighter()
	return memoryOut{ptr(mb(r.total)), ptr(mb(r.available)), ptr(percent(r.total-r.available, r.total)), ptr(mb(r.cached)), ptr(mb(r.swapTotal - r.swapFree)), ptr(mb(r.rss)), container,
		ptr(mb(limit)), ptr(mb(used)), ptr(percent(used, limit)), ptr(r.pressureMemory), ptr(r.oomKills)}, err
}

// disk is a file system.
type disk struct {
	Mount   string  `json:"mount"`
	TotalMB float64 `json:"total_mb"`
	FreeMB  float64 `json:"free_mb"`
	UsedPct float64 `json:"used_pct"`
}

func (h *host) disks(context.Context, none) ([]disk, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.looked) < disksEvery {
		return h.full, nil
	}
	full, err := mounts(h.root)
	if err != nil {
		return []disk{}, err
	}
	slices.SortFunc(full, func(a, b disk) int { return cmp.Or(cmp.Compare(b.UsedPct, a.UsedPct), cmp.Compare(a.Mount, b.Mount)) })
	h.full, h.looked = full, time.Now()
	return full, nil
}

type processesIn struct {
	Limit int    `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
	By    string `json:"sort_by" default:"memory" enum:"memory,cpu" doc:"what they are sorted by"`
}

type processRow struct {
	PID  int     `json:"pid"`
	Name string  `json:"name"`
	RSS  float64 `json:"rss_mb"`
	CPU  float64 `json:"cpu_s"`
	Own  bool    `json:"own"`
}

func (h *host) processes(ctx context.Context, in processesIn) ([]processRow, error) {
	rows, err := processes(ctx, h.root)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b processRow) int {
		if in.By == "cpu" {
			return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(a.PID, b.PID))
		}
		return cmp.Or(cmp.Compare(b.RSS, a.RSS), cmp.Compare(a.PID, b.PID))
	})
	return rows[:min(len(rows), in.Limit)], nil
}

func round(x float64) float64 { return math.Round(100*x) / 100 }

func mb(bytes float64) float64 { return round(bytes / (1 << 20)) }

func percent(part, whole float64) float64 { return round(100 * part / whole) }

func maybe(x float64) any {
	if p := ptr(x); p != nil {
		return *p
	}
	return nil
}

func ptr(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
