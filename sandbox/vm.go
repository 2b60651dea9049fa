package sandbox

import "math"

// execute runs the frames above bottom until they have returned. fl is an error to begin with, or nil. Calls between Lua functions
// stay in this loop; only library functions that call back nest it.
//
// The steps of a frame are charged where they end: a jump backwards pays for the body of the loop, a return, a tail call and an
// unwinding for the code up to there. So every instruction is paid for, and straight code costs nothing to count.
func (th *thread) execute(bottom int, fl *failure) *failure {
	r := th.r
	var (
		f    *frame
		cl   *closure
		code []instr
		k    []value
		regs *[window]value
		pc   int
	)
	if fl != nil {
		goto raise
	}

reload:
	if len(th.frames) == bottom {
		return nil
	}
	f = &th.frames[len(th.frames)-1]
	cl = f.cl
	code, k = cl.proto.code, cl.proto.consts
	pc = int(f.pc)
	regs = (*[window]value)(th.stack[f.base:])
	for {
		in := &code[pc]
		pc++
		switch in.op {
		case opMove:
			regs[in.a] = regs[in.b]
		case opLoadK:
			regs[in.a] = k[in.d]
		case opLoadInt:
			regs[in.a].setInt(int64(in.d))
		case opLoadNil:
			clear(regs[in.a : int(in.a)+int(in.b)])
		case opLoadTrue:
			regs[in.a] = vTrue
		case opLoadFalse:
			regs[in.a] = vFalse
		case opGetUp:
			regs[in.a] = cl.cells[in.b].v
		case opSetUp:
			cl.cells[in.b].v = regs[in.a]
		case opNewCell:
			if fl = r.alloc(sizeCell); fl != nil {
				f.pc = int32(pc)
				goto raise
			}
			regs[in.a] = vCell(&cell{header: header{kind: kindCell}, v: regs[in.a]})
		case opGetCell:
			regs[in.a] = regs[in.b].cell().v
		case opSetCell:
			regs[in.a].cell().v = regs[in.b]
		case opEnv:
			regs[in.a] = vTable(r.globals)
		case opGetGlobal:
			key := k[in.d]
			if es := r.globals.entries; int(in.c) < len(es) && es[in.c].key.o == key.o && es[in.c].val.o != nil {
				regs[in.a] = es[in.c].val
				continue
			}
			if p := r.globals.findStr(key.str()); p >= 0 && r.globals.entries[p].val.o != nil {
				if p < 256 {
					in.c = uint8(p)
				}
				regs[in.a] = r.globals.entries[p].val
				continue
			}
			f.pc = int32(pc)
			if fl = th.getInto(in.a, vTable(r.globals), key); fl != nil {
				goto raise
			}
			goto reload
		case opSetGlobal:
			key := k[in.d]
			if es := r.globals.entries; int(in.c) < len(es) && es[in.c].key.o == key.o && es[in.c].val.o != nil {
				es[in.c].val = regs[in.a]
				continue
			}
			f.pc = int32(pc)
			if fl = th.setFrom(vTable(r.globals), key, regs[in.a]); fl != nil {
				goto raise
			}
			if p := r.globals.findStr(key.str()); p >= 0 && p < 256 {
				in.c = uint8(p)
			}
			goto reload
		case opGetTable:
			b, key := regs[in.b], regs[in.c]
			if b.o != nil && b.o.kind == kindTable {
				t := b.table()
				if key.o == &tagInt {
					if i := key.n - 1; i < uint64(len(t.arr)) {
						if v := t.arr[i]; v.o != nil {
							regs[in.a] = v
							continue
						}
					}
				}
				if !longKey(key) {
					if v := t.get(key); v.o != nil || t.meta == nil {
						regs[in.a] = v
						continue
					}
				}
			}
			f.pc = int32(pc)
			if fl = th.getInto(in.a, b, key); fl != nil {
				goto raise
			}
			goto reload
		case opGetField:
			b, key := regs[in.b], k[in.d]
			if b.o != nil && b.o.kind == kindTable {
				t := b.table()
				if int(in.c) < len(t.entries) && t.entries[in.c].key.o == key.o && t.entries[in.c].val.o != nil {
					regs[in.a] = t.entries[in.c].val
					continue
				}
				if p := t.findStr(key.str()); p >= 0 && t.entries[p].val.o != nil {
					if p < 256 {
						in.c = uint8(p)
					}
					regs[in.a] = t.entries[p].val
					continue
				}
				if t.meta == nil {
					regs[in.a] = value{}
					continue
				}
			}
			f.pc = int32(pc)
			if fl = th.getInto(in.a, b, key); fl != nil {
				goto raise
			}
			goto reload
		case opGetInt:
			b := regs[in.b]
			if b.o != nil && b.o.kind == kindTable {
				t := b.table()
				if v := t.getInt(int64(in.d)); v.o != nil || t.meta == nil {
					regs[in.a] = v
					continue
				}
			}
			f.pc = int32(pc)
			if fl = th.getInto(in.a, b, vInt(int64(in.d))); fl != nil {
				goto raise
			}
			goto reload
		case opSetTable:
			b, key := regs[in.a], regs[in.b]
			if b.o != nil && b.o.kind == kindTable && key.o == &tagInt {
				t := b.table()
				v := regs[in.c]
				if i := key.n - 1; i < uint64(len(t.arr)) {
					if v.o != nil && t.arr[i].o != nil {
						t.arr[i] = v
						continue
					}
				} else if i == uint64(len(t.arr)) && i < uint64(cap(t.arr)) && t.meta == nil && len(t.entries) == 0 && v.o != nil {
					t.arr = append(t.arr, v)
					continue
				}
			}
			f.pc = int32(pc)
			if fl = th.setFrom(b, key, regs[in.c]); fl != nil {
				goto raise
			}
			goto reload
		case opSetField:
			b, key := regs[in.a], k[in.d]
			if b.o != nil && b.o.kind == kindTable {
				t := b.table()
				if t.flags&flagShared != 0 {
					if fl = r.own(t); fl != nil {
						f.pc = int32(pc)
						goto raise
					}
				}
				if int(in.c) < len(t.entries) && t.entries[in.c].key.o == key.o && t.entries[in.c].val.o != nil {
					t.entries[in.c].val = regs[in.b]
					continue
				}
				if p := t.findStr(key.str()); p >= 0 && t.entries[p].val.o != nil {
					if p < 256 {
						in.c = uint8(p)
					}
					t.entries[p].val = regs[in.b]
					continue
				}
				if t.meta == nil {
					if fl = r.setHash(t, key, regs[in.b]); fl != nil {
						f.pc = int32(pc)
						goto raise
					}
					continue
				}
			}
			f.pc = int32(pc)
			if fl = th.setFrom(b, key, regs[in.b]); fl != nil {
				goto raise
			}
			goto reload
		case opSetInt:
			f.pc = int32(pc)
			if fl = th.setFrom(regs[in.a], vInt(int64(in.d)), regs[in.b]); fl != nil {
				goto raise
			}
			goto reload
		case opSelf:
			b, key := regs[in.b], k[in.d]
			regs[in.a+1] = b
			if v := th.findMethod(b, key.str(), in); v.o != nil {
				regs[in.a] = v
				continue
			}
			f.pc = int32(pc)
			if fl = th.getInto(in.a, b, key); fl != nil {
				goto raise
			}
			goto reload
		case opNewTable:
			t, fl2 := r.newTable(int(in.d), int(in.b))
			if fl = fl2; fl != nil {
				f.pc = int32(pc)
				goto raise
			}
			regs[in.a] = vTable(t)
		case opSetList:
			f.pc = int32(pc)
			if fl = th.setList(f, *in); fl != nil {
				goto raise
			}
			regs = (*[window]value)(th.stack[f.base:])
		case opAdd:
			b, c := &regs[in.b], &regs[in.c]
			if b.o == &tagInt && c.o == &tagInt {
				regs[in.a].setInt(int64(b.n + c.n))
				continue
			}
			if b.o == &tagFloat && c.o == &tagFloat {
				regs[in.a].setFloat(b.float() + c.float())
				continue
			}
			goto arith
		case opSub:
			b, c := &regs[in.b], &regs[in.c]
			if b.o == &tagInt && c.o == &tagInt {
				regs[in.a].setInt(int64(b.n - c.n))
				continue
			}
			if b.o == &tagFloat && c.o == &tagFloat {
				regs[in.a].setFloat(b.float() - c.float())
				continue
			}
			goto arith
		case opMul:
			b, c := &regs[in.b], &regs[in.c]
			if b.o == &tagInt && c.o == &tagInt {
				regs[in.a].setInt(int64(b.n * c.n))
				continue
			}
			if b.o == &tagFloat && c.o == &tagFloat {
				regs[in.a].setFloat(b.float() * c.float())
				continue
			}
			goto arith
		case opDiv:
			b, c := &regs[in.b], &regs[in.c]
			if b.isNumber() && c.isNumber() {
				regs[in.a].setFloat(b.asFloat() / c.asFloat())
				continue
			}
			goto arith
		case opMod:
			b, c := &regs[in.b], &regs[in.c]
			if b.o == &tagInt && c.o == &tagInt && c.n != 0 {
				regs[in.a].setInt(floorMod(b.int(), c.int()))
				continue
			}
			goto arith
		case opIdiv:
			b, c := &regs[in.b], &regs[in.c]
			if b.o == &tagInt && c.o == &tagInt && c.n != 0 {
				regs[in.a].setInt(floorDiv(b.int(), c.int()))
				continue
			}
			goto arith
		case opPow, opBand, opBor, opBxor, opShl, opShr:
			goto arith
		case opAddK:
			b, c := &regs[in.b], &k[in.d]
			if b.o == &tagInt && c.o == &tagInt {
				regs[in.a].setInt(int64(b.n + c.n))
				continue
			}
			if b.o == &tagFloat {
				regs[in.a].setFloat(b.float() + c.asFloat())
				continue
			}
			goto arithK
		case opSubK:
			b, c := &regs[in.b], &k[in.d]
			if b.o == &tagInt && c.o == &tagInt {
				regs[in.a].setInt(int64(b.n - c.n))
				continue
			}
			if b.o == &tagFloat {
				regs[in.a].setFloat(b.float() - c.asFloat())
				continue
			}
			goto arithK
		case opMulK:
			b, c := &regs[in.b], &k[in.d]
			if b.o == &tagInt && c.o == &tagInt {
				regs[in.a].setInt(int64(b.n * c.n))
				continue
			}
			if b.o == &tagFloat {
				regs[in.a].setFloat(b.float() * c.asFloat())
				continue
			}
			goto arithK
		case opDivK:
			b, c := &regs[in.b], &k[in.d]
			if b.isNumber() {
				regs[in.a].setFloat(b.asFloat() / c.asFloat())
				continue
			}
			goto arithK
		case opModK:
			b, c := &regs[in.b], &k[in.d]
			if b.o == &tagInt && c.o == &tagInt && c.n != 0 {
				regs[in.a].setInt(floorMod(b.int(), c.int()))
				continue
			}
			goto arithK
		case opIdivK:
			b, c := &regs[in.b], &k[in.d]
			if b.o == &tagInt && c.o == &tagInt && c.n != 0 {
				regs[in.a].setInt(floorDiv(b.int(), c.int()))
				continue
			}
			goto arithK
		case opPowK:
			goto arithK
		case opUnm:
			b := &regs[in.b]
			if b.o == &tagInt {
				regs[in.a].setInt(-b.int())
				continue
			}
			if b.o == &tagFloat {
				regs[in.a].setFloat(-b.float())
				continue
			}
			f.pc = int32(pc)
			if fl = th.unary(evUnm, *b, in.a); fl != nil {
				goto raise
			}
			goto reload
		case opBnot:
			f.pc = int32(pc)
			if fl = th.unary(evBnot, regs[in.b], in.a); fl != nil {
				goto raise
			}
			goto reload
		case opNot:
			regs[in.a] = vBool(!regs[in.b].truth())
		case opLen:
			b := regs[in.b]
			if b.o != nil && b.o.kind == kindTable && b.table().meta == nil {
				regs[in.a].setInt(int64(len(b.table().arr)))
				continue
			}
			f.pc = int32(pc)
			if fl = th.length(b, in.a); fl != nil {
				goto raise
			}
			goto reload
		case opConcat:
			f.pc = int32(pc)
			if fl = th.concat(f, *in, int(in.c)); fl != nil {
				goto raise
			}
			goto reload
		case opJump:
			pc += int(in.d)
			if in.d < 0 {
				if r.left += int64(in.d); r.left < 0 {
					f.pc = int32(pc)
					if fl = r.poll(); fl != nil {
						goto raise
					}
				}
			}
		case opTest:
			if v := &regs[in.a]; (v.o != nil && v.o != &tagFalse) == (in.b != 0) {
				pc += int(in.d)
			}
		case opEq:
			a, b := regs[in.a], regs[in.b]
			eq := false
			if a.o == b.o && a.o != &tagFloat {
				eq = a.n == b.n
			} else if a.o == nil || b.o == nil {
			} else if a.o.kind == kindTable && b.o.kind == kindTable {
				if h := th.equalsEvent(a, b); !h.isNil() {
					f.pc = int32(pc)
					if fl = th.meta(afterOp, h, a, b); fl != nil {
						goto raise
					}
					goto reload
				}
			} else if eq, fl = r.equal(a, b); fl != nil {
				f.pc = int32(pc)
				goto raise
			}
			if eq == (in.c != 0) {
				pc += int(in.d)
			}
		case opEqK:
			a, b := regs[in.a], k[in.b]
			eq := a == b
			if !eq || a.o == &tagFloat {
				eq = rawEqual(a, b)
			}
			if eq == (in.c != 0) {
				pc += int(in.d)
			}
		case opLt:
			a, b := &regs[in.a], &regs[in.b]
			if a.o == &tagInt && b.o == &tagInt {
				if (a.int() < b.int()) == (in.c != 0) {
					pc += int(in.d)
				}
				continue
			}
			if a.o == &tagFloat && b.o == &tagFloat {
				if (a.float() < b.float()) == (in.c != 0) {
					pc += int(in.d)
				}
				continue
			}
			f.pc = int32(pc)
			answer, done, fl2 := th.compare(evLt, *a, *b)
			if fl = fl2; fl != nil {
				goto raise
			}
			if !done {
				goto reload
			}
			if answer == (in.c != 0) {
				pc += int(in.d)
			}
		case opLe:
			a, b := &regs[in.a], &regs[in.b]
			if a.o == &tagInt && b.o == &tagInt {
				if (a.int() <= b.int()) == (in.c != 0) {
					pc += int(in.d)
				}
				continue
			}
			f.pc = int32(pc)
			answer, done, fl2 := th.compare(evLe, *a, *b)
			if fl = fl2; fl != nil {
				goto raise
			}
			if !done {
				goto reload
			}
			if answer == (in.c != 0) {
				pc += int(in.d)
			}
		case opLtK, opLeK, opGtK, opGeK:
			a, b := &regs[in.a], &k[in.b]
			answer := false
			if a.o == &tagInt && b.o == &tagInt {
				x, y := a.int(), b.int()
				switch in.op {
				case opLtK:
					answer = x < y
				case opLeK:
					answer = x <= y
				case opGtK:
					answer = x > y
				default:
					answer = x >= y
				}
			} else {
				f.pc = int32(pc)
				x, y, ev := *a, *b, evLt
				if in.op == opGtK || in.op == opGeK {
					x, y = y, x
				}
				if in.op == opLeK || in.op == opGeK {
					ev = evLe
				}
				done := false
				if answer, done, fl = th.compare(ev, x, y); fl != nil {
					goto raise
				}
				if !done {
					goto reload
				}
			}
			if answer == (in.c != 0) {
				pc += int(in.d)
			}
		case opCall:
			a := int(in.a)
			fn := f.base + a
			nargs := int(in.b) - 1
			if nargs < 0 {
				nargs = th.top - fn - 1
			}
			f.pc = int32(pc)
			v := regs[in.a]
			if v.o != nil && v.o.kind == kindClosure {
				c := v.closure()
				p := c.proto
				n := len(th.frames)
				if p.vararg || n == cap(th.frames) || n+th.depth >= r.maxCalls || fn+nargs+p.params+2+window > len(th.stack) {
					if fl = th.push(c, fn, nargs, int(in.c)-1, afterCall); fl != nil {
						goto raise
					}
					goto reload
				}
				for i := nargs; i < p.params; i++ {
					th.stack[fn+1+i] = value{}
				}
				want := int32(in.c) - 1
				th.frames = th.frames[:n+1]
				f = &th.frames[n]
				f.cl, f.base, f.fn = c, fn+1, fn
				f.pc, f.want, f.extra, f.saved = 0, want, 0, 0
				f.after, f.handled, f.closing = afterCall, false, false
				cl = c
				code, k = p.code, p.consts
				pc = 0
				regs = (*[window]value)(th.stack[fn+1:])
				continue
			}
			if v.o != nil && v.o.kind == kindBuiltin && v.builtin().special == plain {
				// What callBuiltin and deliver do, for the usual case.
				if r.left -= 4; r.left < 0 {
					if fl = r.poll(); fl != nil {
						goto raise
					}
				}
				th.top = fn + 1 + nargs
				pinned := r.pinned
				n, fl2 := v.builtin().fn(args{th, fn + 1, nargs})
				r.pinned = pinned
				if fl = fl2; fl != nil {
					goto raise
				}
				f = &th.frames[len(th.frames)-1]
				regs = (*[window]value)(th.stack[f.base:])
				if want := int(in.c) - 1; want < 0 {
					th.top = fn + n
				} else {
					th.top = fn
					for ; n < want; n++ {
						regs[a+n] = value{}
					}
				}
				continue
			}
			if fl = th.precall(fn, nargs, int(in.c)-1, afterCall); fl != nil {
				goto raise
			}
			goto reload
		case opTailCall:
			f.pc = int32(pc)
			if fl = th.tailCall(f, *in); fl != nil {
				goto raise
			}
			goto reload
		case opReturn0:
			if r.left -= int64(pc); r.left < 0 {
				f.pc = int32(pc)
				if fl = r.poll(); fl != nil {
					goto raise
				}
			}
			if f.after == afterCall {
				at := f.fn
				n := len(th.frames) - 1
				th.frames = th.frames[:n]
				if f.want < 0 {
					th.top = at
				} else {
					for i := range int(f.want) {
						th.stack[at+i] = value{}
					}
				}
				f = &th.frames[n-1]
				cl = f.cl
				code, k = cl.proto.code, cl.proto.consts
				pc = int(f.pc)
				regs = (*[window]value)(th.stack[f.base:])
				continue
			}
			if fl = th.ret(f, 0, 0); fl != nil {
				goto raise
			}
			goto reload
		case opReturn1:
			if r.left -= int64(pc); r.left < 0 {
				f.pc = int32(pc)
				if fl = r.poll(); fl != nil {
					goto raise
				}
			}
			if f.after == afterCall {
				at, want := f.fn, f.want
				n := len(th.frames) - 1
				th.frames = th.frames[:n]
				th.stack[at] = regs[in.a]
				if want < 0 {
					th.top = at + 1
				} else {
					for i := 1; i < int(want); i++ {
						th.stack[at+i] = value{}
					}
				}
				f = &th.frames[n-1]
				cl = f.cl
				code, k = cl.proto.code, cl.proto.consts
				pc = int(f.pc)
				regs = (*[window]value)(th.stack[f.base:])
				continue
			}
			if fl = th.ret(f, f.base+int(in.a), 1); fl != nil {
				goto raise
			}
			goto reload
		case opReturn:
			f.pc = int32(pc)
			if fl = th.returns(f, *in); fl != nil {
				goto raise
			}
			goto reload
		case opForPrep:
			f.pc = int32(pc)
			turns, fl2 := th.forPrep(regs, in.a)
			if fl = fl2; fl != nil {
				goto raise
			}
			if !turns {
				pc += int(in.d)
			}
		case opForLoop:
			if i := &regs[in.a]; i.o == &tagInt {
				left := &regs[in.a+1]
				if left.n == 0 {
					continue
				}
				left.n--
				i.n += regs[in.a+2].n
				regs[in.a+3].setInt(i.int())
			} else {
				step := regs[in.a+2].float()
				x, limit := i.float()+step, regs[in.a+1].float()
				if step > 0 && !(x <= limit) || step <= 0 && !(limit <= x) {
					continue
				}
				i.n = math.Float64bits(x)
				regs[in.a+3].setFloat(x)
			}
			pc += int(in.d)
			if r.left += int64(in.d); r.left < 0 {
				f.pc = int32(pc)
				if fl = r.poll(); fl != nil {
					goto raise
				}
			}
		case opForIn:
			f.pc = int32(pc)
			if v := regs[in.a+3]; v.truth() {
				if fl = th.markClosing(f.base+int(in.a)+3, v, nil); fl != nil {
					goto raise
				}
			}
			regs[in.a+4] = vInt(0)
			pc += int(in.d)
		case opForCall:
			it := regs[in.a]
			if it.o != nil && it.o.kind == kindBuiltin && it.builtin().special >= specialNext && regs[in.a+1].isTable() {
				ok := false
				if it.builtin().special == specialNext {
					ok = forNext(regs, in.a)
				} else {
					ok = forInext(regs, in.a)
				}
				if ok {
					for i := uint8(2); i < in.c; i++ {
						regs[in.a+5+i] = value{}
					}
					continue
				}
			}
			at := f.base + int(in.a) + 5
			copy(th.stack[at:at+3], th.stack[at-5:at-2])
			f.pc = int32(pc)
			if fl = th.precall(at, 2, int(in.c), afterCall); fl != nil {
				goto raise
			}
			goto reload
		case opForTest:
			if regs[in.a+5].o == nil {
				continue
			}
			regs[in.a+2] = regs[in.a+5]
			pc += int(in.d)
			if r.left += int64(in.d); r.left < 0 {
				f.pc = int32(pc)
				if fl = r.poll(); fl != nil {
					goto raise
				}
			}
		case opClosure:
			p := cl.proto.subs[in.d]
			if fl = r.alloc(sizeClosure + int64(len(p.upvalues))*8); fl != nil {
				f.pc = int32(pc)
				goto raise
			}
			c := &closure{header: header{kind: kindClosure}, proto: p}
			if len(p.upvalues) > 0 {
				c.cells = make([]*cell, len(p.upvalues))
				for i, u := range p.upvalues {
					if u.fromLocal {
						c.cells[i] = regs[uint8(u.sym.reg)].cell()
					} else {
						c.cells[i] = cl.cells[u.index]
					}
				}
			}
			regs[in.a] = vClosure(c)
		case opVararg:
			f.pc = int32(pc)
			if fl = th.varargs(f, *in); fl != nil {
				goto raise
			}
			regs = (*[window]value)(th.stack[f.base:])
		case opClosing:
			f.pc = int32(pc)
			if v := regs[in.b]; v.truth() {
				if fl = th.markClosing(f.base+int(in.a), v, cl.proto.about[pc-1]); fl != nil {
					goto raise
				}
			}
		case opClose:
			if len(th.closing) > 0 {
				f.pc = int32(pc - 1) // comes back here until nothing is left to close
				th.top = 0
				done := false
				if done, fl = th.closeOne(f.base + int(in.a)); fl != nil {
					f.pc = int32(pc)
					goto raise
				}
				if done {
					goto reload
				}
			}
		}
		continue

	arith:
		f.pc = int32(pc)
		if fl = th.arith(int(in.op-opAdd), regs[in.b], regs[in.c], in.a); fl != nil {
			goto raise
		}
		goto reload
	arithK:
		f.pc = int32(pc)
		if fl = th.arith(int(in.op-opAddK), regs[in.b], k[in.d], in.a); fl != nil {
			goto raise
		}
		goto reload
	}

raise:
	if fl = th.unwind(bottom, fl); fl != nil {
		return fl
	}
	goto reload
}
