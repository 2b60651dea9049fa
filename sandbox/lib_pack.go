package sandbox

import "math"

// packer reads the format of pack, unpack and packsize (Lua 5.4 manual, 6.4.2).
type packer struct {
	a      args
	fmt    string
	at     int
	little bool
	align  int
	total  int
}

// item is one element of a format.
type item struct {
	op    byte // i u f s z x X or space for nothing
	size  int
	align int // bytes of padding before it
}

const maxPackInt = 16

func newPacker(a args, f string) *packer { return &packer{a: a, fmt: f, little: true, align: 1} }

func (p *packer) more() bool { return p.at < len(p.fmt) }

func (p *packer) number(def int) (int, *failure) {
	if !p.more() || !isDigit(p.fmt[p.at]) {
		return def, nil
	}
	n := 0
	for p.more() && isDigit(p.fmt[p.at]) && n <= (math.MaxInt32-9)/10 {
		n = n*10 + int(p.fmt[p.at]-'0')
		p.at++
	}
	return n, p.a.th.r.charge(1)
}

func (p *packer) size(def int) (int, *failure) {
	n, f := p.number(def)
	if f == nil && (n < 1 || n > maxPackInt) {
		f = p.a.th.errorf("integral size (%d) out of limits [1,16]", n)
	}
	return n, f
}

// option reads one letter with its size.
func (p *packer) option() (item, *failure) {
	if f := p.a.th.r.charge(2); f != nil {
		return item{}, f
	}
	c := p.fmt[p.at]
	p.at++
	fixed := map[byte]item{'b': {op: 'i', size: 1}, 'B': {op: 'u', size: 1}, 'h': {op: 'i', size: 2}, 'H': {op: 'u', size: 2}, 'l': {op: 'i', size: 8}, 'L': {op: 'u', size: 8},
		'j': {op: 'i', size: 8}, 'J': {op: 'u', size: 8}, 'T': {op: 'u', size: 8}, 'f': {op: 'f', size: 4}, 'n': {op: 'f', size: 8}, 'd': {op: 'f', size: 8},
		'z': {op: 'z'}, 'x': {op: 'x', size: 1}, 'X': {op: 'X'}}
	if it, ok := fixed[c]; ok {
		return it, nil
	}
	var f *failure
	it := item{op: ' '}
	switch c {
	case 'i', 'I':
		it.op = 'i'
		if c == 'I' {
			it.op = 'u'
		}
		it.size, f = p.size(4)
	case 's':
		it.op = 's'
		it.size, f = p.size(8)
	case 'c':
		it.op = 'c'
		if it.size, f = p.number(-1); f == nil && it.size < 0 {
			f = p.a.th.errorf("missing size for format option 'c'")
		}
	case ' ':
	case '<', '=':
		p.little = true
	case '>':
		p.little = false
	case '!':
		p.align, f = p.size(8)
	default:
		f = p.a.th.errorf("invalid format option '%s'", string([]byte{c}))
	}
	return it, f
}

// next reads the next element and its padding.
func (p *packer) next() (item, *failure) {
	it, f := p.option()
	if f != nil {
		return it, f
	}
	align := it.size
	if it.op == 'X' {
		if !p.more() {
			return it, p.a.fail(0, "invalid next option for option 'X'")
		}
		then, f := p.option()
		if f != nil {
			return it, f
		}
		align = then.size
		if then.op == 'c' || align == 0 {
			return it, p.a.fail(0, "invalid next option for option 'X'")
		}
	}
	if align <= 1 || it.op == 'c' || it.op == 'z' || it.op == 'x' || it.op == ' ' {
		return it, nil
	}
	align = min(align, p.align)
	if align&(align-1) != 0 {
		return it, p.a.fail(0, "format asks for alignment not power of 2")
	}
	it.align = (align - p.total&(align-1)) & (align - 1)
	return it, nil
}

func (p *packer) putInt(w *builder, n uint64, size int, negative bool) {
	fill := byte(0)
	if negative {
		fill = 0xff
	}
	for i := range size {
		k := i
		if !p.little {
			k = size - 1 - i
		}
		if k < 8 {
			w.b = append(w.b, byte(n>>(8*k)))
		} else {
			w.b = append(w.b, fill)
		}
	}
}

func strPack(a args) (int, *failure) {
	format, f := a.str(0)
	if f != nil {
		return 0, f
	}
	p := newPacker(a, format.s)
	w := builder{r: a.th.r}
	arg := 0
	for p.more() {
		it, f := p.next()
		if f != nil {
			return 0, f
		}
		if f := w.room(it.align + it.size + 16); f != nil {
			return 0, f
		}
		for range it.align {
			w.b = append(w.b, 0)
		}
		switch it.op {
		case 'i', 'u':
			arg++
			n, f := a.int(arg)
			if f != nil {
				return 0, f
			}
			if it.size < 8 {
				limit := int64(1) << (it.size*8 - 1)
				switch {
				case it.op == 'i' && (n < -limit || n >= limit):
					return 0, a.fail(arg, "integer overflow")
				case it.op == 'u' && uint64(n) >= uint64(1)<<(it.size*8):
					return 0, a.fail(arg, "unsigned overflow")
				}
			}
			p.putInt(&w, uint64(n), it.size, n < 0 && it.op == 'i')
		case 'f':
			arg++
			x, f := a.float(arg)
			if f != nil {
				return 0, f
			}
			if it.size == 4 {
				p.putInt(&w, uint64(math.Float32bits(float32(x))), 4, false)
			} else {
				p.putInt(&w, math.Float64bits(x), 8, false)
			}
		case 'c', 's', 'z':
			arg++
			if f := p.putText(&w, it, arg); f != nil {
				return 0, f
			}
		case 'x':
			w.b = append(w.b, 0)
		}
		p.total = len(w.b)
	}
	return a.retStr(w.str())
}

