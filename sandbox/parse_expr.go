package sandbox

// Binding power of the binary operators, left and right (Lua 5.4 manual, 3.4.8).
var power = [...][2]int{
	tOr: {1, 1}, tAnd: {2, 2},
	tLt: {3, 3}, tGt: {3, 3}, tLe: {3, 3}, tGe: {3, 3}, tNe: {3, 3}, tEq: {3, 3},
	tBor: {4, 4}, tBxor: {5, 5}, tBand: {6, 6}, tShl: {7, 7}, tShr: {7, 7},
	tConcat: {9, 8}, tAdd: {10, 10}, tSub: {10, 10},
	tMul: {11, 11}, tDiv: {11, 11}, tIdiv: {11, 11}, tMod: {11, 11},
	tPow:   {14, 13},
	tOther: {},
}

const unaryPower = 12

func (p *parser) expr() *expr { return p.subexpr(0) }

func (p *parser) exprList() []*expr {
	list := []*expr{p.expr()}
	for p.accept(tComma) {
		list = append(list, p.expr())
	}
	return list
}

// subexpr reads an expression of operators that bind tighter than limit.
func (p *parser) subexpr(limit int) *expr {
	p.enter()
	var e *expr
	switch op := p.cur.tok; op {
	case tNot, tSub, tBxor, tLen:
		line, start := p.cur.line, p.cur.start
		p.next()
		a := p.subexpr(unaryPower)
		if op == tSub && a.op == eNumber {
			e = p.node(eNumber, line, start)
			if a.val.isInt() {
				e.val = vInt(-a.val.int())
			} else {
				e.val = vFloat(-a.val.float())
			}
		} else {
			e = p.node(eUnary, line, start)
			e.tok, e.a = op, a
		}
	default:
		e = p.simple()
	}
	for power[p.cur.tok][0] > limit {
		op, line := p.cur.tok, p.cur.line
		start := p.cur.start
		p.next()
		b := p.subexpr(power[op][1])
		bin := p.node(eBinary, line, start)
		switch op {
		case tAnd:
			bin.op = eAnd
		case tOr:
			bin.op = eOr
		case tEq, tNe, tLt, tLe, tGt, tGe:
			bin.line = p.lastLine
		}
		bin.tok, bin.a, bin.b = op, e, b
		e = bin
	}
	p.leave()
	return e
}

func (p *parser) simple() *expr {
	line, start := p.cur.line, p.cur.start
	leaf := func(op exprOp) *expr {
		e := p.node(op, line, start)
		e.s, e.val = p.cur.s, p.cur.val
		p.next()
		return e
	}
	switch p.cur.tok {
	case tNumber:
		return leaf(eNumber)
	case tString:
		return leaf(eString)
	case tNil:
		return leaf(eNil)
	case tTrue:
		return leaf(eTrue)
	case tFalse:
		return leaf(eFalse)
	case tDots:
		if !p.fn.vararg {
			p.failNear("cannot use '...' outside a vararg function", "Add ... to the parameters of the function.")
		}
		return leaf(eVararg)
	case tLbrace:
		return p.table()
	case tFunction:
		p.next()
		return p.function(false, line, "")
	}
	return p.suffixed()
}

// variable finds what a name means here: the innermost local of that name, of this function or one around, or a global.
func (p *parser) variable(name *str, line, start int32) *expr {
	if e := p.lookup(p.fn, name, line, start); e != nil {
		return e
	}
	if p.env == nil {
		e := p.node(eGlobal, line, start)
		e.s = name
		return e
	}
	key := p.node(eString, line, start)
	key.s = name
	e := p.node(eIndex, line, start)
	e.a, e.b = p.lookup(p.fn, p.env.name, line, start), key
	return e
}

func (p *parser) lookup(fn *funcNode, name *str, line, start int32) *expr {
	p.charge(len(fn.actives)/8 + 1)
	for i := len(fn.actives) - 1; i >= 0; i-- {
		if s := fn.actives[i]; s.name == name {
			e := p.node(eLocal, line, start)
			e.sym = s
			return e
		}
	}
	if i, ok := p.capture(fn, name); ok {
		e := p.node(eUpvalue, line, start)
		e.index, e.sym = int32(i), fn.upvalues[i].sym
		return e
	}
	return nil
}

// capture gives the index among fn's upvalues of a variable of a function around it.
func (p *parser) capture(fn *funcNode, name *str) (int, bool) {
	for i := range fn.upvalues {
		if fn.upvalues[i].sym.name == name && visible(fn, fn.upvalues[i].sym) {
			return i, true
		}
	}
	out := fn.parent
	if out == nil {
		return 0, false
	}
	p.charge(len(out.actives)/8 + 1)
	u := upvalue{index: -1}
	for i := len(out.actives) - 1; i >= 0; i-- {
		if s := out.actives[i]; s.name == name {
			s.captured = true
			u = upvalue{sym: s, fromLocal: true}
			break
		}
	}
	if u.sym == nil {
		i, ok := p.capture(out, name)
		if !ok {
			return 0, false
		}
		u = upvalue{sym: out.upvalues[i].sym, index: i}
	}
	for i := range fn.upvalues {
		if fn.upvalues[i].sym == u.sym {
			return i, true
		}
	}
	if len(fn.upvalues) >= maxUpvalues {
		p.failNear("too many upvalues (limit is 255) in "+fn.where(), "")
	}
	if f := p.r.allocFixed(48); f != nil {
		panic(f)
	}
	fn.upvalues = append(fn.upvalues, u)
	return len(fn.upvalues) - 1, true
}

