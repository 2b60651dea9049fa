package detect

import (
	"math/bits"
	"time"
)

// The constants of the flat layer: minutes.
const (
	flatMemory = 720.0 // what is usual
	flatAfter  = 12 * time.Hour
	flatUsual  = 0.98 // of the minutes it moved
	flatRecent = 6
	flatStill  = 1 // of the recent minutes it moved at most in so many
)

// A metric that stands still has no score: it stands still or it does not. The numbers make that one and nothing else.
var flatLayer = layer{kind: KindFlat, notable: 1, alert: 1.5, rest: 6 * time.Hour, clear: 3}

type flat struct {
	Minutes float64
	Share   float64 // of minutes in which it moved
	Recent  uint8   // a bit for each recent minute
	Channel channel
}

func (d *Detector) stepFlat(now int64, x float64, moved bool) {
	f := &d.saved.Flat
	f.Minutes++
	f.Recent <<= 1
	v := 0.0
	if moved {
		f.Recent |= 1
		v = 1
	}
	if !f.Channel.Open {
		f.Share += (v - f.Share) / min(f.Minutes, flatMemory)
	}
	if d.age(now) < flatAfter {
		return
	}
	n := 0
	for i := range flatRecent {
		n += int(f.Recent >> i & 1)
	}
	score := 0.0
	if n <= flatStill && (f.Channel.Open || f.Share > flatUsual) {
		score = 2
	}
	// It is no matter of how much: what was not confirmed does not make the next one wait.
	f.Channel.Ordinary = 0
	still := bits.TrailingZeros8(f.Recent) // minutes since it last moved; 8: longer
	began := onset{now - int64(still)*int64(time.Minute), time.Minute}
	d.tell(&f.Channel, &flatLayer, score, now, x, d.saved.Slow, began)
}
