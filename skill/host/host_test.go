package host

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/skill/skilltest"
)

func TestSkill(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc")
	}
	skilltest.Run(t, New(nil))
}

// TestAgainstTheTools: what is read is what the system's own tools say.
func TestAgainstTheTools(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc")
	}
	out, err := exec.Command("df", "-P", "/").Output()
	if err != nil {
		t.Skip(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	want, err := strconv.ParseFloat(strings.TrimSuffix(strings.Fields(lines[len(lines)-1])[4], "%"), 64)
	if err != nil {
		t.Fatal(err)
	}
	disks, err := mounts("/")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range disks {
		if d.Mount == "/" && math.Abs(d.UsedPct-want) > 1.5 {
			t.Errorf("%v %% of / are used, df says %v", d.UsedPct, want)
		}
	}
	r, err := read("/")
	if err != nil || int(r.cpus) < 1 || r.total < 1<<28 || r.rss < 1<<20 || r.process < 0 {
		t.Errorf("%+v, %v", r, err)
	}
	rows, err := processes(context.Background(), "/")
	own := 0
	for _, p := range rows {
		if p.Own && p.PID == os.Getpid() && p.RSS > 1 {
			own++
		}
	}
	if err != nil || own != 1 {
		t.Errorf("this process was found %d times among %d; %v", own, len(rows), err)
	}
}

// tree makes a root with files.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestGroups reads control groups of both versions, as Docker mounts them (the group as the root) and as systemd does (below it).
func TestGroups(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc")
	}
	for _, c := range []struct {
		name                                 string
		files                                map[string]string
		version                              int
		limit, used, quota, throttled, kills float64
		pressure                             float64
	}{
		{"version 2 in a container", map[string]string{
			"proc/self/cgroup": "0::/system.slice/shop.service\n", "sys/fs/cgroup/cgroup.controllers": "cpu memory", "sys/fs/cgroup/memory.max": "536870912\n",
			"sys/fs/cgroup/memory.current": "402653184\n", "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 134217728\n", "sys/fs/cgroup/cpu.max": "30000 100000\n",
			"sys/fs/cgroup/cpu.stat": "usage_usec 5\nnr_periods 11\nnr_throttled 10\n", "sys/fs/cgroup/memory.events": "low 0\noom 2\noom_kill 1\n",
			"sys/fs/cgroup/memory.pressure": "some avg10=31.50 avg60=1.00 avg300=0.00 total=1\n"}, 2, 512 << 20, 256 << 20, 0.3, 10, 1, 31.5},
		{"version 2 below the root", map[string]string{
			"proc/self/cgroup": "0::/app\n", "sys/fs/cgroup/cgroup.controllers": "cpu memory", "sys/fs/cgroup/app/memory.max": "max\n", "sys/fs/cgroup/app/memory.current": "1048576\n",
			"sys/fs/cgroup/app/cpu.max": "max 100000\n", "sys/fs/cgroup/app/cpu.stat": "nr_periods 0\nnr_throttled 0\n", "proc/pressure/memory": "some avg10=2.00 avg60=1.00\n"},
			2, math.Inf(1), 1 << 20, math.Inf(1), 0, math.NaN(), 2},
		{"version 1", map[string]string{
			"proc/self/cgroup": "4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "209715200\n", "sys/fs/cgroup/memory/memory.stat": "hierarchical_memory_limit 268435456\ntotal_inactive_file 104857600\n",
			"sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpu/cpu.stat": "nr_periods 20\nnr_throttled 7\n"}, 1, 256 << 20, 100 << 20, 1.5, 7, 3, math.NaN()},
		{"no group", map[string]string{"proc/self/cgroup": ""}, 0, math.Inf(1), math.NaN(), math.Inf(1), math.NaN(), math.NaN(), math.NaN()},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.files["proc/stat"] = "cpu  10 0 10 80 0 0 0 5 0 0\ncpu0 5 0 5 40 0 0 0 0 0 0\ncpu1 5 0 5 40 0 0 0 0 0 0\n"
			r, err := read(tree(t, c.files))
			if err != nil {
				t.Fatal(err)
			}
			same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
			if r.cgroup != c.version || !same(r.limit, c.limit) || !same(r.used, c.used) || !same(r.quota, c.quota) || !same(r.throttled, c.throttled) || !same(r.oomKills, c.kills) || !same(r.pressureMemory, c.pressure) {
				t.Errorf("%+v", r)
			}
			if r.cpus != 2 || r.cpuTotal != 105 || r.cpuBusy != 25 || r.cpuStolen != 5 {
				t.Errorf("CPU %+v", r)
			}
		})
	}
}
