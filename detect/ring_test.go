package detect

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestWindow: what is kept of a window is what a look at all its samples says, whatever the pauses between them.
func TestWindow(t *testing.T) {
	const over = 20 * time.Second
	r := rand.New(rand.NewPCG(5, 5))
	var kept ring
	var low floor
	type sample struct {
		at int64
		x  float64
	}
	var all []sample
	at := start.UnixNano()
	for range 5000 {
		at += int64(time.Duration(1+r.IntN(25)*r.IntN(2)) * time.Second)
		s := sample{at, float64(r.IntN(50))}
		all = append(all, s)
		kept.push(s.at, s.x)
		got := low.step(&kept, over, s.at, s.x)
		want, reaches := s.x, false
		for _, o := range all[max(0, len(all)-ringSize):] {
			if age := time.Duration(s.at - o.at); age <= over {
				want = min(want, o.x)
				reaches = reaches || age >= minSpan
			}
		}
		if got != want || kept.reaches(minSpan, over) != reaches {
			t.Fatalf("after %d samples: lowest %g, want %g; reaches %v, want %v", len(all), got, want, kept.reaches(minSpan, over), reaches)
		}
	}
}

// TestAGrowthIsNotMeasuredOverAGap: what was before the target or the engine was away is no floor.
func TestAGrowthIsNotMeasuredOverAGap(t *testing.T) {
	d := New(Metric{Quiet: true, Rules: []Rule{{Factor: 1.5, Min: 40, Over: time.Minute}}})
	for i := range 60 {
		now, x := time.Duration(i)*time.Second, 20.0
		if i >= 20 {
			now, x = now+maxGap+time.Second, 100
		}
		if c := d.Step(start.Add(now), x); len(c) > 0 {
			t.Fatalf("after %s: %+v", now, c)
		}
	}
}
