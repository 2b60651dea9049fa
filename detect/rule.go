package detect

import "time"

// Rule is a declared threshold, or a declared growth when Over is not zero.
type Rule struct {
	Above float64

	Factor float64
	Min    float64
	Over   time.Duration // at most two minutes: what the ring holds
	Steady bool          // the growth must be as steady as that of a leak, and may then be smaller
	Rising bool          // it must go on: a step up, after which it stays there, is none
	While  func() bool   // it must say so too, when the rule would open; nil: nothing else is asked

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

	floor floor // of a rule that asks for a growth

	// Of one that asks for a growth that goes on.
	high   float64
	highAt int64
}

const (
	// minHeld samples in a row are asked for even of a rule that holds at once: a single odd reading wakes nobody.
	minHeld = 3
	// clearAfter samples below the threshold close it, so that a value at the edge does not flap.
	clearAfter = 8
	// clearShare of the threshold is what counts as below.
	clearShare = 0.8
	// minSpan is the least that must have been seen to call something a growth.
	minSpan = 3 * time.Second
	// A growth goes on while a new high comes within highWithin of the last, by a factor of newHigh. A heap that is made larger by its
	// collector does so in steps that are farther apart, and stays there until it is given back.
	newHigh    = 1.03
	highWithin = 6 * time.Second
)

// step returns whether the rule has just opened or just cleared.
func (s *ruleState) step(r *Rule, ring *ring, at int64, x float64) (opened, cleared bool) {
	holds, below := s.holds(r, ring, at, x)
	if r.Rising {
		holds = s.rises(holds, below, at, x)
	}
	switch {
	case holds:
		s.clear = 0
		if s.held == 0 {
			s.holdsSince = at
		}
		s.held++
		if !s.open && s.held >= minHeld && time.Duration(at-s.holdsSince) >= r.For && (r.While == nil || r.While()) {
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
	case !r.Rising || below:
		s.held = 0
	}
	return false, false
}

// rises says whether a value that has grown makes a new high, and forgets how often it did when it has not for a while.
func (s *ruleState) rises(grown, below bool, at int64, x float64) bool {
	if below {
		s.high = 0
		return false
	}
	if time.Duration(at-s.highAt) > highWithin {
		s.held = 0
	}
	if !grown || x < s.high*newHigh {
		return false
	}
	s.high, s.highAt = x, at
	return true
}

func (s *ruleState) holds(r *Rule, ring *ring, at int64, x float64) (holds, below bool) {
	if r.Over == 0 {
		return x > r.Above, x <= r.Above*clearShare
	}
	if r.Steady {
		return r.steady(ring, x)
	}
	low := s.floor.step(ring, r.Over, at, x)
	if x-low <= r.Min || x < r.Factor*low {
		return false, true
	}
	// It must still be at its highest: a value that has passed its peak is on its way home.
	_, before := ring.back(min(1, ring.n-1))
	return x >= before && ring.reaches(minSpan, r.Over), false
}

const (
	// steadyParts is how many parts of the window a steady growth must rise through, from floor to floor: a saw-tooth falls in one, a day's
	// course and a burst stand still in one.
	steadyParts = 6
	// steadyShare of the average rise is the least in each part: what fills to a bound rises less and less, a leak does not. An exponential
	// approach with a third of the window as its time constant never has so much in its last part.
	steadyShare = 0.5
)

// steady says whether the floors of the window's parts rise, each by about as much as the others.
func (r *Rule) steady(ring *ring, x float64) (holds, below bool) {
	// Most of the time a look at the oldest sample is enough.
	if _, old := ring.back(ring.n - 1); x-old <= r.Min || x < r.Factor*old {
		return false, true
	}
	var floors [steadyParts]float64 // the newest first
	var seen [steadyParts]bool
	newest, _ := ring.back(0)
	for i := range ring.n {
		at, v := ring.back(i)
		part := int(time.Duration(newest-at) * steadyParts / r.Over)
		if part >= steadyParts {
			break
		}
		if !seen[part] || v < floors[part] {
			floors[part], seen[part] = v, true
		}
	}
	last := steadyParts - 1
	rise := floors[0] - floors[last]
	for i := range last {
		if !seen[i] || !seen[i+1] || floors[i]-floors[i+1] < rise/float64(last)*steadyShare {
			return false, i == 0
		}
	}
	return rise > r.Min && floors[0] >= r.Factor*floors[last], rise <= 0
}
