package sandbox

import "strings"

// maxLevels is how deep the text may nest: brackets, blocks, functions. It bounds the recursion of parser and compiler.
const (
	maxLevels   = 200
	maxLocals   = 200
	maxUpvalues = 255
)

// parser reads the words into a tree and finds out which variable a name means (Lua 5.4 manual, 3.2 to 3.5).
type parser struct {
	lexer
	fn     *funcNode
	levels int
	env    *symbol // the variable _ENV, where the program says _ENV
	elseIf int32   // the line of the last "else if", which leaves an end missing
	misfit string  // what is said of the first end that is indented otherwise than what it closes
	isEnv  bool
}

// indent is how many spaces a line begins with.
func (p *parser) indent(line int32) int {
	text := p.r.textOf(int(line))
	return len(text) - len(strings.TrimLeft(text, " \t"))
}

// firstOnLine tells whether the present word is the first of its line.
func (p *parser) firstOnLine() bool { return p.lastLine != p.cur.line }

const (
	sizeExpr = 208
	sizeStat = 208
)

func (p *parser) node(op exprOp, line, start int32) *expr {
	if f := p.r.allocFixed(sizeExpr); f != nil {
		panic(f)
	}
	return &expr{op: op, line: line, start: start}
}

func (p *parser) stat(op statOp) *stat {
	if f := p.r.allocFixed(sizeStat); f != nil {
		panic(f)
	}
	return &stat{op: op, line: p.cur.line, start: p.cur.start}
}

func (p *parser) enter() {
	if p.levels++; p.levels > maxLevels {
		p.failNear("chunk has too many syntax levels", "The program is nested more than 200 deep; use variables for the inner parts.")
	}
}

func (p *parser) leave() { p.levels-- }

// failNear throws an error at the present word.
func (p *parser) failNear(msg, hint string) {
	if hint == "" {
		hint = p.slip()
	}
	pos := int(p.cur.start)
	if p.cur.tok == tEOF {
		pos = len(p.src)
	}
	p.fail(p.cur.line, pos, msg+" near "+p.nearText(), hint)
}

func (p *parser) expect(t token) {
	if p.cur.tok != t {
		p.failNear("'"+tokenTexts[t]+"' expected", "")
	}
	p.next()
}

// match expects the closing of what was opened at a line.
func (p *parser) match(closing, opening token, line int32) {
	if p.cur.tok == closing {
		if closing == tEnd && p.misfit == "" && line != p.cur.line && p.indent(line) != p.indent(p.cur.line) && p.firstOnLine() {
			p.misfit = "By the indentation, the " + tokenTexts[opening] + " at line " + itoa(int64(line)) + " has no end of its own: the end at line " + itoa(int64(p.cur.line)) + " closes it."
		}
		p.next()
		return
	}
	if line == p.cur.line {
		p.failNear("'"+tokenTexts[closing]+"' expected", "")
	}
	hint := ""
	switch {
	case closing == tEnd && p.elseIf > 0:
		hint = "The else if at line " + itoa(int64(p.elseIf)) + " opens a second if, which needs an end of its own; write elseif."
	case closing == tEnd && p.cur.tok == tEOF && p.misfit != "":
		hint = p.misfit
	case closing == tEnd && p.cur.tok == tEOF:
		hint = "The " + tokenTexts[opening] + " at line " + itoa(int64(line)) + " has no end: add one after its last statement."
	}
	p.failNear("'"+tokenTexts[closing]+"' expected (to close '"+tokenTexts[opening]+"' at line "+itoa(int64(line))+")", hint)
}

func (p *parser) accept(t token) bool {
	if p.cur.tok == t {
		p.next()
		return true
	}
	return false
}

func (p *parser) name() *str {
	if p.cur.tok != tName {
		p.failNear("<name> expected", "")
	}
	s := p.cur.s
	p.next()
	return s
}

// chunk reads the whole program as a function with variable arguments.
func (p *parser) chunk() *funcNode {
	fn := &funcNode{name: "main chunk", vararg: true, line: 0}
	p.fn = fn
	if p.isEnv {
		p.env = p.declare(p.r.intern("_ENV"))
	}
	p.next()
	fn.body = p.block()
	if p.cur.tok != tEOF {
		hint := ""
		if p.slip() != "" && p.cur.tok != tEnd {
			hint = ""
		} else if p.cur.tok == tEnd {
			hint = "This end closes nothing: there is one too many."
		} else if n := len(fn.body.list); n > 0 && fn.body.list[n-1].op == sReturn {
			hint = "return must be the last statement: nothing may follow it."
		}
		p.failNear("<eof> expected", hint)
	}
	fn.endLine = p.cur.line
	return fn
}

