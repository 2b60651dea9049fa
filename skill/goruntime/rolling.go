package goruntime

import "time"

// rolling counts what happened in the last minute, in slots of five seconds. Its user guards it.
type rolling struct {
	slots [rollingSlots]uint32
	last  int64 // the slot that is being filled, since 1970
}

const (
	rollingSlots = 12
	slotSeconds  = 5
)

func slotOf(at time.Time) int64 { return at.Unix() / slotSeconds }

func (r *rolling) turn(slot int64) {
	for r.last < slot {
		if slot-r.last > rollingSlots {
			r.last = slot - rollingSlots
		}
		r.last++
		r.slots[r.last%rollingSlots] = 0
	}
}

func (r *rolling) add(at time.Time) {
	slot := slotOf(at)
	r.turn(slot)
	r.slots[slot%rollingSlots]++
}

func (r *rolling) sum(at time.Time) int {
	r.turn(slotOf(at))
	n := 0
	for _, s := range r.slots {
		n += int(s)
	}
	return n
}
