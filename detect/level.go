package detect

import (
	"math"
	"time"
)

// The constants of the level layer: minutes.
const (
	levelMemory = 360.0 // what a level departs from
	levelWarm   = 20
	levelAfter  = 3 * time.Hour
	levelOld    = 6 * 60 // what lasts so long is ordinary now
	levelWinsor = 5

	logAfter     = 120 // minutes, then it is decided whether the scale is logarithmic
	logVariation = 0.7

	halfHours    = 48
	seasonDays   = 5.0 // memory of each half hour of the day
	seasonMin    = 3   // days that must have been seen
	seasonBetter = 0.8 // it is used when its error is below this share of the plain one's
	errorMemory  = 1440.0
	levelRecent  = 16 // minutes in which its beginning is looked for
)

var levelLayer = layer{kind: KindLevel, notable: 3.5, alert: 5, rest: time.Hour, clear: 8}

type level struct {
	Minutes    float64
	Base       float64
	Scale      float64
	Tail       tail
	Scores     [7]float64
	Channel    channel
	Recent     [levelRecent]float32 // means of minutes, newest last
	Variation  float64              // mean, until it is decided
	Log        bool                 // values are log1p
	Season     season
	SeasonUsed bool
}

// season is the mean of each half hour of the day (UTC).
type season struct {
	Mean         [halfHours]float32
	Days         [halfHours]uint8
	Half         int64 // the half hour that is being collected
	Sum          float64
	Count        int64
	ErrorPlain   float64
	ErrorSeason  float64
	Scale        float64
	Comparisons  float64
	SeasonalTail tail
}

func (d *Detector) stepLevel(now int64, x float64, m *minute) {
	l := &d.saved.Level
	mean := m.mean()
	if l.Log {
		mean = m.SumLog / float64(m.Count)
	}
	if l.Minutes == 0 {
		l.Base = mean
	}
	l.Minutes++
	if d.decideScale(l, m) {
		return
	}
	expected, seasonal, known := l.Season.expect(m.Index, l.Base)
	if !l.Channel.Open {
		l.Season.compare(mean, l.Base, expected, known)
	}
	l.SeasonUsed = seasonal
	// Both ways of telling what is ordinary learn all the time, so that either can be taken.
	zPlain := standard(mean-l.Base, l.Scale, l.Base)
	z, tail := zPlain, &l.Tail
	if seasonal {
		z, tail = standard(mean-expected, l.Season.Scale, expected), &l.Season.SeasonalTail
	}
	e := tail.evidence(z)
	copy(l.Scores[1:], l.Scores[:])
	l.Scores[0] = e
	copy(l.Recent[:], l.Recent[1:])
	l.Recent[levelRecent-1] = float32(mean)
	if !l.Channel.Open {
		d.learnLevel(l, mean, expected, zPlain, known)
	}
	// A season is found only if what looks like a shift on the first days is learnt; what was confirmed as an incident is not.
	l.Season.collect(m.Index, mean, l.Channel.Open && l.Channel.Confirmed)
	if d.age(now) < levelAfter {
		return
	}
	score := fifth(&l.Scores)
	d.slowScore = score / levelLayer.alert
	ordinary := l.Base
	if seasonal {
		ordinary = expected
	}
	if l.Log {
		ordinary = math.Expm1(ordinary)
	}
	var began onset
	if score > levelLayer.notable && !l.Channel.Open {
		if began = l.since(m); d.ring.n > 0 {
			if oldest, _ := d.ring.back(d.ring.n - 1); began.at > oldest+int64(time.Minute) {
				began = d.ring.shift() // to the second
			}
		}
	}
	d.tell(&l.Channel, &levelLayer, score, now, x, ordinary, began)
	if l.Channel.Open && l.Channel.Held > levelOld {
		l.Base = mean
		l.Channel.Confirmed = true // what came to stay is no false alarm
		l.Channel.close(now)
		d.emit(Change{Kind: KindLevel, Cleared: true}, x, ordinary)
	}
}

// since finds in which of the recent minutes the mean has changed.
func (l *level) since(m *minute) onset {
	var x [levelRecent]float64
	for i, v := range l.Recent {
		x[i] = float64(v)
	}
	n := int(min(l.Minutes, levelRecent))
	at, low, high := shifted(x[levelRecent-n:])
	minutes := func(i int) int64 { return (m.Index - int64(n-1-i)) * int64(time.Minute) }
	began := minutes(at)
	return onset{began, duration(max(began-minutes(low-1), minutes(high+1)-began))}
}

// decideScale says whether the minutes so far were thrown away because the scale has become logarithmic.
func (d *Detector) decideScale(l *level, m *minute) bool {
	if l.Log || l.Minutes > logAfter {
		return false
	}
	l.Variation += (m.variation() - l.Variation) / l.Minutes
	if l.Minutes < logAfter || l.Variation < logVariation || m.Low < 0 {
		return false
	}
	*l = level{Log: true}
	return true
}

func (d *Detector) learnLevel(l *level, mean, expected, zPlain float64, known bool) {
	r := mean - l.Base
	memory := min(l.Minutes, levelMemory)
	step := r
	if l.Scale > 0 {
		step = math.Copysign(min(math.Abs(r), levelWinsor*l.Scale), r)
	}
	l.Base += step / memory
	l.Scale = scaleStep(l.Scale, r, memory)
	if l.Minutes > levelWarm {
		l.Tail.learn(zPlain)
	}
	if known {
		s := &l.Season
		s.Scale = scaleStep(s.Scale, mean-expected, min(s.Comparisons, levelMemory))
		if s.Comparisons > levelWarm {
			s.SeasonalTail.learn(standard(mean-expected, s.Scale, expected))
		}
	}
}

// expect gives what is ordinary at this minute. Known says whether this half hour has been seen on enough days, seasonal whether that
// explains the metric better than its past.
func (s *season) expect(minute int64, base float64) (expected float64, seasonal, known bool) {
	half := halfOfDay(minute / 30)
	if s.Days[half] < seasonMin {
		return base, false, false
	}
	return float64(s.Mean[half]), s.Comparisons > halfHours*30/2 && s.ErrorSeason < seasonBetter*s.ErrorPlain, true
}

func (s *season) compare(mean, base, expected float64, known bool) {
	if !known {
		return
	}
	s.Comparisons++
	memory := min(s.Comparisons, errorMemory)
	s.ErrorPlain += (math.Abs(mean-base) - s.ErrorPlain) / memory
	s.ErrorSeason += (math.Abs(mean-expected) - s.ErrorSeason) / memory
}

// collect adds a minute to its half hour, unless it is part of an incident.
func (s *season) collect(minute int64, mean float64, incident bool) {
	half := minute / 30
	if half != s.Half {
		if s.Count > 15 {
			i := halfOfDay(s.Half)
			if s.Days[i] < 255 {
				s.Days[i]++
			}
			s.Mean[i] += (float32(s.Sum/float64(s.Count)) - s.Mean[i]) / float32(min(float64(s.Days[i]), seasonDays))
		}
		s.Half, s.Sum, s.Count = half, 0, 0
	}
	if !incident {
		s.Sum += mean
		s.Count++
	}
}

// halfOfDay is which of a day's half hours it is, before 1970 too: that is where a clock may jump to.
func halfOfDay(half int64) int { return int((half%halfHours + halfHours) % halfHours) }

// fifth is the fifth largest of seven.
func fifth(v *[7]float64) float64 {
	sorted := *v
	for i := 1; i < len(sorted); i++ {
		for j := i; j > 0 && sorted[j] > sorted[j-1]; j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	return sorted[4]
}
