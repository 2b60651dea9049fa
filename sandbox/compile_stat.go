package sandbox

func (g *gen) statement(s *stat, rest []*stat) {
	switch s.op {
	case sLocal:
		g.local(s)
	case sAssign:
		g.assign(s)
	case sCall:
		g.call(s.left[0], g.free, 1)
	case sDo:
		g.scoped(s.body)
	case sWhile:
		g.while(s)
	case sRepeat:
		g.repeat(s)
	case sIf:
		g.ifStat(s)
	case sFor:
		g.counting(s)
	case sForIn:
		g.generic(s)
	case sFunction:
		reg := g.reserve(1)
		sym := s.syms[0]
		if sym.captured {
			g.emit(instr{op: opLoadNil, a: uint8(reg), b: 1}, s.line, nil)
			g.activate(sym, reg)
			tmp := g.reserve(1)
			g.to(s.right[0], tmp)
			g.emit(instr{op: opSetCell, a: uint8(reg), b: uint8(tmp)}, s.right[0].line, nil)
			return
		}
		g.activate(sym, reg)
		g.to(s.right[0], reg)
	case sReturn:
		g.returnStat(s)
	case sBreak:
		g.breakStat(s)
	case sGoto:
		g.gotoStat(s)
	case sLabel:
		g.labelStat(s, rest)
	}
}

func (g *gen) local(s *stat) {
	base := g.free
	g.exprs(s.right, len(s.syms), s.line)
	for i, sym := range s.syms {
		g.activate(sym, base+i)
		if sym.closing {
			g.closing++
			a := base + i
			if sym.captured { // what is closed is the value, which cannot change
				tmp := g.reserve(1)
				g.emit(instr{op: opGetCell, a: uint8(tmp), b: uint8(a)}, s.line, nil)
				g.emit(instr{op: opClosing, a: uint8(a), b: uint8(tmp)}, g.lastLine(), &expr{op: eLocal, sym: sym})
				g.free--
			} else {
				g.emit(instr{op: opClosing, a: uint8(a), b: uint8(a)}, g.lastLine(), &expr{op: eLocal, sym: sym})
			}
		}
	}
	g.free = base + len(s.syms)
}

// exprs puts the values of a list into the next n registers and reserves them.
func (g *gen) exprs(list []*expr, n int, line int32) {
	base := g.free
	for i, e := range list {
		last := i == len(list)-1
		if last && isMulti(e) && n > i {
			g.multi(e, g.free, n-i+1)
			g.free = base
			g.reserve(n)
			return
		}
		if i >= n { // more values than places: only for what they do
			if isMulti(e) {
				g.multi(e, g.free, 1)
			} else {
				at := g.free
				g.any(e)
				g.free = at
			}
			continue
		}
		reg := g.reserve(1)
		g.to(e, reg)
	}
	if missing := n - len(list); missing > 0 {
		reg := g.reserve(missing)
		g.emit(instr{op: opLoadNil, a: uint8(reg), b: uint8(missing)}, line, nil)
	}
}

// place is a target of an assignment whose table and key are evaluated.
type place struct {
	e        *expr
	obj, key int // registers
	field    *str
	index    int64
}

func (g *gen) place(e *expr, several bool) place {
	p := place{e: e, key: -1}
	if e.op != eIndex {
		return p
	}
	operand := func(x *expr) int {
		if several { // an earlier target of the same statement may be this local
			reg := g.reserve(1)
			g.to(x, reg)
			return reg
		}
		return g.any(x)
	}
	p.obj = operand(e.a)
	switch {
	case e.b.op == eString:
		p.field = e.b.s
	case e.b.op == eNumber && e.b.val.isInt() && int64(int32(e.b.val.int())) == e.b.val.int():
		p.index = e.b.val.int()
		p.key = -2
	default:
		p.key = operand(e.b)
	}
	return p
}

// store assigns register reg to a place.
func (g *gen) store(p place, reg int, line int32) {
	e := p.e
	switch e.op {
	case eLocal:
		if e.sym.captured {
			g.emit(instr{op: opSetCell, a: uint8(e.sym.reg), b: uint8(reg)}, line, e)
		} else if e.sym.reg != reg {
			g.emit(instr{op: opMove, a: uint8(e.sym.reg), b: uint8(reg)}, line, e)
		}
	case eUpvalue:
		g.emit(instr{op: opSetUp, a: uint8(reg), b: uint8(e.index)}, line, e)
	case eGlobal:
		g.emit(instr{op: opSetGlobal, a: uint8(reg), d: g.constant(vStr(e.s))}, line, e)
	case eIndex:
		switch {
		case p.field != nil:
			g.emit(instr{op: opSetField, a: uint8(p.obj), b: uint8(reg), d: g.constant(vStr(p.field))}, line, e)
		case p.key == -2:
			g.emit(instr{op: opSetInt, a: uint8(p.obj), b: uint8(reg), d: int32(p.index)}, line, e)
		default:
			g.emit(instr{op: opSetTable, a: uint8(p.obj), b: uint8(p.key), c: uint8(reg)}, line, e)
		}
	}
}

