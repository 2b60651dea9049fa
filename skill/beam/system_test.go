package beam_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/etf"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

func TestSystem(t *testing.T) {
	p, _ := link(t)
	skilltest.Run(t, beam.System(p))
}

// TestSystemOfThisHost compares with what this program sees of the same host.
func TestSystemOfThisHost(t *testing.T) {
	p, n := link(t)
	s := beam.System(p)
	data, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Skip("this host has no /proc")
	}
	want, _ := strconv.ParseFloat(strings.Fields(string(meminfo))[1], 64)
	memory := skilltest.Lua(t, s, "return system_get_memory()").(map[string]any)
	if total, _ := number(memory["total_mb"]); total < want/1024*0.99 || total > want/1024*1.01 {
		t.Errorf("memory %v, the system says %v kB", memory, want)
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(n.Pid()) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kb, _ := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if rss, _ := number(data["vm_rss_mb"]); rss < kb/1024*0.7 || rss > kb/1024*1.4 {
		t.Errorf("the node's process has %v MB, the system says %v kB", data["vm_rss_mb"], kb)
	}
	if v := skilltest.Lua(t, s, `for _, p in ipairs(system_top_processes(50).processes) do if p.node then return p.rss_mb > 5 end end`); v != true && os.Getenv("BEAMLENS_ERL") == "" {
		t.Errorf("the node is not among the processes of its host")
	}
	if data["disk_max_used_pct"] == nil && os.Getenv("BEAMLENS_ERL") == "" {
		t.Errorf("no disk: %v", data)
	}
}

// elsewhere is the same node on another host: the files of a directory take the place of the host's.
type elsewhere struct {
	beam.Caller
	root string
}

func (e elsewhere) Call(ctx context.Context, part, function etf.Atom, args ...etf.Term) (etf.Term, error) {
	if part == etf.A("system") && function == etf.A("snapshot") {
		args = []etf.Term{e.root}
	}
	return e.Caller.Call(ctx, part, function, args...)
}

