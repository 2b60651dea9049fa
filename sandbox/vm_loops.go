package sandbox

import "math"

// ret ends the frame on top with n results at stack[from].
func (th *thread) ret(f *frame, from, n int) *failure {
	at, want, after := f.fn, int(f.want), f.after
	if n > 0 {
		copy(th.stack[at:at+n], th.stack[from:from+n])
	}
	th.frames = th.frames[:len(th.frames)-1]
	return th.deliver(at, n, want, after)
}

// tail is a tail call of what is no Lua function. Its results are those of the frame, which goes before it if something waits
// behind it that is no call.
func (th *thread) tail(f *frame, fn, nargs int) *failure {
	at, want, after := f.fn, int(f.want), f.after
	v := th.stack[fn]
	if v.kind() == kindBuiltin && v.builtin().special == plain {
		// The frame stays for the time of the call, since an error has its line.
		f.pc++
		r := th.r
		if fl := r.charge(4); fl != nil {
			return fl
		}
		th.top = fn + 1 + nargs
		pinned := r.pinned
		n, fl := v.builtin().fn(args{th, fn + 1, nargs})
		r.pinned = pinned
		if fl != nil {
			return fl
		}
		return th.ret(&th.frames[len(th.frames)-1], fn, n)
	}
	if !v.isFunction() && th.r.metamethod(v, evCall).isNil() {
		f.pc++
		return th.callError(v, fn, afterCall)
	}
	copy(th.stack[at:at+1+nargs], th.stack[fn:fn+1+nargs])
	th.frames = th.frames[:len(th.frames)-1]
	return th.precall(at, nargs, want, after)
}

// tailCall is return f(…): the frame gives way to the call.
func (th *thread) tailCall(f *frame, in instr) *failure {
	fn := f.base + int(in.a)
	nargs := int(in.b) - 1
	if nargs < 0 {
		nargs = th.top - fn - 1
	}
	if fl := th.r.charge(int64(f.pc) + int64(nargs)); fl != nil {
		return fl
	}
	v := th.stack[fn]
	if v.kind() != kindClosure {
		// What is no Lua function is called, and its results returned.
		f.pc--
		return th.tail(f, fn, nargs)
	}
	at, want, after := f.fn, int(f.want), f.after
	copy(th.stack[at:at+1+nargs], th.stack[fn:fn+1+nargs])
	th.frames = th.frames[:len(th.frames)-1]
	return th.push(v.closure(), at, nargs, want, after)
}

// returns is a return of several values, or from where variables may have to be closed: then the instruction is done again until
// nothing is left to close.
func (th *thread) returns(f *frame, in instr) *failure {
	n := int(in.b) - 1
	from := f.base + int(in.a)
	if n < 0 {
		n = th.top - from
	}
	if in.c != 0 && (len(th.closing) > 0 || f.saved > 0) {
		if f.saved > 0 {
			n = int(f.saved) - 1
		}
		f.saved = int32(n) + 1
		f.pc--
		th.top = from + n
		if done, fl := th.closeOne(f.base); done || fl != nil {
			return fl
		}
		f.pc++
	}
	if fl := th.r.charge(int64(f.pc) + int64(n)); fl != nil {
		return fl
	}
	return th.ret(f, from, n)
}

// forPrep prepares a counting loop (Lua 5.4 manual, 3.3.5) and tells whether it has a turn.
func (th *thread) forPrep(regs *[window]value, a uint8) (bool, *failure) {
	init, limit, step := regs[a], regs[a+1], regs[a+2]
	if init.isInt() && step.isInt() {
		if step.int() == 0 {
			return false, th.errorf("'for' step is zero")
		}
		if limit.isString() {
			if f := th.r.touch(len(limit.str().s) * 8); f != nil {
				return false, f
			}
		}
		n, ok := limit.toNumber()
		if !ok {
			return false, th.forError("limit", limit)
		}
		limit = n
		last, none := forLimit(init.int(), limit, step.int())
		if none {
			return false, nil
		}
		var turns uint64
		if step.int() > 0 {
			turns = uint64(last) - uint64(init.int())
			if step.int() != 1 {
				turns /= uint64(step.int())
			}
		} else {
			turns = (uint64(init.int()) - uint64(last)) / (uint64(-(step.int() + 1)) + 1)
		}
		regs[a+1] = vInt(int64(turns))
		regs[a+3] = init
		return true, nil
	}
	for i, what := range [3]string{"limit", "step", "initial value"} {
		p := [3]*value{&limit, &step, &init}[i]
		if p.isString() {
			if f := th.r.touch(len(p.str().s) * 8); f != nil {
				return false, f
			}
		}
		v, ok := p.toNumber()
		if !ok {
			return false, th.forError(what, *p)
		}
		*p = v
	}
	x, l, s := init.asFloat(), limit.asFloat(), step.asFloat()
	if s == 0 {
		return false, th.errorf("'for' step is zero")
	}
	if s > 0 && l < x || s < 0 && x < l {
		return false, nil
	}
	regs[a], regs[a+1], regs[a+2], regs[a+3] = vFloat(x), vFloat(l), vFloat(s), vFloat(x)
	return true, nil
}

