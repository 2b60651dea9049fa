package sandbox

// event is a metamethod (Lua 5.4 manual, 2.4). The first 16 are remembered as absent by a metatable.
type event uint8

const (
	evIndex event = iota
	evNewIndex
	evCall
	evEq
	evLt
	evLe
	evConcat
	evLen
	evAdd // the arithmetic ones in the order of the instructions
	evSub
	evMul
	evDiv
	evMod
	evPow
	evIdiv
	evBand
	evBor
	evBxor
	evShl
	evShr
	evUnm
	evBnot
	evClose
	evToString
	evName
	evPairs
	evMetatable
	events
)

var eventNames = func() (s [events]*str) {
	for i, name := range [events]string{"__index", "__newindex", "__call", "__eq", "__lt", "__le", "__concat", "__len", "__add", "__sub", "__mul", "__div", "__mod",
		"__pow", "__idiv", "__band", "__bor", "__bxor", "__shl", "__shr", "__unm", "__bnot", "__close", "__tostring", "__name", "__pairs", "__metatable"} {
		s[i] = static(name)
	}
	return
}()

// event gives a metamethod of a metatable.
func (t *table) event(e event) value {
	if e < 16 && t.aux&(1<<e) != 0 {
		return value{}
	}
	v := t.getStr(eventNames[e])
	if e < 16 && v.isNil() {
		t.aux |= 1 << e
	}
	return v
}

// metamethod gives that of any value.
func (r *run) metamethod(v value, e event) value {
	switch v.kind() {
	case kindTable:
		if m := v.table().meta; m != nil {
			return m.event(e)
		}
	case kindString:
		return r.strings.event(e)
	}
	return value{}
}

// maxChain is how many __index or __newindex tables are followed.
const maxChain = 2000

// longKey tells whether finding a key takes time, for its hash and for comparing it.
func longKey(k value) bool { return k.o != nil && k.o.kind == kindString && len(k.str().s) > 256 }

// lookup gives obj[key]: the value, or the function that is to be called with the object and the key.
func (th *thread) lookup(obj, key value) (v, h, of value, f *failure) {
	r := th.r
	if longKey(key) {
		if f := r.touch(len(key.str().s)); f != nil {
			return v, h, obj, f
		}
	}
	for range maxChain {
		if obj.isTable() {
			t := obj.table()
			v = t.get(key)
			if !v.isNil() || t.meta == nil {
				return v, value{}, obj, nil
			}
			if h = t.meta.event(evIndex); h.isNil() {
				return v, value{}, obj, nil
			}
		} else if h = r.metamethod(obj, evIndex); h.isNil() {
			return v, h, obj, th.indexError(obj, key)
		}
		if h.isFunction() {
			return v, h, obj, nil
		}
		obj = h
		if f := r.charge(2); f != nil {
			return v, h, obj, f
		}
	}
	return v, h, obj, th.errorf("'__index' chain too long; possible loop")
}

// findMethod looks for a method where it usually is: in the object, or in the tables that metatables name. It gives nil if it is
// nowhere there, and remembers in the instruction where it was.
func (th *thread) findMethod(o value, key *str, in *instr) value {
	for range 8 {
		switch o.kind() {
		case kindTable:
		case kindString:
			o = th.r.strings.event(evIndex)
			continue
		default:
			return value{}
		}
		t := o.table()
		if int(in.c) < len(t.entries) && t.entries[in.c].key.o == &key.header && t.entries[in.c].val.o != nil {
			return t.entries[in.c].val
		}
		if p := t.findStr(key); p >= 0 && t.entries[p].val.o != nil {
			if p < 256 {
				in.c = uint8(p)
			}
			return t.entries[p].val
		}
		if t.meta == nil {
			return value{}
		}
		o = t.meta.event(evIndex)
	}
	return value{}
}

