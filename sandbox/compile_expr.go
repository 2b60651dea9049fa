package sandbox

func isMulti(e *expr) bool { return e.op == eCall || e.op == eMethod || e.op == eVararg }

// any evaluates an expression and says in which register it is: a local's own, or a new one.
func (g *gen) any(e *expr) int {
	if e.op == eParen {
		e = e.a
	}
	if e.op == eLocal && !e.sym.captured {
		return e.sym.reg
	}
	reg := g.reserve(1)
	g.to(e, reg)
	return reg
}

// to evaluates an expression into a register.
func (g *gen) to(e *expr, reg int) {
	a := uint8(reg)
	switch e.op {
	case eNil:
		g.emit(instr{op: opLoadNil, a: a, b: 1}, e.line, nil)
	case eTrue:
		g.emit(instr{op: opLoadTrue, a: a}, e.line, nil)
	case eFalse:
		g.emit(instr{op: opLoadFalse, a: a}, e.line, nil)
	case eNumber:
		if i := e.val.int(); e.val.isInt() && int64(int32(i)) == i {
			g.emit(instr{op: opLoadInt, a: a, d: int32(i)}, e.line, nil)
		} else {
			g.emit(instr{op: opLoadK, a: a, d: g.constant(e.val)}, e.line, nil)
		}
	case eString:
		g.emit(instr{op: opLoadK, a: a, d: g.constant(vStr(e.s))}, e.line, nil)
	case eVararg, eCall, eMethod:
		g.multi(e, reg, 2)
	case eFunction:
		g.closure(e, a)
	case eLocal:
		if e.sym.captured {
			g.emit(instr{op: opGetCell, a: a, b: uint8(e.sym.reg)}, e.line, e)
		} else if e.sym.reg != reg {
			g.emit(instr{op: opMove, a: a, b: uint8(e.sym.reg)}, e.line, e)
		}
	case eUpvalue:
		g.emit(instr{op: opGetUp, a: a, b: uint8(e.index)}, e.line, e)
	case eGlobal:
		g.emit(instr{op: opGetGlobal, a: a, d: g.constant(vStr(e.s))}, e.line, e)
	case eIndex:
		g.index(e, a)
	case eTable:
		g.table(e, reg)
	case eBinary:
		g.binary(e, reg)
	case eUnary:
		free := g.free
		b := g.any(e.a)
		g.free = free
		op := map[token]opcode{tSub: opUnm, tBxor: opBnot, tNot: opNot, tLen: opLen}[e.tok]
		g.emit(instr{op: op, a: a, b: uint8(b)}, e.line, e)
	case eAnd, eOr:
		if reg < g.free-1 && reg < g.locals() {
			panic("a local as the place of a logical operator")
		}
		g.to(e.a, reg)
		want := uint8(0)
		if e.op == eOr {
			want = 1
		}
		j := g.emit(instr{op: opTest, a: a, b: want}, e.line, nil)
		g.to(e.b, reg)
		g.patch(j, g.pc())
	case eParen:
		g.to(e.a, reg)
	}
}

func (g *gen) closure(e *expr, a uint8) {
	sub := &gen{ps: g.ps, out: g}
	g.alloc(64)
	g.p.subs = append(g.p.subs, sub.function(e.fn))
	g.emit(instr{op: opClosure, a: a, d: int32(len(g.p.subs) - 1)}, e.line, nil)
}

// index is a[b]. A chain of them is followed in a loop, since its length is not bounded.
func (g *gen) index(e *expr, a uint8) {
	var chain []*expr
	for e.op == eIndex {
		chain = append(chain, e)
		e = e.a
		if e.op == eParen && e.a.op == eIndex {
			e = e.a
		}
	}
	free := g.free
	b := g.any(e)
	tmp := -1
	if b >= free {
		tmp = b
	}
	for i := len(chain) - 1; i >= 0; i-- {
		e := chain[i]
		dst := a
		if i > 0 {
			if tmp < 0 {
				tmp = g.reserve(1)
			}
			dst = uint8(tmp)
		}
		mark := g.free
		switch k := e.b; {
		case k.op == eString:
			g.emit(instr{op: opGetField, a: dst, b: uint8(b), d: g.constant(vStr(k.s))}, e.line, e)
		case k.op == eNumber && k.val.isInt() && int64(int32(k.val.int())) == k.val.int():
			g.emit(instr{op: opGetInt, a: dst, b: uint8(b), d: int32(k.val.int())}, e.line, e)
		default:
			c := g.any(k)
			g.emit(instr{op: opGetTable, a: dst, b: uint8(b), c: uint8(c)}, e.line, e)
		}
		g.free = mark
		b = int(dst)
	}
	g.free = free
}

