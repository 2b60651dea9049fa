package beam

import (
	"math"
	"testing"
)

const meminfo = "MemTotal:       8000000 kB\nMemFree:         500000 kB\nMemAvailable:   2000000 kB\nBuffers:          10000 kB\nCached:         1500000 kB\nSwapTotal:      1000000 kB\nSwapFree:        900000 kB\n"

func TestHost(t *testing.T) {
	files := func(more map[string]any) map[string]any {
		all := map[string]any{
			"loadavg": "0.50 1.25 2.00 3/456 7890\n", "meminfo": meminfo, "cgroup": nil, "memory_max": []any{},
			"stat":            "cpu  100 10 50 800 40 0 5 5 0 0\ncpu0 50 5 25 400 20 0 2 3 0 0\ncpu1 50 5 25 400 20 0 3 2 0 0\nintr 1 2 3\n",
			"self":            "123 (beam.smp (odd) name) S 1 1 1 0 -1 4194304 8362 193 0 0 230 80 0 0 20 0 20 0 321770 2155651072 9917\n",
			"status":          "Name:\tbeam.smp\nVmRSS:\t  40000 kB\n",
			"statm":           "526282 10000 3958 651 0 14501 0\n",
			"memory_pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.10 avg60=0.00 avg300=0.00 total=0\n",
		}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		name                                  string
		files                                 map[string]any
		version                               int
		limit, used, quota, throttled, killed float64
		pressure                              float64
	}{
		{"no container", files(nil), 0, inf, nan, inf, nan, nan, 1.5},
		{"version 2 with limits, one of them above", files(map[string]any{
			"cgroup": 2.0, "memory_max": []any{"max\n", "1073741824\n", "2147483648\n"}, "cgroup_memory": "900000000\n",
			"cgroup_memory_stat": "anon 700000000\nfile 200000000\ninactive_file 100000000\n", "cgroup_events": "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\n",
			"cgroup_cpu": "150000 100000\n", "cgroup_cpu_stat": "usage_usec 1000\nnr_periods 200\nnr_throttled 50\nthrottled_usec 9999\n",
			"cgroup_memory_pressure": "some avg10=33.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.10 avg60=0.00 avg300=0.00 total=0\n"}),
			2, 1 << 30, 800000000, 1.5, 50, 2, 33},
		{"version 2 without limits", files(map[string]any{
			"cgroup": 2.0, "memory_max": []any{"max\n"}, "cgroup_memory": "900000000\n", "cgroup_memory_stat": "inactive_file 0\n", "cgroup_cpu": "max 100000\n",
			"cgroup_events": "oom_kill 0\n", "cgroup_cpu_stat": "nr_periods 0\nnr_throttled 0\n"}), 2, inf, 900000000, inf, 0, 0, 1.5},
		{"version 1 with limits", files(map[string]any{
			"cgroup": 1.0, "memory_max": []any{"9223372036854771712\n"}, "cgroup_memory": "600000000\n",
			"cgroup_memory_stat": "cache 1\ninactive_file 5\nhierarchical_memory_limit 536870912\ntotal_inactive_file 100000000\n",
			"cgroup_events":      "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n", "cgroup_quota": "50000\n", "cgroup_period": "100000\n",
			"cgroup_cpu_stat": "nr_periods 10\nnr_throttled 5\nthrottled_time 99\n"}), 1, 536870912, 500000000, 0.5, 5, 4, 1.5},
		{"version 1 without limits", files(map[string]any{
			"cgroup": 1.0, "memory_max": []any{"9223372036854771712\n"}, "cgroup_memory": "600000000\n", "cgroup_memory_stat": "hierarchical_memory_limit 9223372036854771712\n",
			"cgroup_quota": "-1\n", "cgroup_period": "100000\n"}), 1, inf, 600000000, inf, nan, nan, 1.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := hostReading{Files: c.files}.parse()
			for _, v := range []struct {
				name      string
				got, want float64
			}{
				{"load", h.load5, 1.25}, {"processes", h.processes, 456}, {"cpus", h.cpus, 2}, {"busy", h.cpuBusy, 170}, {"jiffies", h.cpuTotal, 1010},
				{"of the node", h.vmJiffies, 310}, {"total", h.total, 8000000 * 1024}, {"available", h.available, 2000000 * 1024}, {"rss", h.rss, 40000 * 1024}, {"page", h.page, 4096},
				{"version", float64(h.cgroup), float64(c.version)}, {"limit", h.limit, c.limit}, {"used", h.limitUsed, c.used}, {"quota", h.quota, c.quota},
				{"throttled", h.throttled, c.throttled}, {"killed", h.oomKills, c.killed}, {"pressure", h.pressureMemory, c.pressure},
			} {
				if v.got != v.want && !(math.IsNaN(v.got) && math.IsNaN(v.want)) {
					t.Errorf("%s is %v, want %v", v.name, v.got, v.want)
				}
			}
		})
	}
}

// TestHostWithoutProc: what os_mon tells, and nothing else.
func TestHostWithoutProc(t *testing.T) {
	h := hostReading{Files: map[string]any{"cgroup": nil}, OSMon: map[string]int64{"system_total_memory": 1000, "free_memory": 300}}.parse()
	if h.total != 1000 || h.available != 300 || !math.IsNaN(h.load1) || !math.IsNaN(h.pressureMemory) || !math.IsInf(h.limit, 1) {
		t.Errorf("%+v", h)
	}
}