func (g *gen) assign(s *stat) {
	line := s.line
	if len(s.left) == 1 && len(s.right) == 1 {
		e, v := s.left[0], s.right[0]
		if e.op == eLocal && !e.sym.captured && direct(v) {
			g.to(v, e.sym.reg)
			return
		}
		p := g.place(e, false)
		reg := g.any(v)
		if s.name == nil { // no function statement
			line = g.endLine(v, line)
		}
		g.store(p, reg, line)
		return
	}
	places := make([]place, len(s.left))
	for i, e := range s.left {
		places[i] = g.place(e, true)
	}
	base := g.free
	g.exprs(s.right, len(s.left), line)
	end := line
	if n := len(s.right); n > 0 {
		end = g.endLine(s.right[n-1], line)
	}
	for i := len(places) - 1; i >= 0; i-- {
		g.store(places[i], base+i, end)
	}
}

// endLine is the line that Lua gives to what is done after an expression.
func (g *gen) endLine(e *expr, line int32) int32 { return max(line, e.line, g.lastLine()) }

// direct tells whether an expression writes its register last, after all that it reads.
func direct(e *expr) bool {
	switch e.op {
	case eNil, eTrue, eFalse, eNumber, eString, eLocal, eUpvalue, eGlobal, eIndex, eUnary, eBinary, eCall, eMethod:
		return true
	}
	return false
}

func (g *gen) while(s *stat) {
	start := g.pc()
	out := g.jumpIf(s.right[0], false)
	g.openScope(true)
	loop := g.scope
	g.scoped(s.body)
	j := g.emit(instr{op: opJump}, s.body.endLine, nil)
	g.patch(j, start)
	g.closeScope(s.body)
	g.patchHere(out)
	g.patchHere(loop.breaks)
}

func (g *gen) repeat(s *stat) {
	start := g.pc()
	g.openScope(true)
	loop := g.scope
	g.openScope(false)
	inner := g.scope
	inner.repeat = true
	g.block(s.body)
	g.free = g.locals()
	// The body's variables are visible in the condition and closed after it, on both ways. Only a plain jump goes back, so that
	// only it need be charged.
	out := g.jumpIf(s.right[0], true)
	if g.hasClosing(inner.active) {
		g.emit(instr{op: opClose, a: uint8(g.level(inner.active))}, s.body.endLine, nil)
	}
	j := g.emit(instr{op: opJump}, s.body.endLine, nil)
	g.patch(j, start)
	g.patchHere(out)
	g.closeScope(s.body)
	g.closeScope(s.body)
	g.patchHere(loop.breaks)
}

func (g *gen) ifStat(s *stat) {
	var ends []int
	for i, c := range s.conds {
		out := g.jumpIf(c, false)
		g.scoped(s.bodies[i])
		if i < len(s.bodies)-1 {
			ends = append(ends, g.emit(instr{op: opJump}, s.bodies[i].endLine, nil))
		}
		g.patchHere(out)
	}
	if len(s.bodies) > len(s.conds) {
		g.scoped(s.bodies[len(s.conds)])
	}
	g.patchHere(ends)
}

// counting is for i = a, b, c. R[base] is the counter, then limit or turns left, then step; the variable of the body is a copy.
func (g *gen) counting(s *stat) {
	g.openScope(true)
	loop := g.scope
	base := g.free
	for _, e := range s.right {
		g.to(e, g.reserve(1))
	}
	if len(s.right) == 2 {
		g.emit(instr{op: opLoadInt, a: uint8(g.reserve(1)), d: 1}, s.line, nil)
	}
	prep := g.emit(instr{op: opForPrep, a: uint8(base)}, s.line, nil)
	g.openScope(false)
	reg := g.reserve(1)
	g.activate(s.syms[0], reg)
	g.block(s.body)
	g.closeScope(s.body)
	g.patch(prep, g.pc()+1)
	end := g.emit(instr{op: opForLoop, a: uint8(base)}, s.line, nil)
	g.patch(end, prep+1)
	g.closeScope(s.body)
	g.patchHere(loop.breaks)
}

// generic is for k, v in f, s, c, x. R[base] is the iterator, then state, control, what is to be closed, and a hint for next.
func (g *gen) generic(s *stat) {
	g.openScope(true)
	loop := g.scope
	base := g.free
	g.exprs(s.right, 4, s.line)
	g.reserve(1)
	closer := &symbol{name: g.ps.r.intern("(for state)"), closing: true, reg: base + 3, fn: g.fn}
	g.active = append(g.active, closer)
	g.closing++
	prep := g.emit(instr{op: opForIn, a: uint8(base)}, s.line, s.right[0])
	g.openScope(false)
	reg := g.reserve(len(s.syms))
	for i, sym := range s.syms {
		g.activate(sym, reg+i)
	}
	g.free = reg + len(s.syms)
	g.p.stack = max(g.p.stack, reg+8)
	g.scope.free = g.free
	g.block(s.body)
	g.closeScope(s.body)
	g.patch(prep, g.pc())
	g.emit(instr{op: opForCall, a: uint8(base), c: uint8(len(s.syms))}, s.line, s.right[0])
	end := g.emit(instr{op: opForTest, a: uint8(base)}, s.line, nil)
	g.patch(end, prep+1)
	g.patchHere(loop.breaks)
	loop.breaks = nil
	g.closeScope(s.body)
}

