package beam

import (
	"math"
	"sync"
	"time"
)

// trend keeps what some quantities were: two minutes in full, an hour in steps. Its zero value is ready. It is safe for concurrent use.
type trend struct {
	mu     sync.Mutex // guards what follows
	fine   []reading
	coarse []reading
}

type reading struct {
	at     time.Time
	values []float64 // NaN where there was none
}

const (
	fineStep, fineKept     = time.Second, 121
	coarseStep, coarseKept = 30 * time.Second, 135
	// trendLeast readings over trendSpan are needed to speak of a trend.
	trendLeast = 5
	trendSpan  = 4 * time.Second
	// trendFit of the movement must be on the line; else it goes up and down and there is no end in sight.
	trendFit = 0.7
)

// add takes a reading, always of the same quantities. Those that come too soon after the last are left out.
func (t *trend) add(at time.Time, values ...float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := reading{at, values}
	t.fine = keep(t.fine, r, fineStep, fineKept)
	t.coarse = keep(t.coarse, r, coarseStep, coarseKept)
}

func keep(list []reading, r reading, step time.Duration, kept int) []reading {
	if n := len(list); n > 0 && r.at.Sub(list[n-1].at) < step*9/10 {
		return list
	}
	if len(list) == kept {
		copy(list, list[1:])
		list = list[:kept-1]
	}
	return append(list, r)
}

// slope is a quantity's movement over the last while.
type slope struct {
	PerSecond float64
	Over      time.Duration
	Readings  int
	Fits      bool // whether it moves along a line
}

// over gives the movement of the i-th quantity within the window, and false if there are too few readings to tell.
func (t *trend) over(i int, window time.Duration) (slope, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.fine
	// The steps are no better than what is kept in full until there are more of them than fit into it.
	if n := len(t.fine); window > fineStep*fineKept && time.Duration(len(t.coarse))*coarseStep > fineStep*fineKept {
		list = append(t.coarse[:len(t.coarse):len(t.coarse)], t.fine[n-1])
	}
	var n, sx, sy float64
	var first, last time.Time
	each := func(f func(x, y float64)) {
		for _, r := range list {
			if y := r.values[i]; !math.IsNaN(y) && list[len(list)-1].at.Sub(r.at) <= window {
				if first.IsZero() {
					first = r.at
				}
				last = r.at
				f(r.at.Sub(first).Seconds(), y)
			}
		}
	}
	each(func(x, y float64) { n, sx, sy = n+1, sx+x, sy+y })
	s := slope{Over: last.Sub(first), Readings: int(n)}
	if n < trendLeast || s.Over < trendSpan {
		return s, false
	}
	var xx, xy, yy float64
	each(func(x, y float64) {
		dx, dy := x-sx/n, y-sy/n
		xx, xy, yy = xx+dx*dx, xy+dx*dy, yy+dy*dy
	})
	s.PerSecond = xy / xx
	s.Fits = yy > 0 && xy*xy/xx/yy >= trendFit
	return s, true
}

// exhaustion says when a quantity meets its limit if it goes on as it did. Nothing is said without a limit or a steady growth.
type exhaustion struct {
	Resource  string   `json:"resource"`
	Value     *float64 `json:"value"`
	Limit     *float64 `json:"limit"`
	PerSecond *float64 `json:"growth_per_s"`
	Over      *int64   `json:"measured_over_s"`
	Seconds   *float64 `json:"seconds_to_exhaustion"`
	Note      string   `json:"note"`
}

// exhausts tells it of the i-th quantity: from its last two minutes, or, when those show no growth, its last hour.
func (t *trend) exhausts(i int, resource string, value, limit float64) exhaustion {
	e := exhaustion{Resource: resource}
	if !math.IsNaN(value) {
		e.Value = &value
	}
	if limit > 0 {
		e.Limit = &limit
	}
	s, ok := t.over(i, 2*time.Minute)
	if long, okLong := t.over(i, time.Hour); okLong && (!ok || !s.Fits || s.PerSecond <= 0) {
		s, ok = long, okLong
	}
	if !ok {
		e.Note = "not watched for long enough"
		return e
	}
	rate, over := math.Round(s.PerSecond*1000)/1000, int64(s.Over.Seconds())
	e.PerSecond, e.Over = &rate, &over
	switch {
	case s.PerSecond <= 0:
		e.Note = "does not grow"
	case !s.Fits:
		e.Note = "goes up and down"
	case limit <= 0 || e.Value == nil:
		e.Note = "there is no limit, or it is not known"
	default:
		left := math.Round((limit - value) / s.PerSecond)
		e.Seconds = &left
		e.Note = "if it goes on as it did"
	}
	return e
}
