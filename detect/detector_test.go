package detect

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// feed steps through a series at one sample a second and returns the changes with the second they came in.
func feed(d *Detector, n int, f func(second int) float64) map[int][]Change {
	out := map[int][]Change{}
	for i := range n {
		if c := d.Step(start.Add(time.Duration(i)*time.Second), f(i)); len(c) > 0 {
			out[i] = append([]Change(nil), c...)
		}
	}
	return out
}

func only(t *testing.T, changes map[int][]Change, from, to int) Change {
	t.Helper()
	if len(changes) != 1 {
		t.Fatalf("%d seconds with changes: %+v", len(changes), changes)
	}
	for at, c := range changes {
		if at < from || at > to || len(c) != 1 {
			t.Fatalf("at second %d: %+v, want one between %d and %d", at, c, from, to)
		}
		return c[0]
	}
	panic("unreachable")
}

func TestRuleHoldsFromTheStartAndTellsOnset(t *testing.T) {
	d := New(Metric{Quiet: true, Rules: []Rule{{Above: 1000}}})
	// Ordinary until second 30, then 500 more each second: over the threshold at 32.
	c := only(t, feed(d, 60, func(i int) float64 { return 5 + math.Max(0, float64(i-30))*500 }), 34, 36)
	if c.Kind != KindRule || c.Cleared || !c.Alert || c.Limit != 1000 {
		t.Errorf("%+v", c)
	}
	if off := c.Onset.Sub(start.Add(30 * time.Second)).Abs(); off > c.Uncertainty+time.Second {
		t.Errorf("onset %s after the start, ± %s; it was 30s", c.Onset.Sub(start), c.Uncertainty)
	}
	if c.Ordinary != 5 {
		t.Errorf("ordinary is %g, want 5", c.Ordinary)
	}
	if c.Rate < 100 || c.Rate > 500 {
		t.Errorf("rate %g", c.Rate)
	}
}

