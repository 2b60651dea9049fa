package erlang

import (
	"context"
	"errors"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// call is one call that waits for its answer.
type call struct {
	ref       etf.Ref
	pid       etf.Pid
	started   bool
	abandoned bool
	answer    chan reply // buffered: one reply and never a second
}

type reply struct {
	payload []byte // the exit reason, still encoded
	err     error
}

func (d *conn) Call(ctx context.Context, module, function etf.Atom, args ...etf.Term) (etf.Term, error) {
	v, err := d.call(ctx, module, function, args)
	if err != nil {
		return nil, &OpError{fmt.Sprintf("call %s:%s/%d on", module, function, len(args)), d.peer.Node, err}
	}
	return v, nil
}

func (d *conn) call(ctx context.Context, module, function etf.Atom, args []etf.Term) (etf.Term, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := d.begin()
	if err != nil {
		return nil, err
	}
	// {29, ReqId, From, GroupLeader, {Module, Function, Arity}, Options}; the arguments are the payload. erpc:execute_call/4 has been
	// there since OTP 23: it exits with {Ref, return, Value} or with what was raised.
	request := etf.Tuple{int64(opSpawnRequest), c.ref, d.self, d.self, etf.Tuple{atomErpc, atomExecute, int64(4)}, d.spawn}
	b, err := message(request, etf.List{c.ref, module, function, etf.List(args)})
	if err != nil {
		d.forget(c)
		return nil, err
	}
	if !d.direct(b) {
		select {
		case d.queue <- b:
		case <-ctx.Done():
			d.forget(c)
			return nil, ctx.Err()
		case <-d.done:
			return nil, fmt.Errorf("%w: %w", ErrClosed, d.why())
		}
	}
	select {
	case <-ctx.Done():
		d.abandon(c)
		return nil, ctx.Err()
	case r := <-c.answer:
		if r.err != nil {
			return nil, r.err
		}
		return d.result(c, r.payload, module, function, len(args))
	}
}

// begin registers a call.
func (d *conn) begin() (*call, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reason != nil {
		return nil, fmt.Errorf("%w: %w", ErrClosed, d.reason)
	}
	d.refs++
	c := &call{
		// A reference has 18 bits in its first word.
		ref:    etf.Ref{Node: d.self.Node, Creation: d.self.Creation, N: 3, Words: [5]uint32{uint32(d.refs & 0x3ffff), uint32(d.refs >> 18), uint32(d.refs >> 50)}},
		answer: make(chan reply, 1),
	}
	if d.calls != nil {
		d.calls[c.ref] = c
	}
	return c, nil
}

// result reads the reason with which a call's process ended.
func (d *conn) result(c *call, payload []byte, module, function etf.Atom, arity int) (etf.Term, error) {
	reason, _, err := etf.Decode(payload, d.options.Limits)
	if errors.Is(err, etf.ErrLimit) {
		return nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	t, ok := reason.(etf.Tuple)
	if !ok || len(t) < 3 || t[0] != etf.Term(c.ref) {
		if reason == etf.Term(atomKilled) {
			return nil, fmt.Errorf("%w: it needed more than %d MB, or somebody killed it", ErrKilled, d.options.MaxHeap*8>>20)
		}
		return nil, fmt.Errorf("%w: %s", ErrKilled, etf.Format(reason))
	}
	class, _ := t[1].(etf.Atom)
	if class == atomReturn {
		return t[2], nil
	}
	e := &RemoteError{Class: class.String(), Reason: t[2], module: module, function: function, arity: arity}
	if len(t) > 3 {
		e.Stack, _ = t[3].(etf.List)
	}
	return nil, e
}

var (
	atomKilled = etf.A("killed")
	atomReturn = etf.A("return")
)

// spawned learns the process of a call, or that there is none.
func (d *conn) spawned(ref, result etf.Term) {
	r, ok := ref.(etf.Ref)
	if !ok {
		return
	}
	d.mu.Lock()
	c := d.calls[r]
	delete(d.calls, r)
	pid, isPid := result.(etf.Pid)
	if c != nil && isPid && !c.abandoned && d.pids != nil {
		c.pid, c.started = pid, true
		d.pids[pid] = c
	}
	abandoned := c != nil && c.abandoned
	d.mu.Unlock()
	switch {
	case c == nil:
	case !isPid:
		c.answer <- reply{err: errors.New("the node starts no process: " + etf.Format(result))}
	case abandoned:
		d.kill(pid)
	}
}

// exited hands the answer to the call whose process has ended.
func (d *conn) exited(from etf.Term, r reply) {
	pid, ok := from.(etf.Pid)
	if !ok {
		return
	}
	d.mu.Lock()
	c := d.pids[pid]
	delete(d.pids, pid)
	d.mu.Unlock()
	if c != nil {
		c.answer <- r
	}
}

func (d *conn) forget(c *call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.calls, c.ref)
	delete(d.pids, c.pid)
}

// abandon kills the process of a call that nobody waits for any more; if it is not known yet, as soon as it is.
func (d *conn) abandon(c *call) {
	d.mu.Lock()
	started, pid := c.started, c.pid
	c.abandoned = true
	if started {
		delete(d.pids, pid)
	}
	d.mu.Unlock()
	if started {
		d.kill(pid)
	}
}

// kill ends a process that we started. The connection may be gone, and then so is the process.
func (d *conn) kill(pid etf.Pid) {
	d.post(etf.Tuple{int64(opPayloadExit2), d.self, pid}, atomKill)
}
