package sandbox

// exprOp is a form of expression.
type exprOp uint8

const (
	eNil exprOp = iota
	eTrue
	eFalse
	eNumber
	eString
	eVararg
	eFunction
	eLocal   // sym, of this function
	eUpvalue // sym of a function around, index in upvalues
	eGlobal  // s
	eIndex   // a[b]
	eCall    // a(list)
	eMethod  // a:s(list)
	eTable   // list of values, keys beside
	eBinary  // a tok b
	eUnary   // tok a
	eAnd
	eOr
	eParen // (a), where a gives several values
)

// expr is a node of an expression. It stays in memory while the program runs, since errors name what they are about by it.
type expr struct {
	op    exprOp
	tok   token
	line  int32 // that an error of this operation has
	start int32 // in the program text
	index int32
	a, b  *expr
	list  []*expr
	keys  []*expr // of a table; nil for a value without key
	s     *str
	val   value
	sym   *symbol
	fn    *funcNode
}

// symbol is a local variable.
type symbol struct {
	name     *str
	captured bool // some function inside uses it, so it lives in a cell
	constant bool // <const> or <close>
	closing  bool // <close>
	reg      int
	fn       *funcNode
}

// upvalue says where a closure finds a captured variable when it is made: in a register of the function around, or among its own.
type upvalue struct {
	sym       *symbol
	fromLocal bool
	index     int
}

type funcNode struct {
	parent   *funcNode
	name     string // as an error may name it
	params   []*symbol
	vararg   bool
	body     *block
	upvalues []upvalue
	line     int32
	endLine  int32
	actives  []*symbol
	depth    int
}

type block struct {
	list []*stat
	// endLine is where the closing word is.
	endLine int32
}

type statOp uint8

const (
	sLocal statOp = iota
	sAssign
	sCall
	sDo
	sWhile
	sRepeat
	sIf
	sFor
	sForIn
	sFunction // local function
	sReturn
	sBreak
	sGoto
	sLabel
)

// stat is a statement.
type stat struct {
	op     statOp
	line   int32
	start  int32
	syms   []*symbol
	left   []*expr
	right  []*expr
	body   *block
	conds  []*expr  // of if, with bodies
	bodies []*block // one more than conds with else
	name   *str     // of goto and label
}
