package detect

import "time"

// Rule is a declared threshold, or a declared growth when Over is not zero.
type Rule struct {
	Above float64

	Factor float64
	Min    float64
	Over   time.Duration // at most two minutes: what the ring holds

	For      time.Duration
	Severity string
	Text     string
}

// ruleState counts how long a rule has held, and how long it has not since.
type ruleState struct {
	holdsSince int64
	held       int
	clear      int
	open       bool
}

const (
	// minHeld samples in a row are asked for even of a rule that holds at once: a single odd reading wakes nobody.
	minHeld = 3
	// clearAfter samples below the threshold close it, so that a value at the edge does not flap.
	clearAfter = 8
	// clearShare of the threshold is what counts as below.
	clearShare = 0.8
)

// step returns whether the rule has just opened or just cleared.
func (s *ruleState) step(r *Rule, ring *ring, at int64, x float64) (opened, cleared bool) {
	holds, below := r.holds(ring, x)
	switch {
	case holds:
		s.clear = 0
		if s.held == 0 {
			s.holdsSince = at
		}
		s.held++
		if !s.open && s.held >= minHeld && time.Duration(at-s.holdsSince) >= r.For {
			s.open = true
			return true, false
		}
	case s.open && below:
		s.held = 0
		s.clear++
		if s.clear >= clearAfter {
			s.open, s.clear = false, 0
			return false, true
		}
	default:
		s.held = 0
	}
	return false, false
}

func (r *Rule) holds(ring *ring, x float64) (holds, below bool) {
	if r.Over == 0 {
		return x > r.Above, x <= r.Above*clearShare
	}
	low, span := ring.lowest(r.Over)
	grown := x-low > r.Min && x >= r.Factor*low
	if !grown {
		return false, true
	}
	// It must still be at its highest: a value that has passed its peak is on its way home.
	_, before := ring.back(min(1, ring.n-1))
	return span >= 3*time.Second && x >= before, false
}