func (p *packer) putText(w *builder, it item, arg int) *failure {
	v, f := p.a.str(arg)
	if f != nil {
		return f
	}
	s := v.s
	switch it.op {
	case 'c':
		if len(s) > it.size {
			return p.a.fail(arg, "string longer than given size")
		}
		if f := w.add(s); f != nil {
			return f
		}
		for n := it.size - len(s); n > 0; n -= 1 << 16 {
			if f := w.room(min(n, 1<<16)); f != nil {
				return f
			}
			if f := p.a.th.r.touch(min(n, 1<<16)); f != nil {
				return f
			}
			w.b = w.b[:len(w.b)+min(n, 1<<16)]
			clear(w.b[len(w.b)-min(n, 1<<16):])
		}
	case 's':
		if it.size < 8 && uint64(len(s)) >= uint64(1)<<(it.size*8) {
			return p.a.fail(arg, "string length does not fit in given size")
		}
		p.putInt(w, uint64(len(s)), it.size, false)
		return w.add(s)
	default:
		if f := p.a.th.r.touch(len(s)); f != nil {
			return f
		}
		for i := range len(s) {
			if s[i] == 0 {
				return p.a.fail(arg, "string contains zeros")
			}
		}
		if f := w.add(s); f != nil {
			return f
		}
		return w.addByte(0)
	}
	return nil
}

func strPacksize(a args) (int, *failure) {
	format, f := a.str(0)
	if f != nil {
		return 0, f
	}
	p := newPacker(a, format.s)
	for p.more() {
		it, f := p.next()
		if f != nil {
			return 0, f
		}
		if it.op == 's' || it.op == 'z' {
			return 0, a.fail(0, "variable-length format")
		}
		if p.total > math.MaxInt32-it.align-it.size {
			return 0, a.fail(0, "format result too large")
		}
		p.total += it.align + it.size
	}
	return a.ret(vInt(int64(p.total)))
}

func (p *packer) getInt(s string, signed bool) (int64, *failure) {
	n, size := uint64(0), len(s)
	at := func(i int) byte { // the i-th byte from the least
		if p.little {
			return s[i]
		}
		return s[size-1-i]
	}
	for i := min(size, 8) - 1; i >= 0; i-- {
		n = n<<8 | uint64(at(i))
	}
	if size < 8 {
		if signed {
			shift := uint(64 - size*8)
			return int64(n<<shift) >> shift, nil
		}
		return int64(n), nil
	}
	fill := byte(0)
	if signed && int64(n) < 0 {
		fill = 0xff
	}
	for i := 8; i < size; i++ {
		if at(i) != fill {
			return 0, p.a.th.errorf("%d-byte integer does not fit into Lua Integer", size)
		}
	}
	return int64(n), nil
}

func strUnpack(a args) (int, *failure) {
	format, f := a.str(0)
	if f != nil {
		return 0, f
	}
	data, f := a.str(1)
	if f != nil {
		return 0, f
	}
	s := data.s
	i, f := a.optInt(2, 1)
	if f != nil {
		return 0, f
	}
	at := int(fromEnd(i, len(s))) - 1
	if i > int64(len(s))+1 || at > len(s) {
		return 0, a.fail(2, "initial position out of string")
	}
	p := newPacker(a, format.s)
	n := 0
	for p.more() {
		p.total = at
		it, f := p.next()
		if f != nil {
			return 0, f
		}
		if it.align+it.size > len(s)-at {
			return 0, a.fail(1, "data string too short")
		}
		at += it.align
		v := value{}
		if f := a.room(n+2, "too many results"); f != nil {
			return 0, f
		}
		switch it.op {
		case 'i', 'u':
			x, f := p.getInt(s[at:at+it.size], it.op == 'i')
			if f != nil {
				return 0, f
			}
			v = vInt(x)
		case 'f':
			x, f := p.getInt(s[at:at+it.size], false)
			if f != nil {
				return 0, f
			}
			if it.size == 4 {
				v = vFloat(float64(math.Float32frombits(uint32(x))))
			} else {
				v = vFloat(math.Float64frombits(uint64(x)))
			}
		case 'c', 's', 'z':
			text, used, f := p.getText(s[at:], it)
			if f != nil {
				return 0, f
			}
			t, f := a.th.r.copyStr(text)
			if f != nil {
				return 0, f
			}
			v = vStr(t)
			at += used
		}
		if it.op != 'c' && it.op != 's' && it.op != 'z' {
			at += it.size
		}
		if !v.isNil() {
			a.put(n, v)
			n++
		}
	}
	a.put(n, vInt(int64(at)+1))
	return n + 1, nil
}

// getText reads a string element and tells how many bytes it took.
func (p *packer) getText(s string, it item) (string, int, *failure) {
	switch it.op {
	case 'c':
		return s[:it.size], it.size, nil
	case 's':
		n, f := p.getInt(s[:it.size], false)
		if f != nil {
			return "", 0, f
		}
		if uint64(n) > uint64(len(s)-it.size) {
			return "", 0, p.a.fail(1, "data string too short")
		}
		return s[it.size : it.size+int(n)], it.size + int(n), nil
	}
	for i := 0; i < len(s); i++ {
		if i&15 == 0 {
			if f := p.a.th.r.charge(1); f != nil {
				return "", 0, f
			}
		}
		if s[i] == 0 {
			return s[:i], i + 1, nil
		}
	}
	return "", 0, p.a.fail(1, "unfinished string for format 'z'")
}
