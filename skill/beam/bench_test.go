package beam_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/skill/beam"
)

// BenchmarkSnapshots takes the snapshots of all skills once a second, of a node with 100,000 processes and 10,000 tables, and tells what
// that costs the node: CPU in per cent of one core, and for each skill the milliseconds of CPU of one snapshot.
func BenchmarkSnapshots(b *testing.B) {
	p, n := link(b)
	n.Eval(b, `[spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 100000)], T = [ets:new(table, [public]) || _ <- lists:seq(1, 10000)], ok.`)
	skills := beam.All(p)
	// The first of each loads its part.
	for _, s := range skills {
		if _, err := s.Snapshot(b.Context()); err != nil {
			b.Fatal(s.ID, err)
		}
	}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	const seconds = 20
	for b.Loop() {
		// Ticks begin with the snapshots, and the first rounds are longer.
		for range 5 {
			<-second.C
			for _, s := range skills {
				_, _ = s.Snapshot(b.Context())
			}
		}
		began, from := time.Now(), cpu(b, n.Pid())
		worst := time.Duration(0)
		for range seconds {
			<-second.C
			for _, s := range skills {
				start := time.Now()
				if _, err := s.Snapshot(b.Context()); err != nil {
					b.Fatal(s.ID, err)
				}
				worst = max(worst, time.Since(start))
			}
		}
		b.ReportMetric(float64(cpu(b, n.Pid())-from)/float64(time.Since(began))*100, "%core")
		b.ReportMetric(float64(worst.Microseconds())/1000, "ms-worst")
	}
	const calls = 100
	for _, s := range skills {
		from := cpu(b, n.Pid())
		for range calls {
			if _, err := s.Snapshot(b.Context()); err != nil {
				b.Fatal(s.ID, err)
			}
		}
		b.ReportMetric(float64((cpu(b, n.Pid())-from).Microseconds())/1000/calls, "ms-"+s.ID)
	}
	memory := n.Eval(b, `{memory, M} = process_info(whereis(beamlens_probe), memory), M div 1024.`)
	kb, _ := strconv.ParseFloat(memory, 64)
	b.ReportMetric(kb/1024, "MB-resident")
}

// cpu is the time that a process has used, of ticks of ten milliseconds.
func cpu(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		b.Skip("this host has no /proc")
	}
	f := strings.Fields(string(text)[strings.LastIndex(string(text), ") ")+2:])
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
