package sandbox

import "strings"

// The base library (Lua 5.4 manual, 6.1), without what reaches outside.
var baseFunctions = []function{
	{"assert", baseAssert, plain}, {"error", baseError, plain}, {"ipairs", baseIpairs, plain}, {"next", baseNext, specialNext},
	{"pairs", basePairs, plain}, {"pcall", nil, specialPcall}, {"xpcall", nil, specialXpcall}, {"print", basePrint, plain},
	{"rawequal", baseRawequal, plain}, {"rawget", baseRawget, plain}, {"rawlen", baseRawlen, plain}, {"rawset", baseRawset, plain},
	{"select", baseSelect, plain}, {"setmetatable", baseSetmetatable, plain}, {"getmetatable", baseGetmetatable, plain},
	{"tonumber", baseTonumber, plain}, {"tostring", baseTostring, plain}, {"type", baseType, plain},
	{"collectgarbage", baseCollectgarbage, plain},
	{"unpack", tableUnpack, plain}, // as in Lua 5.1
}

var (
	nextFunction  value // of library
	inextFunction = vBuiltin(&builtin{header: header{kind: kindBuiltin, flags: flagStatic}, id: 0x301, name: "ipairs_aux", full: "ipairs_aux", fn: baseInext, special: specialInext})
)

func baseAssert(a args) (int, *failure) {
	v, f := a.any(0)
	if f != nil {
		return 0, f
	}
	if v.truth() {
		copy(a.th.stack[a.at-1:], a.th.stack[a.at:a.at+a.n])
		return a.n, nil
	}
	if a.n < 2 {
		f := a.th.errorAt(0, "assertion failed!")
		_, f.line = a.th.where(1)
		return 0, f
	}
	_, line := a.th.where(1)
	return 0, &failure{v: a.get(1), line: line}
}

func baseError(a args) (int, *failure) {
	v := a.get(0)
	level, f := a.optInt(1, 1)
	if f != nil {
		return 0, f
	}
	_, line := a.th.where(1)
	if v.isString() && level > 0 && level < 300 {
		where, at := a.th.where(int(level))
		if f := a.th.r.touch(len(v.str().s)); f != nil {
			return 0, f
		}
		s := v.str()
		if where != "" {
			p, f := a.th.r.newStr(where)
			if f != nil {
				return 0, f
			}
			if s, f = a.th.r.join(p, s); f != nil {
				return 0, f
			}
			line = at
		}
		v = vStr(s)
	}
	return 0, &failure{v: v, line: line}
}

func baseIpairs(a args) (int, *failure) {
	v, f := a.any(0)
	if f != nil {
		return 0, a.typeError(0, "table")
	}
	return a.ret3(inextFunction, v, vInt(0))
}

func baseInext(a args) (int, *failure) {
	i, f := a.int(1)
	if f != nil {
		return 0, f
	}
	i++
	v, f := a.th.get(a.get(0), vInt(i))
	if f != nil {
		return 0, f
	}
	if v.isNil() {
		return a.ret(v)
	}
	return a.ret2(vInt(i), v)
}

func baseNext(a args) (int, *failure) {
	t, f := a.table(0)
	if f != nil {
		return 0, f
	}
	if f := a.th.r.charge(2); f != nil {
		return 0, f
	}
	pos, ok := t.position(a.get(1))
	if !ok {
		return 0, a.th.errorAt(0, "invalid key to 'next'")
	}
	k, v, at := t.next(pos)
	if f := a.th.r.charge(int64(max(at-pos, pos-at, 0)) / 4); f != nil {
		return 0, f
	}
	if k.isNil() {
		return a.ret(k)
	}
	return a.ret2(k, v)
}