// getInto puts obj[key] into a register of the present instruction.
func (th *thread) getInto(a uint8, obj, key value) *failure {
	v, h, of, f := th.lookup(obj, key)
	if f != nil {
		return f
	}
	if !h.isNil() {
		return th.meta(afterOp, h, of, key)
	}
	top := &th.frames[len(th.frames)-1]
	th.stack[top.base+int(a)] = v
	return nil
}

// get is obj[key] for Go code.
func (th *thread) get(obj, key value) (value, *failure) {
	v, h, of, f := th.lookup(obj, key)
	if f != nil || h.isNil() {
		return v, f
	}
	return th.call1(h, of, key)
}

// call1 calls a function from Go code for one result.
func (th *thread) call1(h value, list ...value) (value, *failure) {
	at, f := th.call(h, 1, list...)
	if f != nil {
		return value{}, f
	}
	return th.stack[at], nil
}

// assign does obj[key] = v, or gives the function that is to be called with object, key and value.
func (th *thread) assign(obj, key, v value) (h, of value, f *failure) {
	r := th.r
	if longKey(key) {
		if f := r.touch(2 * len(key.str().s)); f != nil {
			return h, obj, f
		}
	}
	for range maxChain {
		if obj.isTable() {
			t := obj.table()
			if t.meta != nil {
				h = t.meta.event(evNewIndex)
			} else {
				h = value{}
			}
			if h.isNil() || !t.get(key).isNil() {
				switch {
				case key.isNil():
					return value{}, obj, th.errorf("table index is nil")
				case key.isFloat() && key.float() != key.float():
					return value{}, obj, th.errorf("table index is NaN")
				}
				return value{}, obj, r.set(t, key, v)
			}
		} else if h = r.metamethod(obj, evNewIndex); h.isNil() {
			return h, obj, th.indexError(obj, key)
		}
		if h.isFunction() {
			return h, obj, nil
		}
		obj = h
		if f := r.charge(2); f != nil {
			return h, obj, f
		}
	}
	return h, obj, th.errorf("'__newindex' chain too long; possible loop")
}

// setFrom is assign for the present instruction.
func (th *thread) setFrom(obj, key, v value) *failure {
	h, of, f := th.assign(obj, key, v)
	if f != nil || h.isNil() {
		return f
	}
	return th.meta(afterOp, h, of, key, v)
}

// put is obj[key] = v for Go code.
func (th *thread) put(obj, key, v value) *failure {
	h, of, f := th.assign(obj, key, v)
	if f != nil || h.isNil() {
		return f
	}
	_, f = th.call(h, 0, of, key, v)
	return f
}

// arithNumbers computes an operator on two numbers; it fails on a division of integers by zero and on a float that is no integer.
func arithNumbers(op int, a, b value) (value, bool) {
	ev := event(op) + evAdd
	if ev >= evBand {
		x, ok := a.toInt()
		y, ok2 := b.toInt()
		if !ok || !ok2 {
			return value{}, false
		}
		switch ev {
		case evBand:
			return vInt(x & y), true
		case evBor:
			return vInt(x | y), true
		case evBxor:
			return vInt(x ^ y), true
		case evShl:
			return vInt(shiftLeft(x, y)), true
		}
		if y == -1<<63 {
			return vInt(0), true
		}
		return vInt(shiftLeft(x, -y)), true
	}
	if a.isInt() && b.isInt() && ev != evDiv && ev != evPow {
		x, y := a.int(), b.int()
		switch ev {
		case evAdd:
			return vInt(x + y), true
		case evSub:
			return vInt(x - y), true
		case evMul:
			return vInt(x * y), true
		}
		if y == 0 {
			return value{}, false
		}
		if ev == evMod {
			return vInt(floorMod(x, y)), true
		}
		return vInt(floorDiv(x, y)), true
	}
	return vFloat(arithFloats(ev, a.asFloat(), b.asFloat())), true
}

