package sandbox

import "fmt"

// failure is an error on its way: of the program, which pcall stops, or a limit, which nothing stops.
type failure struct {
	v     value
	limit *Error
	line  int
	// What an error of the machine was about, to explain it if nobody catches it.
	what  what
	about *expr
	obj   value
	key   value
	in    value // the table in which about was not found
}

// what is the kind of an error of the machine.
type what uint8

const (
	whatOther what = iota
	whatIndex
	whatCall
	whatArith
	whatConcat
	whatCompare
	whatLength
	whatArgument
	whatCallback
)

// yielding is no failure: a coroutine stops here and goes on later.
var yielding = &failure{}

// chunk is how the program is called in positions that errors carry.
const chunk = "program"

// errorf raises an error of the machine or the library, with the position of the instruction that is being done.
func (th *thread) errorf(format string, a ...any) *failure {
	return th.errorAt(1, fmt.Sprintf(format, a...))
}

// errorAt raises an error with the position of the level-th function, 1 the one that called the library.
func (th *thread) errorAt(level int, msg string) *failure {
	if len(msg) > 4000 {
		msg = shorten(msg, 4000)
	}
	where, line := th.where(level)
	s, f := th.r.newStr(where + msg)
	if f != nil {
		return f
	}
	return &failure{v: vStr(s), line: line}
}

// where is the position of a level as an error has it, "" if that is no Lua function.
func (th *thread) where(level int) (string, int) {
	i := len(th.frames) - level
	if i < 0 || i >= len(th.frames) || th.frames[i].cl == nil {
		return "", 0
	}
	f := &th.frames[i]
	line := f.cl.proto.lineAt(int(f.pc) - 1)
	return chunk + ":" + itoa(int64(line)) + ": ", line
}

// currentLine is the line that the program has come to.
func (r *run) currentLine() int {
	th := r.current
	if th == nil {
		return 0
	}
	for i := len(th.frames) - 1; i >= 0; i-- {
		if f := &th.frames[i]; f.cl != nil {
			return f.cl.proto.lineAt(int(f.pc) - 1)
		}
	}
	return 0
}

// about is what the present instruction came from.
func (th *thread) about() *expr {
	n := len(th.frames)
	if n == 0 || th.frames[n-1].cl == nil {
		return nil
	}
	f := &th.frames[n-1]
	if a := f.cl.proto.about; int(f.pc) >= 1 && int(f.pc) <= len(a) {
		return a[f.pc-1]
	}
	return nil
}

// operand is the i-th operand of the present instruction.
func (th *thread) operand(i int) *expr {
	e := th.about()
	switch {
	case e == nil:
		return nil
	case i == 0:
		return e.a
	}
	return e.b
}

// describe names an expression as Lua does: " (field 'x')".
func describe(e *expr) string {
	for e != nil && e.op == eParen {
		e = e.a
	}
	if e == nil {
		return ""
	}
	named := func(kind, name string) string { return " (" + kind + " '" + shorten(name, 80) + "')" }
	switch e.op {
	case eLocal:
		return named("local", e.sym.name.s)
	case eUpvalue:
		return named("upvalue", e.sym.name.s)
	case eGlobal:
		return named("global", e.s.s)
	case eMethod:
		return named("method", e.s.s)
	case eString:
		return named("constant", e.s.s)
	case eIndex:
		if e.b.op == eString {
			if (e.a.op == eLocal || e.a.op == eUpvalue) && e.a.sym.name.s == "_ENV" {
				return named("global", e.b.s.s)
			}
			return named("field", e.b.s.s)
		}
		return named("field", "?")
	}
	return ""
}

// nameOf is how an error calls the type of a value: __name of its metatable, if there is one.
func (r *run) nameOf(v value) string {
	if v.isTable() && v.table().meta != nil {
		if n := v.table().meta.event(evName); n.isString() {
			return shorten(n.str().s, 80)
		}
	}
	return v.typeName()
}

func (th *thread) typeError(op string, v value, e *expr) *failure {
	f := th.errorf("attempt to %s a %s value%s", op, th.r.nameOf(v), describe(e))
	f.about, f.obj, f.in = e, v, th.container(e)
	if op == "get length of" {
		f.what = whatLength
	}
	return f
}

// container gives the table that an expression looked into, if that can be told without running anything.
func (th *thread) container(e *expr) value {
	for e != nil && e.op == eParen {
		e = e.a
	}
	if e == nil || e.op != eIndex && e.op != eMethod {
		return value{}
	}
	return th.peek(e.a, 0)
}

// peek is the value of a variable or of a field of one.
func (th *thread) peek(e *expr, depth int) value {
	n := len(th.frames)
	if n == 0 || th.frames[n-1].cl == nil || e == nil || depth > 20 {
		return value{}
	}
	f := &th.frames[n-1]
	switch e.op {
	case eParen:
		return th.peek(e.a, depth+1)
	case eLocal:
		if v := th.stack[f.base+e.sym.reg]; v.kind() == kindCell {
			return v.cell().v
		} else if !e.sym.captured {
			return v
		}
	case eUpvalue:
		if int(e.index) < len(f.cl.cells) {
			return f.cl.cells[e.index].v
		}
	case eGlobal:
		return th.r.globals.getStr(e.s)
	case eString:
		return vStr(e.s)
	case eNumber:
		return e.val
	case eIndex:
		if t := th.peek(e.a, depth+1); t.isTable() {
			if k := th.peek(e.b, depth+1); !k.isNil() {
				return t.table().get(k)
			}
		}
	}
	return value{}
}

