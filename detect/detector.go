package detect

import (
	"math"
	"time"
)

// Kind is how a finding came about. The values are those of the vocabulary's finding kinds.
type Kind string

// The kinds.
const (
	KindRule   Kind = "rule"
	KindGrowth Kind = "growth"
	KindLimit  Kind = "limit"
	KindSpike  Kind = "spike"
	KindLevel  Kind = "level"
	KindFlat   Kind = "flat"
	KindLeak   Kind = "leak"
)

// Metric says what a detector watches. The zero value is a gauge without limit or rules.
type Metric struct {
	Counter bool    // samples only grow; their rate per second is watched
	Limit   float64 // a hard limit, 0 if there is none
	Quiet   bool    // rules and the limit only
	Rules   []Rule
	Budget  *Budget // shared with others; nil: the thresholds are the constants
}

// Change is what a step tells: a finding opened or became an alert, or one cleared.
type Change struct {
	Kind        Kind
	Rule        int  // index of the rule, for rules and growths
	Cleared     bool // else opened
	Alert       bool // else only notable
	Value       float64
	Ordinary    float64
	Limit       float64
	Rate        float64 // per second
	Score       float64
	Onset       time.Time
	Uncertainty time.Duration

	// When the limit will be reached, if it will: by the trend, by the steepest and by the flattest that is plausible.
	In, InLow, InHigh time.Duration
}

// maxGap without samples, or a clock that went back, ends the short memory: the target or the engine was away.
const maxGap = 30 * time.Second

// Detector watches one metric. It is not safe for concurrent use.
type Detector struct {
	metric Metric
	rules  []ruleState
	limit  ruleState
	ring   ring
	saved  saved
	out    []Change

	score, slowScore float64 // of the last sample and of the last minute; 1 is an alert
}

// saved is what outlives a restart. It has a fixed size: see [Detector.Save].
type saved struct {
	Started, Last int64
	Prev          float64 // of a counter
	Seen          bool
	Slow          float64 // mean of some minutes, what was ordinary before the last of them
	Spike         spike
	Minute        minute
	Level         level
	Flat          flat
	Leak          leak
	Trend         trend
}

// New returns a detector for the metric.
func New(m Metric) *Detector {
	return &Detector{metric: m, rules: make([]ruleState, len(m.Rules)), out: make([]Change, 0, len(m.Rules)+5)}
}

// Step takes one sample and returns what changed, nothing most of the time. The result is valid until the next step.
func (d *Detector) Step(at time.Time, x float64) []Change {
	d.out = d.out[:0]
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return d.out
	}
	s := &d.saved
	now := at.UnixNano()
	gap := s.Seen && (now <= s.Last || time.Duration(now-s.Last) > maxGap)
	if gap {
		d.ring.reset()
		for i := range d.rules {
			d.rules[i].floor = floor{}
		}
		s.Minute.Count, s.Trend.Count = 0, 0
	}
	if d.metric.Counter {
		dt, dx := float64(now-s.Last)/1e9, x-s.Prev
		first := !s.Seen || gap || dx < 0 // a counter that went back: the target restarted
		s.Prev = x
		if first {
			s.Seen, s.Last = true, now
			if s.Started == 0 {
				s.Started = now
			}
			return d.out
		}
		x = dx / dt
	}
	dt := 1.0
	if s.Seen && !gap {
		dt = min(max(float64(now-s.Last)/1e9, 0.1), maxGap.Seconds())
	}
	if s.Started == 0 {
		s.Started = now
	}
	if d.ring.n == 0 && s.Spike.Samples == 0 {
		s.Slow, s.Spike.Fast = x, x
	}
	s.Seen, s.Last = true, now
	d.ring.push(now, x)
	d.metric.Budget.step()

	d.score = d.slowScore
	d.stepRules(now, x)
	d.stepLimit(now, x)
	if !d.metric.Quiet {
		d.stepSpike(now, x)
		d.stepMinutes(now, x)
	} else if d.metric.Limit > 0 {
		d.quietMinute(now, x)
	}
	// What an open finding contains must not become ordinary.
	if !d.open() {
		s.Slow += (x - s.Slow) * min(1, dt/120)
	}
	return d.out
}

