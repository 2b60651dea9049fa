package detect

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"
)

const (
	hour = 3600
	day  = 24 * hour
)

// alarms gives the seconds in which a finding of a kind opened or became an alert.
func alarms(changes map[int][]Change, kind Kind, alert bool) []int {
	var out []int
	for at, cs := range changes {
		for _, c := range cs {
			if c.Kind == kind && !c.Cleared && (c.Alert || !alert) {
				out = append(out, at)
			}
		}
	}
	slices.Sort(out)
	return out
}

// every feeds one sample each so many seconds, which is as good as one a second for the slow layers and quicker.
func every(d *Detector, step, n int, f func(second int) float64) map[int][]Change {
	out := map[int][]Change{}
	for i := 0; i < n; i += step {
		if c := d.Step(start.Add(time.Duration(i)*time.Second), f(i)); len(c) > 0 {
			out[i] = append([]Change(nil), c...)
		}
	}
	return out
}

func TestLeakUnderGarbageCollectionAndTheDay(t *testing.T) {
	memory := func(seed uint64, perHour float64, from int) func(int) float64 {
		r := rand.New(rand.NewPCG(seed, 2))
		return func(i int) float64 {
			saw := float64(i%97) * 2 // a collection each 97 s
			daily := 60 * math.Sin(2*math.Pi*float64(i)/day)
			leak := math.Max(0, float64(i-from)) / hour * perHour
			return 1000 + saw + daily + 5*r.NormFloat64() + leak
		}
	}
	for seed := range uint64(3) {
		if got := alarms(every(New(Metric{}), 5, 7*day, memory(seed, 0, 0)), KindLeak, false); len(got) != 0 {
			t.Errorf("no leak, found at hours %v", got)
		}
		got := alarms(every(New(Metric{}), 5, 5*day, memory(seed, 50, 3*day)), KindLeak, true)
		if len(got) == 0 || got[0] < 3*day || got[0] > 3*day+6*hour {
			t.Errorf("a leak of 5 %% an hour from hour 72 was found at %v", got)
		}
	}
}

func TestFlat(t *testing.T) {
	f := noisy(5)
	got := every(New(Metric{}), 5, 2*day, func(i int) float64 {
		x := f(i)
		if i >= 40*hour && i < 41*hour {
			return 97
		}
		return x
	})
	at := alarms(got, KindFlat, true)
	if len(at) != 1 || at[0] < 40*hour || at[0] > 40*hour+10*60 {
		t.Errorf("a metric that froze at hour 40 was found at %v", at)
	}
	if got := alarms(every(New(Metric{}), 5, 3*day, func(i int) float64 { return float64(i / (20 * 60)) }), KindFlat, false); len(got) != 0 {
		t.Errorf("a metric that moves every twenty minutes: %v", got)
	}
}

// TestSeason: a daily course of a few steep hours is not a level shift once it is known, and a shift against it is.
func TestSeason(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	course := func(i int) float64 {
		x := 100 + 10*r.NormFloat64()
		if h := i % day / hour; h >= 8 && h < 18 {
			x += 900
		}
		return x
	}
	quiet := alarms(every(New(Metric{}), 10, 14*day, course), KindLevel, true)
	late := slices.DeleteFunc(slices.Clone(quiet), func(at int) bool { return at < 6*day })
	if len(late) != 0 {
		t.Errorf("alarms in the second week: %v", late)
	}
	d := New(Metric{})
	got := alarms(every(d, 10, 11*day, func(i int) float64 {
		if i >= 10*day+2*hour {
			return course(i) + 800 // at night, as high as by day
		}
		return course(i)
	}), KindLevel, true)
	got = slices.DeleteFunc(got, func(at int) bool { return at < 6*day })
	if !d.saved.Level.SeasonUsed || len(got) == 0 || got[0] > 10*day+2*hour+20*60 {
		t.Errorf("a shift at night of the eleventh day: season used %v, found at %v", d.saved.Level.SeasonUsed, got)
	}
}

func TestLatencyIsComparedOnALogScale(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	latency := func() float64 { return math.Exp(2 + 1.2*r.NormFloat64()) }
	d := New(Metric{})
	got := every(d, 1, 3*day, func(i int) float64 {
		if i >= 60*hour {
			return 4 * latency()
		}
		return latency()
	})
	if !d.saved.Level.Log {
		t.Error("the scale is not logarithmic")
	}
	at := alarms(got, KindLevel, false)
	if len(at) == 0 || at[0] < 60*hour || at[0] > 60*hour+15*60 {
		t.Errorf("four times the latency from hour 60: found at %v", at)
	}
}

