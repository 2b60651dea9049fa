package detect

import (
	"math"
	"time"
)

// The constants of the spike layer: seconds, and samples at one a second.
const (
	fastMemory  = 30.0  // what a spike departs from
	scaleMemory = 600.0 // how much is usual
	scaleWinsor = 4.0   // a residual counts as at most so many times the usual one
	spikeWarm   = 600   // until so many samples the scale is a guess, and residuals in units of it are not learnt from
	spikeAfter  = time.Hour
	spikeLevel  = 600 // samples: what lasts so long is a level
)

var spikeLayer = layer{kind: KindSpike, notable: 6.5, alert: 7.5, rest: 10 * time.Minute, clear: clearAfter}

type spike struct {
	Samples, Fast, Scale float64
	Tail                 tail
	Scores               [5]float64
	Channel              channel
}

func (d *Detector) stepSpike(now int64, x float64) {
	s := &d.saved.Spike
	r := x - s.Fast
	z := standard(r, s.Scale, s.Fast)
	e := s.Tail.evidence(z)
	copy(s.Scores[1:], s.Scores[:])
	s.Scores[0] = e
	if !s.Channel.Open {
		s.Fast += r / fastMemory
		s.Samples++
		s.Scale = scaleStep(s.Scale, r, min(s.Samples, scaleMemory))
		if s.Samples > spikeWarm {
			s.Tail.learn(z)
		}
	}
	age := d.age(now)
	if age < spikeAfter {
		return
	}
	score := third(&s.Scores)
	d.score = max(d.score, score/spikeLayer.alert)
	d.tell(&s.Channel, &spikeLayer, score, now, x, s.Fast, onset{})
	if s.Channel.Open && s.Channel.Held > spikeLevel {
		s.Fast = x // the fast channel has to follow
	}
}

// standard is a residual in units of the usual one.
func standard(r, scale, around float64) float64 {
	if scale == 0 && r == 0 {
		return 0
	}
	return math.Abs(r) / (scale + 0.002*math.Abs(around) + 1e-12)
}

// scaleStep is one step of the mean absolute residual. A residual counts as at most a few times the scale, once there is one.
func scaleStep(scale, r, memory float64) float64 {
	r = math.Abs(r)
	if memory > 30 && scale > 0 {
		r = min(r, scaleWinsor*scale)
	}
	return scale + (r-scale)/memory
}

// third is the third largest of five: two odd readings are not enough.
func third(v *[5]float64) float64 {
	a, b, c := 0.0, 0.0, 0.0
	for _, x := range v {
		switch {
		case x > a:
			a, b, c = x, a, b
		case x > b:
			b, c = x, b
		case x > c:
			c = x
		}
	}
	return c
}
