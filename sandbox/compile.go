package sandbox

// maxRegisters leaves room in an operand's byte for what a call or loop puts behind the last local.
const maxRegisters = 250

// compile turns a program into a function of the machine.
func (r *run) compile(program string) (p *proto, e *Error, f *failure) {
	defer func() {
		switch x := recover().(type) {
		case nil:
		case *Error:
			p, e = nil, x
		case *failure:
			p, f = nil, x
		default:
			panic(x)
		}
	}()
	ps := &parser{lexer: lexer{r: r, src: program, line: 1}}
	if len(program) > 0 && program[0] == '#' { // as a script's first line
		for ps.pos < len(program) && program[ps.pos] != '\n' {
			ps.pos++
		}
	}
	ps.isEnv = mentionsEnv(program)
	fn := ps.chunk()
	return (&gen{ps: ps}).function(fn), nil, nil
}

func mentionsEnv(s string) bool {
	for i := 0; i+4 <= len(s); i++ {
		if s[i] == '_' && s[i:i+4] == "_ENV" {
			return true
		}
	}
	return false
}

// gen makes the code of one function. Locals have registers from 0 on in the order of their scopes; free is the first register
// that nothing uses, and temporaries come and go above the locals.
type gen struct {
	ps      *parser
	out     *gen
	fn      *funcNode
	p       *proto
	free    int
	active  []*symbol // of the scopes that are open
	scope   *scope
	consts  map[value]int32
	closing int // variables to be closed in scopes that are open
}

// scope is an open block.
type scope struct {
	out    *scope
	active int // how many variables are outside
	free   int
	loop   bool
	repeat bool // its variables are visible in a condition behind it
	labels []label
	gotos  []jump
	breaks []int
}

type label struct {
	name   *str
	pc     int
	active int
	line   int32
}

type jump struct {
	name   *str
	pc     int // of the jump; before it is a place for a close
	active int
	line   int32
	start  int32
}

func (g *gen) function(fn *funcNode) *proto {
	p := &proto{params: len(fn.params), vararg: fn.vararg, name: fn.name, line: fn.line, stack: 2}
	g.alloc(256)
	g.fn, g.p, g.consts = fn, p, map[value]int32{}
	g.openScope(false)
	if fn.parent == nil && g.ps.env != nil {
		g.emit(instr{op: opEnv, a: 0}, 0, nil)
		g.free = 1
		g.activate(g.ps.env, 0)
	}
	for i, s := range fn.params {
		g.reserve(1)
		g.activate(s, i)
	}
	g.block(fn.body)
	g.closeScope(fn.body)
	g.emit(instr{op: opReturn0}, fn.endLine, nil)
	p.upvalues = fn.upvalues
	return p
}

func (g *gen) alloc(n int64) {
	if f := g.ps.r.allocFixed(n); f != nil {
		panic(f)
	}
}

func (g *gen) emit(i instr, line int32, about *expr) int {
	if len(g.p.code) == cap(g.p.code) {
		n := max(8, 2*cap(g.p.code))
		g.alloc(int64(n) * 20)
		g.p.code = append(make([]instr, 0, n), g.p.code...)
		g.p.lines = append(make([]int32, 0, n), g.p.lines...)
		g.p.about = append(make([]*expr, 0, n), g.p.about...)
	}
	g.ps.charge(2)
	g.p.code = append(g.p.code, i)
	g.p.lines = append(g.p.lines, line)
	g.p.about = append(g.p.about, about)
	return len(g.p.code) - 1
}

func (g *gen) pc() int { return len(g.p.code) }

// patch lets the jump at pc go to target.
func (g *gen) patch(pc, target int) { g.p.code[pc].d = int32(target - pc - 1) }

func (g *gen) patchHere(list []int) {
	for _, pc := range list {
		g.patch(pc, g.pc())
	}
}

// reserve takes the next n registers.
func (g *gen) reserve(n int) int {
	at := g.free
	g.free += n
	if g.free > maxRegisters {
		g.ps.fail(g.ps.cur.line, int(g.ps.cur.start), "function or expression needs too many registers", "Split the expression, or put values into a table.")
	}
	g.p.stack = max(g.p.stack, g.free+1)
	return at
}

func (g *gen) constant(v value) int32 {
	if i, ok := g.consts[v]; ok {
		return i
	}
	g.alloc(64)
	i := int32(len(g.p.consts))
	g.p.consts = append(g.p.consts, v)
	g.consts[v] = i
	return i
}

// activate begins the scope of a variable whose value is in register reg.
func (g *gen) activate(s *symbol, reg int) {
	s.reg = reg
	if s.captured {
		g.emit(instr{op: opNewCell, a: uint8(reg)}, g.lastLine(), nil)
	}
	g.active = append(g.active, s)
}

func (g *gen) lastLine() int32 {
	if n := len(g.p.lines); n > 0 {
		return g.p.lines[n-1]
	}
	return g.fn.line
}

func (g *gen) openScope(loop bool) {
	g.scope = &scope{out: g.scope, active: len(g.active), free: g.free, loop: loop}
}

// closeScope ends the variables of the block and settles the gotos that have their label in it.
func (g *gen) closeScope(b *block) {
	s := g.scope
	line := b.endLine
	if g.hasClosing(s.active) {
		g.emit(instr{op: opClose, a: uint8(g.level(s.active))}, line, nil)
	}
	for _, j := range s.gotos {
		if s.out == nil {
			g.ps.fail(g.ps.cur.line, int(j.start), "no visible label '"+j.name.s+"' for <goto> at line "+itoa(int64(j.line)), gotoHint(j.name.s))
		}
		j.active = min(j.active, s.active)
		s.out.gotos = append(s.out.gotos, j)
	}
	for _, a := range g.active[s.active:] {
		if a.closing {
			g.closing--
		}
	}
	g.active = g.active[:s.active]
	g.free = s.free
	g.scope = s.out
}

func gotoHint(name string) string {
	if name == "continue" {
		return "Put ::continue:: at the end of the loop's body."
	}
	return "A label is written ::" + name + ":: and must be in the same block or one around it."
}

// hasClosing tells whether variables from the i-th on are to be closed.
func (g *gen) hasClosing(i int) bool {
	if g.closing == 0 {
		return false
	}
	for _, s := range g.active[i:] {
		if s.closing {
			return true
		}
	}
	return false
}

// level is the register of the i-th active variable.
func (g *gen) level(i int) int {
	if i < len(g.active) {
		return g.active[i].reg
	}
	return g.free
}

// block makes the statements, without a scope.
func (g *gen) block(b *block) {
	for i, s := range b.list {
		g.statement(s, b.list[i+1:])
		g.free = g.locals()
	}
}

// locals is the first register above the active variables.
func (g *gen) locals() int {
	if n := len(g.active); n > g.scope.active {
		return g.active[n-1].reg + 1
	}
	return g.scope.free
}

// scoped is a block in a scope of its own.
func (g *gen) scoped(b *block) {
	g.openScope(false)
	g.block(b)
	g.closeScope(b)
}
