package sandbox

// The table library (Lua 5.4 manual, 6.6).
var tableFunctions = []function{
	{"concat", tableConcat, plain}, {"insert", tableInsert, plain}, {"move", tableMove, plain}, {"pack", tablePack, plain},
	{"remove", tableRemove, plain}, {"sort", tableSort, plain}, {"unpack", tableUnpack, plain},
}

// list takes a table, or what has the metamethods to stand for one, and its length.
func (a args) list(i int) (value, int64, *failure) {
	v := a.get(i)
	if !v.isTable() {
		r := a.th.r
		if r.metamethod(v, evIndex).isNil() || r.metamethod(v, evNewIndex).isNil() || r.metamethod(v, evLen).isNil() {
			return v, 0, a.typeError(i, "table")
		}
	}
	n, f := a.th.lengthOf(v)
	return v, n, f
}

// fast gives the table if it can be read and written raw.
func fast(v value) *table {
	if v.isTable() && v.table().meta == nil {
		return v.table()
	}
	return nil
}

func (th *thread) getIndex(v value, i int64) (value, *failure) {
	if t := fast(v); t != nil {
		return t.getInt(i), nil
	}
	return th.get(v, vInt(i))
}

func (th *thread) setIndex(v value, i int64, x value) *failure {
	if t := fast(v); t != nil {
		return th.r.setInt(t, i, x)
	}
	return th.put(v, vInt(i), x)
}

func tableInsert(a args) (int, *failure) {
	l, n, f := a.list(0)
	if f != nil {
		return 0, f
	}
	e := int64(uint64(n) + 1)
	pos := e
	v := a.get(1)
	switch a.n {
	case 2:
	case 3:
		if pos, f = a.int(1); f != nil {
			return 0, f
		}
		if uint64(pos)-1 >= uint64(e) {
			return 0, a.fail(1, "position out of bounds")
		}
		v = a.get(2)
		t := fast(l)
		if t != nil && int(n) == len(t.arr) && n > 0 && pos <= n && !v.isNil() {
			// Moved as a block.
			if f := a.th.r.touch(int(n-pos+1) * sizeValue); f != nil {
				return 0, f
			}
			if f := a.th.r.setInt(t, e, t.arr[n-1]); f != nil {
				return 0, f
			}
			copy(t.arr[pos:n], t.arr[pos-1:n-1])
			t.arr[pos-1] = v
			return 0, nil
		}
		for i := e; i > pos; i-- {
			if f := a.th.r.charge(2); f != nil {
				return 0, f
			}
			x, f := a.th.getIndex(l, i-1)
			if f != nil {
				return 0, f
			}
			if f := a.th.setIndex(l, i, x); f != nil {
				return 0, f
			}
		}
	default:
		return 0, a.th.errorf("wrong number of arguments to 'insert'")
	}
	return 0, a.th.setIndex(l, pos, v)
}

func tableRemove(a args) (int, *failure) {
	l, n, f := a.list(0)
	if f != nil {
		return 0, f
	}
	pos, f := a.optInt(1, n)
	if f != nil {
		return 0, f
	}
	if a.n > 1 && pos != n && uint64(pos)-1 > uint64(n) {
		return 0, a.fail(1, "position out of bounds")
	}
	x, f := a.th.getIndex(l, pos)
	if f != nil {
		return 0, f
	}
	if t := fast(l); t != nil && pos >= 1 && pos < n && int(n) == len(t.arr) {
		if f := a.th.r.touch(int(n-pos) * sizeValue); f != nil {
			return 0, f
		}
		copy(t.arr[pos-1:], t.arr[pos:])
		pos = n
	}
	for ; pos < n; pos++ {
		if f := a.th.r.charge(2); f != nil {
			return 0, f
		}
		y, f := a.th.getIndex(l, pos+1)
		if f != nil {
			return 0, f
		}
		if f := a.th.setIndex(l, pos, y); f != nil {
			return 0, f
		}
	}
	if f := a.th.setIndex(l, pos, value{}); f != nil {
		return 0, f
	}
	return a.ret(x)
}

