package route

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/beamlens/beamlens-go/llm"
)

// RetryOptions of a [Retry]. Zero values mean the defaults.
type RetryOptions struct {
	Attempts       int           // in all; default 3
	AttemptTimeout time.Duration // of one attempt, apart from the caller's; default 45 s
	MinBackoff     time.Duration // before the second attempt; it doubles; default 500 ms
	MaxBackoff     time.Duration // default 20 s
	MaxRetryAfter  time.Duration // a provider that asks for a longer wait is not waited for; default 30 s

	// OnAttempt is told each attempt that failed, and how long is waited before the next; a wait < 0 means that there is none.
	OnAttempt func(n int, wait time.Duration, err error)
}

func (o RetryOptions) withDefaults() RetryOptions {
	if o.Attempts <= 0 {
		o.Attempts = 3
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&o.AttemptTimeout, 45 * time.Second}, {&o.MinBackoff, 500 * time.Millisecond}, {&o.MaxBackoff, 20 * time.Second}, {&o.MaxRetryAfter, 30 * time.Second}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if o.OnAttempt == nil {
		o.OnAttempt = func(int, time.Duration, error) {}
	}
	return o
}

// Retry tries again what may pass: a provider that is overloaded, limits the rate or fails, a network that does, an attempt that takes too
// long. Quota, keys and requests that are wrong do not pass.
type Retry struct {
	model   llm.Model
	options RetryOptions
}

// NewRetry returns the model with retries.
func NewRetry(m llm.Model, o RetryOptions) *Retry { return &Retry{m, o.withDefaults()} }

var (
	_ llm.Model     = (*Retry)(nil)
	_ llm.Described = (*Retry)(nil)
)

// Describe tells what the wrapped model is.
func (r *Retry) Describe() llm.About { return describe(r.model) }

// Show shows what the wrapped model would send.
func (r *Retry) Show(req *llm.Request) ([]byte, error) { return llm.Show(r.model, req) }

// describe tells what a model is; the zero About if it does not say.
func describe(m llm.Model) llm.About {
	if d, ok := m.(llm.Described); ok {
		return d.Describe()
	}
	return llm.About{}
}

// passing are the kinds of failure that another attempt may not meet.
var passing = []llm.ErrorKind{llm.ErrRateLimited, llm.ErrOverloaded, llm.ErrServer, llm.ErrTimeout, llm.ErrNetwork}

// Turn tries until it succeeds, the failure is one that stays, or there is no time for another attempt.
func (r *Retry) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	var spent llm.Spent
	for n := 1; ; n++ {
		response, err := r.attempt(ctx, req)
		if err == nil {
			response.Spent = spent.Add(response.Spent)
			return response, nil
		}
		if ctx.Err() != nil {
			r.options.OnAttempt(n, -1, err)
			return nil, err
		}
		wait, again := r.wait(ctx, n, err)
		if !again {
			r.options.OnAttempt(n, -1, err)
			return nil, err
		}
		r.options.OnAttempt(n, wait, err)
		// What a failed attempt cost is not known; a budget has it as it was reserved.
		spent = spent.Add(llm.Spent{Calls: 1})
		if sleep(ctx, wait) != nil {
			return nil, err // the provider's own: it says more than that the time is over
		}
	}
}

// attempt makes one, within its own time. An attempt whose time is over is a timeout, whatever the wire calls it.
func (r *Retry) attempt(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	own, cancel := context.WithTimeout(ctx, r.options.AttemptTimeout)
	defer cancel()
	response, err := r.model.Turn(own, req)
	if err == nil && response == nil {
		return nil, &llm.Error{Kind: llm.ErrBadAnswer, Msg: "neither an answer nor an error"}
	}
	if err != nil && own.Err() != nil && kind(err) == "" {
		err = &llm.Error{Kind: llm.ErrTimeout, Msg: "no answer in time", Err: err}
	}
	return response, err
}

// kind gives the kind of an error, "" if it has none.
func kind(err error) llm.ErrorKind {
	var e *llm.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// wait says how long to wait after failed attempt n, and whether there is another.
func (r *Retry) wait(ctx context.Context, n int, err error) (time.Duration, bool) {
	if n >= r.options.Attempts || !slices.Contains(passing, kind(err)) {
		return 0, false
	}
	backoff := min(r.options.MinBackoff<<min(n-1, 20), r.options.MaxBackoff)
	// Between half and the whole of it, so that operators which fail together do not come back together.
	wait := backoff/2 + time.Duration(rand.Int64N(int64(backoff/2)+1))
	var e *llm.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		if e.RetryAfter > r.options.MaxRetryAfter {
			return 0, false
		}
		// Never earlier than asked; a little later, for the same reason.
		wait = e.RetryAfter + time.Duration(rand.Int64N(int64(e.RetryAfter/10)+1))
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
		return 0, false
	}
	return wait, true
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
