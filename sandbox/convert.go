package sandbox

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// result turns what a program returned into Go values.
func (r *run) result(vs []value) (any, bool, error) {
	c := toGo{r: r, budget: r.limits.Output, what: "the result"}
	switch len(vs) {
	case 0:
		return nil, false, nil
	case 1:
		v, e := c.value(vs[0], r.limits.Depth)
		if e != nil {
			return nil, true, e
		}
		return v, true, nil
	}
	list := make([]any, 0, min(len(vs), 1024))
	for _, v := range vs {
		x, e := c.value(v, r.limits.Depth)
		if e != nil {
			return nil, true, e
		}
		list = append(list, x)
	}
	return list, true, nil
}

// toGo turns Lua values into Go values. It is raw: no metamethod runs. The budget is the bytes that may still come out, so that a
// table which is reached many times does not explode.
type toGo struct {
	r      *run
	budget int
	what   string
	above  []*table // what the value is inside of
	path   []string
}

func (c *toGo) bad(msg string) *Error {
	where := ""
	for _, p := range c.path {
		where += p
	}
	if where != "" {
		where = " at " + shorten(where, 200)
	}
	return &Error{Kind: BadResult, Msg: c.what + " has no JSON form" + where + ": " + msg}
}

func (c *toGo) take(n int) *Error {
	if c.budget -= n; c.budget < 0 {
		return &Error{Kind: OutputLimit, Msg: fmt.Sprintf("%s is too large: more than %d bytes", c.what, c.r.limits.Output), Hint: "Return fewer rows, or only the fields that matter."}
	}
	if f := c.r.charge(4); f != nil {
		return c.r.explain(f)
	}
	return nil
}

func (c *toGo) value(v value, depth int) (any, *Error) {
	if e := c.take(8); e != nil {
		return nil, e
	}
	switch v.kind() {
	case kindNil:
		return nil, nil
	case kindTrue:
		return true, nil
	case kindFalse:
		return false, nil
	case kindInt:
		return v.int(), nil
	case kindFloat:
		f := v.float()
		if f != f || math.IsInf(f, 0) {
			name := "NaN"
			if f == f {
				name = "infinity"
			}
			e := c.bad(name + " is no number there")
			e.Hint = "A division by zero, perhaps: test the divisor before."
			return nil, e
		}
		return f, nil
	case kindString:
		s := v.str().s
		if e := c.take(len(s)); e != nil {
			return nil, e
		}
		// The program's buffers must not be kept alive by a part of them.
		return string([]byte(s)), nil
	case kindTable:
		t := v.table()
		if depth == 0 {
			return nil, c.bad(fmt.Sprintf("it is nested more than %d deep", c.r.limits.Depth))
		}
		if slices.Contains(c.above, t) {
			return nil, c.bad("the table contains itself")
		}
		c.above = append(c.above, t)
		x, e := c.table(t, depth-1)
		c.above = c.above[:len(c.above)-1]
		return x, e
	}
	e := c.bad("a " + v.typeName() + " is no data")
	if v.isFunction() {
		e.Hint = "Call it, with (), and return what it gives."
	}
	return nil, e
}

func (c *toGo) table(t *table, depth int) (any, *Error) {
	fields := 0
	for i := range t.entries {
		if t.entries[i].val.isNil() {
			continue
		}
		if fields++; !t.entries[i].key.isString() {
			return nil, c.keyError(t, t.entries[i].key)
		}
	}
	if fields > 0 && len(t.arr) > 0 {
		return nil, c.keyError(t, vInt(1))
	}
	if fields == 0 && (len(t.arr) > 0 || t.flags&flagMap == 0) {
		list := make([]any, 0, min(len(t.arr), 4096))
		for i, v := range t.arr {
			c.path = append(c.path, "["+itoa(int64(i)+1)+"]")
			x, e := c.value(v, depth)
			if e != nil {
				return nil, e
			}
			c.path = c.path[:len(c.path)-1]
			list = append(list, x)
		}
		return list, nil
	}
	m := make(map[string]any, min(fields, 4096))
	for i := range t.entries {
		en := &t.entries[i]
		if en.val.isNil() {
			continue
		}
		key := en.key.str().s
		if e := c.take(len(key)); e != nil {
			return nil, e
		}
		c.path = append(c.path, "."+key)
		x, e := c.value(en.val, depth)
		if e != nil {
			return nil, e
		}
		c.path = c.path[:len(c.path)-1]
		m[string([]byte(key))] = x
	}
	return m, nil
}

// keyError says why a table is neither list nor map.
func (c *toGo) keyError(t *table, k value) *Error {
	strings := false
	for i := range t.entries {
		strings = strings || !t.entries[i].val.isNil() && t.entries[i].key.isString()
	}
	var e *Error
	switch {
	case strings || len(t.arr) > 0 && !k.isInt():
		e = c.bad("a table has keys of several kinds")
		e.Hint = "Use keys 1 to n only, for a list, or strings only: tostring(key)."
	case k.isInt():
		e = c.bad("a list has gaps: there is a key " + itoa(k.int()) + " but not all before it")
		e.Hint = "Fill a list with t[#t + 1] = x; or use strings as keys: t[tostring(id)] = x."
	default:
		e = c.bad("a key is a " + k.typeName())
		e.Hint = "Use strings as keys: t[tostring(key)] = x."
	}
	return e
}

