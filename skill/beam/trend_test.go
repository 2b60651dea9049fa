package beam

import (
	"math"
	"testing"
	"time"
)

func TestTrend(t *testing.T) {
	for _, c := range []struct {
		name  string
		value func(second int) float64
		limit float64
		note  string
		rate  float64
		left  float64 // seconds, 0 for none
	}{
		{"steady growth", func(s int) float64 { return 100 + 2*float64(s) }, 1000, "if it goes on as it did", 2, 330},
		{"constant", func(int) float64 { return 7 }, 1000, "does not grow", 0, 0},
		{"falls", func(s int) float64 { return 1000 - float64(s) }, 2000, "does not grow", -1, 0},
		{"a saw-tooth", func(s int) float64 { return float64(s % 10) }, 1000, "goes up and down", math.NaN(), 0},
		{"no limit", func(s int) float64 { return float64(s) }, 0, "there is no limit, or it is not known", 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tr trend
			start := time.Unix(1000, 0)
			last := 0.0
			for s := range 286 {
				last = c.value(s)
				tr.add(start.Add(time.Duration(s)*time.Second), last)
				tr.add(start.Add(time.Duration(s)*time.Second+100*time.Millisecond), -1e9) // too soon after the last
			}
			e := tr.exhausts(0, "r", last, c.limit)
			if e.Note != c.note {
				t.Errorf("note %q, want %q", e.Note, c.note)
			}
			if !math.IsNaN(c.rate) && *e.PerSecond != c.rate {
				t.Errorf("rate %v, want %v", *e.PerSecond, c.rate)
			}
			got := 0.0
			if e.Seconds != nil {
				got = *e.Seconds
			}
			if want := c.left; want > 0 {
				if want = (c.limit - last) / c.rate; math.Round(want) != got {
					t.Errorf("%v s left, want %v", got, want)
				}
			} else if got != 0 {
				t.Errorf("%v s left, want none", got)
			}
		})
	}
}

func TestTrendKeepsAnHourAndNoMore(t *testing.T) {
	var tr trend
	start := time.Unix(1000, 0)
	for s := range 3 * 3600 {
		tr.add(start.Add(time.Duration(s)*time.Second), float64(s), math.NaN())
	}
	if len(tr.fine) != fineKept || len(tr.coarse) != coarseKept {
		t.Errorf("%d and %d readings are kept", len(tr.fine), len(tr.coarse))
	}
	if s, ok := tr.over(0, time.Hour); !ok || math.Abs(s.PerSecond-1) > 1e-9 || s.Over < 59*time.Minute {
		t.Errorf("slope %+v", s)
	}
	if s, ok := tr.over(1, time.Hour); ok {
		t.Errorf("a slope of nothing: %+v", s)
	}
	if e := tr.exhausts(1, "r", math.NaN(), 10); e.Note != "not watched for long enough" || e.Value != nil {
		t.Errorf("%+v", e)
	}
}
