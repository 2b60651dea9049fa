package goruntime_test

import (
	"context"
	"encoding/json"
	"math"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/skill/goruntime"
)

// The benchmarks of this file tell what being watched costs. A noisy machine shows in "control": the same measured against nothing.

// idle parks so many goroutines until the benchmark ends.
func idle(b *testing.B, n int) {
	stop := make(chan struct{})
	var all, begun sync.WaitGroup
	begun.Add(n)
	for range n {
		all.Go(func() {
			begun.Done()
			<-stop
		})
	}
	begun.Wait()
	b.Cleanup(func() {
		close(stop)
		all.Wait()
	})
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// serving runs an engine for a while.
func serving(b *testing.B, d time.Duration, p *goruntime.Probe, during func()) {
	e, err := engine.New(engine.Options{Target: p.Target("bench"), Skills: p.Skills()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), d)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.Serve(ctx)
	}()
	if during != nil {
		during()
	}
	<-done
}

// longestStop is the upper bound of the longest stop of the world since a reading, by its histogram, those of the collector left out.
type stops struct{ before []uint64 }

func (s *stops) read() (longest time.Duration, n uint64) {
	m := []metrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(m)
	h := m[0].Value.Float64Histogram()
	for i, c := range h.Counts {
		if s.before != nil {
			c -= s.before[i]
		}
		if n += c; c > 0 && s.before != nil && !math.IsInf(h.Buckets[i+1], 1) {
			longest = time.Duration(h.Buckets[i+1] * 1e9)
		}
	}
	s.before = slices.Clone(h.Counts)
	return longest, n
}

// BenchmarkAlwaysOn: CPU and memory of an engine with all skills beside 10,000 goroutines that wait, in per cent of one processor.
func BenchmarkAlwaysOn(b *testing.B) {
	idle(b, 10_000)
	const span = 15 * time.Second
	runtime.GC()
	for b.Loop() {
		before := cpuSeconds()
		<-time.After(span)
		control := cpuSeconds() - before
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		before = cpuSeconds()
		serving(b, span, goruntime.New(nil), nil)
		used := cpuSeconds() - before
		runtime.ReadMemStats(&m1)
		b.ReportMetric(100*(used-control)/span.Seconds(), "cpu_pct_of_one")
		b.ReportMetric(100*control/span.Seconds(), "control_pct_of_one")
		b.ReportMetric(float64(m1.Sys-m0.Sys)/(1<<20), "MB_more")
	}
}

// BenchmarkStopsTheWorld: the longest stop of the world in half a minute beside 100,000 goroutines, and in which there is none of it.
func BenchmarkStopsTheWorld(b *testing.B) {
	idle(b, 100_000)
	for b.Loop() {
		var s stops
		s.read()
		<-time.After(5 * time.Second)
		control, _ := s.read()
		serving(b, 30*time.Second, goruntime.New(nil), nil)
		longest, n := s.read()
		b.ReportMetric(float64(longest.Microseconds()), "longest_µs")
		b.ReportMetric(float64(n), "stops")
		b.ReportMetric(float64(control.Microseconds()), "control_µs")
	}
}

// BenchmarkCaptureDelays: what a request feels at p99 beside 100,000 goroutines while evidence is captured, against nothing.
func BenchmarkCaptureDelays(b *testing.B) {
	idle(b, 100_000)
	order := map[string]any{"id": 7, "lines": []int{1, 2, 3}, "customer": "c7"}
	request := func() time.Duration {
		began := time.Now()
		raw, _ := json.Marshal(order)
		var out map[string]any
		_ = json.Unmarshal(raw, &out)
		return time.Since(began)
	}
	p99 := func(over <-chan struct{}) time.Duration {
		var took []time.Duration
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		due := time.Now()
		for {
			select {
			case <-over:
				slices.Sort(took)
				return took[len(took)*99/100]
			case <-tick.C:
				// How late it is counts, too: a request that comes in a stop waits for its end.
				due = due.Add(time.Millisecond)
				late := max(0, time.Since(due))
				took = append(took, request()+late)
				due = time.Now()
			}
		}
	}
	for b.Loop() {
		control := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(control) })
		without := p99(control)
		captured := make(chan struct{})
		p := goruntime.New(&goruntime.Options{Evidence: b.TempDir()})
		go func() {
			defer close(captured)
			_, _ = p.Capture(b.Context(), "bench", "trace", "heap", "mutex", "cpu")
		}()
		with := p99(captured)
		b.ReportMetric(float64(without.Microseconds()), "p99_control_µs")
		b.ReportMetric(float64(with.Microseconds()), "p99_µs")
	}
}