// multi is a call or ... whose values go to the registers from reg on: want-1 of them, all of them if want is 0.
func (g *gen) multi(e *expr, reg, want int) {
	if e.op == eVararg {
		if want > 1 {
			g.p.stack = max(g.p.stack, reg+want)
		}
		g.emit(instr{op: opVararg, a: uint8(reg), b: uint8(want)}, e.line, e)
		return
	}
	g.call(e, reg, want)
}

// call makes a call whose want-1 results go to the registers from reg on.
func (g *gen) call(e *expr, reg, want int) {
	free := g.free
	base := g.free
	if reg == g.free-1 && reg >= g.locals() {
		base = reg
		g.free = reg
	}
	b := g.arguments(e, base)
	g.emit(instr{op: opCall, a: uint8(base), b: b, c: uint8(want)}, e.line, e)
	g.p.stack = max(g.p.stack, base+max(want, 2)+1)
	g.free = free
	if base == reg || want == 1 {
		return
	}
	for i := 0; i < want-1; i++ {
		g.emit(instr{op: opMove, a: uint8(reg + i), b: uint8(base + i)}, e.line, nil)
	}
}

// arguments puts function and arguments into registers from base on, which is free, and gives the operand b of the call.
func (g *gen) arguments(e *expr, base int) uint8 {
	// f(x)(y)(z) is followed in a loop, as in index.
	var chain []*expr
	for e.a.op == eCall || e.a.op == eMethod {
		chain = append(chain, e)
		e = e.a
	}
	b := g.oneCall(e, base, nil)
	for i := len(chain) - 1; i >= 0; i-- {
		g.emit(instr{op: opCall, a: uint8(base), b: b, c: 2}, e.line, e)
		g.free = base + 1
		e = chain[i]
		b = g.oneCall(e, base, e.a)
	}
	return b
}

// oneCall is arguments without the chain; done is the function if it is in base already.
func (g *gen) oneCall(e *expr, base int, done *expr) uint8 {
	if done == nil {
		g.reserve(1)
		if e.op == eMethod {
			obj := g.any(e.a)
			g.free = base + 1
			g.reserve(1)
			g.emit(instr{op: opSelf, a: uint8(base), b: uint8(obj), d: g.constant(vStr(e.s))}, g.lineOf(e), e)
		} else {
			g.to(e.a, base)
		}
	} else if e.op == eMethod {
		g.reserve(1)
		g.emit(instr{op: opSelf, a: uint8(base), b: uint8(base), d: g.constant(vStr(e.s))}, g.lineOf(e), e)
	}
	b := g.open(e.list)
	if b > 0 && e.op == eMethod {
		b++
	}
	return b
}

func (g *gen) lineOf(e *expr) int32 { return e.line }

