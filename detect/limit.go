package detect

import (
	"math"
	"time"
)

// The constants of the limit layer.
const (
	limitNear  = 0.95
	limitShare = 0.3 // below this share of the limit there is time
	limitSlow  = 2 * time.Hour
	limitFast  = 15 * time.Minute
	trendKept  = 30 // minutes
	limitTrend = 5.0
)

// trend holds the means of the last half hour.
type trend struct {
	Means [trendKept]float32 // newest last
	Count int64
	Soon  bool // the limit is reached within two hours at the trend of them
	// Seconds until then: by the middle slope, the steepest and the flattest that are plausible.
	In, InLow, InHigh float64
}

// stepTrend looks at the trend of the last half hour once a minute.
func (d *Detector) stepTrend(_ int64, x, mean float64) {
	limit := d.metric.Limit
	if limit <= 0 {
		return
	}
	t := &d.saved.Trend
	copy(t.Means[:], t.Means[1:])
	t.Means[trendKept-1] = float32(mean)
	t.Count++
	t.Soon = false
	if t.Count < trendKept || x <= limitShare*limit {
		return
	}
	var means [trendKept]float64
	for i, m := range t.Means {
		means[i] = float64(m)
	}
	if mannKendall(means[:]) < limitTrend {
		return
	}
	mid, low, high := slopes(means[:])
	in := until(x, limit, mid/60)
	if in < limitSlow.Seconds() {
		t.Soon, t.In, t.InLow, t.InHigh = true, in, until(x, limit, high/60), until(x, limit, low/60)
	}
}

// until is how many seconds x takes to the limit at a rate per second.
func until(x, limit, rate float64) float64 {
	switch {
	case x >= limit:
		return 0
	case rate <= 0:
		return math.Inf(1)
	}
	return (limit - x) / rate
}

func (d *Detector) stepLimit(now int64, x float64) {
	limit := d.metric.Limit
	if limit <= 0 {
		return
	}
	holds := 0.0
	in, low, high := d.fast(x, limit)
	if t := &d.saved.Trend; in > limitFast.Seconds() && t.Soon {
		in, low, high = t.In, t.InLow, t.InHigh
	}
	// The fuller it is, the longer before: what starts up fills a third of many a thing in a minute.
	share := x / limit
	if x > limitNear*limit || x > limitShare*limit && (in < limitFast.Seconds()*share*share || d.saved.Trend.Soon) {
		holds = 1
	}
	d.score = max(d.score, holds)
	r := Rule{Above: 0.5, For: 5 * time.Second}
	opened, cleared := d.limit.step(&r, &d.ring, now, holds)
	if opened || cleared {
		c := Change{Kind: KindLimit, Cleared: cleared, Alert: true, Limit: limit, Score: x / limit}
		if opened && !math.IsInf(in, 1) {
			c.In, c.InLow, c.InHigh = seconds(in), seconds(low), seconds(high)
		}
		d.emit(c, x, d.saved.Slow)
	}
}

// seconds as a duration; what takes longer than a year takes a year.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, 365*24*3600) * float64(time.Second))
}

// fast is the time to the limit at the rate of the last minute, when each quarter of that minute rose: by the whole minute, the steepest and
// the flattest quarter.
func (d *Detector) fast(x, limit float64) (in, low, high float64) {
	never := math.Inf(1)
	if x <= limitShare*limit || d.ring.n < 60 {
		return never, never, never
	}
	const quarters = 4
	newest, value := d.ring.back(0)
	steepest, flattest := 0.0, never
	at, v := newest, value
	for i := 1; i <= quarters; i++ {
		before, w := d.ring.back(i*60/quarters - 1)
		dt := float64(at-before) / 1e9
		if dt <= 0 || v <= w {
			return never, never, never
		}
		rate := (v - w) / dt
		steepest, flattest = max(steepest, rate), min(flattest, rate)
		at, v = before, w
	}
	return until(x, limit, (value-v)/(float64(newest-at)/1e9)), until(x, limit, steepest), until(x, limit, flattest)
}