func tableMove(a args) (int, *failure) {
	src := a.get(0)
	if !src.isTable() && a.th.r.metamethod(src, evIndex).isNil() {
		return 0, a.typeError(0, "table")
	}
	var at [3]int64
	for i := range at {
		var f *failure
		if at[i], f = a.int(i + 1); f != nil {
			return 0, f
		}
	}
	from, end, to := at[0], at[1], at[2]
	dst, di := src, 0
	if !a.get(4).isNil() {
		dst, di = a.get(4), 4
	}
	if !dst.isTable() && a.th.r.metamethod(dst, evNewIndex).isNil() {
		return 0, a.typeError(di, "table")
	}
	if end >= from {
		if !(from > 0 || end < 1<<63-1+from) {
			return 0, a.fail(2, "too many elements to move")
		}
		n := end - from + 1
		if to > 1<<63-1-n+1 {
			return 0, a.fail(3, "destination wrap around")
		}
		step := func(i int64) *failure {
			if f := a.th.r.charge(2); f != nil {
				return f
			}
			v, f := a.th.getIndex(src, from+i)
			if f != nil {
				return f
			}
			return a.th.setIndex(dst, to+i, v)
		}
		if to > end || to <= from || di != 0 && dst.o != src.o {
			for i := int64(0); i < n; i++ {
				if f := step(i); f != nil {
					return 0, f
				}
			}
		} else {
			for i := n - 1; i >= 0; i-- {
				if f := step(i); f != nil {
					return 0, f
				}
			}
		}
	}
	return a.ret(dst)
}

func tablePack(a args) (int, *failure) {
	r := a.th.r
	t, f := r.newTable(a.n, 1)
	if f != nil {
		return 0, f
	}
	if f := r.charge(int64(a.n)); f != nil {
		return 0, f
	}
	t.arr = append(t.arr, a.th.stack[a.at:a.at+a.n]...)
	if f := r.shrink(t); f != nil {
		return 0, f
	}
	if f := r.setStr(t, strN, vInt(int64(a.n))); f != nil {
		return 0, f
	}
	return a.ret(vTable(t))
}

var strN = letters['n']

func tableUnpack(a args) (int, *failure) {
	l := a.get(0)
	from, f := a.optInt(1, 1)
	if f != nil {
		return 0, f
	}
	var end int64
	if a.get(2).isNil() {
		if end, f = a.th.lengthOf(l); f != nil {
			return 0, f
		}
	} else if end, f = a.int(2); f != nil {
		return 0, f
	}
	if from > end {
		return a.none()
	}
	n := uint64(end) - uint64(from)
	if n >= maxStack || a.at+int(n)+1 > maxStack {
		return 0, a.th.errorf("too many results to unpack")
	}
	count := int(n) + 1
	if f := a.room(count, "too many results to unpack"); f != nil {
		return 0, f
	}
	if f := a.th.r.charge(int64(count)); f != nil {
		return 0, f
	}
	if t := fast(l); t != nil {
		for i := range count {
			a.put(i, t.getInt(from+int64(i)))
		}
		return count, nil
	}
	top := a.th.top
	a.th.top = max(top, a.at+count) // a metamethod's call goes behind
	for i := range count {
		v, f := a.th.get(l, vInt(from+int64(i)))
		if f != nil {
			return 0, f
		}
		a.put(i, v)
	}
	a.th.top = top
	return count, nil
}

func tableConcat(a args) (int, *failure) {
	l, n, f := a.list(0)
	if f != nil {
		return 0, f
	}
	sep := empty
	if !a.get(1).isNil() {
		if sep, f = a.str(1); f != nil {
			return 0, f
		}
	}
	from, f := a.optInt(2, 1)
	if f != nil {
		return 0, f
	}
	end, f := a.optInt(3, n)
	if f != nil {
		return 0, f
	}
	w := builder{r: a.th.r}
	for i := from; i <= end; i++ {
		if f := a.th.r.charge(2); f != nil {
			return 0, f
		}
		v, f := a.th.getIndex(l, i)
		if f != nil {
			return 0, f
		}
		switch v.kind() {
		case kindString:
			f = w.add(v.str().s)
		case kindInt, kindFloat:
			f = w.add(formatNumber(v))
		default:
			f = a.th.errorf("invalid value (%s) at index %d in table for 'concat'", a.th.r.nameOf(v), i)
		}
		if f != nil {
			return 0, f
		}
		if i == end {
			break
		}
		if f := w.add(sep.s); f != nil {
			return 0, f
		}
	}
	return a.retStr(w.str())
}
