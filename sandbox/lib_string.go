package sandbox

import "strings"

// The string library (Lua 5.4 manual, 6.4), all but dump.
var stringFunctions = []function{
	{"byte", strByte, plain}, {"char", strChar, plain}, {"find", strFind, plain}, {"format", strFormat, plain}, {"gmatch", strGmatch, plain},
	{"gsub", strGsub, plain}, {"len", strLen, plain}, {"lower", strLower, plain}, {"match", strMatch, plain}, {"pack", strPack, plain},
	{"packsize", strPacksize, plain}, {"rep", strRep, plain}, {"reverse", strReverse, plain}, {"sub", strSub, plain},
	{"unpack", strUnpack, plain}, {"upper", strUpper, plain},
}

func strLen(a args) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	return a.ret(vInt(int64(len(s.s))))
}

func strSub(a args) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	i, f := a.int(1)
	if f != nil {
		return 0, f
	}
	j, f := a.optInt(2, -1)
	if f != nil {
		return 0, f
	}
	from, to := fromEnd(i, len(s.s)), endPos(j, len(s.s))
	if from > to {
		return a.ret(vStr(empty))
	}
	if from == 1 && to == int64(len(s.s)) {
		return a.ret(vStr(s))
	}
	return a.retStr(a.th.r.copyStr(s.s[from-1 : to]))
}

// mapBytes makes a string of the same length, in pieces, so that it can be cancelled.
func (a args) mapBytes(do func(dst []byte, src string, at int)) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	r := a.th.r
	if f := r.alloc(sizeStr + int64(len(s.s))); f != nil {
		return 0, f
	}
	b := make([]byte, len(s.s))
	for at := 0; at < len(b); at += 1 << 16 {
		end := min(at+1<<16, len(b))
		if f := r.touch((end - at) * 8); f != nil {
			return 0, f
		}
		do(b[at:end], s.s, at)
	}
	if len(b) <= 1 {
		return a.retStr(r.newStr(string(b)))
	}
	return a.ret(vStr(&str{header: header{kind: kindString}, s: bytesString(b)}))
}

func strUpper(a args) (int, *failure) {
	return a.mapBytes(func(dst []byte, src string, at int) {
		for i := range dst {
			c := src[at+i]
			if c >= 'a' && c <= 'z' {
				c -= 'a' - 'A'
			}
			dst[i] = c
		}
	})
}

func strLower(a args) (int, *failure) {
	return a.mapBytes(func(dst []byte, src string, at int) {
		for i := range dst {
			c := src[at+i]
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst[i] = c
		}
	})
}

func strReverse(a args) (int, *failure) {
	return a.mapBytes(func(dst []byte, src string, at int) {
		for i := range dst {
			dst[i] = src[len(src)-1-at-i]
		}
	})
}

func strRep(a args) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	n, f := a.int(1)
	if f != nil {
		return 0, f
	}
	sep := empty
	if !a.get(2).isNil() {
		if sep, f = a.str(2); f != nil {
			return 0, f
		}
	}
	unit := int64(len(s.s) + len(sep.s))
	if n <= 0 || unit == 0 {
		return a.ret(vStr(empty))
	}
	r := a.th.r
	if n > r.maxUsed/unit+1 {
		return 0, r.memory()
	}
	total := unit*n - int64(len(sep.s))
	if f := r.alloc(sizeStr + total); f != nil {
		return 0, f
	}
	r.pinned += total
	b := make([]byte, 0, total)
	// What is there is doubled, at most a megabyte at a time.
	for int64(len(b)) < total {
		if len(b) == 0 {
			b = append(append(b, s.s...), sep.s...)[:min(unit, total)]
			continue
		}
		piece := min(int64(len(b))/unit*unit, max(1<<20/unit*unit, unit), total-int64(len(b)))
		if f := r.touch(int(piece)); f != nil {
			return 0, f
		}
		b = append(b, b[:piece]...)
	}
	if len(b) <= 1 {
		return a.retStr(r.newStr(string(b)))
	}
	return a.ret(vStr(&str{header: header{kind: kindString}, s: bytesString(b)}))
}

func strByte(a args) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	i, f := a.optInt(1, 1)
	if f != nil {
		return 0, f
	}
	from := fromEnd(i, len(s.s))
	j, f := a.optInt(2, i)
	if f != nil {
		return 0, f
	}
	to := endPos(j, len(s.s))
	if from > to {
		return a.none()
	}
	n := int(to - from + 1)
	if f := a.room(n, "string slice too long"); f != nil {
		return 0, f
	}
	if f := a.th.r.charge(int64(n)); f != nil {
		return 0, f
	}
	for k := range n {
		a.put(k, vInt(int64(s.s[int(from)-1+k])))
	}
	return n, nil
}

func strChar(a args) (int, *failure) {
	if a.n == 1 {
		if v := a.get(0); v.isInt() && uint64(v.int()) < 256 {
			return a.ret(vStr(letters[v.int()]))
		}
	}
	r := a.th.r
	if f := r.charge(int64(a.n)); f != nil {
		return 0, f
	}
	w := builder{r: r}
	if f := w.room(a.n); f != nil {
		return 0, f
	}
	for i := range a.n {
		c, f := a.int(i)
		if f != nil {
			return 0, f
		}
		if uint64(c) > 255 {
			return 0, a.fail(i, "value out of range")
		}
		w.b = append(w.b, byte(c))
	}
	return a.retStr(w.str())
}

// search finds a plain string from a position on, in pieces.
func (r *run) search(s, what string, from int) (int, *failure) {
	const piece = 1 << 18
	if len(what) > piece/2 {
		if f := r.touch(len(s) - from + len(what)); f != nil {
			return 0, f
		}
		if i := strings.Index(s[from:], what); i >= 0 {
			return from + i, nil
		}
		return -1, nil
	}
	for {
		end := min(from+piece, len(s))
		if f := r.touch((end - from) * 4); f != nil {
			return 0, f
		}
		if i := strings.Index(s[from:end], what); i >= 0 {
			return from + i, nil
		}
		if end == len(s) {
			return -1, nil
		}
		from = end - len(what) + 1
	}
}