func basePairs(a args) (int, *failure) {
	v, f := a.any(0)
	if f != nil {
		return 0, a.typeError(0, "table")
	}
	h := a.th.r.metamethod(v, evPairs)
	if h.isNil() {
		if !v.isTable() {
			return 0, a.typeError(0, "table")
		}
		return a.ret3(nextFunction, v, value{})
	}
	at, f := a.th.call(h, 3, v)
	if f != nil {
		return 0, f
	}
	s := a.th.stack[at : at+3]
	return a.ret3(s[0], s[1], s[2])
}

// basePrint writes to what the run printed, which is limited.
func basePrint(a args) (int, *failure) {
	r := a.th.r
	for i := range a.n + 1 {
		s := empty
		if i < a.n {
			var f *failure
			if s, f = a.th.tostring(a.get(i)); f != nil {
				return 0, f
			}
		}
		if r.printed.Len()+len(s.s)+1 > r.limits.Output {
			r.printed.WriteString(s.s[:max(0, min(len(s.s), r.limits.Output-r.printed.Len()))])
			return 0, r.kill(&Error{Kind: OutputLimit, Msg: "the program printed more than " + itoa(int64(r.limits.Output)) + " bytes", Hint: "Print less; what you want to see belongs into the value that the program returns."})
		}
		if f := r.touch(len(s.s)); f != nil {
			return 0, f
		}
		if i > 0 && i < a.n {
			r.printed.WriteByte('\t')
		}
		r.printed.WriteString(s.s)
	}
	r.printed.WriteByte('\n')
	return 0, nil
}

func baseRawequal(a args) (int, *failure) {
	for i := range 2 {
		if _, f := a.any(i); f != nil {
			return 0, f
		}
	}
	eq, f := a.th.r.equal(a.get(0), a.get(1))
	if f != nil {
		return 0, f
	}
	return a.ret(vBool(eq))
}

func baseRawget(a args) (int, *failure) {
	t, f := a.table(0)
	if f != nil {
		return 0, f
	}
	k, f := a.any(1)
	if f != nil {
		return 0, f
	}
	return a.ret(t.get(k))
}

func baseRawset(a args) (int, *failure) {
	t, f := a.table(0)
	if f != nil {
		return 0, f
	}
	for i := 1; i < 3; i++ {
		if _, f := a.any(i); f != nil {
			return 0, f
		}
	}
	k := a.get(1)
	switch {
	case k.isNil():
		return 0, a.th.errorf("table index is nil")
	case k.isFloat() && k.float() != k.float():
		return 0, a.th.errorf("table index is NaN")
	}
	if f := a.th.r.set(t, k, a.get(2)); f != nil {
		return 0, f
	}
	return a.ret(vTable(t))
}

func baseRawlen(a args) (int, *failure) {
	switch v := a.get(0); v.kind() {
	case kindTable:
		return a.ret(vInt(v.table().len()))
	case kindString:
		return a.ret(vInt(int64(len(v.str().s))))
	}
	return 0, a.typeError(0, "table or string")
}

func baseSelect(a args) (int, *failure) {
	if v := a.get(0); v.isString() && v.str().s == "#" {
		return a.ret(vInt(int64(a.n - 1)))
	}
	i, f := a.int(0)
	if f != nil {
		return 0, f
	}
	switch {
	case i < 0:
		i += int64(a.n)
	case i > int64(a.n):
		i = int64(a.n)
	}
	if i < 1 {
		return 0, a.fail(0, "index out of range")
	}
	n := a.n - int(i)
	if f := a.th.r.charge(int64(n)); f != nil {
		return 0, f
	}
	copy(a.th.stack[a.at-1:], a.th.stack[a.at+int(i):a.at+a.n])
	return n, nil
}

func baseSetmetatable(a args) (int, *failure) {
	t, f := a.table(0)
	if f != nil {
		return 0, f
	}
	m := a.get(1)
	if !m.isTable() && !(m.isNil() && a.n > 1) {
		return 0, a.typeError(1, "nil or table")
	}
	if t.meta != nil && !t.meta.event(evMetatable).isNil() {
		return 0, a.th.errorf("cannot change a protected metatable")
	}
	if m.isNil() {
		t.meta = nil
	} else {
		t.meta = m.table()
	}
	return a.ret(vTable(t))
}

