package beam

import (
	"math"
	"strconv"
	"strings"
)

// host is what the kernel's files tell. What a host does not tell is NaN.
type host struct {
	load1, load5, load15 float64
	processes            float64
	cpus                 float64

	cpuBusy, cpuTotal float64 // jiffies since the start
	vmJiffies         float64 // of the node's process

	total, available, free, buffers, cached, swapTotal, swapFree float64 // bytes
	rss                                                          float64 // of the node's process
	page                                                         float64 // bytes of a page

	cgroup           int     // version, 0 for none
	limit, limitUsed float64 // of the control group; limit is +Inf if it has none
	quota            float64 // CPUs that the group may use; +Inf if there is no limit
	periods          float64 // in which the group ran, since it was made
	throttled        float64 // of them, in which it was stopped
	oomKills         float64

	pressureCPU, pressureMemory, pressureIO float64 // per cent of the last ten seconds in which somebody waited
}

// hostReading is the probe's answer: the texts of the files that are there.
type hostReading struct {
	Files map[string]any   `json:"files"`
	CPUs  *int64           `json:"logical_processors"`
	OSMon map[string]int64 `json:"memory"` // where there is no /proc
}

func (r hostReading) text(name string) string {
	s, _ := r.Files[name].(string)
	return s
}

// parse understands the files.
func (r hostReading) parse() host {
	nan := math.NaN()
	h := host{load1: nan, load5: nan, load15: nan, processes: nan, cpus: nan, rss: nan, page: 4096, limitUsed: nan, quota: math.Inf(1), limit: math.Inf(1),
		periods: nan, throttled: nan, oomKills: nan, cpuBusy: nan, cpuTotal: nan, vmJiffies: nan}
	if f := strings.Fields(r.text("loadavg")); len(f) >= 4 {
		h.load1, h.load5, h.load15 = float(f[0]), float(f[1]), float(f[2])
		_, all, _ := strings.Cut(f[3], "/")
		h.processes = float(all)
	}
	h.cpu(r)
	h.memory(r)
	h.group(r)
	h.pressureMemory = pressure(r, "memory_pressure", "cgroup_memory_pressure")
	h.pressureCPU = pressure(r, "cpu_pressure", "cgroup_cpu_pressure")
	h.pressureIO = pressure(r, "io_pressure", "cgroup_io_pressure")
	return h
}

func (h *host) cpu(r hostReading) {
	cpus := 0.0
	for line := range strings.Lines(r.text("stat")) {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.HasPrefix(f[0], "cpu") {
			break
		}
		if f[0] != "cpu" {
			cpus++
			continue
		}
		// user nice system idle iowait irq softirq steal; what guests use is in user already.
		total := 0.0
		for _, x := range f[1:min(len(f), 9)] {
			total += float(x)
		}
		idle := float(f[4])
		if len(f) > 5 {
			idle += float(f[5])
		}
		h.cpuBusy, h.cpuTotal = total-idle, total
	}
	if cpus > 0 {
		h.cpus = cpus
	} else if r.CPUs != nil {
		h.cpus = float64(*r.CPUs)
	}
	// The name of the program is in parentheses and may have some itself; utime and stime are the 14th and 15th field, the 12th and 13th after it.
	self := r.text("self")
	if i := strings.LastIndex(self, ") "); i >= 0 {
		if f := strings.Fields(self[i+2:]); len(f) > 12 {
			h.vmJiffies = float(f[11]) + float(f[12])
		}
	}
}

func (h *host) memory(r hostReading) {
	m := pairs(r.text("meminfo"), ":")
	kb := func(name string) float64 { return get(m, name) * 1024 }
	h.total, h.free, h.available = kb("MemTotal"), kb("MemFree"), kb("MemAvailable")
	h.buffers, h.cached, h.swapTotal, h.swapFree = kb("Buffers"), kb("Cached"), kb("SwapTotal"), kb("SwapFree")
	if math.IsNaN(h.available) {
		// Before Linux 3.14: what the kernel's caches would give back.
		h.available = h.free + h.buffers + h.cached
	}
	if o := r.OSMon; len(o) > 0 && math.IsNaN(h.total) {
		at := func(name string) float64 {
			if v, ok := o[name]; ok {
				return float64(v)
			}
			return math.NaN()
		}
		h.total, h.free, h.buffers, h.cached = at("system_total_memory"), at("free_memory"), at("buffered_memory"), at("cached_memory")
		if h.available = at("available_memory"); math.IsNaN(h.available) {
			h.available = h.free
		}
	}
	h.rss = get(pairs(r.text("status"), ":"), "VmRSS") * 1024
	if f := strings.Fields(r.text("statm")); len(f) > 1 && h.rss > 0 {
		// The two are read one after the other, so the quotient is a page's size only nearly.
		h.page = math.Pow(2, math.Round(math.Log2(h.rss/float(f[1]))))
	}
}

// noLimit is what version 1 shows for none: the largest number of whole pages.
const noLimit = 1 << 62

func (h *host) group(r hostReading) {
	v, _ := r.Files["cgroup"].(float64)
	h.cgroup = int(v)
	if h.cgroup == 0 {
		return
	}
	stat := pairs(r.text("cgroup_memory_stat"), " ")
	limits, _ := r.Files["memory_max"].([]any)
	for _, l := range limits {
		s, _ := l.(string)
		if x := float(strings.TrimSpace(s)); x < noLimit { // "max" is none
			h.limit = min(h.limit, x)
		}
	}
	inactive := get(stat, "inactive_file")
	if h.cgroup == 1 {
		inactive = get(stat, "total_inactive_file")
		if x := get(stat, "hierarchical_memory_limit"); x < noLimit {
			h.limit = min(h.limit, x)
		}
		quota, period := float(strings.TrimSpace(r.text("cgroup_quota"))), float(strings.TrimSpace(r.text("cgroup_period")))
		if quota > 0 && period > 0 {
			h.quota = quota / period
		}
	} else if f := strings.Fields(r.text("cgroup_cpu")); len(f) == 2 {
		if x := float(f[0]) / float(f[1]); x > 0 {
			h.quota = x
		}
	}
	if math.IsNaN(inactive) {
		inactive = 0
	}
	// Pages of files that nobody uses go before anybody is killed; so does what the kernel's own tools show.
	h.limitUsed = max(0, float(strings.TrimSpace(r.text("cgroup_memory")))-inactive)
	cpu := pairs(r.text("cgroup_cpu_stat"), " ")
	h.periods, h.throttled = get(cpu, "nr_periods"), get(cpu, "nr_throttled")
	h.oomKills = get(pairs(r.text("cgroup_events"), " "), "oom_kill")
}

// pressure is of the control group if it has its own, else of the host: in how many per cent of the last ten seconds somebody waited.
func pressure(r hostReading, names ...string) float64 {
	out := math.NaN()
	for _, name := range names {
		for _, word := range strings.Fields(r.text(name)) {
			if x, ok := strings.CutPrefix(word, "avg10="); ok {
				out = float(x)
				break
			}
		}
	}
	return out
}

// pairs reads lines of a name and a number.
func pairs(text, separator string) map[string]float64 {
	out := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(line, separator)
		if f := strings.Fields(value); ok && len(f) > 0 {
			out[name] = float(f[0])
		}
	}
	return out
}

func get(m map[string]float64, name string) float64 {
	if x, ok := m[name]; ok {
		return x
	}
	return math.NaN()
}

func float(s string) float64 {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return x
}
