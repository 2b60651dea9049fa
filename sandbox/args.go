package sandbox

// args are the arguments of a library function, at stack[at] of its thread. Results are written from stack[at-1] on.
type args struct {
	th *thread
	at int
	n  int
}

func (a args) get(i int) value {
	if i < a.n {
		return a.th.stack[a.at+i]
	}
	return value{}
}

func (a args) self() *builtin { return a.th.stack[a.at-1].builtin() }

func (a args) none() (int, *failure) { return 0, nil }

func (a args) ret(v value) (int, *failure) {
	a.th.stack[a.at-1] = v
	return 1, nil
}

func (a args) ret2(v, w value) (int, *failure) {
	a.th.stack[a.at-1], a.th.stack[a.at] = v, w
	return 2, nil
}

func (a args) ret3(v, w, x value) (int, *failure) {
	a.th.stack[a.at-1], a.th.stack[a.at], a.th.stack[a.at+1] = v, w, x
	return 3, nil
}

func (a args) retStr(s *str, f *failure) (int, *failure) {
	if f != nil {
		return 0, f
	}
	return a.ret(vStr(s))
}

// room makes place for n results.
func (a args) room(n int, msg string) *failure {
	if n < 0 || a.at+n > maxStack {
		return a.th.errorf("%s", msg)
	}
	a.th.top = max(a.th.top, a.at+n) // in use from now on
	return a.th.ensure(a.at + n)
}

// put writes the i-th result, for which there is room. The arguments from there on are gone.
func (a args) put(i int, v value) { a.th.stack[a.at-1+i] = v }

func (a args) fail(i int, msg string) *failure { return a.th.argError(a, i+1, msg) }

func (a args) typeError(i int, want string) *failure {
	got := "no value"
	if i < a.n {
		got = a.th.r.nameOf(a.get(i))
	}
	return a.fail(i, want+" expected, got "+got)
}

func (a args) any(i int) (value, *failure) {
	if i >= a.n {
		return value{}, a.fail(i, "value expected")
	}
	return a.get(i), nil
}

func (a args) table(i int) (*table, *failure) {
	v := a.get(i)
	if !v.isTable() {
		return nil, a.typeError(i, "table")
	}
	return v.table(), nil
}

// str takes a string, or a number as its text.
func (a args) str(i int) (*str, *failure) {
	v := a.get(i)
	switch v.kind() {
	case kindString:
		return v.str(), nil
	case kindInt, kindFloat:
		return a.th.r.newStr(formatNumber(v))
	}
	return nil, a.typeError(i, "string")
}

// int takes an integer, or what converts to one.
func (a args) int(i int) (int64, *failure) {
	v := a.get(i)
	if v.isInt() {
		return v.int(), nil
	}
	if v.isString() {
		if f := a.th.r.touch(len(v.str().s) * 8); f != nil {
			return 0, f
		}
	}
	if n, ok := v.toInt(); ok {
		return n, nil
	}
	if _, ok := v.toNumber(); ok {
		return 0, a.fail(i, "number has no integer representation")
	}
	return 0, a.typeError(i, "number")
}

func (a args) optInt(i int, def int64) (int64, *failure) {
	if a.get(i).isNil() {
		return def, nil
	}
	return a.int(i)
}

func (a args) num(i int) (value, *failure) {
	v := a.get(i)
	if v.isNumber() {
		return v, nil
	}
	if v.isString() {
		if f := a.th.r.touch(len(v.str().s) * 8); f != nil {
			return value{}, f
		}
		if n, ok := v.toNumber(); ok {
			return n, nil
		}
	}
	return value{}, a.typeError(i, "number")
}

func (a args) float(i int) (float64, *failure) {
	v, f := a.num(i)
	if f != nil {
		return 0, f
	}
	return v.asFloat(), nil
}

// from turns a start that may count from the end into an index of 1 or more (lstrlib's posrelat).
func fromEnd(pos int64, n int) int64 {
	switch {
	case pos > 0:
		return pos
	case pos == 0:
		return 1
	case pos < -int64(n):
		return 1
	}
	return int64(n) + pos + 1
}

// endPos is the same for an end, cut to n.
func endPos(pos int64, n int) int64 {
	switch {
	case pos > int64(n):
		return int64(n)
	case pos >= 0:
		return pos
	case pos < -int64(n):
		return 0
	}
	return int64(n) + pos + 1
}
