package sandbox

// thread is a coroutine, or the main program: a stack of values and a stack of frames.
type thread struct {
	header
	id      uint32
	gray    *header
	r       *run
	stack   []value
	frames  []frame
	top     int       // the end of the last values of which the number was open
	closing []closing // variables to be closed, innermost last
	state   state
	resumer *thread
	nested  int // calls from Go code, across which it cannot yield
	depth   int // frames of the threads that wait for this one
	waiting frame
	fault   value // what ended it
}

// closing is a variable that is to be closed when the stack is cut to its level.
type closing struct {
	level int
	v     value
}

// state is where a coroutine stands.
type state uint8

const (
	suspended state = iota // not begun, or yielded
	running
	normal // resumed another
	dead
	deadByError
)

// frame is a function that is being called. One without closure is a guard: pcall or xpcall.
type frame struct {
	cl      *closure
	base    int   // register 0
	fn      int   // where the function was, and its results go
	pc      int32 // of the next instruction
	want    int32 // how many results, -1 all
	extra   int32 // variable arguments, which are below base
	saved   int32 // of a concatenation or a return that was interrupted
	after   after
	handled bool // of a guard: it has a handler, which is in stack[fn]
	closing bool // of a guard: an error came; it is in stack[fn]
}

// after is what is done with the results of a call.
type after uint8

const (
	afterCall    after = iota // they are where the calling instruction wants them
	afterGo                   // Go code waits for them
	afterOp                   // the calling instruction is no call: it wanted a metamethod
	afterDiscard              // nothing
	afterGuard                // pcall puts true before them
	afterClosing              // a guard closed a variable, and goes on
)

// window is how many values from a frame's base on are always there, so that a register needs no check.
const window = 256

const maxStack = 1_000_000

func (r *run) newThread() (*thread, *failure) {
	const size = window + 40
	if f := r.alloc(sizeThread + size*sizeValue + 4*sizeFrame); f != nil {
		return nil, f
	}
	return &thread{header: header{kind: kindThread}, r: r, stack: make([]value, size), frames: make([]frame, 0, 4)}, nil
}

// ensure makes the stack at least n long, and a window longer.
func (th *thread) ensure(n int) *failure {
	if n+window <= len(th.stack) {
		return nil
	}
	size := max(len(th.stack)*2, n+window+32)
	if f := th.r.alloc(int64(size) * sizeValue); f != nil {
		return f
	}
	if f := th.r.touch(len(th.stack) * sizeValue); f != nil {
		return f
	}
	s := make([]value, size)
	copy(s, th.stack)
	th.stack = s
	return nil
}

// extent is the end of what is in use of the stack.
func (th *thread) extent() int {
	n := th.top
	if k := len(th.frames); k > 0 {
		f := &th.frames[k-1]
		if f.cl != nil {
			n = max(n, f.base+f.cl.proto.stack)
		} else {
			n = max(n, f.fn+4)
		}
	}
	return min(n, len(th.stack))
}

// push begins a call of a Lua function at stack[fn] with its arguments behind.
func (th *thread) push(cl *closure, fn, nargs int, want int, after after) *failure {
	p := cl.proto
	base := fn + 1
	if f := th.ensure(base + nargs + p.params + 1); f != nil {
		return f
	}
	s := th.stack
	for i := nargs; i < p.params; i++ {
		s[base+i] = value{}
	}
	extra := 0
	if p.vararg {
		// The parameters go behind the variable arguments, which stay where they are.
		extra = max(nargs-p.params, 0)
		if extra > 0 {
			if f := th.r.charge(int64(p.params)); f != nil {
				return f
			}
			nargs = max(nargs, p.params)
			base = fn + 1 + nargs
			for i := 0; i < p.params; i++ {
				s[base+i] = s[fn+1+i]
				s[fn+1+i] = value{}
			}
		}
	}
	nf, f := th.frame()
	if f != nil {
		return f
	}
	*nf = frame{cl: cl, base: base, fn: fn, want: int32(want), extra: int32(extra), after: after}
	return nil
}

// frame appends one, or says that the calls are too deep.
func (th *thread) frame() (*frame, *failure) {
	n := len(th.frames)
	if n == cap(th.frames) || n+th.depth >= th.r.maxCalls {
		if f := th.moreFrames(); f != nil {
			return nil, f
		}
	}
	th.frames = th.frames[:n+1]
	return &th.frames[n], nil
}