// arith does an arithmetic operator for the present instruction, where its operands are not the usual ones.
func (th *thread) arith(op int, a, b value, to uint8) *failure {
	ev := event(op) + evAdd
	if h := th.binaryEvent(ev, a, b); !h.isNil() {
		return th.meta(afterOp, h, a, b)
	}
	v, f := th.arithValue(ev, a, b)
	if f != nil {
		return f
	}
	top := &th.frames[len(th.frames)-1]
	th.stack[top.base+int(to)] = v
	return nil
}

func (th *thread) binaryEvent(ev event, a, b value) value {
	if a.isTable() {
		if h := th.r.metamethod(a, ev); !h.isNil() {
			return h
		}
	}
	if b.isTable() {
		return th.r.metamethod(b, ev)
	}
	return value{}
}

// arithValue is the operator on numbers and on strings that are numerals (Lua 5.4 manual, 3.4.3).
func (th *thread) arithValue(ev event, a, b value) (value, *failure) {
	for _, v := range [2]value{a, b} {
		if v.isString() {
			if ev >= evBand { // strings become numbers for arithmetic only
				return value{}, th.arithError(ev, a, b)
			}
			if f := th.r.touch(len(v.str().s) * 8); f != nil {
				return value{}, f
			}
		}
	}
	x, ok := a.toNumber()
	y, ok2 := b.toNumber()
	if !ok || !ok2 {
		return value{}, th.arithError(ev, a, b)
	}
	v, ok := arithNumbers(int(ev-evAdd), x, y)
	switch {
	case ok:
		return v, nil
	case ev >= evBand:
		return value{}, th.noInteger(a, b)
	case ev == evMod:
		return value{}, th.errorf("attempt to perform 'n%%0'")
	}
	return value{}, th.errorf("attempt to divide by zero")
}

// less and lessEqual compare for the present instruction: they give the answer, or call a metamethod.
func (th *thread) compare(ev event, a, b value) (answer, done bool, f *failure) {
	if a.isNumber() && b.isNumber() {
		if ev == evLt {
			return numberLess(a, b), true, nil
		}
		return numberLessEqual(a, b), true, nil
	}
	if a.isString() && b.isString() {
		c, f := th.r.compareStrings(a.str().s, b.str().s)
		if ev == evLt {
			return c < 0, true, f
		}
		return c <= 0, true, f
	}
	h := th.binaryEvent(ev, a, b)
	if h.isNil() {
		return false, true, th.compareError(a, b)
	}
	return false, false, th.meta(afterOp, h, a, b)
}

// lessThan is a < b for Go code.
func (th *thread) lessThan(a, b value) (bool, *failure) {
	if a.isInt() && b.isInt() {
		return a.int() < b.int(), nil
	}
	if a.isTable() || b.isTable() {
		if h := th.binaryEvent(evLt, a, b); !h.isNil() {
			v, f := th.call1(h, a, b)
			return v.truth(), f
		}
		return false, th.compareError(a, b)
	}
	answer, _, f := th.compare(evLt, a, b)
	return answer, f
}

// equalsEvent gives the __eq of two different tables.
func (th *thread) equalsEvent(a, b value) value {
	if !a.isTable() || !b.isTable() || a.o == b.o {
		return value{}
	}
	if m := a.table().meta; m != nil {
		if h := m.event(evEq); !h.isNil() {
			return h
		}
	}
	if m := b.table().meta; m != nil {
		return m.event(evEq)
	}
	return value{}
}

// equal compares raw, and charges for long strings.
func (r *run) equal(a, b value) (bool, *failure) {
	if a.o != b.o && a.isString() && b.isString() {
		x, y := a.str(), b.str()
		if len(x.s) != len(y.s) {
			return false, nil
		}
		if len(x.s) > 64 {
			if f := r.touch(len(x.s)); f != nil {
				return false, f
			}
		}
		return x.s == y.s, nil
	}
	return rawEqual(a, b), nil
}

