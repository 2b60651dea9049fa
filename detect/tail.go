package detect

import "math"

// The constants of the tail, from the simulation described in the package comment.
const (
	tailQuantile = 0.98
	tailAlpha    = 0.002 // memory of the excess moments: about 500 excesses
	tailWinsor   = 8     // an excess counts as at most so many mean excesses: an incident must not become ordinary
	gammaMin     = 0.1   // never believe a light tail; this is what keeps false alarms down
	gammaMax     = 0.5
	tailMin      = 120 // samples before it says anything
	tailFirst    = 5
	neverMoved   = 7.4 // as evidence: notable as a spike, an alert as a level
)

// tail models how far a residual usually goes: the excesses over its 98 % quantile follow a generalized Pareto distribution.
type tail struct {
	U     float64 // the quantile
	M, M2 float64 // first and second moment of the excesses
	N     int64
	First int64 // excesses before the moments were begun
}

// evidence returns −log10 of the probability of a residual as large as z, under the model, before learning from it.
func (t *tail) evidence(z float64) float64 {
	if t.N < tailMin || z <= t.U {
		return 0
	}
	if t.M <= 0 {
		return neverMoved // a metric that has never moved has no tail to compare with
	}
	v := t.M2 - t.M*t.M
	gamma := gammaMax
	if v > 0 {
		gamma = 0.5 * (1 - t.M*t.M/v)
	}
	gamma = min(max(gamma, gammaMin), gammaMax)
	sigma := t.M * (1 - gamma)
	return math.Log10(1+gamma*(z-t.U)/sigma)/gamma - math.Log10(1-tailQuantile)
}

func (t *tail) learn(z float64) {
	t.N++
	// Robbins–Monro: the step shrinks to a floor so that the estimate follows slow drift.
	step := max(1/float64(t.N), 0.0005) * max(t.U, 1)
	if z > t.U {
		t.U += step * tailQuantile
		y := z - t.U
		if y <= 0 {
			return
		}
		if t.M > 0 {
			y = min(y, tailWinsor*t.M)
		}
		alpha := max(tailAlpha, 1/float64(t.N))
		if t.M == 0 {
			// The first few do not count: of a metric that never moved before, they are the incident.
			if t.First++; t.First > tailFirst {
				t.M, t.M2 = y, 2*y*y
			}
			return
		}
		t.M += alpha * (y - t.M)
		t.M2 += alpha * (y*y - t.M2)
		return
	}
	t.U = max(0, t.U-step*(1-tailQuantile))
}
