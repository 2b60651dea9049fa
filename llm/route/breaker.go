package route

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/beamlens/beamlens-go/llm"
)

// BreakerOptions of a [Breaker]. Zero values mean the defaults.
type BreakerOptions struct {
	Failures int           // in a row, after which the model is left alone; default 3
	Pause    time.Duration // of the first time; it doubles; default 30 s
	MaxPause time.Duration // default 10 min

	// OnChange is told when the model is left alone, and for how long; 0 when it is asked again and answers.
	OnChange func(pause time.Duration, err error)
}

// Breaker leaves a model alone that keeps failing, so that nobody waits for what will not come. A key that is refused or a
// quota that is spent opens it at once: only a person mends those. After the pause one turn tries; if it fails too, the pause doubles.
//
// What the model says of one request (too long, wrong, not supported) is no failure of the model.
type Breaker struct {
	model   llm.Model
	options BreakerOptions

	mu       sync.Mutex // guards what follows
	failures int
	pause    time.Duration // of the last opening
	until    time.Time     // zero: closed
	trying   bool          // one turn is on its way to find out
	err      error         // that opened it
}

// NewBreaker returns the model with a breaker.
func NewBreaker(m llm.Model, o BreakerOptions) *Breaker {
	if o.Failures <= 0 {
		o.Failures = 3
	}
	if o.Pause <= 0 {
		o.Pause = 30 * time.Second
	}
	if o.MaxPause <= 0 {
		o.MaxPause = 10 * time.Minute
	}
	if o.OnChange == nil {
		o.OnChange = func(time.Duration, error) {}
	}
	return &Breaker{model: m, options: o}
}

var (
	_ llm.Model     = (*Breaker)(nil)
	_ llm.Described = (*Breaker)(nil)
)

// Describe tells what the wrapped model is.
func (b *Breaker) Describe() llm.About { return describe(b.model) }

// Show shows what the wrapped model would send.
func (b *Breaker) Show(req *llm.Request) ([]byte, error) { return llm.Show(b.model, req) }

// Turn asks the model, unless it is left alone.
func (b *Breaker) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	trial, err := b.enter()
	if err != nil {
		return nil, err
	}
	told := false
	defer func() {
		if !told { // the model panicked
			b.leave(ctx, trial, &llm.Error{Kind: llm.ErrServer, Msg: "the model's code panicked"})
		}
	}()
	response, err := b.model.Turn(ctx, req)
	told = true
	b.leave(ctx, trial, err)
	return response, err
}

// enter says whether the model may be asked, and whether this turn finds out for the others.
func (b *Breaker) enter() (trial bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return false, nil
	}
	if left := time.Until(b.until); left > 0 || b.trying {
		k := kind(b.err)
		if k == "" {
			k = llm.ErrServer
		}
		return false, &llm.Error{Kind: k, Msg: fmt.Sprintf("not asked: it failed %d times in a row, and is tried again in %s", b.failures, max(left, 0).Round(time.Second)),
			RetryAfter: max(left, 0), Err: b.err}
	}
	b.trying = true
	return true, nil
}

// leave takes what came of a turn.
func (b *Breaker) leave(ctx context.Context, trial bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if trial {
		b.trying = false
	}
	now, fails := b.judge(ctx, err)
	switch {
	case fails == unsaid:
	case fails == healthy:
		if !b.until.IsZero() {
			b.options.OnChange(0, nil)
		}
		b.failures, b.pause, b.until, b.err = 0, 0, time.Time{}, nil
	default:
		b.failures++
		b.err = err
		if !b.until.IsZero() && !trial {
			return // it is open already: a turn that had begun before
		}
		if now || trial || b.failures >= b.options.Failures {
			b.pause = min(max(b.options.Pause, 2*b.pause), b.options.MaxPause)
			b.until = time.Now().Add(b.pause)
			b.options.OnChange(b.pause, err)
		}
	}
}

type health int

const (
	healthy health = iota
	failing
	unsaid // it says nothing of the model
)

// judge says what an error tells of the model, and whether once is enough.
func (b *Breaker) judge(ctx context.Context, err error) (now bool, h health) {
	if err == nil {
		return false, healthy
	}
	switch k := kind(err); k {
	case llm.ErrAuth, llm.ErrQuota:
		return true, failing
	case llm.ErrTooLong, llm.ErrBadRequest, llm.ErrUnsupported, llm.ErrBadAnswer:
		return false, healthy
	case llm.ErrBudget:
		return false, unsaid
	}
	if context.Cause(ctx) == context.Canceled {
		return false, unsaid // the caller went away
	}
	return false, failing
}
