package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The simulation that the constants of this package come from: ten kinds of series, healthy and with faults. make simulate runs it whole, go test
// a part of it.

// series gives the value of each second.
type series func(second int) float64

// kinds are what metrics of live systems look like.
var kinds = []struct {
	name string
	make func(r *rand.Rand) series
}{
	{"noise with memory", func(r *rand.Rand) series {
		x, scale := 0.0, 50+r.Float64()*500
		return func(int) float64 {
			x = 0.95*x + r.NormFloat64()
			return scale * (1 + 0.02*x)
		}
	}},
	{"latency", func(r *rand.Rand) series {
		median := 2 + r.Float64()*50
		return func(int) float64 { return median * math.Exp(0.6*r.NormFloat64()) }
	}},
	{"requests over the day", func(r *rand.Rand) series {
		peak, phase := 200+r.Float64()*2000, r.Float64()*day
		return func(i int) float64 {
			x := peak * (1.2 + math.Sin(2*math.Pi*(float64(i)+phase)/day))
			return x + math.Sqrt(x)*r.NormFloat64()
		}
	}},
	{"garbage collection", func(r *rand.Rand) series {
		base, step, x := 200+r.Float64()*500, 1+r.Float64()*5, 0.0
		return func(int) float64 {
			if x += step * (0.5 + r.Float64()); x > 0.5*base {
				x = 0.02 * base * r.Float64()
			}
			return base + x
		}
	}},
	{"processor with a job each hour", func(r *rand.Rand) series {
		base, minute := 5+r.Float64()*30, r.IntN(60)
		return func(i int) float64 {
			x := base + 3*r.NormFloat64()
			if i/60%60 == minute {
				x += 40
			}
			return min(max(x, 0), 100)
		}
	}},
	{"queue that is mostly empty", func(r *rand.Rand) series {
		return func(int) float64 {
			if r.Float64() < 0.03 {
				return math.Floor(r.ExpFloat64() * 4)
			}
			return 0
		}
	}},
	{"drift of hours", func(r *rand.Rand) series {
		x, scale := 0.0, 100+r.Float64()*1000
		return func(int) float64 {
			x = 0.9999*x + 0.014*r.NormFloat64()
			return scale * (5 + x + 0.05*r.NormFloat64())
		}
	}},
	{"rare bursts", func(r *rand.Rand) series {
		left := 0
		size := 0.0
		return func(int) float64 {
			if left == 0 && r.Float64() < 1.0/(2*hour) {
				left, size = 5+r.IntN(55), 50*r.ExpFloat64()
			}
			if left > 0 {
				left--
				return 10 + size + r.NormFloat64()
			}
			return 10 + r.NormFloat64()
		}
	}},
	{"process count", func(r *rand.Rand) series {
		base, x := 100+r.Float64()*400, 0.0
		return func(int) float64 {
			x = 0.99*x + r.NormFloat64()
			return math.Round(base + x)
		}
	}},
	{"never moves", func(r *rand.Rand) series {
		x := math.Floor(r.Float64() * 1000)
		return func(int) float64 { return x }
	}},
}

// faults change a series from a second on.
var faults = []struct {
	name string
	lasts,
	within int // seconds: it must be found by then
	f    func(x float64, s int) float64 // s seconds after the beginning
	some float64                        // the share that must be found, notable at least
	not  string                         // kinds that cannot show it
}{
	{"spike to five times for 10 s", 10, 30, func(x float64, _ int) float64 { return 5*x + 1 }, 0.75, "latency rare bursts"},
	{"twice the level", 6 * hour, 20 * 60, func(x float64, _ int) float64 { return 2 * x }, 0.7, "queue that is mostly empty never moves"},
	{"drop to nothing", 6 * hour, 20 * 60, func(float64, int) float64 { return 0 }, 0.8, "queue that is mostly empty"},
	{"freeze", 6 * hour, 20 * 60, nil, 0.9, "never moves queue that is mostly empty process count"},
	{"leak of 5 % an hour", day, 14 * hour, func(x float64, s int) float64 { return x * (1 + 0.05*float64(s)/hour) }, 0.7, "latency queue that is mostly empty never moves rare bursts requests over the day processor with a job each hour"},
}