func (g *gen) table(e *expr, reg int) {
	free := g.free
	at := reg
	if reg != g.free-1 || reg < g.locals() {
		at = g.reserve(1)
	}
	lists, others := 0, 0
	for _, k := range e.keys {
		if k == nil {
			lists++
		} else {
			others++
		}
	}
	g.emit(instr{op: opNewTable, a: uint8(at), b: uint8(min(others, 255)), d: int32(lists)}, e.line, nil)
	const batch = 50
	pending, done := 0, 0
	flush := func(multi bool) {
		b := uint8(pending)
		if multi {
			b = 0
		}
		if pending > 0 || multi {
			g.emit(instr{op: opSetList, a: uint8(at), b: b, d: int32(done)}, g.lastLine(), nil)
		}
		done += pending
		pending = 0
		g.free = at + 1
	}
	for i, v := range e.list {
		k := e.keys[i]
		if k == nil {
			if i == len(e.list)-1 && isMulti(v) {
				g.multi(v, g.free, 0)
				flush(true)
				continue
			}
			g.to(v, g.reserve(1))
			if pending++; pending == batch {
				flush(false)
			}
			continue
		}
		mark := g.free
		p := place{e: &expr{op: eIndex, a: e, b: k}, obj: at, key: -1}
		switch {
		case k.op == eString:
			p.field = k.s
		default:
			p.key = g.any(k)
		}
		val := g.any(v)
		g.store(p, val, g.endLine(v, k.line))
		g.free = mark
	}
	flush(false)
	if at != reg {
		g.emit(instr{op: opMove, a: uint8(reg), b: uint8(at)}, e.line, nil)
	}
	g.free = free
}

func (g *gen) binary(e *expr, reg int) {
	free := g.free
	switch e.tok {
	case tConcat:
		g.concat(e, reg)
		return
	case tEq, tNe, tLt, tLe, tGt, tGe:
		into := -1
		if reg == g.free-1 && reg >= g.locals() {
			into = reg // the left operand can have the place of the result: a chain needs no more registers
		}
		j := g.compare(e, true, into)
		g.emit(instr{op: opLoadFalse, a: uint8(reg)}, e.line, nil)
		g.emit(instr{op: opJump, d: 1}, e.line, nil)
		g.patch(j, g.pc())
		g.emit(instr{op: opLoadTrue, a: uint8(reg)}, e.line, nil)
		g.free = free
		return
	}
	if v, ok := fold(e); ok {
		g.to(&expr{op: eNumber, val: v, line: e.line}, reg)
		return
	}
	// A long sum leans to the left: the operands are found in a loop.
	var chain []*expr
	x := e
	for x.op == eBinary && arithOp(x.tok) >= 0 {
		if _, ok := fold(x); ok {
			break
		}
		chain = append(chain, x)
		x = x.a
	}
	b := g.any(x)
	tmp := -1
	if b >= free {
		tmp = b
	}
	for i := len(chain) - 1; i >= 0; i-- {
		x := chain[i]
		dst := reg
		mark := g.free
		op := opAdd + opcode(arithOp(x.tok))
		c, k := 0, int32(-1)
		if op <= opIdiv && x.b.op == eNumber {
			k = g.constant(x.b.val)
		} else {
			c = g.any(x.b)
		}
		if i > 0 {
			if tmp < 0 {
				g.free = mark
				if c >= mark {
					tmp = c
				} else {
					tmp = g.reserve(1)
				}
				mark = max(mark, tmp+1)
				g.free = mark
			}
			dst = tmp
		}
		if k >= 0 {
			g.emit(instr{op: op - opAdd + opAddK, a: uint8(dst), b: uint8(b), d: k}, x.line, x)
		} else {
			g.emit(instr{op: op, a: uint8(dst), b: uint8(b), c: uint8(c)}, x.line, x)
		}
		g.free = mark
		b = dst
	}
	g.free = free
}

// arithOp is the order of the arithmetic operators, which opcodes and metamethods share.
func arithOp(t token) int {
	switch t {
	case tAdd:
		return 0
	case tSub:
		return 1
	case tMul:
		return 2
	case tDiv:
		return 3
	case tMod:
		return 4
	case tPow:
		return 5
	case tIdiv:
		return 6
	case tBand:
		return 7
	case tBor:
		return 8
	case tBxor:
		return 9
	case tShl:
		return 10
	case tShr:
		return 11
	}
	return -1
}

// fold computes what both operands are numerals of, where it cannot fail and the result has a plain form.
func fold(e *expr) (value, bool) {
	if e.op != eBinary || e.a.op != eNumber || e.b.op != eNumber {
		return value{}, false
	}
	op := arithOp(e.tok)
	if op < 0 || op > 6 {
		return value{}, false
	}
	if op >= 3 && e.b.val.asFloat() == 0 {
		return value{}, false
	}
	v, ok := arithNumbers(op, e.a.val, e.b.val)
	if !ok || v.isFloat() && (v.float() == 0 || v.float() != v.float()) {
		return value{}, false
	}
	return v, true
}

