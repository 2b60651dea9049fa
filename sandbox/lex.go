package sandbox

import (
	"strings"
	"unicode/utf8"
)

// token is a kind of word of the language.
type token uint8

const (
	tEOF token = iota
	tName
	tString
	tNumber
	// What follows is itself: reserved words first, in the order of tokenTexts.
	tAnd
	tBreak
	tDo
	tElse
	tElseif
	tEnd
	tFalse
	tFor
	tFunction
	tGoto
	tIf
	tIn
	tLocal
	tNil
	tNot
	tOr
	tRepeat
	tReturn
	tThen
	tTrue
	tUntil
	tWhile
	tAdd
	tSub
	tMul
	tDiv
	tIdiv
	tMod
	tPow
	tConcat
	tBand
	tBor
	tBxor
	tShl
	tShr
	tEq
	tNe
	tLt
	tLe
	tGt
	tGe
	tLen
	tTilde // unary; binary it is tBxor
	tAssign
	tLparen
	tRparen
	tLbrace
	tRbrace
	tLbracket
	tRbracket
	tDoubleColon
	tSemicolon
	tColon
	tComma
	tDot
	tDots
	tOther // a character that no word begins with
)

var tokenTexts = [...]string{
	"<eof>", "<name>", "<string>", "<number>",
	"and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil", "not", "or",
	"repeat", "return", "then", "true", "until", "while",
	"+", "-", "*", "/", "//", "%", "^", "..", "&", "|", "~", "<<", ">>", "==", "~=", "<", "<=", ">", ">=", "#", "~",
	"=", "(", ")", "{", "}", "[", "]", "::", ";", ":", ",", ".", "...", "?",
}

var reserved = func() map[string]token {
	m := map[string]token{}
	for t := tAnd; t <= tWhile; t++ {
		m[tokenTexts[t]] = t
	}
	return m
}()

// word is a token with its place and what it carries.
type word struct {
	tok   token
	line  int32
	start int32
	end   int32
	s     *str  // of a name or string
	val   value // of a number
}

// lexer cuts the program into words (Lua 5.4 manual, 3.1). Errors are thrown as *Error and caught in compile.
type lexer struct {
	r        *run
	src      string
	pos      int
	line     int32
	cur      word
	ahead    word
	peeked   bool
	lastLine int32 // of the word before cur
	lastEnd  int32
}

func (l *lexer) next() {
	l.lastLine, l.lastEnd = l.cur.line, l.cur.end
	if l.peeked {
		l.cur, l.peeked = l.ahead, false
		return
	}
	l.cur = l.scan()
}

func (l *lexer) peek() token {
	if !l.peeked {
		l.ahead, l.peeked = l.scan(), true
	}
	return l.ahead.tok
}

func (l *lexer) charge(n int) {
	if f := l.r.charge(int64(n)); f != nil {
		panic(f)
	}
}

func (l *lexer) at(i int) byte {
	if i < len(l.src) {
		return l.src[i]
	}
	return 0
}

func (l *lexer) scan() word {
	l.charge(4)
	l.skipSpace()
	w := word{line: l.line, start: int32(l.pos)}
	if l.pos >= len(l.src) {
		w.end = w.start
		return w
	}
	c := l.src[l.pos]
	switch {
	case isAlpha(c) || c == '_':
		i := l.pos
		for i < len(l.src) && (isAlpha(l.src[i]) || isDigit(l.src[i]) || l.src[i] == '_') {
			i++
		}
		text := l.src[l.pos:i]
		l.charge(len(text) / bytesPerStep)
		l.pos = i
		if t, ok := reserved[text]; ok {
			w.tok = t
		} else {
			w.tok, w.s = tName, l.r.intern(text)
		}
	case isDigit(c) || c == '.' && isDigit(l.at(l.pos+1)):
		l.number(&w)
	case c == '"' || c == '\'':
		w.tok, w.s = tString, l.quoted(c)
	case c == '[' && (l.at(l.pos+1) == '[' || l.at(l.pos+1) == '='):
		if n, ok := l.longOpening(); ok {
			w.tok, w.s = tString, l.r.intern(l.long(n, "string"))
		} else if n > 0 {
			l.pos += n + 1
			l.fail(w.line, int(w.start), "invalid long string delimiter near '"+l.src[w.start:l.pos]+"'", "")
		} else {
			w.tok = tLbracket
			l.pos++
		}
	default:
		w.tok = l.symbol(c)
	}
	w.end = int32(l.pos)
	return w
}