// simulated runs some metrics of each kind for some days, and returns the alarms by kind and tier after day one, and in all.
func simulated(each, days int) (alerts, notable map[string]int, all int) {
	alerts, notable = map[string]int{}, map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan bool, 2)
	for k, kind := range kinds {
		for i := range each {
			wg.Go(func() {
				slots <- true
				defer func() { <-slots }()
				f := kind.make(rand.New(rand.NewPCG(uint64(k), uint64(i))))
				d := New(Metric{})
				a, n := 0, 0
				for s := range days * day {
					for _, c := range d.Step(start.Add(time.Duration(s)*time.Second), f(s)) {
						switch {
						case c.Cleared:
						case c.Alert:
							a++
							if whole() {
								fmt.Printf("%s %d: %s at hour %.1f, value %.4g, ordinary %.4g, score %.2f\n", kind.name, i, c.Kind, float64(s)/hour, c.Value, c.Ordinary, c.Score)
							}
						default:
							n++
						}
					}
				}
				mu.Lock()
				defer mu.Unlock()
				alerts[kind.name] += a
				notable[kind.name] += n
				all += a
			})
		}
	}
	wg.Wait()
	return alerts, notable, all
}

// whole says whether the simulation is to run in full.
func whole() bool { return os.Getenv("BEAMLENS_SIMULATE") != "" }

// TestHealthyMetricsAreLeftInPeace: at most one alert a week for 100 metrics after day one.
func TestHealthyMetricsAreLeftInPeace(t *testing.T) {
	each, days := 2, 3
	if whole() {
		each, days = 20, 14
	}
	alerts, notable, all := simulated(each, days)
	metrics := float64(each * len(kinds))
	weeks := float64(days-1) / 7
	rate := float64(all) / weeks / metrics * 100
	for _, k := range kinds {
		t.Logf("%-32s %3d alerts, %3d notable", k.name, alerts[k.name], notable[k.name])
	}
	t.Logf("%.0f metrics, %d days: %d alerts after day one, %.2f a week for 100 metrics", metrics, days, all, rate)
	// A part of it has too few weeks for a rate: then a single alert is allowed.
	if rate > 1 && all > 1 {
		t.Errorf("%d alerts", all)
	}
}

// TestFaultsAreFound: each fault, on the fourth day, in the metrics that can show it.
func TestFaultsAreFound(t *testing.T) {
	each := 1
	if whole() {
		each = 8
	}
	const at = 3*day + 5*hour
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			found, alerted, of := 0, 0, 0
			var delays []int
			var missed []string
			for k, kind := range kinds {
				if strings.Contains(fault.not, kind.name) {
					continue
				}
				for i := range each {
					of++
					f := kind.make(rand.New(rand.NewPCG(uint64(k)+100, uint64(i))))
					d := New(Metric{})
					first, alert := -1, false
					frozen := 0.0
					for s := range at + fault.within {
						x := f(s)
						switch {
						case s < at || s > at+fault.lasts:
							frozen = x
						case fault.f == nil:
							x = frozen
						default:
							x = fault.f(x, s-at)
						}
						for _, c := range d.Step(start.Add(time.Duration(s)*time.Second), x) {
							if s >= at && !c.Cleared {
								if first < 0 {
									first = s - at
								}
								alert = alert || c.Alert
							}
						}
					}
					if first >= 0 {
						found++
						delays = append(delays, first)
					} else {
						missed = append(missed, kind.name)
					}
					if alert {
						alerted++
					}
				}
			}
			slices.Sort(delays)
			median := time.Duration(0)
			if len(delays) > 0 {
				median = time.Duration(delays[len(delays)/2]) * time.Second
			}
			t.Logf("found %d of %d, median after %s, %d as alerts; missed in %s", found, of, median, alerted, strings.Join(slices.Compact(missed), ", "))
			if share := float64(found) / float64(of); share < fault.some {
				t.Errorf("found %s", fmt.Sprintf("%.0f %%, at least %.0f %% is the goal", 100*share, 100*fault.some))
			}
		})
	}
}
