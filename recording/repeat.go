package recording

import (
	"time"
)

// Repeat gives a recording that goes on with itself until it is so long: hours from the minutes that were recorded. What is counted begins anew with every
// round, as if the target had been restarted. The data is shared with the original.
func (r *Recording) Repeat(long time.Duration) *Recording {
	out := &Recording{Header: r.Header}
	if len(r.Samples) == 0 {
		return out
	}
	round := r.Samples[len(r.Samples)-1].CapturedAt.Sub(r.Samples[0].CapturedAt) + time.Second
	for shift := time.Duration(0); shift < long; shift += round {
		for _, s := range r.Samples {
			s.CapturedAt = s.CapturedAt.Add(shift)
			out.Samples = append(out.Samples, s)
		}
		for _, c := range r.Calls {
			c.At = c.At.Add(shift)
			out.Calls = append(out.Calls, c)
		}
	}
	return out
}
