package detect

import (
	"math"
	"slices"
)

// mannKendall is the standard score of Mann and Kendall's test for a trend: about 0 without one, without ties corrected for.
func mannKendall(x []float64) float64 {
	n := len(x)
	s := 0
	for i := range n {
		for j := i + 1; j < n; j++ {
			switch {
			case x[j] > x[i]:
				s++
			case x[j] < x[i]:
				s--
			}
		}
	}
	v := float64(n*(n-1)*(2*n+5)) / 18
	switch {
	case s > 0:
		return float64(s-1) / math.Sqrt(v)
	case s < 0:
		return float64(s+1) / math.Sqrt(v)
	}
	return 0
}

// maxTrend is the longest series that a slope is measured of.
const maxTrend = 36

// slopes gives Theil and Sen's slope of a series per step, the median of the slopes of all pairs, and the 10 % and 90 % quantiles of them.
func slopes(x []float64) (mid, low, high float64) {
	var all [maxTrend * (maxTrend - 1) / 2]float64
	n := 0
	for i := range x {
		for j := i + 1; j < len(x); j++ {
			all[n] = (x[j] - x[i]) / float64(j-i)
			n++
		}
	}
	if n == 0 {
		return 0, 0, 0
	}
	s := all[:n]
	slices.Sort(s)
	return s[n/2], s[n/10], s[n*9/10]
}
