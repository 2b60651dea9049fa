package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestOnset: what is said of when it began, and how sure that is, is true, for what is found seconds, minutes and hours later.
func TestOnset(t *testing.T) {
	const began = 60 * hour
	for _, c := range []struct {
		name   string
		kind   Kind
		step   int // seconds between two samples
		change func(x float64, since int, r *rand.Rand) float64
		sway   float64
		unsure time.Duration // at most
	}{
		{"level up", KindLevel, 5, func(x float64, _ int, _ *rand.Rand) float64 { return x + 150 }, 20, 3 * time.Minute},
		{"level down", KindLevel, 5, func(x float64, _ int, _ *rand.Rand) float64 { return x - 150 }, 20, 3 * time.Minute},
		{"flat", KindFlat, 5, func(float64, int, *rand.Rand) float64 { return 97 }, 20, 2 * time.Minute},
		{"leak", KindLeak, 10, func(x float64, since int, _ *rand.Rand) float64 { return x + 30*float64(since)/hour }, 3, time.Hour},
	} {
		right, of := 0, 0
		for seed := range uint64(8) {
			t.Run(fmt.Sprint(c.name, " ", seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 77))
				var first *Change
				for at, cs := range every(New(Metric{}), c.step, began+12*hour, func(i int) float64 {
					x := 200 + c.sway*math.Sin(float64(i)/4000) + 8*r.NormFloat64()
					if i >= began {
						x = c.change(x, i-began, r)
					}
					return x
				}) {
					for _, change := range cs {
						if change.Kind == c.kind && !change.Cleared && at >= began && (first == nil || at < int(first.Score)) {
							change.Score = float64(at) // of all, the first
							first = &change
						}
					}
				}
				if first == nil {
					t.Fatal("not found")
				}
				of++
				if first.Uncertainty > c.unsure || first.Uncertainty <= 0 {
					t.Errorf("it is not sure within %s", first.Uncertainty)
				}
				if off := first.Onset.Sub(start.Add(began * time.Second)); off.Abs() <= first.Uncertainty {
					right++
				} else {
					t.Logf("%s off, said ± %s, found after %s", off, first.Uncertainty, time.Duration(first.Score-began)*time.Second)
				}
			})
		}
		if float64(right) < 0.8*float64(of) {
			t.Errorf("%s: the onset is within what is said in %d of %d", c.name, right, of)
		}
	}
}

// TestOnsetOfRules: a step and a ramp that begin together are said to have begun together.
func TestOnsetOfRules(t *testing.T) {
	const began = 100
	for _, c := range []struct {
		name string
		rule Rule
		f    func(since float64) float64
	}{
		{"a step", Rule{Above: 50}, func(float64) float64 { return 500 }},
		{"a ramp", Rule{Above: 10_000}, func(since float64) float64 { return 300 * since }},
		{"a slow ramp", Rule{Above: 3000}, func(since float64) float64 { return 50 * since }},
		{"a growth", Rule{Factor: 1.5, Min: 40, Over: time.Minute}, func(since float64) float64 { return 2 * since }},
		{"a leak", Rule{Factor: 1.5, Min: 40, Over: 90 * time.Second, Steady: true}, func(since float64) float64 { return since }},
	} {
		got := feed(New(Metric{Quiet: true, Rules: []Rule{c.rule}}), 215, func(i int) float64 { return 20 + float64(i%2) + b2f(i > began)*c.f(float64(i-began)) })
		if len(got) == 0 {
			t.Errorf("%s: not found", c.name)
		}
		for at, changes := range got {
			for _, change := range changes {
				off := change.Onset.Sub(start.Add(began * time.Second))
				if off.Abs() > change.Uncertainty+2*time.Second || change.Uncertainty > 10*time.Second {
					t.Errorf("%s: found at second %d; the onset is %s off, and said to be sure within %s", c.name, at, off, change.Uncertainty)
				}
			}
		}
	}
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
