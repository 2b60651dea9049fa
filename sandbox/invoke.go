package sandbox

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// invoke calls a Go function in the goroutine of the run, with a context that ends when the call has taken too long.
func (r *run) invoke(b *builtin, list []any) (out any, err error) {
	began := time.Now()
	allowed := min(r.limits.CallTime, r.limits.CallbackTime-r.inside)
	ctx := &callContext{Context: r.ctx, deadline: began.Add(allowed)}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: the function itself failed: %s", b.name, shorten(fmt.Sprint(p), 1000))
		}
		ctx.end()
		took := time.Since(began)
		r.inside += took
		switch {
		case r.ctx.Err() != nil:
			r.kill(&Error{Kind: Timeout, Msg: "the run was cancelled"})
		case took > r.limits.CallTime:
			r.kill(&Error{Kind: Timeout, Msg: fmt.Sprintf("%s took longer than %s", b.name, r.limits.CallTime), Hint: "Ask it for less: fewer rows, or a narrower question."})
		case r.inside > r.limits.CallbackTime:
			r.kill(&Error{Kind: Timeout, Msg: fmt.Sprintf("the calls of functions took longer than %s in all", r.limits.CallbackTime), Hint: "Make fewer calls."})
		}
	}()
	return b.call(ctx, list)
}

// callContext is the context of one call. Most functions never wait on it, so its timer is made only when Done is asked for.
type callContext struct {
	context.Context
	deadline time.Time

	mu     sync.Mutex // a function may hand its context to goroutines of its own
	inner  context.Context
	cancel context.CancelFunc
}

// Deadline is the earlier one of the call's and the run's.
func (c *callContext) Deadline() (time.Time, bool) {
	if d, ok := c.Context.Deadline(); ok && d.Before(c.deadline) {
		return d, true
	}
	return c.deadline, true
}

func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.cancel = context.WithDeadline(c.Context, c.deadline)
	}
	return c.inner.Done()
}

// made gives the context with the timer, if there is one.
func (c *callContext) made() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inner
}

func (c *callContext) Err() error {
	if inner := c.made(); inner != nil {
		return inner.Err()
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if time.Now().After(c.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value lets contexts made of this one find the timer's, so that they need no goroutine to follow it.
func (c *callContext) Value(key any) any {
	if inner := c.made(); inner != nil {
		return inner.Value(key)
	}
	return c.Context.Value(key)
}

func (c *callContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
}
