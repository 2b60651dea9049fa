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
)

// Metric says what a detector watches. The zero value is a gauge without limit or rules.
type Metric struct {
	Counter bool    // samples only grow; their rate per second is watched
	Limit   float64 // a hard limit, 0 if there is none
	Quiet   bool    // rules and the limit only
	Rules   []Rule
}

// Change is what a step tells: a finding opened, or one cleared.
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
}

// The constants of spike and level; see the package comment.
const (
	fastMemory  = 30.0  // seconds: what a spike departs from
	scaleMemory = 600.0 // seconds: how much is usual
	scaleWinsor = 4.0
	// Until so many samples the scale is a guess, and residuals in units of it are not learnt from.
	spikeWarm, levelWarm = 600, 20

	spikeNotable, spikeAlert = 6.5, 7.5
	levelNotable, levelAlert = 3.5, 4.5

	spikeAfter = time.Hour
	levelAfter = 3 * time.Hour
	alertAfter = 24 * time.Hour

	levelMemory = 360.0 // minutes

	limitNear = 0.95
	limitTTE  = 2 * time.Hour

	// maxGap without samples, or a clock that went back, ends the short memory: the target or the engine was away.
	maxGap = 30 * time.Second
)

// Detector watches one metric. It is not safe for concurrent use.
type Detector struct {
	metric Metric
	rules  []ruleState
	ring   ring
	out    []Change

	started, last int64
	prev          float64 // of a counter
	seen          bool

	slow float64 // EWMA of some minutes, what was ordinary before the last of them

	samples     float64
	fast, scale float64
	spikeTail   tail
	spikes      [5]float64
	spike       ruleState

	minute      int64
	sum         float64
	count       int
	base, baseS float64
	minutes     int
	levelTail   tail
	levels      [7]float64
	level       ruleState

	limit ruleState
}

// New returns a detector for the metric.
func New(m Metric) *Detector {
	return &Detector{metric: m, rules: make([]ruleState, len(m.Rules)), out: make([]Change, 0, len(m.Rules)+3)}
}

// Step takes one sample and returns what changed, nothing most of the time. The result is valid until the next step.
func (d *Detector) Step(at time.Time, x float64) []Change {
	d.out = d.out[:0]
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return d.out
	}
	now := at.UnixNano()
	gap := d.seen && (now <= d.last || time.Duration(now-d.last) > maxGap)
	if gap {
		d.ring.reset()
	}
	if d.metric.Counter {
		dt, dx := float64(now-d.last)/1e9, x-d.prev
		first := !d.seen || gap || dx < 0 // a counter that went back: the target restarted
		d.prev = x
		if first {
			d.seen, d.last = true, now
			if d.started == 0 {
				d.started = now
			}
			return d.out
		}
		x = dx / dt
	}
	if !d.seen {
		d.seen, d.started = true, now
		d.slow, d.fast = x, x
	}
	dt := min(max(float64(now-d.last)/1e9, 0.1), maxGap.Seconds())
	if d.last == 0 || gap {
		dt = 1
	}
	d.last = now
	d.ring.push(now, x)

	d.stepRules(now, x)
	d.stepLimit(now, x)
	if !d.metric.Quiet {
		d.stepSpike(now, x)
		d.stepLevel(now, x)
	}
	// What an open finding contains must not become ordinary.
	if !d.open() {
		d.slow += (x - d.slow) * min(1, dt/120)
	}
	return d.out
}

func (d *Detector) open() bool {
	for i := range d.rules {
		if d.rules[i].open {
			return true
		}
	}
	return d.limit.open || d.spike.open || d.level.open
}

// Ordinary is the value that the metric had before what is open now.
func (d *Detector) Ordinary() float64 { return d.slow }

// Rate is the change per second over the last ten seconds.
func (d *Detector) Rate() float64 {
	if d.ring.n < 2 {
		return 0
	}
	return d.ring.slope(10 * time.Second)
}