// forLimit clips the limit of a loop over integers to an integer; none says that the loop has no turn.
func forLimit(init int64, limit value, step int64) (last int64, none bool) {
	if limit.isInt() {
		last = limit.int()
	} else {
		f := limit.float()
		switch {
		case f != f:
			return 0, true
		case f >= 0x1p63:
			if step < 0 {
				return 0, true
			}
			last = math.MaxInt64
		case f < -0x1p63:
			if step > 0 {
				return 0, true
			}
			last = math.MinInt64
		case step > 0:
			last = int64(math.Floor(f))
		default:
			last = int64(math.Ceil(f))
		}
	}
	if step > 0 {
		return last, init > last
	}
	return last, init < last
}

// forNext is a turn of a loop over pairs: R[a+4] remembers the position, so that the key need not be found again.
func forNext(regs *[window]value, a uint8) bool {
	t, control := regs[a+1].table(), regs[a+2]
	pos := int(regs[a+4].int())
	right := false
	switch {
	case control.o == nil:
		pos, right = 0, true
	case pos > 0:
		right = control.isInt() && control.int() == int64(pos)
	case pos < 0 && -pos <= len(t.entries):
		right = t.entries[-pos-1].key == control
	}
	if !right {
		p, ok := t.position(control)
		if !ok {
			return false
		}
		pos = p
	}
	k, v, at := t.next(pos)
	regs[a+5], regs[a+6] = k, v
	regs[a+4].setInt(int64(at))
	return true
}

// forInext is a turn of a loop over ipairs.
func forInext(regs *[window]value, a uint8) bool {
	t, control := regs[a+1].table(), regs[a+2]
	if t.meta != nil || !control.isInt() {
		return false
	}
	i := control.int() + 1
	v := t.getInt(i)
	if v.o == nil {
		regs[a+5] = value{}
	} else {
		regs[a+5].setInt(i)
	}
	regs[a+6] = v
	return true
}

// setList stores list items of a constructor.
func (th *thread) setList(f *frame, in instr) *failure {
	at := f.base + int(in.a)
	t := th.stack[at].table()
	n := int(in.b)
	if n == 0 {
		n = th.top - at - 1
	}
	if n <= 0 {
		return nil
	}
	if fl := th.r.charge(int64(n)); fl != nil {
		return fl
	}
	need := int(in.d) + n
	if need > cap(t.arr) {
		if fl := th.r.growArr(t, need); fl != nil {
			return fl
		}
	}
	// Keys [1] = … of the same constructor are overwritten.
	have := len(t.arr)
	if have < need {
		t.arr = t.arr[:need]
		clear(t.arr[have:])
	}
	copy(t.arr[in.d:], th.stack[at+1:at+1+n])
	if len(t.entries) > 0 {
		for i := range t.entries {
			e := &t.entries[i]
			if e.key.isInt() && uint64(e.key.int()-1) < uint64(need) {
				e.val = value{}
			}
		}
	}
	if fl := th.r.shrink(t); fl != nil {
		return fl
	}
	if len(t.entries) > 0 {
		return th.r.migrate(t)
	}
	return nil
}

// varargs copies the variable arguments of a frame.
func (th *thread) varargs(f *frame, in instr) *failure {
	n, have := int(in.b)-1, int(f.extra)
	at := f.base + int(in.a)
	if n < 0 {
		n = have
		if fl := th.ensure(at + n); fl != nil {
			return fl
		}
		th.top = at + n
	}
	if fl := th.r.charge(int64(n)); fl != nil {
		return fl
	}
	from := f.base - have
	m := min(n, have)
	copy(th.stack[at:at+m], th.stack[from:from+m])
	clear(th.stack[at+m : at+n])
	return nil
}

// unary is - or ~ where the operand is not the usual one.
func (th *thread) unary(ev event, v value, to uint8) *failure {
	if h := th.r.metamethod(v, ev); !h.isNil() {
		return th.meta(afterOp, h, v, v)
	}
	if v.isString() {
		if f := th.r.touch(len(v.str().s) * 8); f != nil {
			return f
		}
	}
	x, ok := v.toNumber()
	if !ok || v.isString() && ev == evBnot {
		return th.arithError(ev, v, v)
	}
	switch {
	case ev == evUnm && x.isInt():
		x = vInt(-x.int())
	case ev == evUnm:
		x = vFloat(-x.float())
	default:
		i, ok := x.toInt()
		if !ok {
			return th.noInteger(v, v)
		}
		x = vInt(^i)
	}
	top := &th.frames[len(th.frames)-1]
	th.stack[top.base+int(to)] = x
	return nil
}

// markClosing notes that a variable is to be closed (Lua 5.4 manual, 3.3.8).
func (th *thread) markClosing(level int, v value, about *expr) *failure {
	if th.r.metamethod(v, evClose).isNil() {
		name := "(for state)"
		if about != nil && about.sym != nil {
			name = about.sym.name.s
		}
		return th.errorf("variable '%s' got a non-closable value", name)
	}
	return th.addClosing(level, v)
}