// length is #v for the present instruction.
func (th *thread) length(v value, to uint8) *failure {
	n := value{}
	switch {
	case v.isString():
		n = vInt(int64(len(v.str().s)))
	default:
		if h := th.r.metamethod(v, evLen); !h.isNil() {
			return th.meta(afterOp, h, v, v)
		}
		if !v.isTable() {
			return th.typeError("get length of", v, th.operand(0))
		}
		n = vInt(v.table().len())
	}
	top := &th.frames[len(th.frames)-1]
	th.stack[top.base+int(to)] = n
	return nil
}

// lengthOf is #v for Go code, which needs an integer.
func (th *thread) lengthOf(v value) (int64, *failure) {
	if v.isTable() && v.table().meta == nil {
		return v.table().len(), nil
	}
	if v.isString() {
		return int64(len(v.str().s)), nil
	}
	h := th.r.metamethod(v, evLen)
	if h.isNil() {
		if v.isTable() {
			return v.table().len(), nil
		}
		return 0, th.typeError("get length of", v, nil)
	}
	n, f := th.call1(h, v)
	if f != nil {
		return 0, f
	}
	if n.isString() || !n.isNumber() {
		return 0, th.errorf("object length is not an integer")
	}
	i, ok := n.toInt()
	if !ok {
		return 0, th.errorf("object length is not an integer")
	}
	return i, nil
}

// concat joins the n registers from b on, from the right (Lua 5.4 manual, 3.4.6), and puts the result into R[a].
func (th *thread) concat(f *frame, in instr, n int) *failure {
	r := th.r
	first := f.base + int(in.b)
	for n > 1 {
		s := th.stack[first : first+n]
		x, y := s[n-2], s[n-1]
		if !(x.isString() || x.isNumber()) || !(y.isString() || y.isNumber()) {
			h := r.metamethod(x, evConcat)
			if h.isNil() {
				h = r.metamethod(y, evConcat)
			}
			if h.isNil() {
				return th.concatError(x, y, n)
			}
			f.saved = int32(n - 1)
			return th.meta(afterOp, h, x, y)
		}
		k := 2
		for k < n && (s[n-k-1].isString() || s[n-k-1].isNumber()) {
			k++
		}
		v, fl := r.joinAll(s[n-k:])
		if fl != nil {
			return fl
		}
		s[n-k] = v
		n -= k - 1
	}
	f.saved = 0
	th.stack[f.base+int(in.a)] = th.stack[first]
	return nil
}

// joinAll makes one string of strings and numbers, which it replaces by strings.
func (r *run) joinAll(vs []value) (value, *failure) {
	total := 0
	for i, v := range vs {
		if !v.isString() {
			s, f := r.newStr(formatNumber(v))
			if f != nil {
				return value{}, f
			}
			vs[i] = vStr(s)
			v = vs[i]
		}
		total += len(v.str().s)
	}
	if len(vs) == 2 {
		s, f := r.join(vs[0].str(), vs[1].str())
		if f != nil {
			return value{}, f
		}
		return vStr(s), nil
	}
	if first := vs[0].str(); total >= minBuilt && first.flags&(flagBuilt|flagConcat) != 0 && len(first.s) > total/2 {
		// Appending to a long string: join what is appended, then append it.
		rest, f := r.joinAll(vs[1:])
		if f != nil {
			return value{}, f
		}
		s, f := r.join(first, rest.str())
		if f != nil {
			return value{}, f
		}
		return vStr(s), nil
	}
	if f := r.alloc(sizeStr + int64(total)); f != nil {
		return value{}, f
	}
	if f := r.touch(total); f != nil {
		return value{}, f
	}
	b := make([]byte, 0, total)
	for _, v := range vs {
		b = append(b, v.str().s...)
	}
	if total == 0 {
		return vStr(empty), nil
	}
	return vStr(&str{header: header{kind: kindString, flags: flagConcat}, s: bytesString(b)}), nil
}