func (d *Detector) stepRules(now int64, x float64) {
	for i := range d.rules {
		r := &d.metric.Rules[i]
		opened, cleared := d.rules[i].step(r, &d.ring, now, x)
		if !opened && !cleared {
			continue
		}
		c := Change{Kind: KindRule, Rule: i, Cleared: cleared, Alert: true, Limit: r.Above}
		ordinary := d.ring.typical(d.slow)
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

func (d *Detector) stepLimit(now int64, x float64) {
	limit := d.metric.Limit
	if limit <= 0 {
		return
	}
	rate := d.Rate()
	near := x > limitNear*limit
	tte := math.Inf(1)
	if rate > 0 && d.ring.n >= 60 {
		tte = (limit - x) / d.ring.slope(time.Minute)
	}
	soon := x > 0.3*limit && tte > 0 && tte < limitTTE.Seconds()
	r := Rule{Above: 0.5, For: 5 * time.Second}
	holds := 0.0
	if near || soon {
		holds = 1
	}
	opened, cleared := d.limit.step(&r, &d.ring, now, holds)
	if opened || cleared {
		d.emit(Change{Kind: KindLimit, Cleared: cleared, Alert: true, Limit: limit, Score: x / limit}, x, d.slow)
	}
}

func (d *Detector) stepSpike(now int64, x float64) {
	r := x - d.fast
	z := math.Abs(r) / (d.scale + 0.002*math.Abs(d.fast) + 1e-12)
	if d.scale == 0 && r == 0 {
		z = 0
	}
	e := d.spikeTail.evidence(z)
	copy(d.spikes[1:], d.spikes[:])
	d.spikes[0] = e
	if !d.spike.open {
		d.fast += r / fastMemory
		d.samples++
		d.scale = scaleStep(d.scale, r, min(d.samples, scaleMemory))
		if d.samples > spikeWarm {
			d.spikeTail.learn(z)
		}
	}
	age := time.Duration(now - d.started)
	if age < spikeAfter {
		return
	}
	score := largest(d.spikes[:], 3)
	d.tell(&d.spike, KindSpike, score, spikeNotable, spikeAlert, now, x, d.fast)
	if d.spike.open && d.spike.held > 600 {
		// Ten minutes: it is a level now, and the fast channel has to follow.
		d.fast = x
	}
}

func (d *Detector) stepLevel(now int64, x float64) {
	minute := now / int64(time.Minute)
	if minute == d.minute || d.count == 0 {
		d.minute, d.sum, d.count = minute, d.sum+x, d.count+1
		return
	}
	mean := d.sum / float64(d.count)
	d.minute, d.sum, d.count = minute, x, 1
	if d.minutes == 0 {
		d.base = mean
	}
	d.minutes++
	r := mean - d.base
	z := math.Abs(r) / (d.baseS + 0.002*math.Abs(d.base) + 1e-12)
	if d.baseS == 0 && r == 0 {
		z = 0
	}
	e := d.levelTail.evidence(z)
	copy(d.levels[1:], d.levels[:])
	d.levels[0] = e
	if !d.level.open {
		memory := min(float64(d.minutes), levelMemory)
		step := r
		if d.baseS > 0 {
			step = math.Copysign(min(math.Abs(r), 5*d.baseS), r)
		}
		d.base += step / memory
		d.baseS = scaleStep(d.baseS, r, memory)
		if d.minutes > levelWarm {
			d.levelTail.learn(z)
		}
	}
	if time.Duration(now-d.started) < levelAfter {
		return
	}
	d.tell(&d.level, KindLevel, largest(d.levels[:], 5), levelNotable, levelAlert, now, x, d.base)
	if d.level.open && d.level.held > 6*60 {
		// Six hours at the new level: that is what is ordinary now.
		d.base, d.level.open = mean, false
		d.emit(Change{Kind: KindLevel, Cleared: true}, x, d.base)
	}
}

// scaleStep is one step of the mean absolute residual. A residual counts as at most a few times the scale, once there is one.
func scaleStep(scale, r, memory float64) float64 {
	r = math.Abs(r)
	if memory > 30 && scale > 0 {
		r = min(r, scaleWinsor*scale)
	}
	return scale + (r-scale)/memory
}

// tell opens a channel at its score's threshold and clears it when the score is back at zero for some samples.
func (d *Detector) tell(s *ruleState, kind Kind, score, notable, alert float64, now int64, x, ordinary float64) {
	tier := score > alert && time.Duration(now-d.started) >= alertAfter
	if score > notable {
		s.clear = 0
		s.held++
		if !s.open {
			s.open = true
			d.emit(Change{Kind: kind, Alert: tier, Score: score}, x, ordinary)
		}
		return
	}
	if s.open && score == 0 {
		s.clear++
		if s.clear >= clearAfter {
			s.open, s.clear, s.held = false, 0, 0
			d.emit(Change{Kind: kind, Cleared: true}, x, ordinary)
		}
	}
}

func (d *Detector) emit(c Change, x, ordinary float64) {
	c.Value, c.Ordinary, c.Rate = x, ordinary, d.Rate()
	c.Onset, c.Uncertainty = d.ring.onset(ordinary)
	d.out = append(d.out, c)
}

// largest returns the k-th largest of at most eight values.
func largest(values []float64, k int) float64 {
	var sorted [8]float64
	n := 0
	for _, v := range values {
		i := n
		for i > 0 && sorted[i-1] < v {
			sorted[i] = sorted[i-1]
			i--
		}
		sorted[i] = v
		n++
	}
	return sorted[k-1]
}