func (th *thread) moreFrames() *failure {
	n := len(th.frames)
	if n+th.depth >= th.r.maxCalls {
		return th.r.kill(&Error{Kind: Stack, Msg: "stack overflow: calls are nested more than " + itoa(int64(th.r.maxCalls)) + " deep",
			Hint: "Does a function call itself without end? Use a loop, or a list of what is still to be done."})
	}
	size := max(4, 2*n)
	if f := th.r.alloc(int64(size) * sizeFrame); f != nil {
		return f
	}
	fs := make([]frame, n, size)
	copy(fs, th.frames)
	th.frames = fs
	return nil
}

// precall calls stack[fn] with the nargs values behind it. A Lua function is then a new frame; all else is done when it returns.
func (th *thread) precall(fn, nargs, want int, after after) *failure {
	for chain := 0; ; chain++ {
		v := th.stack[fn]
		switch v.kind() {
		case kindClosure:
			return th.push(v.closure(), fn, nargs, want, after)
		case kindBuiltin:
			return th.callBuiltin(v.builtin(), fn, nargs, want, after)
		}
		h := th.r.metamethod(v, evCall)
		if h.isNil() {
			return th.callError(v, fn, after)
		}
		if chain > 200 {
			return th.r.kill(&Error{Kind: Stack, Msg: "stack overflow: a chain of __call is more than 200 long"})
		}
		if f := th.r.charge(int64(nargs) + 1); f != nil {
			return f
		}
		if f := th.ensure(fn + nargs + 3); f != nil {
			return f
		}
		copy(th.stack[fn+1:fn+2+nargs], th.stack[fn:fn+1+nargs])
		th.stack[fn] = h
		nargs++
	}
}

func (th *thread) callBuiltin(b *builtin, fn, nargs, want int, after after) *failure {
	r := th.r
	if f := r.charge(4); f != nil {
		return f
	}
	th.top = fn + 1 + nargs
	switch b.special {
	case specialPcall, specialXpcall:
		return th.guard(b, fn, nargs, want, after)
	case specialYield:
		return th.yield(fn, nargs, want, after)
	}
	pinned := r.pinned
	n, f := b.fn(args{th, fn + 1, nargs})
	r.pinned = pinned
	if f != nil {
		return f
	}
	return th.deliver(fn, n, want, after)
}

// deliver hands the n results at stack[at] to whoever waits for them.
func (th *thread) deliver(at, n, want int, after after) *failure {
	for {
		th.top = at + n
		if want >= 0 {
			for ; n < want; n++ {
				th.stack[at+n] = value{}
			}
			if want > 0 {
				th.top = at + want
			}
		}
		switch after {
		case afterCall, afterGo, afterDiscard:
			return nil
		case afterOp:
			return th.finishOp(at)
		case afterGuard:
			g := th.frames[len(th.frames)-1]
			th.frames = th.frames[:len(th.frames)-1]
			th.stack[g.fn] = vTrue
			at, n, want, after = g.fn, n+1, int(g.want), g.after
		case afterClosing:
			return th.closeGuarded()
		}
	}
}

// finishOp completes an instruction whose metamethod has returned stack[at].
func (th *thread) finishOp(at int) *failure {
	f := &th.frames[len(th.frames)-1]
	in := f.cl.proto.code[f.pc-1]
	switch in.op {
	case opEq, opLt, opLe, opEqK, opLtK, opLeK, opGtK, opGeK:
		if th.stack[at].truth() == (in.c != 0) {
			f.pc += in.d
		}
	case opSetTable, opSetField, opSetInt, opSetGlobal:
	case opConcat:
		th.stack[f.base+int(in.b)+int(f.saved)-1] = th.stack[at]
		return th.concat(f, in, int(f.saved))
	default:
		th.stack[f.base+int(in.a)] = th.stack[at]
	}
	return nil
}

// meta calls a metamethod for the present instruction, or for nothing.
func (th *thread) meta(after after, h value, list ...value) *failure {
	f := &th.frames[len(th.frames)-1]
	at := f.base + f.cl.proto.stack
	if after == afterDiscard {
		at = max(at, th.top) // the results of a return are below
	}
	if fl := th.ensure(at + 4); fl != nil {
		return fl
	}
	th.stack[at] = h
	copy(th.stack[at+1:], list)
	want := 1
	if after == afterDiscard {
		want = 0
	}
	return th.precall(at, len(list), want, after)
}

// maxNested is how deep Go code may call Lua code that calls Go code, as LUAI_MAXCCALLS.
const maxNested = 190

