package sandbox

import "strings"

func strFind(a args) (int, *failure)  { return find(a, true) }
func strMatch(a args) (int, *failure) { return find(a, false) }

// find is string.find and string.match.
func find(a args, isFind bool) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	p, f := a.str(1)
	if f != nil {
		return 0, f
	}
	i, f := a.optInt(2, 1)
	if f != nil {
		return 0, f
	}
	init := int(fromEnd(i, len(s.s))) - 1
	if i > int64(len(s.s))+1 {
		return a.ret(value{})
	}
	r := a.th.r
	if f := r.touch(len(p.s)); f != nil {
		return 0, f
	}
	if isFind && (a.get(3).truth() || !strings.ContainsAny(p.s, "^$*+?.([%-")) {
		at, f := r.search(s.s, p.s, init)
		if f != nil {
			return 0, f
		}
		if at < 0 {
			return a.ret(value{})
		}
		return a.ret2(vInt(int64(at)+1), vInt(int64(at+len(p.s))))
	}
	pat, anchored := strings.CutPrefix(p.s, "^")
	m := &matcher{th: a.th, src: s.s, pat: pat}
	m.literal()
	for at := init; ; at++ {
		if at < len(s.s) && !anchored && m.hopeless(at) {
			if !m.charge(1) {
				return 0, m.fail
			}
			continue
		}
		m.level, m.depth = 0, 0
		e := m.match(at, 0)
		if m.fail != nil {
			return 0, m.fail
		}
		if e >= 0 {
			if !isFind {
				return a.captures(m, at, e, 0, true)
			}
			n, f := a.captures(m, at, e, 2, false)
			a.put(0, vInt(int64(at)+1))
			a.put(1, vInt(int64(e)))
			return n, f
		}
		if anchored || at >= len(s.s) {
			return a.ret(value{})
		}
	}
}

// captures writes what a match gives to the results from the i-th on.
func (a args) captures(m *matcher, s, e, i int, whole bool) (int, *failure) {
	n := m.values(whole)
	if f := a.room(n+i, "too many captures"); f != nil {
		return 0, f
	}
	for k := range n {
		v, f := m.value(k, s, e)
		if f != nil {
			return 0, f
		}
		a.put(i+k, v)
	}
	return n + i, nil
}

// gmatch is where a loop over matches is.
type gmatch struct {
	m    matcher
	at   int
	last int // the end of the last match, so that an empty one does not follow directly
}

func strGmatch(a args) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	p, f := a.str(1)
	if f != nil {
		return 0, f
	}
	i, f := a.optInt(2, 1)
	if f != nil {
		return 0, f
	}
	init := int(min(fromEnd(i, len(s.s)), int64(len(s.s))+2)) - 1
	if f := a.th.r.alloc(1024); f != nil {
		return 0, f
	}
	g := &gmatch{m: matcher{src: s.s, pat: p.s}, at: init, last: -1}
	b, f := a.th.r.newBuiltin("gmatch_aux", nextMatch, []value{vStr(s), vStr(p)}, g)
	if f != nil {
		return 0, f
	}
	b.size = 1024
	return a.ret(vBuiltin(b))
}

func nextMatch(a args) (int, *failure) {
	g := a.self().state.(*gmatch)
	g.m.th, g.m.fail = a.th, nil
	for ; g.at <= len(g.m.src); g.at++ {
		g.m.level, g.m.depth = 0, 0
		e := g.m.match(g.at, 0)
		if g.m.fail != nil {
			return 0, g.m.fail
		}
		if e >= 0 && e != g.last {
			s := g.at
			g.at, g.last = e, e
			return a.captures(&g.m, s, e, 0, true)
		}
	}
	return a.ret(value{})
}

