package sandbox

import (
	"math"
	"unsafe"
)

// kind is what a value is. Integers and floats are both "number" to a program, true and false both "boolean".
type kind uint8

const (
	kindNil kind = iota
	kindFalse
	kindTrue
	kindInt
	kindFloat
	kindString
	kindTable
	kindClosure
	kindBuiltin
	kindThread
	kindCell // a captured variable; never seen by a program
)

var typeNames = [...]string{"nil", "boolean", "boolean", "number", "number", "string", "table", "function", "function", "thread", "cell"}

// header begins every object, so that a pointer to one tells its kind. mark is the trace that saw the object last.
type header struct {
	kind  kind
	flags uint8
	aux   uint16
	mark  uint32
}

// These stand where other values have their object. They are never written to.
var (
	tagFalse = header{kind: kindFalse}
	tagTrue  = header{kind: kindTrue}
	tagInt   = header{kind: kindInt}
	tagFloat = header{kind: kindFloat}
)

// value is a Lua value in 16 bytes. The zero value is nil. Numbers live in n; for all else n is 0, so that two values of the same
// object are equal as structs. The casts from o to the object are in this file only; o's kind says which is right.
type value struct {
	n uint64
	o *header
}

var (
	vFalse = value{o: &tagFalse}
	vTrue  = value{o: &tagTrue}
)

func vInt(i int64) value     { return value{uint64(i), &tagInt} }
func vFloat(f float64) value { return value{math.Float64bits(f), &tagFloat} }
func vBool(b bool) value {
	if b {
		return vTrue
	}
	return vFalse
}
func vStr(s *str) value         { return value{o: &s.header} }
func vTable(t *table) value     { return value{o: &t.header} }
func vClosure(c *closure) value { return value{o: &c.header} }
func vBuiltin(b *builtin) value { return value{o: &b.header} }
func vThread(t *thread) value   { return value{o: &t.header} }
func vCell(c *cell) value       { return value{o: &c.header} }

func (v value) kind() kind {
	if v.o == nil {
		return kindNil
	}
	return v.o.kind
}

func (v value) isNil() bool       { return v.o == nil }
func (v value) isInt() bool       { return v.o == &tagInt }
func (v value) isFloat() bool     { return v.o == &tagFloat }
func (v value) isNumber() bool    { return v.o == &tagInt || v.o == &tagFloat }
func (v value) isString() bool    { return v.o != nil && v.o.kind == kindString }
func (v value) isTable() bool     { return v.o != nil && v.o.kind == kindTable }
func (v value) truth() bool       { return v.o != nil && v.o != &tagFalse }
func (v value) int() int64        { return int64(v.n) }
func (v value) float() float64    { return math.Float64frombits(v.n) }
func (v value) str() *str         { return (*str)(unsafe.Pointer(v.o)) }
func (v value) table() *table     { return (*table)(unsafe.Pointer(v.o)) }
func (v value) closure() *closure { return (*closure)(unsafe.Pointer(v.o)) }
func (v value) builtin() *builtin { return (*builtin)(unsafe.Pointer(v.o)) }
func (v value) thread() *thread   { return (*thread)(unsafe.Pointer(v.o)) }
func (v value) cell() *cell       { return (*cell)(unsafe.Pointer(v.o)) }
func (v value) built() *built     { return (*built)(unsafe.Pointer(v.o)) }
func (v value) isFunction() bool {
	return v.o != nil && (v.o.kind == kindClosure || v.o.kind == kindBuiltin)
}
func (v value) typeName() string { return typeNames[v.kind()] }

// set writes v where it may save the write barrier of the pointer.
func (v *value) setInt(i int64) {
	v.n = uint64(i)
	if v.o != &tagInt {
		v.o = &tagInt
	}
}

func (v *value) setFloat(f float64) {
	v.n = math.Float64bits(f)
	if v.o != &tagFloat {
		v.o = &tagFloat
	}
}

// rawEqual is == without metamethods (Lua 5.4 manual, 3.4.4). Comparing long strings must be charged by the caller.
func rawEqual(a, b value) bool {
	if a.o == b.o {
		if a.o == &tagFloat {
			return a.float() == b.float()
		}
		return a.n == b.n
	}
	if a.o == nil || b.o == nil {
		return false
	}
	switch a.o.kind {
	case kindInt:
		return b.o == &tagFloat && intEqualsFloat(a.int(), b.float())
	case kindFloat:
		return b.o == &tagInt && intEqualsFloat(b.int(), a.float())
	case kindString:
		return b.o.kind == kindString && a.str().s == b.str().s
	}
	return false
}

// closure is a Lua function with its captured variables.
type closure struct {
	header
	id    uint32
	gray  *header
	proto *proto
	cells []*cell
}

// cell is a local variable that a function inside captured. The compiler knows which are, so all others stay in registers.
type cell struct {
	header
	gray *header
	v    value
}

// builtin is a library function or a callback. Those of the library are shared by all runs and immutable.
type builtin struct {
	header
	id      uint32
	gray    *header
	name    string // as an error names it: "insert"
	full    string // "table.insert"
	fn      func(args) (int, *failure)
	special special  // the machine itself does it
	call    Function // of a callback
	held    []value  // what it holds on to: gmatch's strings, wrap's coroutine
	state   any      // gmatch's position
	size    int64    // of what it has besides
}

// special are the builtins that are frames of the machine and no Go calls, so that a yield passes through them.
type special uint8

const (
	plain special = iota
	specialPcall
	specialXpcall
	specialYield
	specialNext
	specialInext
)

// flags of a static object: it is never marked.
const flagStatic = 1
