package watch

import (
	"math"
	"time"
)

// Behind the last hour, which is kept in full, a day is kept thinner: a point for each five minutes.
const (
	thinEvery = 5 * time.Minute
	thinKept  = 288
)

// Point sums up the samples of five minutes.
type Point struct {
	At              time.Time // when they began
	Mean, Low, High float64
}

// history keeps the points of all metrics of a skill. Its memory grows to 3.4 KB a metric and no further.
type history struct {
	at   []int64
	kept map[string][]thin
	next int // where the next point goes
	open map[string]*sum
	from int64 // of the points that are being collected
}

type thin struct{ mean, low, high float32 }

type sum struct {
	n              int
	sum, low, high float64
}

func (h *history) push(at int64, values func(yield func(metric string, x float64))) {
	if h.kept == nil {
		h.kept, h.open = map[string][]thin{}, map[string]*sum{}
	}
	if from := at - at%int64(thinEvery); from != h.from {
		h.close()
		h.from = from
	}
	values(func(metric string, x float64) {
		if math.IsNaN(x) {
			return
		}
		s := h.open[metric]
		if s == nil {
			s = &sum{}
			h.open[metric] = s
		}
		if s.n == 0 {
			s.low, s.high = x, x
		}
		s.n, s.sum, s.low, s.high = s.n+1, s.sum+x, min(s.low, x), max(s.high, x)
	})
}

// close ends the points that are being collected.
func (h *history) close() {
	if h.from == 0 {
		return
	}
	full := len(h.at) == thinKept
	if full {
		h.at[h.next] = h.from
	} else {
		h.at = append(h.at, h.from)
	}
	for metric, s := range h.open {
		p := thin{float32(math.NaN()), 0, 0}
		if s.n > 0 {
			p = thin{float32(s.sum / float64(s.n)), float32(s.low), float32(s.high)}
		}
		*s = sum{}
		points := h.kept[metric]
		for len(points) < len(h.at)-1 || len(points) < thinKept && full {
			points = append(points, thin{float32(math.NaN()), 0, 0}) // it was not read then
		}
		if full {
			points[h.next] = p
		} else {
			points = append(points, p)
		}
		h.kept[metric] = points
	}
	h.next = (h.next + 1) % thinKept
}

func (h *history) of(metric string) []Point {
	points := h.kept[metric]
	out := make([]Point, 0, len(points))
	for i := range points {
		j := i
		if len(h.at) == thinKept {
			j = (h.next + i) % thinKept
		}
		if p := points[j]; !math.IsNaN(float64(p.mean)) {
			out = append(out, Point{time.Unix(0, h.at[j]).UTC(), float64(p.mean), float64(p.low), float64(p.high)})
		}
	}
	return out
}
