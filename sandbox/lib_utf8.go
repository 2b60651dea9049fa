package sandbox

// The utf8 library (Lua 5.4 manual, 6.5). It knows the sequences of up to six bytes of the original UTF-8.
var utf8Functions = []function{
	{"char", utf8Char, plain}, {"codepoint", utf8Codepoint, plain}, {"codes", utf8Codes, plain}, {"len", utf8Len, plain}, {"offset", utf8Offset, plain},
}

func appendUTF8(b []byte, n uint64) []byte {
	if n < 0x80 {
		return append(b, byte(n))
	}
	var space [6]byte
	i := len(space)
	first := uint64(0x3f) // what fits the first byte
	for n > first {
		i--
		space[i] = byte(0x80 | n&0x3f)
		n >>= 6
		first >>= 1
	}
	i--
	space[i] = byte(^first<<1 | n)
	return append(b, space[i:]...)
}

// decodeUTF8 gives the code and length of the sequence at the beginning of s; length 0 says that there is none.
func decodeUTF8(s string, strict bool) (uint32, int) {
	if s == "" {
		return 0, 0
	}
	c := uint32(s[0])
	if c < 0x80 {
		return c, 1
	}
	least := [...]uint32{0, 0, 0x80, 0x800, 0x10000, 0x200000, 0x4000000}
	n := 0
	for m := c; m&0x80 != 0; m <<= 1 {
		n++
	}
	if n < 2 || n > 6 || len(s) < n {
		return 0, 0
	}
	code := c & (0x7f >> n)
	for i := 1; i < n; i++ {
		if s[i]&0xc0 != 0x80 {
			return 0, 0
		}
		code = code<<6 | uint32(s[i]&0x3f)
	}
	if code < least[n] || strict && (code > 0x10ffff || code >= 0xd800 && code <= 0xdfff) {
		return 0, 0
	}
	return code, n
}

func utf8Char(a args) (int, *failure) {
	w := builder{r: a.th.r}
	for i := range a.n {
		c, f := a.int(i)
		if f != nil {
			return 0, f
		}
		if uint64(c) > 0x7fffffff {
			return 0, a.fail(i, "value out of range")
		}
		if f := w.room(6); f != nil {
			return 0, f
		}
		if f := a.th.r.charge(2); f != nil {
			return 0, f
		}
		w.b = appendUTF8(w.b, uint64(c))
	}
	return a.retStr(w.str())
}

// relative turns a position that may count from the end into one from the beginning.
func relative(pos int64, n int) int64 {
	switch {
	case pos >= 0:
		return pos
	case -pos > int64(n):
		return 0
	}
	return int64(n) + pos + 1
}

func utf8Codepoint(a args) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	i, f := a.optInt(1, 1)
	if f != nil {
		return 0, f
	}
	i = relative(i, len(s.s))
	j, f := a.optInt(2, i)
	if f != nil {
		return 0, f
	}
	j = relative(j, len(s.s))
	lax := a.get(3).truth()
	if i < 1 {
		return 0, a.fail(1, "out of bounds")
	}
	if j > int64(len(s.s)) {
		return 0, a.fail(2, "out of bounds")
	}
	if i > j {
		return a.none()
	}
	if f := a.room(int(j-i)+1, "string slice too long"); f != nil {
		return 0, f
	}
	n := 0
	for at := int(i) - 1; at < int(j); {
		if f := a.th.r.charge(2); f != nil {
			return 0, f
		}
		c, size := decodeUTF8(s.s[at:], !lax)
		if size == 0 {
			return 0, a.th.errorf("invalid UTF-8 code")
		}
		a.put(n, vInt(int64(c)))
		n++
		at += size
	}
	return n, nil
}

func utf8Len(a args) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	i, f := a.optInt(1, 1)
	if f != nil {
		return 0, f
	}
	j, f := a.optInt(2, -1)
	if f != nil {
		return 0, f
	}
	i, j = relative(i, len(s.s))-1, relative(j, len(s.s))-1
	if i < 0 || i > int64(len(s.s)) {
		return 0, a.fail(1, "initial position out of bounds")
	}
	if j >= int64(len(s.s)) {
		return 0, a.fail(2, "final position out of bounds")
	}
	n := int64(0)
	for i <= j {
		if f := a.th.r.charge(1); f != nil {
			return 0, f
		}
		_, size := decodeUTF8(s.s[i:], !a.get(3).truth())
		if size == 0 {
			return a.ret2(value{}, vInt(i+1))
		}
		i += int64(size)
		n++
	}
	return a.ret(vInt(n))
}

func utf8Offset(a args) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	n, f := a.int(1)
	if f != nil {
		return 0, f
	}
	size := int64(len(s.s))
	def := int64(1)
	if n <= 0 {
		def = size + 1
	}
	i, f := a.optInt(2, def)
	if f != nil {
		return 0, f
	}
	i = relative(i, len(s.s)) - 1
	if i < 0 || i > size {
		return 0, a.fail(2, "position out of bounds")
	}
	inside := func(i int64) bool { return i < size && s.s[i]&0xc0 == 0x80 }
	back := func() *failure {
		for {
			i--
			if f := a.th.r.charge(1); f != nil {
				return f
			}
			if i <= 0 || !inside(i) {
				return nil
			}
		}
	}
	if n == 0 {
		for i > 0 && inside(i) {
			if f := back(); f != nil {
				return 0, f
			}
		}
		return a.ret(vInt(i + 1))
	}
	if inside(i) {
		return 0, a.th.errorf("initial position is a continuation byte")
	}
	for ; n < 0 && i > 0; n++ {
		if f := back(); f != nil {
			return 0, f
		}
	}
	if n > 0 {
		n--
		for ; n > 0 && i < size; n-- {
			for i++; inside(i); i++ {
				if f := a.th.r.charge(1); f != nil {
					return 0, f
				}
			}
			if f := a.th.r.charge(1); f != nil {
				return 0, f
			}
		}
	}
	if n != 0 {
		return a.ret(value{})
	}
	return a.ret(vInt(i + 1))
}

func utf8Codes(a args) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	if len(s.s) > 0 && s.s[0]&0xc0 == 0x80 {
		return 0, a.fail(0, "invalid UTF-8 code")
	}
	step := nextCode
	if a.get(1).truth() {
		step = nextCodeLax
	}
	b, f := a.th.r.newBuiltin("codes_aux", step, nil, nil)
	if f != nil {
		return 0, f
	}
	return a.ret3(vBuiltin(b), vStr(s), vInt(0))
}

func nextCode(a args) (int, *failure)    { return stepCode(a, true) }
func nextCodeLax(a args) (int, *failure) { return stepCode(a, false) }

func stepCode(a args, strict bool) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	i, f := a.int(1)
	if f != nil {
		return 0, f
	}
	n := int64(len(s.s))
	// Behind the sequence at i.
	if i > 0 && i <= n {
		for i < n && s.s[i]&0xc0 == 0x80 {
			if f := a.th.r.charge(1); f != nil {
				return 0, f
			}
			i++
		}
	}
	if i < 0 || i >= n {
		return a.none()
	}
	code, size := decodeUTF8(s.s[i:], strict)
	if size == 0 || i+int64(size) < n && s.s[i+int64(size)]&0xc0 == 0x80 {
		return 0, a.th.errorf("invalid UTF-8 code")
	}
	return a.ret2(vInt(i+1), vInt(int64(code)))
}
