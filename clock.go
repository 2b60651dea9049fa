package beamlens

import (
	"context"
	"time"
)

// Clock gives the parts of an engine their times and ids. A replay has its own, so that the same recording gives the same bytes.
type Clock interface {
	Now() time.Time                                   // in UTC
	NewID() string                                    // 16 hexadecimal digits
	NewTraceID() string                               // 32 hexadecimal digits
	Sleep(ctx context.Context, d time.Duration) error // returns early, with ctx's error, when ctx ends
}

// MachineClock is the machine's time, and random ids.
type MachineClock struct{}

// Now is the time now, in UTC.
func (MachineClock) Now() time.Time { return time.Now().UTC() }

// NewID returns a random id.
func (MachineClock) NewID() string { return NewID() }

// NewTraceID returns a random id.
func (MachineClock) NewTraceID() string { return NewTraceID() }

// Sleep waits.
func (MachineClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