// TestWhatWasNoIncidentIsRemembered: the same spike again and again is told once in a while; a larger one is told at once, and so is
// the same one when the first was confirmed.
func TestWhatWasNoIncidentIsRemembered(t *testing.T) {
	run := func(confirm bool, second float64) (alarms int) {
		f := noisy(8)
		d := New(Metric{})
		for i := range 104 * hour {
			x := f(i)
			switch {
			case i >= 100*hour && i < 100*hour+20:
				x += 2000
			case i >= 102*hour && i < 102*hour+20:
				x += second
			}
			for _, c := range d.Step(start.Add(time.Duration(i)*time.Second), x) {
				if c.Kind == KindSpike && !c.Cleared {
					if alarms++; confirm {
						d.Confirm()
					}
				}
			}
		}
		return alarms
	}
	if n := run(false, 2000); n != 1 {
		t.Errorf("the same spike again: %d alarms, want 1", n)
	}
	if n := run(true, 2000); n != 2 {
		t.Errorf("the same incident again: %d alarms, want 2", n)
	}
	if n := run(false, 60_000); n != 2 {
		t.Errorf("a much larger spike: %d alarms, want 2", n)
	}
}

// TestBudget: metrics that alarm more often than they may are kept near what they may, in the long run.
func TestBudget(t *testing.T) {
	const perWeek, weeks = 4, 6
	count := func(b *Budget) int {
		r := rand.New(rand.NewPCG(9, 9))
		d := New(Metric{Budget: b})
		n := 0
		for i := 0; i < weeks*7*day; i += 10 {
			x := 100 + r.NormFloat64()
			// Bursts, each day worse than anything before.
			if i%(6*hour) < 60 && i > day {
				x += 100 * math.Exp(float64(i)/(2*day))
			}
			for _, c := range d.Step(start.Add(time.Duration(i)*time.Second), x) {
				if c.Alert && !c.Cleared {
					n++
					d.Confirm() // or the memory would keep the rest away
				}
			}
		}
		return n
	}
	free, kept := count(nil), count(NewBudget(perWeek, 1, 10*time.Second))
	if free < 2*kept || kept > 2*perWeek*weeks || kept == 0 {
		t.Errorf("%d alarms without a budget, %d with %d a week over %d weeks", free, kept, perWeek, weeks)
	}
}

func TestSaveAndLoad(t *testing.T) {
	f := noisy(10)
	values := make([]float64, 30*hour)
	for i := range values {
		values[i] = f(i)
	}
	for i := 29 * hour; i < 29*hour+20; i++ {
		values[i] += 3000
	}
	tell := func(restartAt int) []int {
		d := New(Metric{})
		var out []int
		for i, x := range values {
			if i == restartAt {
				raw, err := d.Save()
				if err != nil {
					t.Fatal(err)
				}
				d = New(Metric{})
				if err := d.Load(raw); err != nil {
					t.Fatal(err)
				}
			}
			for _, c := range d.Step(start.Add(time.Duration(i)*time.Second), x) {
				if c.Alert && !c.Cleared {
					out = append(out, i)
				}
			}
		}
		return out
	}
	if through, restarted := tell(-1), tell(28*hour); len(through) == 0 || !slices.Equal(through, restarted) {
		t.Errorf("alerts at %v, after a restart at %v", through, restarted)
	}
	d := New(Metric{})
	for _, bad := range [][]byte{nil, {0}, {savedVersion}, {savedVersion, 1, 2, 3}} {
		if err := d.Load(bad); err == nil {
			t.Errorf("%v was loaded", bad)
		}
	}
	raw, _ := d.Save()
	if err := d.Load(append(raw, 0)); err == nil {
		t.Error("a longer one was loaded")
	}
}

func FuzzLoad(f *testing.F) {
	raw, _ := New(Metric{}).Save()
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		d := New(Metric{Limit: 100})
		if d.Load(b) != nil {
			return
		}
		for i := range 200 {
			d.Step(start.Add(time.Duration(i)*time.Minute), float64(i))
		}
	})
}

func TestADetectorIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Detector{}); n > 4096 {
		t.Errorf("%d bytes", n)
	}
}

func TestTrends(t *testing.T) {
	up, noise := make([]float64, 30), make([]float64, 30)
	r := rand.New(rand.NewPCG(11, 11))
	for i := range up {
		up[i], noise[i] = float64(2*i), r.NormFloat64()
	}
	// 435 pairs, all rising: (435-1)/sqrt(30*29*65/18) = 7.74…
	if z := mannKendall(up); math.Abs(z-434/math.Sqrt(30*29*65/18.0)) > 1e-9 {
		t.Errorf("z is %g", z)
	}
	if z := mannKendall(noise); math.Abs(z) > 3 {
		t.Errorf("z of noise is %g", z)
	}
	if mid, low, high := slopes(up); mid != 2 || low != 2 || high != 2 {
		t.Errorf("slopes %g %g %g", mid, low, high)
	}
	if mid, low, high := slopes(noise); low >= mid || high <= mid {
		t.Errorf("slopes %g %g %g", mid, low, high)
	}
	if mid, _, _ := slopes(up[:1]); mid != 0 {
		t.Errorf("slope of one value is %g", mid)
	}
}