// quietMinute feeds the trend of a metric whose other layers are off.
func (d *Detector) quietMinute(now int64, x float64) {
	m := &d.saved.Minute
	index := now / int64(time.Minute)
	if index == m.Index && m.Count > 0 {
		m.add(x, false)
		return
	}
	if m.Count > 0 {
		d.stepTrend(now, x, m.mean())
	}
	m.begin(index, x, false)
}

// age is how long the metric has been watched. Nothing is asked of a sample's time zone or of the clock.
func (d *Detector) age(now int64) time.Duration { return time.Duration(now - d.saved.Started) }

func (d *Detector) open() bool {
	s := &d.saved
	return d.Holds() || d.limit.open || s.Spike.Channel.Open || s.Level.Channel.Open || s.Leak.Channel.Open
}

// Holds says whether a rule of the metric is open.
func (d *Detector) Holds() bool {
	for i := range d.rules {
		if d.rules[i].open {
			return true
		}
	}
	return false
}

// Ordinary is the value that the metric had before what is open now.
func (d *Detector) Ordinary() float64 { return d.saved.Slow }

// Rate is the change per second over the last ten seconds.
func (d *Detector) Rate() float64 {
	if d.ring.n < 2 {
		return 0
	}
	return d.ring.slope(10 * time.Second)
}

// Score is how far out the newest sample is, 0 to 1; at 1 there is an alert, or would be after the first day.
func (d *Detector) Score() float64 { return min(d.score, 1) }

// Confirm says that what is open now is an incident: something else shows it too. It is then not remembered as what the metric does anyway.
func (d *Detector) Confirm() {
	s := &d.saved
	for _, c := range []*channel{&s.Spike.Channel, &s.Level.Channel, &s.Flat.Channel, &s.Leak.Channel} {
		c.Confirmed = c.Confirmed || c.Open
	}
}

func (d *Detector) stepRules(now int64, x float64) {
	for i := range d.rules {
		r := &d.metric.Rules[i]
		opened, cleared := d.rules[i].step(r, &d.ring, now, x)
		if d.rules[i].open {
			d.score = 1
		}
		if !opened && !cleared {
			continue
		}
		c := Change{Kind: KindRule, Rule: i, Cleared: cleared, Alert: true, Limit: r.Above}
		ordinary := d.ring.typical(d.saved.Slow)
		if r.Over > 0 {
			c.Kind, c.Limit = KindGrowth, 0
			ordinary, _ = d.ring.lowest(r.Over)
			c.Score = (x - ordinary) / r.Min
		} else if r.Above != 0 {
			c.Score = x / r.Above
			ordinary = min(ordinary, r.Above)
		}
		d.emit(c, x, ordinary)
	}
}

// onset is when something began, within ± some time. The zero value: look for it in the samples that are kept in full.
type onset struct {
	at     int64
	unsure time.Duration
}

// tell gives a score to its channel and passes on what changed.
func (d *Detector) tell(c *channel, l *layer, score float64, now int64, x, ordinary float64, began onset) {
	told, alert, cleared := c.step(l, d.metric.Budget, score, now, d.age(now))
	if told || cleared {
		change := Change{Kind: l.kind, Cleared: cleared, Alert: alert, Score: score}
		if began.at != 0 {
			change.Onset, change.Uncertainty = time.Unix(0, began.at), began.unsure
		}
		d.emit(change, x, ordinary)
	}
}

func (d *Detector) emit(c Change, x, ordinary float64) {
	c.Value, c.Ordinary, c.Rate = x, ordinary, d.Rate()
	if c.Onset.IsZero() {
		c.Onset, c.Uncertainty = d.ring.onset(ordinary)
	}
	d.out = append(d.out, c)
}