// symbol reads punctuation.
func (l *lexer) symbol(c byte) token {
	second := l.at(l.pos + 1)
	two := func(next byte, yes, no token) token {
		if second == next {
			l.pos += 2
			return yes
		}
		l.pos++
		return no
	}
	switch c {
	case '+':
		l.pos++
		return tAdd
	case '-':
		l.pos++
		return tSub
	case '*':
		l.pos++
		return tMul
	case '/':
		return two('/', tIdiv, tDiv)
	case '%':
		l.pos++
		return tMod
	case '^':
		l.pos++
		return tPow
	case '#':
		l.pos++
		return tLen
	case '&':
		l.pos++
		return tBand
	case '~':
		return two('=', tNe, tBxor)
	case '|':
		l.pos++
		return tBor
	case '<':
		if second == '<' {
			l.pos += 2
			return tShl
		}
		return two('=', tLe, tLt)
	case '>':
		if second == '>' {
			l.pos += 2
			return tShr
		}
		return two('=', tGe, tGt)
	case '=':
		return two('=', tEq, tAssign)
	case '(':
		l.pos++
		return tLparen
	case ')':
		l.pos++
		return tRparen
	case '{':
		l.pos++
		return tLbrace
	case '}':
		l.pos++
		return tRbrace
	case '[':
		l.pos++
		return tLbracket
	case ']':
		l.pos++
		return tRbracket
	case ';':
		l.pos++
		return tSemicolon
	case ':':
		return two(':', tDoubleColon, tColon)
	case ',':
		l.pos++
		return tComma
	case '.':
		if second == '.' {
			if l.at(l.pos+2) == '.' {
				l.pos += 3
				return tDots
			}
			l.pos += 2
			return tConcat
		}
		l.pos++
		return tDot
	}
	_, n := utf8.DecodeRuneInString(l.src[l.pos:])
	l.pos += n
	return tOther
}

func (l *lexer) skipSpace() {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == '\n' || c == '\r':
			l.newline()
		case isSpace(c):
			l.pos++
		case c == '-' && l.at(l.pos+1) == '-':
			start := l.pos
			l.pos += 2
			if l.at(l.pos) == '[' {
				if n, ok := l.longOpening(); ok {
					l.long(n, "comment")
					continue
				}
			}
			i := strings.IndexAny(l.src[l.pos:], "\r\n")
			if i < 0 {
				i = len(l.src) - l.pos
			}
			l.pos += i
			l.charge((l.pos - start) / bytesPerStep)
		default:
			return
		}
	}
}

// newline takes \n, \r, \r\n and \n\r as one.
func (l *lexer) newline() {
	c := l.src[l.pos]
	l.pos++
	if d := l.at(l.pos); (d == '\n' || d == '\r') && d != c && l.pos < len(l.src) {
		l.pos++
	}
	l.line++
	l.charge(1)
}

// longOpening tells whether a long bracket opens here, and its level.
func (l *lexer) longOpening() (level int, ok bool) {
	i := l.pos + 1
	for l.at(i) == '=' {
		i++
	}
	return i - l.pos - 1, l.at(i) == '['
}

func (l *lexer) long(level int, what string) string {
	start, line := l.pos, l.line
	l.pos += level + 2
	if c := l.at(l.pos); c == '\n' || c == '\r' {
		l.newline()
	}
	var b strings.Builder
	closing := "]" + strings.Repeat("=", level) + "]"
	from := l.pos
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == ']' && strings.HasPrefix(l.src[l.pos:], closing):
			b.WriteString(l.src[from:l.pos])
			l.pos += len(closing)
			return b.String()
		case c == '\n' || c == '\r':
			b.WriteString(l.src[from:l.pos])
			b.WriteByte('\n')
			l.newline()
			from = l.pos
		default:
			l.pos++
		}
	}
	l.charge((l.pos - start) / bytesPerStep)
	l.fail(l.line, start, "unfinished long "+what+" (starting at line "+itoa(int64(line))+") near <eof>", "Close it with "+closing+".")
	return ""
}

func (l *lexer) number(w *word) {
	i := l.pos
	exponent := byte('e')
	if l.src[i] == '0' && l.at(i+1)|0x20 == 'x' {
		exponent = 'p'
		i += 2
	}
	for i < len(l.src) {
		c := l.src[i]
		if c|0x20 == exponent && (l.at(i+1) == '+' || l.at(i+1) == '-') {
			i += 2
			continue
		}
		if !isHex(c) && c != '.' && !isAlpha(c) && c != '_' {
			break
		}
		i++
	}
	text := l.src[l.pos:i]
	l.charge(len(text) / 4)
	w.tok, w.val = tNumber, parseNumber(text)
	if w.val.isNil() {
		hint := ""
		switch {
		case strings.Contains(text, ".."):
			hint = "Put a space between a number and .. (1 .. \"x\")."
		case strings.Contains(text, "_"):
			hint = "Numbers have no _ in Lua: 1000000."
		case isDigit(text[0]):
			hint = "A name cannot begin with a digit; as a key write t[\"" + text + "\"]."
		}
		l.fail(w.line, l.pos, "malformed number near '"+shorten(text, 60)+"'", hint)
	}
	l.pos = i
}