// on writes the files of a host, and returns where they are. The wrappers of other releases see /tmp only.
func on(t *testing.T, files map[string]string) string {
	t.Helper()
	root, err := os.MkdirTemp("/tmp", "beamlens-host-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func hostFiles(more map[string]string) map[string]string {
	all := map[string]string{
		"proc/loadavg":              "6.50 4.00 2.00 3/456 7890\n",
		"proc/stat":                 "cpu  100 10 50 800 40 0 5 5 0 0\ncpu0 50 5 25 400 20 0 2 3 0 0\ncpu1 50 5 25 400 20 0 3 2 0 0\nintr 1\n",
		"proc/meminfo":              "MemTotal:       8000000 kB\nMemFree:         500000 kB\nMemAvailable:   6000000 kB\nBuffers:          10000 kB\nCached:         1500000 kB\nSwapTotal:      0 kB\nSwapFree:        0 kB\n",
		"proc/self/stat":            "123 (beam.smp) S 1 1 1 0 -1 4194304 8362 193 0 0 230 80 0 0 20 0 20 0 321770 2155651072 9917\n",
		"proc/self/status":          "Name:\tbeam.smp\nVmRSS:\t  40000 kB\n",
		"proc/self/statm":           "526282 10000 3958 651 0 14501 0\n",
		"proc/pressure/memory":      "some avg10=1.50 avg60=0.00 avg300=0.00 total=0\n",
		"proc/pressure/cpu":         "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"proc/pressure/io":          "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"proc/self/cgroup":          "0::/\n",
		"proc/self/mountinfo":       "22 27 0:21 / /proc rw,relatime - proc proc rw\n",
		"proc/sys/kernel/osrelease": "6.0\n",
	}
	for name, text := range more {
		all[name] = text
	}
	return all
}

// TestContainers: the limits of the node's control group, wherever it is mounted, and those of the groups above.
func TestContainers(t *testing.T) {
	p, _ := link(t)
	const v2 = "33 22 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	for _, c := range []struct {
		name                   string
		files                  map[string]string
		limit, used, pressure  float64
		version, quota, killed float64
		culprit, says          string
	}{
		{"none", hostFiles(nil), 8000000 / 1024., 25, 1.5, 0, 0, 0, "", ""},
		{"version 2, the limit is of the group above", hostFiles(map[string]string{
			"proc/self/cgroup": "0::/app/worker\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/app/worker/memory.current": "900000000\n", "sys/fs/cgroup/app/worker/memory.max": "max\n", "sys/fs/cgroup/app/memory.max": "1048576000\n",
			"sys/fs/cgroup/app/worker/memory.stat": "anon 1\ninactive_file 8323072\n", "sys/fs/cgroup/app/worker/memory.events": "oom 1\noom_kill 1\n",
			"sys/fs/cgroup/app/worker/cpu.max": "150000 100000\n", "sys/fs/cgroup/app/worker/memory.pressure": "some avg10=40.00 avg60=0.00 avg300=0.00 total=0\n",
		}), 1000, 85, 40, 2, 1.5, 1, "os", "somebody else takes it"},
		{"version 2 in a container, whose mount is its own part of the tree", hostFiles(map[string]string{
			"proc/self/cgroup": "0::/docker/abc\n", "proc/self/mountinfo": "33 22 0:27 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory.current": "41943040\n", "sys/fs/cgroup/memory.max": "52428800\n", "sys/fs/cgroup/memory.stat": "inactive_file 0\n", "sys/fs/cgroup/cpu.max": "max 100000\n",
			"sys/fs/cgroup/memory.events": "oom_kill 0\n",
		}), 50, 80, 1.5, 2, 0, 0, "node", "the node itself has 39 MB of it"},
		{"version 1", hostFiles(map[string]string{
			"proc/self/cgroup":                               "5:cpu,cpuacct:/x\n4:memory:/x/y\n1:name=systemd:/\n0::/\n",
			"proc/self/mountinfo":                            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n38 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory/x/y/memory.usage_in_bytes": "600000000\n", "sys/fs/cgroup/memory/x/y/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/x/y/memory.stat":        "hierarchical_memory_limit 524288000\ntotal_inactive_file 180570000\n",
			"sys/fs/cgroup/memory/x/y/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
			"sys/fs/cgroup/cpu/x/cpu.cfs_quota_us":        "50000\n", "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n", "sys/fs/cgroup/cpu/x/cpu.stat": "nr_periods 10\nnr_throttled 5\n",
		}), 500, 80, 1.5, 1, 0.5, 3, "os", "somebody else takes it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := beam.System(elsewhere{p, on(t, c.files)})
			data, err := s.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			group := skilltest.Lua(t, s, "return system_get_container()").(map[string]any)
			for _, v := range []struct {
				name string
				got  any
				want float64
			}{
				{"limit", data["memory_limit_mb"], c.limit}, {"used", data["memory_limit_used_pct"], c.used}, {"pressure", data["memory_pressure_pct"], c.pressure},
				{"of the host", data["memory_used_pct"], 25}, {"load", data["cpu_load_1m"], 6.5}, {"version", group["cgroup_version"], c.version},
				{"quota", group["quota_cpus"], c.quota}, {"killed", group["oom_kills"], c.killed},
			} {
				if got, _ := number(v.got); got < v.want-0.1 || got > v.want+0.1 {
					t.Errorf("%s is %v, want %v", v.name, v.got, v.want)
				}
			}
			if c.says == "" {
				return
			}
			verdict := playbook(t, s, "memory_limit_used_pct", "value = 85, ordinary = 20")
			if text, _ := verdict["summary"].(string); !strings.Contains(text, c.says) {
				t.Errorf("it concludes %v, want %q", verdict, c.says)
			}
			culprit, _ := verdict["culprit"].(map[string]any)
			if kind, _ := culprit["kind"].(string); c.culprit == "node" && culprit["name"] != "node" || c.culprit == "os" && kind != "os_process" {
				t.Errorf("the culprit is %v, want %s", culprit, c.culprit)
			}
		})
	}
}

// TestMemoryOfTheNode: the host sees it when the node grows.
func TestMemoryOfTheNode(t *testing.T) {
	p, n := link(t)
	before, err := beam.System(p).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.Eval(t, `Kept = binary:copy(<<"x">>, 200000000), ok.`)
	after, err := beam.System(p).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, _ := number(before["vm_rss_mb"])
	if a, _ := number(after["vm_rss_mb"]); a-b < 150 {
		t.Errorf("the node's process had %v MB and has %v MB", b, a)
	}
}