func (g *gen) concat(e *expr, reg int) {
	free := g.free
	base := g.free
	n := 0
	x, line := e, e.line
	for x.op == eBinary && x.tok == tConcat {
		g.to(x.a, g.reserve(1))
		n++
		line = x.line // as Lua has it, that of the last operator
		x = x.b
	}
	g.to(x, g.reserve(1))
	n++
	g.emit(instr{op: opConcat, a: uint8(reg), b: uint8(base), c: uint8(n)}, line, e)
	g.free = free
}

// compare emits a comparison that jumps when it is cond, and gives the jump. The left operand may be put into a register, if that is
// not -1.
func (g *gen) compare(e *expr, cond bool, into int) int {
	left := func(l *expr) int {
		if into >= 0 && !(l.op == eLocal && !l.sym.captured) {
			g.to(l, into)
			return into
		}
		return g.any(l)
	}
	free := g.free
	defer func() { g.free = free }()
	l, r, tok := e.a, e.b, e.tok
	c := uint8(0)
	if tok == tNe {
		cond, tok = !cond, tEq
	}
	if cond {
		c = 1
	}
	// A constant to the right has instructions of its own, if its number fits a byte.
	if r.op == eNumber || tok == tEq && (r.op == eString || r.op == eNil || r.op == eTrue || r.op == eFalse) {
		if k := g.constant(literal(r)); k < 256 {
			op := map[token]opcode{tEq: opEqK, tLt: opLtK, tLe: opLeK, tGt: opGtK, tGe: opGeK}[tok]
			a := left(l)
			return g.emit(instr{op: op, a: uint8(a), b: uint8(k), c: c}, e.line, e)
		}
	}
	a := left(l)
	b := g.any(r)
	switch tok {
	case tGt:
		return g.emit(instr{op: opLt, a: uint8(b), b: uint8(a), c: c}, e.line, e)
	case tGe:
		return g.emit(instr{op: opLe, a: uint8(b), b: uint8(a), c: c}, e.line, e)
	case tLt:
		return g.emit(instr{op: opLt, a: uint8(a), b: uint8(b), c: c}, e.line, e)
	case tLe:
		return g.emit(instr{op: opLe, a: uint8(a), b: uint8(b), c: c}, e.line, e)
	}
	return g.emit(instr{op: opEq, a: uint8(a), b: uint8(b), c: c}, e.line, e)
}

func literal(e *expr) value {
	switch e.op {
	case eNumber:
		return e.val
	case eString:
		return vStr(e.s)
	case eTrue:
		return vTrue
	case eFalse:
		return vFalse
	}
	return value{}
}

// jumpIf emits code that jumps away when the truth of e is cond, and gives the jumps.
func (g *gen) jumpIf(e *expr, cond bool) []int {
	for e.op == eParen {
		e = e.a
	}
	switch e.op {
	case eTrue, eNumber, eString, eFunction:
		if e.op != eFunction {
			if cond {
				return []int{g.emit(instr{op: opJump}, e.line, nil)}
			}
			return nil
		}
	case eNil, eFalse:
		if !cond {
			return []int{g.emit(instr{op: opJump}, e.line, nil)}
		}
		return nil
	case eUnary:
		if e.tok == tNot {
			return g.jumpIf(e.a, !cond)
		}
	case eBinary:
		switch e.tok {
		case tEq, tNe, tLt, tLe, tGt, tGe:
			return []int{g.compare(e, cond, -1)}
		}
	case eAnd, eOr:
		if (e.op == eOr) == cond { // either side decides
			return append(g.jumpIf(e.a, cond), g.jumpIf(e.b, cond)...)
		}
		skip := g.jumpIf(e.a, !cond)
		out := g.jumpIf(e.b, cond)
		g.patchHere(skip)
		return out
	}
	free := g.free
	a := g.any(e)
	g.free = free
	b := uint8(0)
	if cond {
		b = 1
	}
	return []int{g.emit(instr{op: opTest, a: uint8(a), b: b}, e.line, nil)}
}
