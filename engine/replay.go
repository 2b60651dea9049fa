package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/beamlens/beamlens-go/recording"
)

// afterwards is how long a replay goes on behind the last sample, so that what was found there is looked at too.
const afterwards = 10 * time.Second

// Replay runs an engine over a recording, in the recording's own time, as fast as it can, and returns it when it has come to the end. The skills of
// the options are those as declared; what they read comes from the recording. Everything happens in one goroutine, with ids that are
// counted: the same recording, options and model give the same alerts and insights, byte for byte.
func Replay(ctx context.Context, rec *recording.Recording, o Options) (*Engine, error) {
	if len(rec.Samples) == 0 {
		return nil, errors.New("engine: the recording has no samples")
	}
	clock := &replayClock{now: rec.Samples[0].CapturedAt}
	o.Target, o.Clock, o.Work = rec.Target, clock, nil
	o.Skills = rec.Answering(o.Skills, clock.Now)
	e, err := New(o)
	if err != nil {
		return nil, err
	}
	r := &replay{Engine: e, clock: clock}
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	for _, s := range rec.Samples {
		if err := r.until(ctx, s.CapturedAt); err != nil {
			return nil, err
		}
		if w := e.skill(s.Skill); w != nil {
			s.ID = clock.NewID()
			w.watch.Feed(ctx, s)
		}
	}
	return e, r.until(ctx, clock.Now().Add(afterwards))
}

// replay makes the steps of an engine's parts when they are due.
type replay struct {
	*Engine
	clock *replayClock
	parts []*player
}

// player is an operator or the coordinator.
type player struct {
	step func(context.Context) (time.Time, error)
	due  func() time.Time // what came from outside makes due; zero: nothing did
	next time.Time
}

func (p *player) at() time.Time {
	if d := p.due(); !d.IsZero() && d.Before(p.next) {
		return d
	}
	return p.next
}

func (r *replay) begin(ctx context.Context) error {
	for _, o := range r.working() {
		if err := o.Begin(ctx); err != nil {
			return err
		}
		r.parts = append(r.parts, &player{step: o.Step, due: o.Due, next: r.clock.Now()})
	}
	if err := r.coordinator.Begin(ctx); err != nil {
		return err
	}
	r.parts = append(r.parts, &player{step: r.coordinator.Step, due: r.coordinator.Due, next: r.clock.Now()})
	return nil
}

// until makes all steps that are due before a time, in their order, and sets the clock to it.
func (r *replay) until(ctx context.Context, end time.Time) error {
	for {
		first := r.parts[0]
		for _, p := range r.parts[1:] {
			if p.at().Before(first.at()) {
				first = p
			}
		}
		if !first.at().Before(end) {
			r.clock.set(end)
			return ctx.Err()
		}
		r.clock.set(first.at())
		next, err := first.step(ctx)
		if err != nil {
			return err
		}
		// What is due at once is due a little later: time goes on.
		if first.next = next; !next.After(r.clock.Now()) {
			first.next = r.clock.Now().Add(time.Millisecond)
		}
	}
}

// replayClock stands still until it is set. Its ids are counted.
type replayClock struct {
	mu  sync.Mutex // guards what follows: a model's turn is a goroutine of its own
	now time.Time
	n   uint64
}

func (c *replayClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now = t
	}
}

// Now is the time of the replay.
func (c *replayClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// NewID is the next id.
func (c *replayClock) NewID() string { return c.id(8) }

// NewTraceID is the next id.
func (c *replayClock) NewTraceID() string { return c.id(16) }

// id looks like a random one, because models are told that ids do.
func (c *replayClock) id(bytes int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, c.n))
	return hex.EncodeToString(sum[:bytes])
}

// Sleep lets the time go on.
func (c *replayClock) Sleep(ctx context.Context, d time.Duration) error {
	c.set(c.Now().Add(d))
	return ctx.Err()
}