// visible tells whether a captured variable is still what its name means outside fn: another of the same name cannot have been
// declared between, since fn is being read all the while.
func visible(fn *funcNode, s *symbol) bool {
	for out := fn.parent; out != nil; out = out.parent {
		for i := len(out.actives) - 1; i >= 0; i-- {
			if out.actives[i].name == s.name {
				return out.actives[i] == s
			}
		}
	}
	return false
}

func (p *parser) primary() *expr {
	line, start := p.cur.line, p.cur.start
	switch p.cur.tok {
	case tName:
		return p.variable(p.name(), line, start)
	case tLparen:
		p.next()
		e := p.expr()
		p.match(tRparen, tLparen, line)
		switch e.op {
		case eCall, eMethod, eVararg, eString, eTable, eFunction, eLocal, eUpvalue, eGlobal, eIndex, eNumber, eAnd, eOr, eBinary:
			w := p.node(eParen, e.line, start)
			w.a = e
			return w
		}
		return e
	}
	p.failNear("unexpected symbol", "")
	return nil
}

// suffixed reads a primary expression with its fields, indices, calls.
func (p *parser) suffixed() *expr {
	line, start := p.cur.line, p.cur.start
	e := p.primary()
	for {
		switch p.cur.tok {
		case tDot:
			p.next()
			key := p.node(eString, p.cur.line, p.cur.start)
			key.s = p.field()
			n := p.node(eIndex, p.lastLine, p.lastEnd-int32(len(key.s.s)))
			n.a, n.b = e, key
			e = n
		case tLbracket:
			at := p.cur.start
			p.next()
			key := p.expr()
			p.expect(tRbracket)
			n := p.node(eIndex, p.lastLine, at)
			n.a, n.b = e, key
			e = n
		case tColon:
			p.next()
			at := p.cur.start
			name := p.field()
			n := p.node(eMethod, line, at)
			n.a, n.s = e, name
			n.list = p.arguments(line)
			e = n
		case tLparen, tString, tLbrace:
			n := p.node(eCall, line, start)
			n.a = e
			n.list = p.arguments(line)
			e = n
		default:
			return e
		}
	}
}

// field is the name after a dot; models like to use reserved words there.
func (p *parser) field() *str {
	if t := p.cur.tok; t >= tAnd && t <= tWhile {
		p.failNear("<name> expected", p.cur.textOf(p.src)+" is a word of the language; as a key write t[\""+p.cur.textOf(p.src)+"\"].")
	}
	return p.name()
}

func (p *parser) arguments(line int32) []*expr {
	switch p.cur.tok {
	case tString:
		e := p.node(eString, p.cur.line, p.cur.start)
		e.s = p.cur.s
		p.next()
		return []*expr{e}
	case tLbrace:
		return []*expr{p.table()}
	case tLparen:
		open := p.cur.line
		p.next()
		if p.accept(tRparen) {
			return nil
		}
		list := p.exprList()
		p.match(tRparen, tLparen, open)
		return list
	}
	p.failNear("function arguments expected", "A colon calls a method: obj:name(). A field is read with a dot: obj.name.")
	return nil
}

func (p *parser) table() *expr {
	line := p.cur.line
	e := p.node(eTable, line, p.cur.start)
	p.expect(tLbrace)
	for p.cur.tok != tRbrace {
		var key *expr
		switch {
		case p.cur.tok == tName && p.peek() == tAssign:
			key = p.node(eString, p.cur.line, p.cur.start)
			key.s = p.name()
			p.next()
		case p.cur.tok == tLbracket:
			p.next()
			key = p.expr()
			p.expect(tRbracket)
			p.expect(tAssign)
		}
		val := p.expr()
		if p.cur.tok == tColon {
			p.failNear("'}' expected", "A key is written {name = value}, or {[\"some text\"] = value}.")
		}
		e.list = append(e.list, val)
		e.keys = append(e.keys, key)
		if f := p.r.allocFixed(32); f != nil {
			panic(f)
		}
		if !p.accept(tComma) && !p.accept(tSemicolon) {
			break
		}
	}
	p.match(tRbrace, tLbrace, line)
	return e
}

// function reads parameters and body; the word function was read.
func (p *parser) function(method bool, line int32, name string) *expr {
	e := p.node(eFunction, line, p.lastEnd)
	if f := p.r.allocFixed(256); f != nil {
		panic(f)
	}
	fn := &funcNode{parent: p.fn, line: line, name: name, depth: p.fn.depth + 1}
	e.fn = fn
	p.fn = fn
	if method {
		fn.params = append(fn.params, p.declare(p.r.intern("self")))
	}
	p.expect(tLparen)
	for p.cur.tok != tRparen {
		if p.accept(tDots) {
			fn.vararg = true
			break
		}
		if p.cur.tok != tName {
			p.failNear("<name> or '...' expected", "")
		}
		fn.params = append(fn.params, p.declare(p.name()))
		if !p.accept(tComma) {
			break
		}
	}
	p.expect(tRparen)
	fn.body = p.block()
	fn.endLine = p.cur.line
	p.match(tEnd, tFunction, line)
	p.fn = fn.parent
	e.line = p.lastLine
	return e
}

func (w word) textOf(src string) string { return src[w.start:w.end] }
