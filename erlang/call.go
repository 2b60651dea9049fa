package erlang

import (
	"context"
	"errors"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

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
	c := &call{answer: make(chan reply, 1)}
	d.mu.Lock()
	if d.calls == nil || d.reason != nil {
		reason := d.reason
		d.mu.Unlock()
		return nil, fmt.Errorf("%w: %w", ErrClosed, reason)
	}
	d.refs++
	self := d.peer.Self
	c.ref = etf.Ref{Node: self.Node, Creation: self.Creation, N: 3, Words: [5]uint32{d.refs}}
	d.calls[c.ref] = c
	d.mu.Unlock()

	// {29, ReqId, From, GroupLeader, {Module, Function, Arity}, Options}; the arguments are the payload. erpc:execute_call/4 has been
	// there since OTP 23: it exits with {Ref, return, Value} or with what was raised.
	request := etf.Tuple{int64(opSpawnRequest), c.ref, self, self, etf.Tuple{atomErpc, atomExecute, int64(4)}, d.spawn}
	if err := d.send(request, etf.List{c.ref, module, function, etf.List(args)}); err != nil {
		d.forget(c)
		return nil, err
	}
	select {
	case <-ctx.Done():
		d.abandon(c)
		return nil, ctx.Err()
	case r := <-c.answer:
		if r.err != nil {
			return nil, r.err
		}
		return d.result(c, r.payload)
	}
}

// result reads the reason with which a call's process ended.
func (d *conn) result(c *call, payload []byte) (etf.Term, error) {
	reason, _, err := etf.Decode(payload, d.options.Limits)
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	t, ok := reason.(etf.Tuple)
	if !ok || len(t) < 3 || t[0] != c.ref {
		if reason == etf.A("killed") {
			return nil, fmt.Errorf("%w: it needed more than %d MB, or somebody killed it", ErrKilled, d.options.MaxHeap*8>>20)
		}
		return nil, fmt.Errorf("%w: %s", ErrKilled, etf.Format(reason))
	}
	class, _ := t[1].(etf.Atom)
	if class == etf.A("return") {
		return t[2], nil
	}
	return nil, &RemoteError{Class: class.String(), Reason: t[2]}
}

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
	_ = d.send(etf.Tuple{int64(opPayloadExit2), d.peer.Self, pid}, atomKill)
}
