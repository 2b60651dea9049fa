package detect

import (
	"slices"
	"time"
)

// ringSize samples are kept in full: two minutes at one a second. Windows of rules fit into it. It is a power of two.
const ringSize = 128

// ring holds the newest samples.
type ring struct {
	at   [ringSize]int64 // Unix nanoseconds
	x    [ringSize]float64
	n    int // how many are valid
	next int
}

func (r *ring) push(at int64, x float64) {
	r.at[r.next], r.x[r.next] = at, x
	r.next = (r.next + 1) % ringSize
	r.n = min(r.n+1, ringSize)
}

// back returns the i-th sample before the newest; 0 is the newest.
func (r *ring) back(i int) (int64, float64) {
	j := (r.next - 1 - i) & (ringSize - 1)
	return r.at[j], r.x[j]
}

func (r *ring) reset() { r.n, r.next = 0, 0 }

// lowest returns the smallest value among the samples not older than over, and when it was read last.
func (r *ring) lowest(over time.Duration) (low float64, at int64) {
	at, low = r.back(0)
	newest := at
	for i := 1; i < r.n; i++ {
		j := (r.next - 1 - i) & (ringSize - 1)
		if time.Duration(newest-r.at[j]) > over {
			break
		}
		if r.x[j] < low { // min(…) minds NaN, which no sample is
			low, at = r.x[j], r.at[j]
		}
	}
	return low, at
}

// reaches says whether there is a sample that is at least so old, and not older than over.
func (r *ring) reaches(least, over time.Duration) bool {
	newest, _ := r.back(0)
	for i := 1; i < r.n; i++ {
		at, _ := r.back(i)
		if age := time.Duration(newest - at); age >= least {
			return age <= over
		}
	}
	return false
}

// floor is the smallest value of a window that ends with the newest sample. It looks at the samples only when the smallest has left the window.
type floor struct {
	low float64
	at  int64 // zero: not known
}

func (f *floor) step(r *ring, over time.Duration, at int64, x float64) float64 {
	switch {
	case f.at == 0 || time.Duration(at-f.at) > over:
		f.low, f.at = r.lowest(over)
	case x <= f.low:
		f.low, f.at = x, at
	}
	return f.low
}

// onset walks back from the newest sample to where the present departure from ordinary began. A step has gone a tenth of the way where it
// begins; what rises along a line began earlier than that, by a quarter of what it took from a tenth to the half of the way. The uncertainty
// is the distance of the samples there and half of that correction, or, when even the oldest sample is departed, the whole ring.
func (r *ring) onset(ordinary float64) (time.Time, time.Duration) {
	newest, x := r.back(0)
	// before says whether a value has gone less than that share of the way.
	before := func(v, share float64) bool {
		edge := ordinary + (x-ordinary)*share
		return (x >= ordinary && v <= edge) || (x < ordinary && v >= edge)
	}
	departed, half := newest, int64(0)
	for i := 1; i < r.n; i++ {
		at, v := r.back(i)
		if half == 0 && before(v, 0.5) {
			half = at + (departed-at)/2
		}
		if before(v, 0.1) {
			tenth := at + (departed-at)/2
			lean := time.Duration(half-tenth) / 4
			return time.Unix(0, tenth-int64(lean)), max(time.Duration(departed-at)/2+lean/2, time.Second/2)
		}
		departed = at
	}
	return time.Unix(0, departed), max(time.Duration(newest-departed), time.Second)
}

// typical is the median of the older half of the samples: what the metric was before what is happening now. With few samples it
// is the given value.
func (r *ring) typical(few float64) float64 {
	if r.n < 8 {
		return few
	}
	var sorted [ringSize]float64
	older := sorted[:0]
	for i := r.n / 2; i < r.n; i++ {
		_, x := r.back(i)
		older = append(older, x)
	}
	slices.Sort(older)
	return older[len(older)/2]
}

// slope is the change per second between the sample nearest to span ago and the newest.
func (r *ring) slope(span time.Duration) float64 {
	newest, x := r.back(0)
	for i := 1; i < r.n; i++ {
		at, v := r.back(i)
		if d := time.Duration(newest - at); d >= span || i == r.n-1 {
			return (x - v) / d.Seconds()
		}
	}
	return 0
}