func TestRuleIgnoresOneOddReading(t *testing.T) {
	d := New(Metric{Quiet: true, Rules: []Rule{{Above: 100}}})
	got := feed(d, 300, func(i int) float64 {
		if i%50 < 2 {
			return 1000
		}
		return 1
	})
	if len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestRuleWaitsAsLongAsItSays(t *testing.T) {
	d := New(Metric{Quiet: true, Rules: []Rule{{Above: 100, For: 20 * time.Second}}})
	only(t, feed(d, 60, func(i int) float64 { return 1 + float64(min(i/10, 1))*200 }), 29, 31)
}

func TestRuleClearsOnceAndDoesNotFlap(t *testing.T) {
	d := New(Metric{Quiet: true, Rules: []Rule{{Above: 100}}})
	got := feed(d, 400, func(i int) float64 {
		switch {
		case i < 10:
			return 1
		case i < 300:
			return 95 + 10*float64(i%2) // at the edge: above, below, above
		}
		return 1
	})
	opened, cleared := 0, 0
	for _, cs := range got {
		for _, c := range cs {
			if c.Cleared {
				cleared++
			} else {
				opened++
			}
		}
	}
	if opened > 1 || cleared > 1 || opened != cleared {
		t.Errorf("opened %d times, cleared %d times", opened, cleared)
	}
}

func TestGrowth(t *testing.T) {
	rule := Rule{Factor: 1.5, Min: 40, Over: time.Minute}
	for _, c := range []struct {
		name string
		f    func(i int) float64
		want bool
	}{
		{"runs away", func(i int) float64 { return 50 + math.Max(0, float64(i-100))*5 }, true},
		{"too slow for a minute", func(i int) float64 { return 50 + float64(i)*0.2 }, false},
		{"large and steady", func(i int) float64 { return 5000 + 30*math.Sin(float64(i)/9) }, false},
		{"saw-tooth below the least", func(i int) float64 { return 50 + float64(i%30) }, false},
		{"one jump and back", func(i int) float64 { return 50 + 500*float64(b2i(i == 100)) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := feed(New(Metric{Quiet: true, Rules: []Rule{rule}}), 400, c.f)
			if (len(got) > 0) != c.want {
				t.Errorf("%+v", got)
			}
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestRisingGrowth: memory of processes as it was read from a shop, second by second.
func TestRisingGrowth(t *testing.T) {
	batches := []float64{12, 22, 35, 37, 40, 61, 61, 61, 55, 57, 57, 55, 55, 55, 55, 137, 136, 136, 137, 136, 137, 137, 137, 137, 137, 137, 137, 89, 89, 89, 89, 91, 94, 94, 94, 94, 94, 94, 94, 94, 108, 108, 109, 109}
	for _, c := range []struct {
		name string
		f    func(i int) float64
		want bool
	}{
		{"a mailbox fills", func(i int) float64 { return 20 + 4*math.Max(0, float64(i-100)) }, true},
		{"one fills that is collected now and then", func(i int) float64 { return 20 + 6*math.Max(0, float64(i-100)) - 10*float64(b2i(i%9 == 0)) }, true},
		{"batches", func(i int) float64 { return batches[i%len(batches)] }, false},
		{"a step", func(i int) float64 { return 20 + 500*float64(b2i(i > 100)) }, false},
	} {
		got := feed(New(Metric{Quiet: true, Rules: []Rule{{Factor: 1.5, Min: 40, Over: time.Minute, Rising: true}}}), 200, c.f)
		if (len(got) > 0) != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestSteadyGrowth: what leaks is told from what fills, what comes and goes, and what comes all at once.
func TestSteadyGrowth(t *testing.T) {
	rule := Rule{Factor: 1.3, Min: 16, Over: 90 * time.Second, Steady: true}
	r := rand.New(rand.NewPCG(3, 3))
	for _, c := range []struct {
		name string
		f    func(i int) float64
		want bool
	}{
		{"a leak", func(i int) float64 { return 10 + 0.4*math.Max(0, float64(i-100)) }, true},
		{"a leak with noise", func(i int) float64 { return 40 + 0.4*math.Max(0, float64(i-100)) + 2*r.Float64() }, true},
		{"a leak under a saw-tooth", func(i int) float64 { return 10 + 0.4*math.Max(0, float64(i-100)) + float64(i%10) }, true},
		{"a leak in steps", func(i int) float64 { return 10 + 4*math.Floor(math.Max(0, float64(i-100))/10) }, true},
		{"one that is too small", func(i int) float64 { return 10 + 0.1*math.Max(0, float64(i-100)) }, false},
		{"one of much", func(i int) float64 { return 5000 + 0.4*math.Max(0, float64(i-100)) }, false},
		{"a cache that fills", func(i int) float64 { return 10 + 60*(1-math.Exp(-math.Max(0, float64(i-100))/20)) }, false},
		{"a slower one", func(i int) float64 { return 10 + 60*(1-math.Exp(-math.Max(0, float64(i-100))/30)) }, false},
		{"a jump", func(i int) float64 { return 10 + 60*float64(b2i(i > 100)) }, false},
		{"two jumps", func(i int) float64 { return 10 + 30*float64(b2i(i > 100)) + 30*float64(b2i(i > 150)) }, false},
		{"a large saw-tooth", func(i int) float64 { return 10 + 2*float64(i%60) }, false},
		{"a short day", func(i int) float64 { return 100 - 90*math.Cos(float64(i)/90*2*math.Pi) }, false},
		{"a busy minute", func(i int) float64 { return 10 + 60*float64(b2i(i > 100 && i < 160)) + 5*r.Float64() }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := feed(New(Metric{Quiet: true, Rules: []Rule{rule}}), 400, c.f)
			if (len(got) > 0) != c.want {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestGrowthClearsWhenItEnds(t *testing.T) {
	d := New(Metric{Quiet: true, Rules: []Rule{{Factor: 1.5, Min: 40, Over: time.Minute}}})
	got := feed(d, 300, func(i int) float64 { return 50 + 10*math.Min(math.Max(0, float64(i-100)), 30) })
	cleared := false
	for at, cs := range got {
		for _, c := range cs {
			if c.Cleared {
				cleared = true
				if at < 131 || at > 210 {
					t.Errorf("cleared at second %d; the growth ended at 130", at)
				}
			}
		}
	}
	if !cleared {
		t.Errorf("never cleared: %+v", got)
	}
}

func TestLimitInSight(t *testing.T) {
	t.Run("near", func(t *testing.T) {
		d := New(Metric{Quiet: true, Limit: 100})
		if c := only(t, feed(d, 60, func(i int) float64 { return 10 + 88*float64(b2i(i >= 20)) }), 24, 28); c.Kind != KindLimit {
			t.Errorf("%+v", c)
		}
	})
	t.Run("within two hours, by the trend of half an hour", func(t *testing.T) {
		d := New(Metric{Quiet: true, Limit: 1000})
		// 40 % and 0.1 a second: reached in 100 minutes, of which 30 pass.
		c := only(t, feed(d, 2000, func(i int) float64 { return 400 + float64(i)*0.1 + 3*math.Sin(float64(i)) }), 1800, 1900)
		if c.Kind != KindLimit || c.In < 60*time.Minute || c.In > 80*time.Minute || c.InLow > c.In || c.InHigh < c.In {
			t.Errorf("%+v", c)
		}
	})
	t.Run("within minutes", func(t *testing.T) {
		d := New(Metric{Quiet: true, Limit: 1000})
		// It holds when 15 minutes times the square of the share are more than is left: at 55 %.
		c := only(t, feed(d, 200, func(i int) float64 { return 400 + float64(i)*2 }), 60, 80)
		if c.Kind != KindLimit || c.In < 3*time.Minute || c.In > 5*time.Minute || c.InLow > c.In || c.InHigh < c.In {
			t.Errorf("%+v", c)
		}
	})
	t.Run("a ramp that ends is none", func(t *testing.T) {
		d := New(Metric{Quiet: true, Limit: 1000})
		if got := feed(d, 3000, func(i int) float64 { return 310 + math.Min(float64(i), 50)*2 }); len(got) != 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("far", func(t *testing.T) {
		d := New(Metric{Quiet: true, Limit: 1000})
		if got := feed(d, 600, func(i int) float64 { return 400 + math.Sin(float64(i)) }); len(got) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func noisy(seed uint64) func(i int) float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := 0.0
	return func(int) float64 {
		x = 0.9*x + r.NormFloat64()
		return 100 + 5*x
	}
}

func TestSpikeInNoise(t *testing.T) {
	const hour = 3600
	f := noisy(1)
	d := New(Metric{})
	got := feed(d, 3*hour, func(i int) float64 {
		x := f(i)
		if i >= 2*hour && i < 2*hour+20 {
			x *= 8
		}
		return x
	})
	found := false
	for at, cs := range got {
		for _, c := range cs {
			if c.Kind == KindSpike && !c.Cleared {
				found = found || at >= 2*hour && at < 2*hour+15
				if c.Alert {
					t.Error("an alert on day one")
				}
			}
		}
	}
	if !found {
		t.Errorf("the spike was not seen: %+v", got)
	}
}

func TestLevelShiftAfterDayOneIsAnAlert(t *testing.T) {
	const hour = 3600
	f := noisy(2)
	d := New(Metric{})
	got := feed(d, 30*hour, func(i int) float64 {
		x := f(i)
		if i >= 28*hour {
			x += 150
		}
		return x
	})
	found := false
	for at, cs := range got {
		for _, c := range cs {
			if c.Alert && !c.Cleared {
				if at < 28*hour {
					t.Errorf("false alarm at hour %.1f: %+v", float64(at)/hour, c)
				}
				found = found || c.Kind == KindLevel && at < 28*hour+15*60
			}
		}
	}
	if !found {
		t.Error("the shift was not seen within a quarter of an hour")
	}
}

func TestQuietWhenAllIsWell(t *testing.T) {
	const day = 24 * 3600
	for seed := range uint64(5) {
		f := noisy(seed + 10)
		got := feed(New(Metric{}), 2*day, func(i int) float64 { return f(i) + 20*math.Sin(2*math.Pi*float64(i)/day) })
		for at, cs := range got {
			for _, c := range cs {
				if c.Alert && !c.Cleared {
					t.Errorf("seed %d, hour %.1f: %+v", seed, float64(at)/3600, c)
				}
			}
		}
	}
}

func TestStaticMetricThatMoves(t *testing.T) {
	const hour = 3600
	got := feed(New(Metric{}), 4*hour, func(i int) float64 { return 7 + 50*float64(b2i(i >= 3*hour)) })
	if len(got) == 0 {
		t.Error("a metric that never moved has moved, and nothing was said")
	}
}

func TestCounterIsARateAndSurvivesRestart(t *testing.T) {
	d := New(Metric{Counter: true, Quiet: true, Rules: []Rule{{Above: 50}}})
	x := 1e12
	got := feed(d, 200, func(i int) float64 {
		if i == 100 {
			x = 0 // the target was restarted
		}
		x += 10
		return x
	})
	if len(got) != 0 {
		t.Errorf("a steady counter: %+v", got)
	}
}

func TestGapsClocksAndNonsense(t *testing.T) {
	d := New(Metric{Rules: []Rule{{Factor: 1.5, Min: 10, Over: time.Minute}}})
	at := start
	for i := range 100 {
		d.Step(at.Add(time.Duration(i)*time.Second), 10)
	}
	// Away for an hour, and back at another level: that is no growth within a minute.
	for i := range 100 {
		if c := d.Step(at.Add(time.Hour+time.Duration(i)*time.Second), 100); len(c) != 0 {
			t.Fatalf("after a gap: %+v", c)
		}
	}
	for i := range 100 {
		d.Step(at.Add(-time.Hour+time.Duration(i)*time.Second), 100) // the clock was set back
	}
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if c := d.Step(at, x); len(c) != 0 {
			t.Errorf("%g: %+v", x, c)
		}
	}
	if math.IsNaN(d.Ordinary()) || math.IsInf(d.Ordinary(), 0) {
		t.Errorf("ordinary is %g", d.Ordinary())
	}
}

func TestAStepAllocatesNothing(t *testing.T) {
	d := New(Metric{Limit: 1e9, Rules: []Rule{{Above: 1e6}, {Factor: 2, Min: 1e6, Over: time.Minute}}})
	f := noisy(3)
	i := 0
	if n := testing.AllocsPerRun(10_000, func() {
		d.Step(start.Add(time.Duration(i)*time.Second), f(i))
		i++
	}); n != 0 {
		t.Errorf("%g allocations a step", n)
	}
}

func BenchmarkStep(b *testing.B) {
	f := noisy(4)
	values := make([]float64, 4096)
	for i := range values {
		values[i] = 100 + (f(i)-100)/3 // a few percent, so that no rule opens: what a step costs nearly always
	}
	for name, m := range map[string]Metric{
		"limit":  {Limit: 1e9, Rules: []Rule{{Above: 1e6}}},
		"growth": {Rules: []Rule{{Factor: 1.5, Min: 40, Over: time.Minute}}},
		"memory": {Rules: []Rule{ // of processes: what has most rules
			{Factor: 1.5, Min: 40, Over: time.Minute, Rising: true},
			{Factor: 1.5, Min: 40, Over: time.Minute, While: func() bool { return false }},
			{Factor: 1.5, Min: 32, Over: 90 * time.Second, Steady: true},
		}},
	} {
		b.Run(name, func(b *testing.B) {
			d := New(m)
			b.ReportAllocs()
			for i := range b.N {
				d.Step(start.Add(time.Duration(i)*time.Second), values[i%len(values)])
			}
		})
	}
}