// callback is a call of one of the run's functions.
func callback(a args) (int, *failure) {
	r, b := a.th.r, a.self()
	if r.callbacks++; r.callbacks > r.limits.Callbacks {
		return 0, r.kill(&Error{Kind: CallbackLimit, Msg: fmt.Sprintf("the program made more than %d calls of functions", r.limits.Callbacks), Hint: "Ask for more rows in one call instead of calling in a loop."})
	}
	list := make([]any, a.n)
	c := toGo{r: r, budget: r.limits.Output}
	for i := range a.n {
		c.what = "argument " + itoa(int64(i)+1) + " of " + b.name
		v, e := c.value(a.get(i), r.limits.Depth)
		if e != nil {
			if r.dead != nil {
				return 0, r.dead
			}
			return 0, a.th.errorf("%s", e.Msg)
		}
		list[i] = v
	}
	out, err := r.invoke(b, list)
	if r.dead != nil {
		return 0, r.dead
	}
	if err != nil {
		f := a.th.errorf("%s", shorten(err.Error(), 2000))
		f.what = whatCallback
		return 0, f
	}
	v, f := r.toLua(out, r.limits.Depth)
	if f != nil {
		return 0, f
	}
	return a.ret(v)
}

// rowKeys remembers the keys of the last map that came from a callback, sorted: the rows of a list mostly have the same.
type rowKeys struct {
	names []string
	keys  []*str
}

// toLua makes a Lua value of what a callback gave: a copy, so that the program cannot change what is the host's.
func (r *run) toLua(v any, depth int) (value, *failure) {
	if f := r.charge(1); f != nil {
		return value{}, f
	}
	switch v := v.(type) {
	case nil:
		return value{}, nil
	case bool:
		return vBool(v), nil
	case int64:
		return vInt(v), nil
	case int:
		return vInt(int64(v)), nil
	case float64:
		return vFloat(v), nil
	case string:
		s, f := r.newStr(v)
		if f != nil {
			return value{}, f
		}
		r.pinned += sizeStr + int64(len(v))
		return vStr(s), nil
	case []any:
		return r.list(v, depth)
	case map[string]any:
		return r.row(v, depth)
	}
	s, f := r.newStr(fmt.Sprint(v))
	if f != nil {
		return value{}, f
	}
	return vStr(s), nil
}

func (r *run) list(l []any, depth int) (value, *failure) {
	if depth == 0 {
		return value{}, r.kill(&Error{Kind: OutputLimit, Msg: "a function gave a value that is nested too deep"})
	}
	t, f := r.newTable(len(l), 0)
	if f != nil {
		return value{}, f
	}
	r.pinned += t.size()
	for _, x := range l {
		v, f := r.toLua(x, depth-1)
		if f != nil {
			return value{}, f
		}
		t.arr = append(t.arr, v)
	}
	return vTable(t), r.shrink(t)
}

func (r *run) row(m map[string]any, depth int) (value, *failure) {
	if depth == 0 {
		return value{}, r.kill(&Error{Kind: OutputLimit, Msg: "a function gave a value that is nested too deep"})
	}
	t, f := r.newTable(0, len(m))
	if f != nil {
		return value{}, f
	}
	r.pinned += t.size()
	t.flags |= flagMap
	if f := r.charge(int64(len(m))); f != nil {
		return value{}, f
	}
	known := len(r.rows.names) == len(m)
	for i := 0; known && i < len(m); i++ {
		_, known = m[r.rows.names[i]]
	}
	rows := r.rows
	if !known {
		if rows, f = r.learn(m); f != nil {
			return value{}, f
		}
	}
	for i, name := range rows.names {
		v, f := r.toLua(m[name], depth-1)
		if f != nil {
			return value{}, f
		}
		if v.isNil() {
			continue
		}
		if len(m) <= smallTable {
			t.entries = append(t.entries, entry{vStr(rows.keys[i]), v})
		} else if f := r.setHash(t, vStr(rows.keys[i]), v); f != nil {
			return value{}, f
		}
	}
	return vTable(t), nil
}

// learn sorts the keys of a map and remembers them.
func (r *run) learn(m map[string]any) (rowKeys, *failure) {
	n := len(m)
	if f := r.charge(int64(n) * 16); f != nil {
		return rowKeys{}, f
	}
	if f := r.alloc(int64(n) * (24 + sizeStr)); f != nil {
		return rowKeys{}, f
	}
	rows := rowKeys{names: slices.Sorted(maps.Keys(m)), keys: make([]*str, n)}
	for i, name := range rows.names {
		if o := r.known(name); o != nil {
			rows.keys[i] = o
			continue
		}
		s, f := r.newStr(name)
		if f != nil {
			return rows, f
		}
		s.hashed()
		rows.keys[i] = s
	}
	r.rows = rows
	return rows, nil
}

// known gives the string object of the program text for a key, so that finding it is comparing pointers.
func (r *run) known(s string) *str {
	switch {
	case s == "":
		return empty
	case len(s) == 1:
		return letters[s[0]]
	}
	if o := library.strings[s]; o != nil {
		return o
	}
	return r.interned[s]
}
