package watch_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/store"
	"github.com/beamlens/beamlens-go/watch"
)

var target = beamlens.Target{Kind: "test", Name: "t"}

func sampled(snapshot func(context.Context) (map[string]any, error)) *skill.Skill {
	return &skill.Skill{
		ID: "s", Snapshot: snapshot, Metrics: []skill.Metric{{Name: "x", Kind: skill.Gauge, Quiet: true, Unit: "things"}},
		Rules: []skill.Rule{{Metric: "x", Above: 100, Severity: beamlens.SeverityCritical}},
	}
}

type told struct {
	findings  []beamlens.Finding
	snapshots []beamlens.Snapshot
	events    []string
}

// run watches for a while in a bubble.
func run(t *testing.T, d time.Duration, snapshot func(context.Context) (map[string]any, error)) (*watch.Watch, *told) {
	t.Helper()
	var out told
	w := watch.New(target, sampled(snapshot), &watch.Options{
		OnFinding: func(f beamlens.Finding, s beamlens.Snapshot, _ []beamlens.Evidence) {
			out.findings, out.snapshots = append(out.findings, f), append(out.snapshots, s)
		},
		OnEvent: func(e beamlens.Event) { out.events = append(out.events, e.Name) },
	})
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := w.Serve(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return w, &out
}

func TestFindingComesWithItsSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w, out := run(t, 2*time.Minute, func(context.Context) (map[string]any, error) {
			x := 1.0
			if s := time.Since(began); s > 30*time.Second && s < 60*time.Second {
				x = 500
			}
			return map[string]any{"x": x, "name": "a"}, nil
		})
		if len(out.findings) != 2 {
			t.Fatalf("findings %+v", out.findings)
		}
		opened, cleared := out.findings[0], out.findings[1]
		if opened.Cleared() || opened.Metric != "x" || opened.Severity != "critical" || opened.Rule != "x > 100" || opened.Value != 500 || opened.Ordinary != 1 || opened.Tier != beamlens.TierAlert {
			t.Errorf("opened %+v", opened)
		}
		if off := opened.Onset.Sub(began.Add(30 * time.Second)).Abs(); off > 2*time.Second {
			t.Errorf("onset is %s off", off)
		}
		if v, _ := out.snapshots[0].Number("x"); v != 500 {
			t.Errorf("the snapshot of the finding has x = %g", v)
		}
		if !cleared.Cleared() || cleared.ID != opened.ID {
			t.Errorf("cleared %+v", cleared)
		}
		if len(w.Open()) != 0 {
			t.Errorf("still open: %+v", w.Open())
		}
		if n := len(w.Series("x")); n < 110 || n > 125 {
			t.Errorf("%d samples in two minutes", n)
		}
	})
}

func TestAFailingSnapshotIsAGapToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w, out := run(t, time.Minute, func(context.Context) (map[string]any, error) {
			if n++; n > 10 && n < 30 {
				if n%2 == 0 {
					panic("oh")
				}
				return nil, errors.New("away")
			}
			return map[string]any{"x": 1.0}, nil
		})
		if len(out.findings) != 0 || len(out.events) != 2 || out.events[0] != "watch.snapshot_failed" || out.events[1] != "watch.snapshot_recovered" {
			t.Errorf("findings %v, events %v", out.findings, out.events)
		}
		if w.Samples() < 30 {
			t.Errorf("%d samples", w.Samples())
		}
	})
}

func TestASlowTargetIsAskedLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := time.Duration(0)
		began := time.Now()
		_, out := run(t, 10*time.Minute, func(ctx context.Context) (map[string]any, error) {
			if time.Since(began) < 9*time.Minute {
				time.Sleep(2 * time.Second)
				busy += 2 * time.Second
			}
			return map[string]any{"x": 1.0}, nil
		})
		if want := []string{"watch.shedding", "watch.shedding_ended"}; !slices.Equal(out.events, want) {
			t.Errorf("events %v, want %v", out.events, want)
		}
		if share := busy.Seconds() / 600; share > 0.21 {
			t.Errorf("snapshots took %.0f %% of the time", share*100)
		}
	})
}

func TestAHangingSnapshotIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, out := run(t, time.Minute, func(ctx context.Context) (map[string]any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if want := []string{"watch.snapshot_failed", "watch.shedding"}; !slices.Equal(out.events, want) {
			t.Errorf("events %v", out.events)
		}
	})
}

func TestSeriesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := run(t, 90*time.Minute, func(context.Context) (map[string]any, error) { return map[string]any{"x": 1.0}, nil })
		series := w.Series("x")
		if len(series) != 3600 {
			t.Errorf("%d samples are kept", len(series))
		}
		if !series[0].At.Before(series[len(series)-1].At) {
			t.Error("the series is not in order")
		}
	})
}

// TestADayIsKeptThinner: behind the hour there is a point for each five minutes of a day, with its extremes, and no more.
func TestADayIsKeptThinner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := watch.New(target, sampled(func(context.Context) (map[string]any, error) {
			n++
			return map[string]any{"x": float64(n % 10)}, nil
		}), &watch.Options{Interval: 30 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Hour)
		defer cancel()
		_ = w.Serve(ctx)
		points := w.History("x")
		if len(points) != 288 {
			t.Fatalf("%d points", len(points))
		}
		for i, p := range points {
			if p.Low > 1 || p.High < 8 || p.Mean < 4 || p.Mean > 5 {
				t.Fatalf("point %d is %+v", i, p)
			}
			if i > 0 && p.At.Sub(points[i-1].At) != 5*time.Minute {
				t.Fatalf("after %s comes %s", points[i-1].At, p.At)
			}
		}
		if len(w.History("y")) != 0 {
			t.Error("a metric that there is not has a history")
		}
	})
}

