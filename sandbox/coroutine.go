package sandbox

// yield stops the coroutine: the frames stay, and the results of this call come with the next resume.
func (th *thread) yield(fn, nargs, want int, after after) *failure {
	switch {
	case th == th.r.main:
		return th.plainError("attempt to yield from outside a coroutine")
	case th.nested > 0:
		return th.plainError("attempt to yield across a C-call boundary")
	}
	th.waiting = frame{fn: fn, want: int32(want), after: after, extra: int32(nargs)}
	th.state = suspended
	return yielding
}

// plainError is an error without position.
func (th *thread) plainError(msg string) *failure {
	s, f := th.r.newStr(msg)
	if f != nil {
		return f
	}
	return &failure{v: vStr(s)}
}

// resume lets a coroutine go on with the arguments from the i-th on. Its results are at the end of its stack: it gives where and how
// many. The failure is an error in the coroutine unless it is a limit.
func (a args) resume(co *thread, i int) (at, n int, f *failure) {
	r := a.th.r
	if co.state != suspended {
		msg := "cannot resume non-suspended coroutine"
		if co.state >= dead {
			msg = "cannot resume dead coroutine"
		}
		return 0, 0, a.th.plainError(msg)
	}
	if r.nested >= maxNested {
		return 0, 0, r.kill(&Error{Kind: Stack, Msg: "stack overflow: coroutines are nested too deep (C stack overflow)"})
	}
	nargs := max(a.n-i, 0)
	at = co.waiting.fn
	begun := len(co.frames) > 0 || co.waiting.extra >= 0
	if !begun {
		at = 1
	}
	if f := r.charge(int64(nargs) + 20); f != nil {
		return 0, 0, f
	}
	if f := co.ensure(at + nargs + 8); f != nil {
		return 0, 0, f
	}
	copy(co.stack[at:], a.th.stack[a.at+i:a.at+i+nargs])
	a.th.state, co.state = normal, running
	co.resumer, r.current = a.th, co
	co.depth = a.th.depth + len(a.th.frames)
	r.nested++
	if !begun {
		f = co.precall(0, nargs, -1, afterGo)
	} else {
		f = co.deliver(at, nargs, int(co.waiting.want), co.waiting.after)
	}
	if f != yielding {
		f = co.execute(0, f)
	}
	r.nested--
	co.resumer, r.current = nil, a.th
	a.th.state = running
	switch {
	case f == yielding:
		return co.waiting.fn + 1, int(co.waiting.extra), nil
	case f != nil:
		if f.limit == nil {
			co.state, co.fault = deadByError, f.v
		}
		return 0, 0, f
	}
	co.state = dead
	return 0, co.top, nil
}

// take moves n values of a coroutine to the results from the i-th on.
func (a args) take(co *thread, at, n, i int) *failure {
	if f := a.room(n+i, "too many results to resume"); f != nil {
		return f
	}
	copy(a.th.stack[a.at-1+i:], co.stack[at:at+n])
	if co.state == dead {
		co.stack, co.frames = nil, nil
	}
	return nil
}

func (a args) thread(i int) (*thread, *failure) {
	if v := a.get(i); v.kind() == kindThread {
		return v.thread(), nil
	}
	return nil, a.typeError(i, "thread")
}

// create makes a coroutine of a function.
func (a args) create() (*thread, *failure) {
	fn := a.get(0)
	if !fn.isFunction() {
		return nil, a.typeError(0, "function")
	}
	co, f := a.th.r.newThread()
	if f != nil {
		return nil, f
	}
	co.waiting.extra = -1
	co.stack[0] = fn
	co.top = 1
	return co, nil
}

func coCreate(a args) (int, *failure) {
	co, f := a.create()
	if f != nil {
		return 0, f
	}
	return a.ret(vThread(co))
}

func coResume(a args) (int, *failure) {
	co, f := a.thread(0)
	if f != nil {
		return 0, f
	}
	at, n, f := a.resume(co, 1)
	if f != nil {
		if f.limit != nil {
			return 0, f
		}
		return a.ret2(vFalse, f.v)
	}
	if f := a.take(co, at, n, 1); f != nil {
		return 0, f
	}
	a.put(0, vTrue)
	return n + 1, nil
}

func coWrap(a args) (int, *failure) {
	co, f := a.create()
	if f != nil {
		return 0, f
	}
	b, f := a.th.r.newBuiltin("wrap", wrapped, []value{vThread(co)}, nil)
	if f != nil {
		return 0, f
	}
	return a.ret(vBuiltin(b))
}

// wrapped is the function that coroutine.wrap gives: an error passes it, with a position if it is text.
func wrapped(a args) (int, *failure) {
	co := a.self().held[0].thread()
	began := co.state == suspended
	at, n, f := a.resume(co, 0)
	if f == nil {
		if f := a.take(co, at, n, 0); f != nil {
			return 0, f
		}
		return n, nil
	}
	if f.limit != nil {
		return 0, f
	}
	if began && co.state == deadByError {
		v, f2 := a.close(co, f.v)
		if f2 != nil {
			return 0, f2
		}
		if v != f.v {
			f = &failure{v: v}
		}
	}
	if f.v.isString() {
		where, line := a.th.where(1)
		s, f2 := a.th.r.newStr(where + f.v.str().s)
		if f2 != nil {
			return 0, f2
		}
		g := *f
		g.v = vStr(s)
		if g.line == 0 {
			g.line = line
		}
		return 0, &g
	}
	return 0, f
}

// close closes the variables that a coroutine left open, with the error that ended it, and gives the last error of all.
func (a args) close(co *thread, err value) (value, *failure) {
	co.frames = co.frames[:0]
	co.top = 0
	for len(co.closing) > 0 {
		c := co.closing[len(co.closing)-1]
		co.closing = co.closing[:len(co.closing)-1]
		_, f := a.th.call(a.th.r.metamethod(c.v, evClose), 0, c.v, err)
		if f != nil {
			if f.limit != nil {
				return err, f
			}
			err = f.v
		}
	}
	return err, nil
}

func coClose(a args) (int, *failure) {
	co, f := a.thread(0)
	if f != nil {
		return 0, f
	}
	switch co.state {
	case suspended, dead, deadByError:
	default:
		return 0, a.th.errorf("cannot close a %s coroutine", stateNames[co.state])
	}
	before := co.fault
	co.fault = value{}
	co.state = dead
	err, f := a.close(co, before)
	if f != nil {
		return 0, f
	}
	if err.isNil() {
		return a.ret(vTrue)
	}
	return a.ret2(vFalse, err)
}

var stateNames = [...]string{"suspended", "running", "normal", "dead", "dead"}

func coStatus(a args) (int, *failure) {
	co, f := a.thread(0)
	if f != nil {
		return 0, f
	}
	return a.retStr(a.th.r.newStr(stateNames[co.state]))
}

func coRunning(a args) (int, *failure) { return a.ret2(vThread(a.th), vBool(a.th == a.th.r.main)) }

func coIsYieldable(a args) (int, *failure) {
	th := a.th
	if a.n > 0 {
		var f *failure
		if th, f = a.thread(0); f != nil {
			return 0, f
		}
	}
	return a.ret(vBool(th != th.r.main && th.nested == 0))
}

func coYield(args) (int, *failure) { return 0, nil } // done by the machine
