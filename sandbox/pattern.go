package sandbox

// matcher matches Lua's patterns (Lua 5.4 manual, 6.4.1) by backtracking. Every step is charged, so that a pattern which takes for
// ever can be ended; how deep it goes is bounded.
type matcher struct {
	th      *thread
	src     string
	pat     string
	level   int
	depth   int
	work    uint // steps, of which every 64 are charged together
	first   bool // every match begins with pat[0]
	fail    *failure
	capture [maxCaptures]capture
}

type capture struct{ start, len int }

const (
	maxCaptures = 32
	maxDepth    = 200
	capOpen     = -1
	capPosition = -2
)

// error stops the match.
func (m *matcher) error(format string, a ...any) int {
	if m.fail == nil {
		m.fail = m.th.errorf(format, a...)
	}
	return -1
}

func (m *matcher) charge(n int) bool {
	if r := m.th.r; r.left < int64(n) {
		if f := r.charge(int64(n)); f != nil && m.fail == nil {
			m.fail = f
		}
	} else {
		r.left -= int64(n)
	}
	return m.fail == nil
}

// match gives the end of a match of pat[p:] at src[s:], or -1.
func (m *matcher) match(s, p int) int {
	if m.depth++; m.depth > maxDepth {
		return m.error("pattern too complex")
	}
	e := m.follow(s, p)
	m.depth--
	return e
}

func (m *matcher) follow(s, p int) int {
	for {
		if m.work++; m.work&63 == 0 && !m.charge(64) {
			return -1
		}
		if p == len(m.pat) {
			return s
		}
		switch c := m.pat[p]; c {
		case '(':
			if p+1 < len(m.pat) && m.pat[p+1] == ')' {
				return m.open(s, p+2, capPosition)
			}
			return m.open(s, p+1, capOpen)
		case ')':
			return m.close(s, p+1)
		case '$':
			if p+1 == len(m.pat) {
				if s == len(m.src) {
					return s
				}
				return -1
			}
		case '%':
			if p+1 < len(m.pat) {
				switch d := m.pat[p+1]; {
				case d == 'b':
					if s = m.balance(s, p+2); s < 0 {
						return -1
					}
					p += 4
					continue
				case d == 'f':
					p += 2
					if p >= len(m.pat) || m.pat[p] != '[' {
						return m.error("missing '[' after '%%f' in pattern")
					}
					end := m.classEnd(p)
					if m.fail != nil {
						return -1
					}
					before, after := byte(0), byte(0)
					if s > 0 {
						before = m.src[s-1]
					}
					if s < len(m.src) {
						after = m.src[s]
					}
					if m.set(before, p, end-1) || !m.set(after, p, end-1) {
						return -1
					}
					p = end
					continue
				case isDigit(d):
					if s = m.back(s, d); s < 0 {
						return -1
					}
					p += 2
					continue
				}
			}
		}
		end := p + 1
		if c := m.pat[p]; c == '%' || c == '[' {
			if end = m.classEnd(p); m.fail != nil {
				return -1
			}
		}
		next := byte(0)
		if end < len(m.pat) {
			next = m.pat[end]
		}
		switch next {
		case '?':
			if m.single(s, p, end) {
				if e := m.match(s+1, end+1); e >= 0 || m.fail != nil {
					return e
				}
			}
			p = end + 1
		case '+':
			if !m.single(s, p, end) {
				return -1
			}
			return m.longest(s+1, p, end)
		case '*':
			return m.longest(s, p, end)
		case '-':
			for {
				if e := m.match(s, end+1); e >= 0 || m.fail != nil {
					return e
				}
				if !m.single(s, p, end) {
					return -1
				}
				s++
			}
		default:
			if !m.single(s, p, end) {
				return -1
			}
			s++
			p = end
		}
		if m.fail != nil {
			return -1
		}
	}
}

// longest takes as many as there are and then fewer.
func (m *matcher) longest(s, p, end int) int {
	n := 0
	for m.single(s+n, p, end) {
		n++
		if m.work++; m.work&63 == 0 && !m.charge(64) {
			return -1
		}
	}
	if end+1 == len(m.pat) { // nothing follows that could want fewer
		return s + n
	}
	// What follows is tried only where it can begin, if it is a byte that stands for itself.
	next := m.pat[end+1]
	plain := isAlpha(next) || isDigit(next) || next == '-' || next == ' ' || next == ':' || next == ',' || next == '=' || next == '/'
	if end+2 < len(m.pat) {
		switch m.pat[end+2] {
		case '*', '?', '-':
			plain = false
		}
	}
	for ; n >= 0; n-- {
		if plain && (s+n >= len(m.src) || m.src[s+n] != next) {
			if m.work++; m.work&63 == 0 && !m.charge(64) {
				return -1
			}
			continue
		}
		if e := m.match(s+n, end+1); e >= 0 || m.fail != nil {
			return e
		}
	}
	return -1
}

// single tells whether one byte matches the class at p.
func (m *matcher) single(s, p, end int) bool {
	if s >= len(m.src) {
		return false
	}
	c := m.src[s]
	switch m.pat[p] {
	case '.':
		return true
	case '%':
		return classMatches(c, m.pat[p+1])
	case '[':
		return m.set(c, p, end-1)
	}
	return m.pat[p] == c
}

// classEnd gives the end of the class at p.
func (m *matcher) classEnd(p int) int {
	c := m.pat[p]
	p++
	switch c {
	case '%':
		if p >= len(m.pat) {
			m.error("malformed pattern (ends with '%%')")
			return p
		}
		return p + 1
	case '[':
		if p < len(m.pat) && m.pat[p] == '^' {
			p++
		}
		for first := true; first || p >= len(m.pat) || m.pat[p] != ']'; first = false {
			if p >= len(m.pat) {
				m.error("malformed pattern (missing ']')")
				return p
			}
			c := m.pat[p]
			p++
			if c == '%' {
				p++
			}
			if !m.charge(1) {
				return p
			}
		}
		return p + 1
	}
	return p
}

