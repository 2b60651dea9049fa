package host

import (
	"math"
	"strconv"
	"strings"
)

// reading is what the kernel's files tell. What a host does not tell is NaN.
type reading struct {
	load1, load5, load15                          float64
	cpus                                          float64
	cpuBusy, cpuTotal, cpuStolen                  float64 // jiffies since the start
	process                                       float64 // jiffies of this process
	total, available, cached, swapTotal, swapFree float64 // bytes
	rss                                           float64 // of this process
	cgroup                                        int     // version, 0 for none
	limit, used                                   float64 // of the control group; limit is +Inf if it has none
	quota                                         float64 // CPUs; +Inf if there is no limit
	periods, throttled                            float64 // since the group was made
	oomKills                                      float64
	pressureCPU, pressureMemory, pressureIO       float64
}

// tighter is the limit that is met first, and what is used of it.
func (r reading) tighter() (used, limit float64, container bool) {
	if r.limit < r.total {
		return r.used, r.limit, true
	}
	return r.total - r.available, r.total, false
}

// parse understands the files, by name: those of /proc as they are called there, those of the control group after "cgroup/".
func parse(file func(name string) string, version int, pageSize float64) reading {
	nan := math.NaN()
	r := reading{load1: nan, load5: nan, load15: nan, cgroup: version, limit: math.Inf(1), quota: math.Inf(1), used: nan, periods: nan, throttled: nan, oomKills: nan, rss: nan}
	if f := strings.Fields(file("loadavg")); len(f) >= 3 {
		r.load1, r.load5, r.load15 = number(f[0]), number(f[1]), number(f[2])
	}
	r.parseCPU(file("stat"), file("self/stat"))
	m := pairs(file("meminfo"), ":")
	kb := func(name string) float64 { return get(m, name) * 1024 }
	r.total, r.available, r.cached, r.swapTotal, r.swapFree = kb("MemTotal"), kb("MemAvailable"), kb("Cached"), kb("SwapTotal"), kb("SwapFree")
	if f := strings.Fields(file("self/statm")); len(f) > 1 {
		r.rss = number(f[1]) * pageSize
	}
	r.parseGroup(file)
	r.pressureCPU, r.pressureMemory, r.pressureIO = pressure(file, "cpu"), pressure(file, "memory"), pressure(file, "io")
	return r
}

func (r *reading) parseCPU(all, self string) {
	for line := range strings.Lines(all) {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.HasPrefix(f[0], "cpu") {
			break
		}
		if f[0] != "cpu" {
			r.cpus++
			continue
		}
		// user nice system idle iowait irq softirq steal; what guests use is in user already.
		for _, x := range f[1:min(len(f), 9)] {
			r.cpuTotal += number(x)
		}
		idle := number(f[4])
		if len(f) > 5 {
			idle += number(f[5])
		}
		if len(f) > 8 {
			r.cpuStolen = number(f[8])
		}
		r.cpuBusy = r.cpuTotal - idle
	}
	r.process, _ = processTimes(self)
}

// processTimes reads utime and stime, the 14th and 15th field of stat, and the name, which is in parentheses and may have some itself.
func processTimes(stat string) (jiffies float64, name string) {
	i, j := strings.IndexByte(stat, '('), strings.LastIndex(stat, ") ")
	if i < 0 || j < i {
		return math.NaN(), ""
	}
	f := strings.Fields(stat[j+2:])
	if len(f) < 13 {
		return math.NaN(), ""
	}
	return number(f[11]) + number(f[12]), stat[i+1 : j]
}

// noLimit is what version 1 shows for none: the largest number of whole pages.
const noLimit = 1 << 62

func (r *reading) parseGroup(file func(string) string) {
	of := func(name string) float64 { return number(strings.TrimSpace(file("cgroup/" + name))) }
	cpu := pairs(file("cgroup/cpu.stat"), " ")
	r.periods, r.throttled = get(cpu, "nr_periods"), get(cpu, "nr_throttled")
	stat := pairs(file("cgroup/memory.stat"), " ")
	inactive := get(stat, "inactive_file")
	switch r.cgroup {
	case 2:
		if x := of("memory.max"); x < noLimit { // "max" is none
			r.limit = x
		}
		r.used = of("memory.current")
		if f := strings.Fields(file("cgroup/cpu.max")); len(f) == 2 {
			if x := number(f[0]) / number(f[1]); x > 0 {
				r.quota = x
			}
		}
		r.oomKills = get(pairs(file("cgroup/memory.events"), " "), "oom_kill")
	case 1:
		inactive = get(stat, "total_inactive_file")
		for _, x := range []float64{of("memory.limit_in_bytes"), get(stat, "hierarchical_memory_limit")} {
			if x < noLimit {
				r.limit = min(r.limit, x)
			}
		}
		r.used = of("memory.usage_in_bytes")
		if quota, period := of("cpu.cfs_quota_us"), of("cpu.cfs_period_us"); quota > 0 && period > 0 {
			r.quota = quota / period
		}
		r.oomKills = get(pairs(file("cgroup/memory.oom_control"), " "), "oom_kill")
	}
	// Pages of files that nobody uses go before anybody is killed.
	if inactive > 0 {
		r.used = max(0, r.used-inactive)
	}
}

// pressure is of the control group if it has its own, else of the host: in how many per cent of the last ten seconds somebody waited.
func pressure(file func(string) string, what string) float64 {
	out := math.NaN()
	for _, name := range []string{"pressure/" + what, "cgroup/" + what + ".pressure"} {
		for word := range strings.FieldsSeq(file(name)) {
			if x, ok := strings.CutPrefix(word, "avg10="); ok {
				out = number(x)
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
			out[name] = number(f[0])
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

func number(s string) float64 {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return x
}