func baseGetmetatable(a args) (int, *failure) {
	v, f := a.any(0)
	if f != nil {
		return 0, f
	}
	var m *table
	switch {
	case v.isTable():
		m = v.table().meta
	case v.isString():
		m = a.th.r.strings
	}
	if m == nil {
		return a.ret(value{})
	}
	if p := m.event(evMetatable); !p.isNil() {
		return a.ret(p)
	}
	return a.ret(vTable(m))
}

func baseTonumber(a args) (int, *failure) {
	if a.get(1).isNil() {
		v, f := a.any(0)
		if f != nil {
			return 0, f
		}
		if v.isString() {
			if f := a.th.r.touch(len(v.str().s) * 8); f != nil {
				return 0, f
			}
		}
		n, _ := v.toNumber()
		return a.ret(n)
	}
	base, f := a.int(1)
	if f != nil {
		return 0, f
	}
	if !a.get(0).isString() {
		return 0, a.typeError(0, "string")
	}
	if base < 2 || base > 36 {
		return 0, a.fail(1, "base out of range")
	}
	text := a.get(0).str().s
	if f := a.th.r.touch(len(text) * 8); f != nil {
		return 0, f
	}
	s := strings.Trim(text, " \f\n\r\t\v")
	negative := strings.HasPrefix(s, "-")
	if negative {
		s = s[1:]
	}
	n := int64(0)
	for i := range len(s) {
		c := s[i]
		d := int64(99)
		switch {
		case isDigit(c):
			d = int64(c - '0')
		case isAlpha(c):
			d = int64(c|0x20-'a') + 10
		}
		if d >= base {
			return a.ret(value{})
		}
		n = n*base + d
	}
	if s == "" {
		return a.ret(value{})
	}
	if negative {
		n = -n
	}
	return a.ret(vInt(n))
}

func baseTostring(a args) (int, *failure) {
	v, f := a.any(0)
	if f != nil {
		return 0, f
	}
	return a.retStr(a.th.tostring(v))
}

// tostring is the text of any value (luaL_tolstring).
func (th *thread) tostring(v value) (*str, *failure) {
	switch v.kind() {
	case kindString:
		return v.str(), nil
	case kindInt, kindFloat:
		return th.r.newStr(formatNumber(v))
	case kindNil:
		return th.r.intern("nil"), nil
	case kindTrue:
		return th.r.intern("true"), nil
	case kindFalse:
		return th.r.intern("false"), nil
	}
	if h := th.r.metamethod(v, evToString); !h.isNil() {
		v, f := th.call1(h, v)
		if f != nil {
			return nil, f
		}
		if v.isNumber() {
			return th.r.newStr(formatNumber(v))
		}
		if !v.isString() {
			return nil, th.errorf("'__tostring' must return a string")
		}
		return v.str(), nil
	}
	name := th.r.nameOf(v)
	if v.kind() == kindBuiltin {
		name = "function: builtin"
	}
	return th.r.newStr(name + ": 0x" + hex8(th.r.identify(v)))
}

func hex8(n uint32) string {
	const digits = "0123456789abcdef"
	var b [8]byte
	for i := range b {
		b[7-i] = digits[n&15]
		n >>= 4
	}
	return string(b[:])
}

func baseType(a args) (int, *failure) {
	v, f := a.any(0)
	if f != nil {
		return 0, f
	}
	return a.ret(vStr(typeStrings[v.kind()]))
}

// baseCollectgarbage tells the memory in use; there is nothing else to command.
func baseCollectgarbage(a args) (int, *failure) {
	if a.n > 0 {
		s, f := a.str(0)
		if f != nil {
			return 0, f
		}
		if s.s == "count" {
			return a.ret(vFloat(float64(a.th.r.used) / 1024))
		}
	}
	return 0, a.th.errorf("collectgarbage can only \"count\" here; memory is freed by itself")
}