// call is how Go code calls a function: it says where on the stack the results are, want of them, until the next call. It cannot be
// yielded across.
func (th *thread) call(fn value, want int, list ...value) (at int, f *failure) {
	r := th.r
	if r.nested >= maxNested {
		return 0, r.kill(&Error{Kind: Stack, Msg: "stack overflow: library functions and the functions they call are nested too deep (C stack overflow)"})
	}
	at = th.extent()
	top := th.top
	if f := th.ensure(at + len(list) + 8); f != nil {
		return 0, f
	}
	th.stack[at] = fn
	copy(th.stack[at+1:], list)
	r.nested++
	th.nested++
	bottom := len(th.frames)
	f = th.execute(bottom, th.precall(at, len(list), want, afterGo))
	th.nested--
	r.nested--
	th.top = top
	return at, f
}

// guard is pcall and xpcall: a frame that stops errors.
func (th *thread) guard(b *builtin, fn, nargs, want int, after after) *failure {
	handled := b.special == specialXpcall
	if nargs < 1 || handled && nargs < 2 {
		if handled {
			return th.argError(args{th, fn + 1, nargs}, 2, "function expected, got no value")
		}
		return th.argError(args{th, fn + 1, nargs}, 1, "value expected")
	}
	if handled { // xpcall, f, handler, … becomes handler, f, …
		th.stack[fn] = th.stack[fn+2]
		copy(th.stack[fn+2:fn+nargs], th.stack[fn+3:fn+1+nargs])
		nargs--
	}
	g, f := th.frame()
	if f != nil {
		return f
	}
	*g = frame{fn: fn, want: int32(want), after: after, handled: handled}
	return th.precall(fn+1, nargs-1, -1, afterGuard)
}

// unwind takes an error to the innermost guard above bottom. It returns nil if the program goes on there.
func (th *thread) unwind(bottom int, fl *failure) *failure {
	for {
		if fl == yielding {
			return fl
		}
		if fl.limit != nil || th.r.dead != nil { // a limit passes everything
			return fl
		}
		i := len(th.frames) - 1
		for ; i >= bottom && th.frames[i].cl != nil; i-- {
			if f := th.r.charge(int64(th.frames[i].pc)); f != nil {
				return f
			}
		}
		if i < bottom {
			th.frames = th.frames[:bottom]
			return fl
		}
		v := fl.v
		if i == 0 && th == th.r.main {
			th.r.last = fl
		}
		g := &th.frames[i]
		if g.handled && !g.closing {
			if v, fl = th.handle(th.stack[g.fn], v); fl != nil {
				return fl
			}
			g = &th.frames[i]
		}
		th.frames = th.frames[:i+1]
		g.closing = true
		th.stack[g.fn] = v
		th.top = g.fn + 1
		if fl = th.closeGuarded(); fl == nil {
			return nil
		}
	}
}

// handle calls the handler of xpcall where the error was raised. One that fails is called with its own error, for a while.
func (th *thread) handle(h, v value) (value, *failure) {
	for range 10 {
		at, f := th.call(h, 1, v)
		if f == nil {
			return th.stack[at], nil
		}
		if f.limit != nil || f == yielding {
			return value{}, f
		}
		v = f.v
	}
	s, f := th.r.newStr("error in error handling")
	if f != nil {
		return value{}, f
	}
	return vStr(s), nil
}

// closeGuarded closes what the error left open above the guard on top, then lets the guard return false and the error.
func (th *thread) closeGuarded() *failure {
	g := &th.frames[len(th.frames)-1]
	if n := len(th.closing); n > 0 && th.closing[n-1].level > g.fn {
		c := th.closing[n-1]
		th.closing = th.closing[:n-1]
		at := g.fn + 1
		th.stack[at], th.stack[at+1], th.stack[at+2] = th.r.metamethod(c.v, evClose), c.v, th.stack[g.fn]
		th.top = at + 3
		return th.precall(at, 2, 0, afterClosing)
	}
	fn, want, after := g.fn, int(g.want), g.after
	th.frames = th.frames[:len(th.frames)-1]
	th.stack[fn+1] = th.stack[fn]
	th.stack[fn] = vFalse
	return th.deliver(fn, 2, want, after)
}

// closeOne closes the innermost variable of a level or above, if there is one.
func (th *thread) closeOne(level int) (bool, *failure) {
	n := len(th.closing)
	if n == 0 || th.closing[n-1].level < level {
		return false, nil
	}
	c := th.closing[n-1]
	th.closing = th.closing[:n-1]
	return true, th.meta(afterDiscard, th.r.metamethod(c.v, evClose), c.v, value{})
}

func (th *thread) addClosing(level int, v value) *failure {
	if f := th.r.alloc(24); f != nil {
		return f
	}
	th.closing = append(th.closing, closing{level, v})
	return nil
}