func classMatches(c, class byte) bool {
	bits := classes[class|0x20]
	if bits == 0 || !isAlpha(class) {
		return class == c
	}
	return (byteClasses[c]&bits != 0) != (class&0x20 == 0)
}

// The classes of C's ctype.h, a bit each.
const (
	classA uint16 = 1 << iota
	classC
	classD
	classG
	classL
	classP
	classS
	classU
	classX
	classZ
)

var classes = [256]uint16{'a': classA, 'c': classC, 'd': classD, 'g': classG, 'l': classL, 'p': classP, 's': classS, 'u': classU, 'w': classA | classD, 'x': classX, 'z': classZ}

var byteClasses = func() (t [256]uint16) {
	for i := range t {
		c := byte(i)
		for _, x := range []struct {
			in   bool
			bits uint16
		}{{isAlpha(c), classA}, {c < 32 || c == 127, classC}, {isDigit(c), classD}, {c > 32 && c < 127, classG}, {c >= 'a' && c <= 'z', classL},
			{c > 32 && c < 127 && !isAlpha(c) && !isDigit(c), classP}, {isSpace(c), classS}, {c >= 'A' && c <= 'Z', classU}, {isHex(c), classX}, {c == 0, classZ}} {
			if x.in {
				t[i] |= x.bits
			}
		}
	}
	return
}()

// hopeless tells whether no match can begin at s, because its first byte is not the one that every match begins with.
func (m *matcher) hopeless(s int) bool {
	return m.first && (s >= len(m.src) || m.src[s] != m.pat[0])
}

// literal finds out whether a pattern begins with a byte that stands for itself, once.
func (m *matcher) literal() {
	if m.pat == "" {
		return
	}
	switch m.pat[0] {
	case '^', '$', '(', ')', '%', '.', '[':
		return
	}
	m.first = len(m.pat) == 1 || m.pat[1] != '*' && m.pat[1] != '?' && m.pat[1] != '-'
}

// set tells whether c is in the set from p, its [, to end, its ].
func (m *matcher) set(c byte, p, end int) bool {
	in := true
	if m.pat[p+1] == '^' {
		in = false
		p++
	}
	m.charge((end - p) / 4)
	for p++; p < end; p++ {
		switch {
		case m.pat[p] == '%':
			p++
			if classMatches(c, m.pat[p]) {
				return in
			}
		case p+2 < end && m.pat[p+1] == '-':
			if m.pat[p] <= c && c <= m.pat[p+2] {
				return in
			}
			p += 2
		case m.pat[p] == c:
			return in
		}
	}
	return !in
}

func (m *matcher) open(s, p, what int) int {
	if m.level >= maxCaptures {
		return m.error("too many captures")
	}
	m.capture[m.level] = capture{s, what}
	m.level++
	e := m.match(s, p)
	if e < 0 {
		m.level--
	}
	return e
}

func (m *matcher) close(s, p int) int {
	l := m.level - 1
	for l >= 0 && m.capture[l].len != capOpen {
		l--
	}
	if l < 0 {
		return m.error("invalid pattern capture")
	}
	m.capture[l].len = s - m.capture[l].start
	e := m.match(s, p)
	if e < 0 {
		m.capture[l].len = capOpen
	}
	return e
}

func (m *matcher) balance(s, p int) int {
	if p+1 >= len(m.pat) {
		return m.error("malformed pattern (missing arguments to '%%b')")
	}
	if s >= len(m.src) || m.src[s] != m.pat[p] {
		return -1
	}
	open, shut, depth := m.pat[p], m.pat[p+1], 1
	for s++; s < len(m.src); s++ {
		if s&15 == 0 && !m.charge(4) {
			return -1
		}
		switch c := m.src[s]; {
		case c == shut:
			if depth--; depth == 0 {
				return s + 1
			}
		case c == open:
			depth++
		}
	}
	return -1
}

func (m *matcher) back(s int, digit byte) int {
	l := int(digit) - '1'
	if l < 0 || l >= m.level || m.capture[l].len == capOpen {
		return m.error("invalid capture index %%%d", l+1)
	}
	n := m.capture[l].len
	if n < 0 { // a position capture has no text
		n = 0
	}
	if !m.charge(n/bytesPerStep + 1) {
		return -1
	}
	text := m.src[m.capture[l].start : m.capture[l].start+n]
	if len(m.src)-s >= n && m.src[s:s+n] == text {
		return s + n
	}
	return -1
}

// value is the i-th capture, or the whole match if the pattern has none.
func (m *matcher) value(i, s, e int) (value, *failure) {
	if i >= m.level {
		if i != 0 {
			return value{}, m.th.errorf("invalid capture index %%%d", i+1)
		}
		v, f := m.th.r.copyStr(m.src[s:e])
		if f != nil {
			return value{}, f
		}
		return vStr(v), nil
	}
	c := m.capture[i]
	switch c.len {
	case capPosition:
		return vInt(int64(c.start) + 1), nil
	case capOpen:
		return value{}, m.th.errorf("unfinished capture")
	}
	v, f := m.th.r.copyStr(m.src[c.start : c.start+c.len])
	if f != nil {
		return value{}, f
	}
	return vStr(v), nil
}

// values is how many values a match gives.
func (m *matcher) values(whole bool) int {
	if m.level == 0 && whole {
		return 1
	}
	return m.level
}