// declare makes a variable visible from here on.
func (p *parser) declare(name *str) *symbol {
	if len(p.fn.actives) >= maxLocals {
		p.failNear("too many local variables (limit is 200) in "+p.fn.where(), "Put values that belong together into one table.")
	}
	if f := p.r.allocFixed(64); f != nil {
		panic(f)
	}
	s := &symbol{name: name, fn: p.fn}
	p.fn.actives = append(p.fn.actives, s)
	return s
}

func (fn *funcNode) where() string {
	if fn.parent == nil {
		return "main function"
	}
	return "function at line " + itoa(int64(fn.line))
}

func (p *parser) blockEnds() bool {
	switch p.cur.tok {
	case tEOF, tEnd, tElse, tElseif, tUntil:
		return true
	}
	return false
}

// block reads statements in a scope of their own.
func (p *parser) block() *block {
	n := len(p.fn.actives)
	b := p.open()
	p.fn.actives = p.fn.actives[:n]
	return b
}

// open is block with the scope left open: repeat needs it for its condition.
func (p *parser) open() *block {
	b := &block{}
	for !p.blockEnds() {
		if p.cur.tok == tReturn {
			b.list = append(b.list, p.returnStat())
			break
		}
		p.enter()
		if s := p.statement(); s != nil {
			b.list = append(b.list, s)
		}
		p.leave()
	}
	b.endLine = p.cur.line
	return b
}

func (p *parser) statement() *stat {
	line := p.cur.line
	switch p.cur.tok {
	case tSemicolon:
		p.next()
		return nil
	case tIf:
		return p.ifStat(line)
	case tWhile:
		s := p.stat(sWhile)
		p.next()
		s.right = []*expr{p.expr()}
		p.expect(tDo)
		s.body = p.block()
		p.match(tEnd, tWhile, line)
		return s
	case tDo:
		s := p.stat(sDo)
		p.next()
		s.body = p.block()
		p.match(tEnd, tDo, line)
		return s
	case tFor:
		return p.forStat(line)
	case tRepeat:
		s := p.stat(sRepeat)
		p.next()
		n := len(p.fn.actives)
		s.body = p.open()
		p.match(tUntil, tRepeat, line)
		s.right = []*expr{p.expr()}
		p.fn.actives = p.fn.actives[:n]
		return s
	case tFunction:
		return p.functionStat(line)
	case tLocal:
		return p.localStat()
	case tDoubleColon:
		s := p.stat(sLabel)
		p.next()
		s.name = p.name()
		p.expect(tDoubleColon)
		return s
	case tBreak:
		s := p.stat(sBreak)
		p.next()
		return s
	case tGoto:
		s := p.stat(sGoto)
		p.next()
		s.name = p.name()
		return s
	}
	return p.exprStat()
}

func (p *parser) returnStat() *stat {
	s := p.stat(sReturn)
	p.next()
	if !p.blockEnds() && p.cur.tok != tSemicolon {
		s.right = p.exprList()
	}
	p.accept(tSemicolon)
	return s
}

func (p *parser) ifStat(line int32) *stat {
	s := p.stat(sIf)
	for {
		p.next() // if, elseif
		s.conds = append(s.conds, p.expr())
		p.expect(tThen)
		s.bodies = append(s.bodies, p.block())
		if p.cur.tok != tElseif {
			break
		}
	}
	if p.cur.tok == tElse {
		l := p.cur.line
		p.next()
		if p.cur.tok == tIf && p.cur.line == l {
			p.elseIf = l
		}
		s.bodies = append(s.bodies, p.block())
	}
	p.match(tEnd, tIf, line)
	return s
}