func (g *gen) returnStat(s *stat) {
	closing := uint8(0)
	if g.closing > 0 {
		closing = 1
	}
	switch {
	case len(s.right) == 0:
		if closing == 0 {
			g.emit(instr{op: opReturn0}, s.line, nil)
		} else {
			g.emit(instr{op: opReturn, b: 1, c: 1, a: uint8(g.free)}, s.line, nil)
		}
	case len(s.right) == 1 && !isMulti(s.right[0]):
		reg := g.any(s.right[0])
		if closing == 0 {
			g.emit(instr{op: opReturn1, a: uint8(reg)}, s.line, nil)
		} else {
			g.emit(instr{op: opReturn, a: uint8(reg), b: 2, c: 1}, s.line, nil)
		}
	case len(s.right) == 1 && closing == 0 && s.right[0].op != eVararg:
		e := s.right[0]
		base := g.free
		b := g.arguments(e, base)
		g.emit(instr{op: opTailCall, a: uint8(base), b: b}, e.line, e)
	default:
		base := g.free
		b := g.open(s.right)
		g.emit(instr{op: opReturn, a: uint8(base), b: b, c: closing}, s.line, nil)
	}
}

// open puts a list into the next registers, the last one with all its values, and gives the operand b that says so.
func (g *gen) open(list []*expr) uint8 {
	for i, e := range list {
		if i == len(list)-1 && isMulti(e) {
			g.multi(e, g.free, 0)
			return 0
		}
		g.to(e, g.reserve(1))
	}
	return uint8(len(list) + 1)
}

func (g *gen) breakStat(s *stat) {
	loop := g.scope
	for loop != nil && !loop.loop {
		loop = loop.out
	}
	if loop == nil {
		g.ps.fail(g.ps.cur.line, int(s.start), "break outside loop at line "+itoa(int64(s.line)), "break ends a for, while or repeat; use return to leave a function.")
	}
	// A generic loop closes its own variable where its breaks arrive.
	from := loop.active
	if from < len(g.active) && g.active[from].name.s == "(for state)" {
		from++
	}
	if g.hasClosing(from) {
		g.emit(instr{op: opClose, a: uint8(g.level(from))}, s.line, nil)
	}
	loop.breaks = append(loop.breaks, g.emit(instr{op: opJump}, s.line, nil))
}

func (g *gen) gotoStat(s *stat) {
	j := jump{name: s.name, active: len(g.active), line: s.line, start: s.start}
	// Backward: the label is known.
	for sc := g.scope; sc != nil; sc = sc.out {
		for _, l := range sc.labels {
			if l.name != s.name {
				continue
			}
			if g.hasClosing(l.active) {
				g.emit(instr{op: opClose, a: uint8(g.level(l.active))}, s.line, nil)
			}
			g.patch(g.emit(instr{op: opJump}, s.line, nil), l.pc)
			return
		}
	}
	nop := instr{op: opNop}
	if g.closing > 0 {
		nop.d = 1 // becomes a close when the label is known
	}
	g.emit(nop, s.line, nil)
	j.pc = g.emit(instr{op: opJump}, s.line, nil)
	g.scope.gotos = append(g.scope.gotos, j)
}

func (g *gen) labelStat(s *stat, rest []*stat) {
	for sc := g.scope; sc != nil; sc = sc.out {
		for _, l := range sc.labels {
			if l.name == s.name {
				g.ps.fail(s.line, int(s.start), "label '"+s.name.s+"' already defined on line "+itoa(int64(l.line)), "")
			}
		}
	}
	l := label{name: s.name, pc: g.pc(), active: len(g.active), line: s.line}
	// A label at the end of a block is outside the scope of its locals (Lua 5.4 manual, 3.3.4).
	if atEnd(rest) && !g.scope.repeat {
		l.active = g.scope.active
	}
	g.scope.labels = append(g.scope.labels, l)
	// Forward gotos of this block and of blocks inside are waiting.
	waiting := g.scope.gotos[:0]
	for _, j := range g.scope.gotos {
		if j.name != s.name {
			waiting = append(waiting, j)
			continue
		}
		if l.active > j.active {
			g.ps.fail(g.ps.cur.line, int(j.start), "<goto "+j.name.s+"> at line "+itoa(int64(j.line))+" jumps into the scope of local '"+g.active[j.active].name.s+"'",
				"Declare the local before the goto, or put the code between them into do … end.")
		}
		if c := &g.p.code[j.pc-1]; c.d == 1 { // variables may have to be closed that are here no more
			level := g.locals()
			if j.active < len(g.active) {
				level = g.active[j.active].reg
			}
			*c = instr{op: opClose, a: uint8(level)}
		}
		g.patch(j.pc, l.pc)
	}
	g.scope.gotos = waiting
}

func atEnd(rest []*stat) bool {
	for _, s := range rest {
		if s.op != sLabel {
			return false
		}
	}
	return true
}