func (th *thread) indexError(obj, key value) *failure {
	var e *expr
	if a := th.about(); a != nil && (a.op == eIndex || a.op == eMethod) {
		e = a.a
	}
	f := th.typeError("index", obj, e)
	f.what, f.key = whatIndex, key
	return f
}

func (th *thread) callError(v value, fn int, after after) *failure {
	e := th.about()
	op := "call"
	switch {
	case e == nil || after != afterCall:
		e = nil
	case e.op == eCall:
		e = e.a
	case e.op == eMethod:
	default: // a generic loop: what was evaluated is the first expression of its list
		f := th.errorf("attempt to call a %s value (for iterator 'for iterator')", th.r.nameOf(v))
		f.what, f.obj, f.about = whatCall, v, &expr{op: eNil, a: e}
		return f
	}
	if n := len(th.frames); n > 0 && th.frames[n-1].cl != nil {
		if in := th.frames[n-1].cl.proto.code[th.frames[n-1].pc-1]; in.op == opForCall {
			f := th.errorf("attempt to call a %s value (for iterator 'for iterator')", th.r.nameOf(v))
			f.what, f.obj, f.about = whatCall, v, &expr{op: eNil, a: th.about()}
			return f
		}
	}
	f := th.typeError(op, v, e)
	f.what = whatCall
	return f
}

var eventVerbs = map[event]string{evAdd: "add", evSub: "sub", evMul: "mul", evDiv: "div", evMod: "mod", evPow: "pow", evIdiv: "idiv", evUnm: "unm"}

// arithError is an operator on what is no number.
func (th *thread) arithError(ev event, a, b value) *failure {
	e := th.operand(1)
	v := b
	if !a.isNumber() {
		v, e = a, th.operand(0)
	}
	var f *failure
	switch verb, plain := eventVerbs[ev]; {
	case !plain:
		f = th.typeError("perform bitwise operation on", v, e)
	case a.isString() || b.isString(): // as the metamethods of strings say it
		f = th.errorf("attempt to %s a '%s' with a '%s'", verb, th.r.nameOf(a), th.r.nameOf(b))
		f.about, f.obj, f.in = e, v, th.container(e)
	default:
		f = th.typeError("perform arithmetic on", v, e)
	}
	f.what, f.key = whatArith, a
	if v == a {
		f.key = b
	}
	return f
}

func (th *thread) noInteger(a, b value) *failure {
	e := th.operand(1)
	if _, ok := a.toInt(); !ok {
		e = th.operand(0)
	}
	if e != nil && e.op == eNumber {
		e = nil
	}
	return th.errorf("number%s has no integer representation", describe(e))
}

func (th *thread) compareError(a, b value) *failure {
	x, y := th.r.nameOf(a), th.r.nameOf(b)
	var f *failure
	if x == y {
		f = th.errorf("attempt to compare two %s values", x)
	} else {
		f = th.errorf("attempt to compare %s with %s", x, y)
	}
	f.what, f.about = whatCompare, th.about()
	f.obj, f.key = a, b
	if e := f.about; e != nil && e.op == eBinary {
		f.about = e.b
		if a.isNil() != (e.tok == tGt || e.tok == tGe) {
			f.about = e.a
		}
		f.in = th.container(f.about)
	}
	return f
}

// concatError is .. on what is neither string nor number; n operands are left.
func (th *thread) concatError(x, y value, n int) *failure {
	i, v := n-2, x
	if x.isString() || x.isNumber() {
		i, v = n-1, y
	}
	e := th.about()
	for ; e != nil && i > 0 && e.op == eBinary && e.tok == tConcat; i-- {
		e = e.b
	}
	if e != nil && e.op == eBinary && e.tok == tConcat && i == 0 {
		e = e.a
	}
	f := th.typeError("concatenate", v, e)
	f.what = whatConcat
	return f
}

// argError says what is wrong with an argument of the library function that is running (luaL_argerror).
func (th *thread) argError(a args, i int, msg string) *failure {
	name := "?"
	if v := th.stack[a.at-1]; v.kind() == kindBuiltin {
		name = v.builtin().name
		if n := len(th.frames); n == 0 || th.frames[n-1].cl == nil {
			name = v.builtin().full
		}
	}
	if e := th.about(); e != nil {
		if e.op == eMethod {
			name = e.s.s
			if i--; i == 0 {
				f := th.errorf("calling '%s' on bad self (%s)", name, msg)
				f.what = whatArgument
				return f
			}
		} else if e.op == eCall {
			if n := calledName(e.a); n != "" {
				name = n
			}
		}
	}
	f := th.errorf("bad argument #%d to '%s' (%s)", i, name, msg)
	f.what = whatArgument
	if e := th.about(); e != nil && (e.op == eCall || e.op == eMethod) && i >= 1 && i <= len(e.list) {
		f.about, f.obj, f.in = e.list[i-1], a.get(i-1), th.container(e.list[i-1])
		if e.op == eMethod {
			f.obj = a.get(i)
		}
	}
	return f
}

func calledName(e *expr) string {
	switch e.op {
	case eLocal, eUpvalue:
		return e.sym.name.s
	case eGlobal:
		return e.s.s
	case eIndex:
		if e.b.op == eString {
			return e.b.s.s
		}
	}
	return ""
}

// forError is a counting loop over what is no number.
func (th *thread) forError(what string, v value) *failure {
	return th.errorf("bad 'for' %s (number expected, got %s)", what, th.r.nameOf(v))
}
