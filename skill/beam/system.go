package beam

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// System is the skill "system": the host that the node runs on, and the limits of its container.
func System(c Caller) *skill.Skill {
	s := &system{caller: c}
	return &skill.Skill{
		ID: "system", Title: "host and container", Summary: "Load, memory, pressure, disks of the host, and the limits of the node's container.",
		Prompt:   text("prompt/system.md"),
		Snapshot: s.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("system_get_cpu", "Load, CPUs, how busy they are, and how much of it is the node's own process.", "system_get_cpu()", s.cpu),
			skill.Func("system_get_memory", "Memory of the host, and beside it the container's limit and the node's own process. growth is over growth_over_s.", "system_get_memory()", s.memory),
			skill.Func("system_get_disks", "File systems and how full they are, fullest first. Empty where neither os_mon runs nor the engine is on the same host.", "system_get_disks()", s.disks),
			skill.Func("system_get_container", "The control group of the node: its limits, how often it was stopped for them, and who waits for what.", "system_get_container()", s.container),
			skill.Func("system_top_processes", "The processes of the host with most memory, by name; node is true for the one that is watched.", "system_top_processes(5)", s.top).Costs(skill.Scan),
		},
		Metrics: []skill.Metric{
			{Name: "cpu_load_1m", Unit: "", Kind: skill.Gauge, Doc: "load of the last minute"},
			{Name: "cpu_load_5m", Unit: "", Kind: skill.Gauge, Quiet: true, Doc: "load of the last five minutes"},
			{Name: "cpu_load_15m", Unit: "", Kind: skill.Gauge, Quiet: true, Doc: "load of the last fifteen minutes"},
			{Name: "cpu_used_pct", Unit: "%", Kind: skill.Ratio, Doc: "how busy the CPUs of the host are"},
			{Name: "vm_cpu_pct", Unit: "%", Kind: skill.Gauge, Doc: "CPU of the node's process; 100 is one CPU"},
			{Name: "memory_used_pct", Unit: "%", Kind: skill.Ratio, Doc: "memory of the host that is not available"},
			{Name: "memory_limit_used_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Doc: "memory of what is the tighter limit, the host's or the container's"},
			{Name: "vm_rss_mb", Unit: "MB", Kind: skill.Gauge, Doc: "memory of the node's process, as the host sees it"},
			{Name: "memory_pressure_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "of the last ten seconds in which somebody waited for memory"},
			{Name: "cpu_pressure_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "the same for CPU"},
			{Name: "io_pressure_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "the same for disks"},
			{Name: "oom_kills", Unit: "kills", Kind: skill.Gauge, Quiet: true, Doc: "processes of the control group that were killed for want of memory"},
			{Name: "disk_max_used_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Quiet: true, Doc: "the fullest file system"},
		},
		Rules: []skill.Rule{
			{Metric: "memory_limit_used_pct", Above: 90, For: 30 * time.Second, Severity: beamlens.SeverityWarning, Doc: "at the limit the kernel kills the largest process, which is often the node"},
			{Metric: "memory_limit_used_pct", Above: 97, For: 5 * time.Second, Severity: beamlens.SeverityCritical, Doc: "at the limit the kernel kills the largest process, which is often the node"},
			{Metric: "memory_pressure_pct", Above: 25, For: 30 * time.Second, Severity: beamlens.SeverityWarning, Doc: "a quarter of the time somebody waits for memory"},
			{Metric: "oom_kills", Growth: &skill.Growth{Factor: 1, Min: 0.5, Over: time.Minute}, Severity: beamlens.SeverityCritical, Doc: "the kernel has killed a process of the container"},
			{Metric: "disk_max_used_pct", Above: 90, Severity: beamlens.SeverityWarning, Doc: "the original's threshold"},
			{Metric: "disk_max_used_pct", Above: 97, Severity: beamlens.SeverityCritical, Doc: "what writes will fail soon"},
		},
		Edges: []beamlens.Edge{
			{From: "beam.memory_total_mb", To: "system.vm_rss_mb", Why: "the node's memory is its process's"},
			{From: "system.vm_rss_mb", To: "system.memory_limit_used_pct", Why: "the node's process counts against the limit"},
			{From: "system.vm_rss_mb", To: "system.memory_used_pct", Why: "the node's process is on the host"},
			{From: "system.memory_limit_used_pct", To: "system.memory_pressure_pct", Why: "near the limit the kernel takes pages back, and who needs them waits"},
			{From: "system.memory_limit_used_pct", To: "system.oom_kills", Why: "at the limit somebody is killed"},
			{From: "system.vm_cpu_pct", To: "system.cpu_used_pct", Why: "the node's process is on the host"},
			{From: "system.cpu_used_pct", To: "system.cpu_load_1m", Why: "who cannot run waits"},
			{From: "system.cpu_used_pct", To: "beam.run_queue_per_scheduler", Why: "a scheduler whose CPU somebody else has runs less"},
		},
		Playbooks: []skill.Playbook{
			playbook("system_memory", "whose memory it is: the node's or somebody else's", "memory_limit_used_pct", "memory_used_pct", "memory_pressure_pct", "oom_kills", "vm_rss_mb"),
			playbook("system_cpu", "whose CPU it is: the node's or somebody else's, and whether the container is stopped", "cpu_load_1m", "cpu_used_pct", "cpu_pressure_pct", "vm_cpu_pct"),
			playbook("system_disk", "the fullest file system", "disk_max_used_pct"),
		},
	}
}

// hostEvery bounds how often the host's files are read: they tell of seconds, and reading them costs the node more than a millisecond.
const hostEvery, disksEvery = 4 * time.Second, time.Minute

type system struct {
	caller Caller
	trend  trend // of rssTrend and usedTrend

	mu     sync.Mutex // guards what follows
	last   host
	read   time.Time
	cpuPct float64 // of the host, between the last two readings
	vmPct  float64
	checks time.Time
	full   []disk
}

const (
	rssTrend = iota
	usedTrend
)

// now gives what the host is; with fresh it is read again, unless that was a moment ago.
func (s *system) now(ctx context.Context, fresh bool) (host, error) {
	s.mu.Lock()
	h, age := s.last, time.Since(s.read)
	s.mu.Unlock()
	if age < hostEvery && (!fresh || age < rateSpan) {
		return h, nil
	}
	r, err := ask[hostReading](ctx, s.caller, "system", "snapshot", "")
	if err != nil {
		return h, err
	}
	h = r.parse()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if d := h.cpuTotal - s.last.cpuTotal; !s.read.IsZero() && d > 0 {
		s.cpuPct = math.Round((h.cpuBusy-s.last.cpuBusy)/d*1000) / 10
		// Jiffies of all CPUs went by: of one, a share of them.
		s.vmPct = math.Round((h.vmJiffies-s.last.vmJiffies)/d*h.cpus*1000) / 10
	}
	s.last, s.read = h, now
	s.trend.add(now, h.rss, h.total-h.available)
	return h, nil
}

// tighter is the limit that is met first, and what is used of it.
func (h host) tighter() (used, limit float64, container bool) {
	if h.limit < h.total {
		return h.limitUsed, h.limit, true
	}
	return h.total - h.available, h.total, false
}

func (s *system) snapshot(ctx context.Context) (map[string]any, error) {
	h, err := s.now(ctx, false)
	if err != nil {
		return nil, err
	}
	disks, err := s.disks(ctx, none{})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	cpu, vm := s.cpuPct, s.vmPct
	s.mu.Unlock()
	used, limit, container := h.tighter()
	out := map[string]any{
		"cpu_load_1m": known(h.load1), "cpu_load_5m": known(h.load5), "cpu_load_15m": known(h.load15), "cpus": known(h.cpus), "cpu_used_pct": known(cpu), "vm_cpu_pct": known(vm),
		"memory_used_pct": known(percent(h.total-h.available, h.total)), "memory_limit_used_pct": known(percent(used, limit)), "memory_limit_mb": known(megabytes(limit)), "memory_limit_is_container": container,
		"vm_rss_mb": known(megabytes(h.rss)), "memory_pressure_pct": known(h.pressureMemory), "cpu_pressure_pct": known(h.pressureCPU), "io_pressure_pct": known(h.pressureIO),
		"oom_kills": known(h.oomKills), "disk_max_used_pct": nil,
	}
	if len(disks) > 0 {
		out["disk_max_used_pct"], out["disk_max_used"] = disks[0].UsedPct, disks[0].Mount
	}
	return out, nil
}

// known is the value, or null when the host does not tell it.
func known(x float64) any {
	if p := maybe(x); p != nil {
		return *p
	}
	return nil
}

func maybe(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func megabytes(bytes float64) float64 { return math.Round(bytes/(1<<20)*100) / 100 }

func percent(part, whole float64) float64 { return math.Round(part/whole*10000) / 100 }

type cpuOut struct {
	Load1     *float64 `json:"load_1m"`
	Load5     *float64 `json:"load_5m"`
	Load15    *float64 `json:"load_15m"`
	Processes *float64 `json:"process_count"`
	CPUs      *float64 `json:"cpus"`
	Used      *float64 `json:"used_pct"`
	VM        *float64 `json:"vm_pct"`
	Pressure  *float64 `json:"pressure_pct"`
	Quota     *float64 `json:"quota_cpus"`
}

func (s *system) cpu(ctx context.Context, _ none) (cpuOut, error) {
	h, err := s.now(ctx, true)
	s.mu.Lock()
	defer s.mu.Unlock()
	return cpuOut{maybe(h.load1), maybe(h.load5), maybe(h.load15), maybe(h.processes), maybe(h.cpus), maybe(s.cpuPct), maybe(s.vmPct), maybe(h.pressureCPU), maybe(h.quota)}, err
}

type hostMemoryOut struct {
	Total       *float64 `json:"total_mb"`
	Used        *float64 `json:"used_mb"`
	Free        *float64 `json:"free_mb"`
	Available   *float64 `json:"available_mb"`
	UsedPct     *float64 `json:"used_pct"`
	Buffered    *float64 `json:"buffered_mb"`
	Cached      *float64 `json:"cached_mb"`
	SwapUsed    *float64 `json:"swap_used_mb"`
	VM          *float64 `json:"vm_rss_mb"`
	VMGrowth    *float64 `json:"vm_growth_mb"`
	UsedGrowth  *float64 `json:"used_growth_mb"`
	Over        int64    `json:"growth_over_s"`
	Container   bool     `json:"limit_is_container"`
	Limit       *float64 `json:"limit_mb"`
	LimitUsed   *float64 `json:"limit_used_mb"`
	LimitPct    *float64 `json:"limit_used_pct"`
	PressurePct *float64 `json:"pressure_pct"`
}

func (s *system) memory(ctx context.Context, _ none) (hostMemoryOut, error) {
	h, err := s.now(ctx, true)
	if err != nil {
		return hostMemoryOut{}, err
	}
	used, limit, container := h.tighter()
	out := hostMemoryOut{
		Total: maybe(megabytes(h.total)), Used: maybe(megabytes(h.total - h.available)), Free: maybe(megabytes(h.free)), Available: maybe(megabytes(h.available)),
		UsedPct: maybe(percent(h.total-h.available, h.total)), Buffered: maybe(megabytes(h.buffers)), Cached: maybe(megabytes(h.cached)),
		SwapUsed: maybe(megabytes(h.swapTotal - h.swapFree)), VM: maybe(megabytes(h.rss)), Container: container, Limit: maybe(megabytes(limit)),
		LimitUsed: maybe(megabytes(used)), LimitPct: maybe(percent(used, limit)), PressurePct: maybe(h.pressureMemory),
	}
	for i, to := range map[int]**float64{rssTrend: &out.VMGrowth, usedTrend: &out.UsedGrowth} {
		if m, ok := s.trend.over(i, 2*time.Minute); ok {
			*to, out.Over = maybe(megabytes(m.PerSecond*m.Over.Seconds())), int64(m.Over.Seconds())
		}
	}
	return out, nil
}

// disks are what os_mon knows, or what this program sees when it is where the node is. They are looked at once a minute.
func (s *system) disks(ctx context.Context, _ none) ([]disk, error) {
	s.mu.Lock()
	full, age := s.full, time.Since(s.checks)
	s.mu.Unlock()
	if age < disksEvery {
		return full, nil
	}
	r, err := ask[struct {
		Disks []struct {
			Mount string  `json:"mount"`
			KB    float64 `json:"total_kb"`
			Pct   float64 `json:"used_pct"`
		} `json:"disks"`
		Boot  string `json:"boot"`
		Space string `json:"space"`
		Root  bool   `json:"root"`
	}](ctx, s.caller, "system", "disks")
	if err != nil {
		return []disk{}, err
	}
	full = []disk{}
	for _, d := range r.Disks {
		full = append(full, disk{d.Mount, megabytes(d.KB * 1024), d.Pct})
	}
	if len(full) == 0 && r.Root && sameHost(r.Boot, r.Space) {
		full = append(full, localDisks()...)
	}
	slices.SortFunc(full, func(a, b disk) int { return cmp.Compare(b.UsedPct, a.UsedPct) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full, s.checks = full, time.Now()
	return full, nil
}

type containerOut struct {
	Version        int      `json:"cgroup_version"`
	Limit          *float64 `json:"memory_limit_mb"`
	Used           *float64 `json:"memory_used_mb"`
	UsedPct        *float64 `json:"memory_used_pct"`
	OOMKills       *float64 `json:"oom_kills"`
	Quota          *float64 `json:"quota_cpus"`
	Periods        *float64 `json:"cpu_periods"`
	Throttled      *float64 `json:"cpu_periods_throttled"`
	PressureMemory *float64 `json:"memory_pressure_pct"`
	PressureCPU    *float64 `json:"cpu_pressure_pct"`
	PressureIO     *float64 `json:"io_pressure_pct"`
}

func (s *system) container(ctx context.Context, _ none) (containerOut, error) {
	h, err := s.now(ctx, true)
	return containerOut{h.cgroup, maybe(megabytes(h.limit)), maybe(megabytes(h.limitUsed)), maybe(percent(h.limitUsed, h.limit)), maybe(h.oomKills), maybe(h.quota), maybe(h.periods),
		maybe(h.throttled), maybe(h.pressureMemory), maybe(h.pressureCPU), maybe(h.pressureIO)}, err
}

type hostProcessesOut struct {
	Count     int64            `json:"os_processes"`
	Processes []hostProcessRow `json:"processes"`
}

type hostProcessRow struct {
	OSPid int64   `json:"os_pid"`
	Name  *string `json:"name"`
	RSS   float64 `json:"rss_mb"`
	Pages int64   `json:"pages"`
	Node  bool    `json:"node"`
}

func (s *system) top(ctx context.Context, in limitIn) (hostProcessesOut, error) {
	h, err := s.now(ctx, false)
	if err != nil {
		return hostProcessesOut{}, err
	}
	out, err := ask[hostProcessesOut](ctx, s.caller, "system", "top", in.Limit)
	for i := range out.Processes {
		out.Processes[i].RSS = megabytes(float64(out.Processes[i].Pages) * h.page)
	}
	return out, err
}
