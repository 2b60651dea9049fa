package sandbox

// opcode is what an instruction does. R is a register of the frame, K a constant of the function.
type opcode uint8

const (
	opMove      opcode = iota // R[a] = R[b]
	opLoadK                   // R[a] = K[d]
	opLoadInt                 // R[a] = d
	opLoadNil                 // R[a .. a+b-1] = nil
	opLoadTrue                // R[a] = true
	opLoadFalse               // R[a] = false
	opGetUp                   // R[a] = cell b of the closure
	opSetUp                   // cell b of the closure = R[a]
	opNewCell                 // R[a] = a new cell with R[a]
	opGetCell                 // R[a] = what is in the cell R[b]
	opSetCell                 // in the cell R[a]: R[b]
	opEnv                     // R[a] = the table of globals
	opGetGlobal               // R[a] = global K[d]; c is where it was found last
	opSetGlobal               // global K[d] = R[a]
	opGetTable                // R[a] = R[b][R[c]]
	opGetField                // R[a] = R[b][K[d]]; c is where it was found last
	opGetInt                  // R[a] = R[b][d]
	opSetTable                // R[a][R[b]] = R[c]
	opSetField                // R[a][K[d]] = R[b]; c is where it was found last
	opSetInt                  // R[a][d] = R[b]
	opSelf                    // R[a+1] = R[b]; R[a] = R[b][K[d]]
	opNewTable                // R[a] = {} with room for d in the list and b others
	opSetList                 // R[a][d+1 ..] = R[a+1 .. a+b], to the top if b is 0
	opAdd                     // R[a] = R[b] + R[c]; the arithmetic operators in the order of arith
	opSub
	opMul
	opDiv
	opMod
	opPow
	opIdiv
	opBand
	opBor
	opBxor
	opShl
	opShr
	opAddK // R[a] = R[b] + K[d]; the same order
	opSubK
	opMulK
	opDivK
	opModK
	opPowK
	opIdivK
	opUnm    // R[a] = -R[b]
	opBnot   // R[a] = ~R[b]
	opNot    // R[a] = not R[b]
	opLen    // R[a] = #R[b]
	opConcat // R[a] = R[b] .. to .. R[b+c-1]
	opJump   // to pc+d
	opTest   // if truth of R[a] is b, to pc+d
	opEq     // if (R[a] == R[b]) is c, to pc+d; and so on
	opLt
	opLe
	opEqK // if (R[a] == K[b]) is c, to pc+d
	opLtK // if (R[a] < K[b]) is c; K is a number in these four
	opLeK
	opGtK
	opGeK
	opCall     // R[a](R[a+1 ..]) with b-1 arguments, to the top if 0; c-1 results, all if 0
	opTailCall // return R[a](…), same b
	opReturn   // return R[a ..] with b-1 values, to the top if 0; c: variables may have to be closed
	opReturn0
	opReturn1 // return R[a]
	opForPrep // prepare the counting loop at R[a]; if it has no turn, to pc+d
	opForLoop // next turn of it: to pc+d
	opForCall // R[a+5 ..] = R[a](R[a+1], R[a+2]), c values
	opForTest // if R[a+5] is not nil: R[a+2] = R[a+5], to pc+d
	opForIn   // prepare the generic loop at R[a]: to pc+d
	opClosure // R[a] = function d
	opVararg  // R[a ..] = the variable arguments, b-1 of them, all if 0
	opClosing // R[a] is to be closed
	opClose   // close what is to be closed from R[a] on
	opNop
)

// instr is one instruction.
type instr struct {
	op      opcode
	a, b, c uint8
	d       int32
}

// proto is a compiled function. It belongs to one run: instructions remember where fields were found.
type proto struct {
	code     []instr
	consts   []value
	subs     []*proto
	upvalues []upvalue
	params   int
	vararg   bool
	stack    int // registers
	name     string
	line     int32
	lines    []int32
	about    []*expr // what an instruction came from, to name it in an error
}

func (p *proto) lineAt(pc int) int {
	if pc >= 0 && pc < len(p.lines) {
		return int(p.lines[pc])
	}
	return int(p.line)
}