func (p *parser) forStat(line int32) *stat {
	s := p.stat(sForIn)
	p.next()
	names := []*str{p.name()}
	n := len(p.fn.actives)
	switch p.cur.tok {
	case tAssign:
		s.op = sFor
		p.next()
		s.right = append(s.right, p.expr())
		p.expectComma()
		s.right = append(s.right, p.expr())
		if p.accept(tComma) {
			s.right = append(s.right, p.expr())
		}
	case tComma, tIn:
		for p.accept(tComma) {
			names = append(names, p.name())
		}
		p.expect(tIn)
		s.right = p.exprList()
	default:
		p.failNear("'=' or 'in' expected", "")
	}
	p.expect(tDo)
	for range 3 { // the loop's own state takes places among the locals
		p.declare(p.r.intern("(for state)"))
	}
	if s.op == sForIn {
		p.declare(p.r.intern("(for state)"))
	}
	for _, name := range names {
		s.syms = append(s.syms, p.declare(name))
	}
	s.body = p.block()
	p.fn.actives = p.fn.actives[:n]
	p.match(tEnd, tFor, line)
	return s
}

func (p *parser) expectComma() {
	if p.cur.tok != tComma {
		p.failNear("',' expected", "A counting loop is: for i = 1, 10 do … end")
	}
	p.next()
}

// functionStat is function a.b:c() … end, an assignment.
func (p *parser) functionStat(line int32) *stat {
	s := p.stat(sAssign)
	p.next()
	if p.cur.tok == tLparen {
		p.failNear("<name> expected", "A function without a name is a value: local f = function(x) … end")
	}
	start := p.cur.start
	target := p.variable(p.name(), line, start)
	full := p.src[start:p.lastEnd]
	method := false
	for p.cur.tok == tDot || p.cur.tok == tColon {
		method = p.cur.tok == tColon
		p.next()
		key := p.node(eString, p.cur.line, p.cur.start)
		key.s = p.name()
		e := p.node(eIndex, p.lastLine, start)
		e.a, e.b = target, key
		target = e
		full = p.src[start:p.lastEnd]
		if method {
			break
		}
	}
	s.left = []*expr{target}
	s.name = p.r.intern(full)
	s.right = []*expr{p.function(method, line, full)}
	return s
}

func (p *parser) localStat() *stat {
	s := p.stat(sLocal)
	p.next()
	if p.cur.tok == tFunction {
		line := p.cur.line
		p.next()
		s.op = sFunction
		name := p.name()
		s.syms = []*symbol{p.declare(name)}
		s.right = []*expr{p.function(false, line, name.s)}
		return s
	}
	var names []*str
	var attribs []string
	closing := false
	for {
		names = append(names, p.name())
		attrib := ""
		if p.accept(tLt) {
			line, start := p.cur.line, p.cur.start
			attrib = p.name().s
			if attrib != "const" && attrib != "close" {
				p.fail(line, int(start), "unknown attribute '"+attrib+"'", "The attributes are <const> and <close>.")
			}
			if attrib == "close" {
				if closing {
					p.fail(line, int(start), "multiple to-be-closed variables in local list", "")
				}
				closing = true
			}
			p.expect(tGt)
		}
		attribs = append(attribs, attrib)
		if !p.accept(tComma) {
			break
		}
	}
	if p.accept(tAssign) {
		s.right = p.exprList()
	}
	for i, name := range names {
		sym := p.declare(name)
		sym.constant = attribs[i] != ""
		sym.closing = attribs[i] == "close"
		s.syms = append(s.syms, sym)
	}
	return s
}

func (p *parser) exprStat() *stat {
	s := p.stat(sCall)
	e := p.suffixed()
	if p.cur.tok == tAssign || p.cur.tok == tComma {
		s.op = sAssign
		p.assignable(e)
		s.left = []*expr{e}
		for p.accept(tComma) {
			e = p.suffixed()
			p.assignable(e)
			s.left = append(s.left, e)
			p.levels++ // as deep as Lua has it: a list of targets is a recursion there
			if p.levels > maxLevels {
				p.failNear("chunk has too many syntax levels", "")
			}
		}
		p.levels -= len(s.left) - 1
		if p.cur.tok != tAssign {
			p.failNear("'=' expected", "")
		}
		p.next()
		s.right = p.exprList()
		return s
	}
	if e.op != eCall && e.op != eMethod {
		p.failNear("syntax error", p.strayHint(e))
	}
	s.left = []*expr{e}
	return s
}

func (p *parser) assignable(e *expr) {
	switch e.op {
	case eLocal, eUpvalue:
		if e.sym.constant {
			p.fail(p.cur.line, int(e.start), "attempt to assign to const variable '"+e.sym.name.s+"'", "Declare it without <const>, or use another variable.")
		}
	case eGlobal, eIndex:
	default:
		p.failNear("syntax error", "")
	}
}