func strGsub(a args) (int, *failure) {
	s, f := a.str(0)
	if f != nil {
		return 0, f
	}
	p, f := a.str(1)
	if f != nil {
		return 0, f
	}
	repl := a.get(2)
	switch repl.kind() {
	case kindString, kindTable, kindClosure, kindBuiltin:
	case kindInt, kindFloat:
		t, f := a.str(2)
		if f != nil {
			return 0, f
		}
		repl = vStr(t)
	default:
		return 0, a.typeError(2, "string/function/table")
	}
	limit, f := a.optInt(3, int64(len(s.s))+1)
	if f != nil {
		return 0, f
	}
	pat, anchored := strings.CutPrefix(p.s, "^")
	g := &gsub{a: a, m: matcher{th: a.th, src: s.s, pat: pat}, w: builder{r: a.th.r}, repl: repl}
	g.literal = repl.isString() && strings.IndexByte(repl.str().s, '%') < 0
	at, last, n := 0, -1, int64(0)
	for n < limit {
		g.m.level, g.m.depth = 0, 0
		e := g.m.match(at, 0)
		if g.m.fail != nil {
			return 0, g.m.fail
		}
		switch {
		case e >= 0 && e != last:
			n++
			if f := g.replace(at, e); f != nil {
				return 0, f
			}
			at, last = e, e
		case at < len(s.s):
			if f := g.w.addByte(s.s[at]); f != nil {
				return 0, f
			}
			at++
		default:
			at++
		}
		if at > len(s.s) || anchored {
			break
		}
	}
	if !g.changed {
		return a.ret2(vStr(s), vInt(n))
	}
	if at < len(s.s) {
		if f := g.w.add(s.s[at:]); f != nil {
			return 0, f
		}
	}
	t, f := g.w.str()
	if f != nil {
		return 0, f
	}
	return a.ret2(vStr(t), vInt(n))
}

type gsub struct {
	a       args
	m       matcher
	w       builder
	repl    value
	literal bool // the replacement is a string without %
	changed bool
}

// replace adds what stands for the match from s to e.
func (g *gsub) replace(s, e int) *failure {
	th := g.a.th
	var v value
	var f *failure
	switch g.repl.kind() {
	case kindString:
		g.changed = true
		if g.literal {
			return g.w.add(g.repl.str().s)
		}
		return g.template(s, e)
	case kindTable:
		if v, f = g.m.value(0, s, e); f != nil {
			return f
		}
		if v, f = th.get(g.repl, v); f != nil {
			return f
		}
	default:
		var space [maxCaptures]value
		n := g.m.values(true)
		for i := range n {
			if space[i], f = g.m.value(i, s, e); f != nil {
				return f
			}
		}
		if v, f = th.call1(g.repl, space[:n]...); f != nil {
			return f
		}
	}
	switch v.kind() {
	case kindNil, kindFalse:
		return g.w.add(g.m.src[s:e])
	case kindString:
		g.changed = true
		return g.w.add(v.str().s)
	case kindInt, kindFloat:
		g.changed = true
		return g.w.add(formatNumber(v))
	}
	return th.errorf("invalid replacement value (a %s)", th.r.nameOf(v))
}

// template adds a replacement string, in which % and a digit is a capture.
func (g *gsub) template(s, e int) *failure {
	t := g.repl.str().s
	for {
		i := strings.IndexByte(t, '%')
		if i < 0 {
			return g.w.add(t)
		}
		if f := g.w.add(t[:i]); f != nil {
			return f
		}
		t = t[i+1:]
		if t == "" {
			return g.a.th.errorf("invalid use of '%%' in replacement string")
		}
		c := t[0]
		t = t[1:]
		switch {
		case c == '%':
			if f := g.w.addByte('%'); f != nil {
				return f
			}
		case c == '0':
			if f := g.w.add(g.m.src[s:e]); f != nil {
				return f
			}
		case isDigit(c):
			i := int(c - '1')
			if i >= g.m.level && i != 0 {
				return g.a.th.errorf("invalid capture index %%%d in replacement string", i+1)
			}
			v, f := g.m.value(i, s, e)
			if f != nil {
				return f
			}
			text := ""
			if v.isString() {
				text = v.str().s
			} else {
				text = formatNumber(v)
			}
			if f := g.w.add(text); f != nil {
				return f
			}
		default:
			return g.a.th.errorf("invalid use of '%%' in replacement string")
		}
	}
}
