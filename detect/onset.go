package detect

import (
	"math"
	"time"
)

// likely is by how much, in units of the variance of what is left over, the sum of squares of another place may exceed that of the best for the place
// to be as plausible: the 95 % quantile of χ² with one degree of freedom (profile likelihood).
const likely = 3.84

// shifted finds where a series has changed its mean once: it is another from index at on; anything from low to high is as plausible. It is least
// squares over all places.
func shifted(x []float64) (at, low, high int) {
	return best(len(x), 1, func(i int) float64 { return spread(x[:i]) + spread(x[i:]) })
}

// bent finds where a series that was level began to rise or fall in a line, in the same way.
func bent(x []float64) (at, low, high int) {
	return best(len(x), 2, func(i int) float64 {
		// Least squares of a + b·max(0, j−i).
		n, sh, shh, sx, shx := float64(len(x)), 0.0, 0.0, 0.0, 0.0
		for j, v := range x {
			h := float64(max(0, j-i))
			sh, shh, sx, shx = sh+h, shh+h*h, sx+v, shx+h*v
		}
		b := (n*shx - sh*sx) / (n*shh - sh*sh)
		a := (sx - b*sh) / n
		left := 0.0
		for j, v := range x {
			d := v - a - b*float64(max(0, j-i))
			left += d * d
		}
		return left
	})
}

// best is the place with the least sum of squares, and the range of those that are plausible. The ends of the series are left out.
func best(n, margin int, squares func(i int) float64) (at, low, high int) {
	least := math.Inf(1)
	for i := margin; i < n-margin; i++ {
		if s := squares(i); s < least {
			at, least = i, s
		}
	}
	low, high = at, at
	if math.IsInf(least, 1) {
		return 0, 0, n
	}
	bound := least + likely*least/float64(n) + 1e-12
	for i := margin; i < n-margin; i++ {
		if squares(i) <= bound {
			low, high = min(low, i), max(high, i)
		}
	}
	return at, low, high
}

// spread is the sum of squares around the mean.
func spread(x []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, v := range x {
		sum += v
		squares += v * v
	}
	return max(0, squares-sum*sum/float64(len(x)))
}

// shift finds when the newest samples have changed their mean.
func (r *ring) shift() onset {
	var x [ringSize]float64
	for i := range r.n {
		_, x[r.n-1-i] = r.back(i)
	}
	at, low, high := shifted(x[:r.n])
	// A change lies between the last sample before it and the first behind it.
	time := func(i int) int64 {
		t, _ := r.back(r.n - 1 - i)
		return t
	}
	first, last := time(max(low-1, 0)), time(min(high, r.n-1))
	mid := (time(max(at-1, 0)) + time(at)) / 2
	return onset{mid, duration(max(mid-first, last-mid))}
}

func duration(ns int64) time.Duration { return max(time.Duration(ns), time.Second/2) }