// TestEvidenceIsCapturedWithTheFinding: the playbook's cheap calls are made in the moment, once a minute, and a call that fails costs only itself.
func TestEvidenceIsCapturedWithTheFinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		sk := sampled(func(context.Context) (map[string]any, error) {
			x := 1.0
			if s := int(time.Since(began).Seconds()); s >= 30 && s%30 < 10 {
				x = 500 // it comes back every half minute
			}
			return map[string]any{"x": x}, nil
		})
		calls := 0
		read := func(name, cost string, f func() (any, error)) skill.Callback {
			return skill.Callback{Name: name, Doc: "d", Example: name + "()", Cost: cost, Call: func(context.Context, []any) (any, error) { return f() }}
		}
		sk.Callbacks = []skill.Callback{
			read("s_who", skill.Scan, func() (any, error) { calls++; return map[string]any{"pid": "<0.9.0>"}, nil }),
			read("s_gone", skill.Cheap, func() (any, error) { return nil, errors.New("gone") }),
			read("s_broken", skill.Cheap, func() (any, error) { panic("oh") }),
			read("s_dear", skill.Costly, func() (any, error) { t.Error("a costly callback was called"); return nil, nil }),
		}
		sk.Playbooks = []skill.Playbook{{ID: "p", Metrics: []string{"x"}, Lua: `s_broken() s_gone() s_dear() return s_who()`}}
		var captured [][]beamlens.Evidence
		w := watch.New(target, sk, &watch.Options{OnFinding: func(f beamlens.Finding, _ beamlens.Snapshot, e []beamlens.Evidence) {
			if !f.Cleared() {
				captured = append(captured, e)
			}
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute+20*time.Second)
		defer cancel()
		_ = w.Serve(ctx)
		if len(captured) != 4 || calls != 2 {
			t.Fatalf("%d findings, %d calls: %v", len(captured), calls, captured)
		}
		if e := captured[0]; len(e) != 1 || e[0].Title != "s_who()" || e[0].At.Sub(began) > 35*time.Second {
			t.Errorf("captured %+v", e)
		}
		if len(captured[1]) != 0 {
			t.Errorf("again within the minute: %+v", captured[1])
		}
	})
}

// TestWhatWasLearntOutlivesARestart: after a day of watching and a restart, a shift is an alert at once and not only after another day.
func TestWhatWasLearntOutlivesARestart(t *testing.T) {
	kept := store.NewMemory()
	synctest.Test(t, func(t *testing.T) {
		shifted := false
		noise := rand.New(rand.NewPCG(1, 1))
		sk := sampled(func(context.Context) (map[string]any, error) {
			x := 20 + noise.NormFloat64()
			if shifted {
				x += 30
			}
			return map[string]any{"x": x}, nil
		})
		sk.Metrics[0].Quiet = false
		serve := func(d time.Duration) (alerts int) {
			w := watch.New(target, sk, &watch.Options{Interval: 10 * time.Second, Baselines: kept, OnFinding: func(f beamlens.Finding, _ beamlens.Snapshot, _ []beamlens.Evidence) {
				if f.Tier == beamlens.TierAlert && !f.Cleared() {
					alerts++
				}
			}})
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			_ = w.Serve(ctx)
			return alerts
		}
		if n := serve(30 * time.Hour); n != 0 {
			t.Errorf("%d alerts while all was well", n)
		}
		shifted = true
		if n := serve(20 * time.Minute); n == 0 {
			t.Error("no alert: what was learnt before the restart is gone")
		}
	})
}

// TestGrowthWhile: a growth that is asked for only while another metric is too high.
func TestGrowthWhile(t *testing.T) {
	for _, c := range []struct {
		name  string
		queue float64
		want  []string
	}{
		{"the mailbox is long", 500, []string{"queue", "memory"}},
		{"no mailbox is long", 5, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var found []string
			s := &skill.Skill{
				ID: "s", Snapshot: func(context.Context) (map[string]any, error) { return nil, nil },
				Metrics: []skill.Metric{{Name: "memory", Kind: skill.Gauge, Quiet: true}, {Name: "queue", Kind: skill.Gauge, Quiet: true}},
				Rules: []skill.Rule{
					{Metric: "memory", Growth: &skill.Growth{Factor: 1.5, Min: 40, Over: time.Minute, While: "queue"}},
					{Metric: "queue", Above: 100},
				},
			}
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
			w := watch.New(target, s, &watch.Options{OnFinding: func(f beamlens.Finding, _ beamlens.Snapshot, _ []beamlens.Evidence) {
				if !f.Cleared() {
					found = append(found, f.Metric)
				}
			}})
			at := time.Now()
			for i := range 40 {
				memory, queue := 20.0, 5.0
				if i > 20 {
					memory, queue = 90, c.queue // all at once: a growth that ended as soon as it had begun
				}
				w.Feed(t.Context(), beamlens.Snapshot{CapturedAt: at.Add(time.Duration(i) * time.Second), Data: map[string]any{"memory": memory, "queue": queue}})
			}
			if !slices.Equal(found, c.want) {
				t.Errorf("found %v, want %v", found, c.want)
			}
		})
	}
}
