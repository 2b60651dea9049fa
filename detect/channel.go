package detect

import (
	"math"
	"time"
)

// channel is what the statistical layers have in common: when a score opens a finding, when it becomes an alert, when it clears, and what is
// remembered of it.
type channel struct {
	Open, Alerted, Confirmed bool
	Held                     int64 // steps since it opened
	Clear                    int64 // steps in a row without a score
	Peak                     float64

	Ordinary   float64 // the largest score that was not confirmed, decaying
	OrdinaryAt int64
	Reported   float64 // the peak of the last report
	ReportedAt int64
}

// layer is how a statistical layer differs from the others.
type layer struct {
	kind           Kind
	notable, alert float64
	rest           time.Duration // a report is not repeated within it, unless it is larger
	clear          int64         // steps without a score that close it
}

const (
	memoryFactor   = 1.3
	memoryYoung    = 1.0 // more at the beginning
	memoryHalfLife = 48 * time.Hour
	alertAfter     = 24 * time.Hour
)

// remembered is the largest score that was not confirmed, as far as it counts today.
func (c *channel) remembered(now int64) float64 {
	if c.Ordinary == 0 {
		return 0
	}
	return c.Ordinary * math.Exp2(-float64(now-c.OrdinaryAt)/float64(memoryHalfLife))
}

// step takes a score and says what changed: told is true when a finding opened or became an alert.
func (c *channel) step(l *layer, b *Budget, score float64, now int64, age time.Duration) (told, alert, cleared bool) {
	if score <= l.notable {
		return false, false, c.fade(l, score, now)
	}
	// In the first days there is little to remember, and what there is may be the smaller half.
	least := (memoryFactor + memoryYoung*math.Exp(-float64(age)/float64(memoryHalfLife))) * c.remembered(now)
	if score <= least {
		return false, false, false
	}
	c.Clear = 0
	c.Held++
	c.Peak = max(c.Peak, score)
	if !c.Open && time.Duration(now-c.ReportedAt) < l.rest && score <= c.Reported {
		return false, false, false
	}
	if score > b.threshold(l.alert) && age >= alertAfter && !c.Alerted {
		c.Alerted, alert = true, true
		b.alarm()
	}
	told = !c.Open || alert
	c.Open = true
	if told {
		c.Reported, c.ReportedAt = score, now
	}
	return told, alert, false
}

// fade counts the steps without a score, and closes the finding after enough of them.
func (c *channel) fade(l *layer, score float64, now int64) (cleared bool) {
	if !c.Open || score > l.notable/2 {
		return false
	}
	if c.Clear++; c.Clear < l.clear {
		return false
	}
	c.close(now)
	return true
}

func (c *channel) close(now int64) {
	if !c.Confirmed {
		c.Ordinary, c.OrdinaryAt = max(c.remembered(now), c.Peak), now
	}
	c.Reported = max(c.Reported, c.Peak)
	c.Open, c.Alerted, c.Confirmed = false, false, false
	c.Held, c.Clear, c.Peak = 0, 0, 0
}