func (l *lexer) quoted(quote byte) *str {
	start := l.pos
	var b []byte
	i := l.pos + 1
	from := i
	for {
		if i >= len(l.src) {
			l.unfinished(start, i, quote)
		}
		switch c := l.src[i]; c {
		case quote:
			l.charge((i - start) / bytesPerStep)
			l.pos = i + 1
			if b == nil {
				return l.r.intern(l.src[from:i])
			}
			return l.r.intern(string(append(b, l.src[from:i]...)))
		case '\n', '\r':
			l.unfinished(start, i, quote)
		case '\\':
			b = append(b, l.src[from:i]...)
			i = l.escape(start, i+1, &b)
			from = i
		default:
			i++
		}
	}
}

func (l *lexer) unfinished(start, at int, quote byte) {
	near := "near '" + shorten(l.src[start:at], 60) + "'"
	if at >= len(l.src) {
		near = "near <eof>"
	}
	l.fail(l.line, start, "unfinished string "+near, "The string has no closing "+string(quote)+" on its line. Text over several lines is written [[...]].")
}

// escape reads what follows a backslash and gives where it ends (Lua 5.4 manual, 3.1).
func (l *lexer) escape(start, i int, b *[]byte) int {
	bad := func(end int, msg string) {
		end = min(end, len(l.src))
		hint := ""
		if msg == "invalid escape sequence" {
			hint = `Write a backslash as \\, or the string as [[...]].`
			if p := l.at(i); p == 'd' || p == 's' || p == 'w' || p == '.' {
				hint = `Lua patterns use %: %d, %s, %w, %. instead of \d, \s, \w, \.`
			}
		}
		l.fail(l.line, start, msg+" near '"+shorten(l.src[start:end], 60)+"'", hint)
	}
	c := l.at(i)
	switch c {
	case 'a':
		*b = append(*b, '\a')
	case 'b':
		*b = append(*b, '\b')
	case 'f':
		*b = append(*b, '\f')
	case 'n':
		*b = append(*b, '\n')
	case 'r':
		*b = append(*b, '\r')
	case 't':
		*b = append(*b, '\t')
	case 'v':
		*b = append(*b, '\v')
	case '\\', '"', '\'':
		*b = append(*b, c)
	case '\n', '\r':
		*b = append(*b, '\n')
		l.pos = i
		l.newline()
		return l.pos
	case 'x':
		n := uint64(0)
		for k := 1; k <= 2; k++ {
			if !isHex(l.at(i + k)) {
				bad(i+k+1, "hexadecimal digit expected")
			}
			n = n<<4 | hexValue(l.at(i+k))
		}
		*b = append(*b, byte(n))
		return i + 3
	case 'z':
		i++
		for i < len(l.src) && isSpace(l.src[i]) {
			if l.src[i] == '\n' || l.src[i] == '\r' {
				l.pos = i
				l.newline()
				i = l.pos
			} else {
				i++
			}
		}
		return i
	case 'u':
		return l.unicode(start, i, b, bad)
	default:
		if !isDigit(c) {
			if i >= len(l.src) {
				l.unfinished(start, i, l.src[start])
			}
			bad(i+1, "invalid escape sequence")
		}
		n, k := 0, i
		for ; k < i+3 && isDigit(l.at(k)); k++ {
			n = n*10 + int(l.at(k)-'0')
		}
		if n > 255 {
			bad(k+1, "decimal escape too large")
		}
		*b = append(*b, byte(n))
		return k
	}
	return i + 1
}

func (l *lexer) unicode(start, i int, b *[]byte, bad func(int, string)) int {
	i++
	if l.at(i) != '{' {
		bad(i+1, "missing '{' in \\u{xxxx}")
	}
	i++
	if !isHex(l.at(i)) {
		bad(i+1, "hexadecimal digit expected")
	}
	n := uint64(0)
	for ; isHex(l.at(i)); i++ {
		if n = n<<4 | hexValue(l.at(i)); n > 0x7FFFFFFF {
			bad(i+1, "UTF-8 value too large")
		}
	}
	if l.at(i) != '}' {
		bad(i+1, "missing '}' in \\u{xxxx}")
	}
	*b = appendUTF8(*b, n)
	return i + 1
}

// text is how an error names a word.
func (l *lexer) text(w word) string {
	switch w.tok {
	case tEOF:
		return "<eof>"
	}
	return "'" + shorten(l.src[w.start:w.end], 60) + "'"
}

// fail throws a syntax error at a place of the program.
func (l *lexer) fail(line int32, pos int, msg, hint string) {
	e := &Error{Kind: Syntax, Line: int(line), Msg: msg, Hint: hint}
	e.Text, e.Column = l.r.lineAt(pos, int(line))
	panic(e)
}
