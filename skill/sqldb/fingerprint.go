package sqldb

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// maxText bounds the text of a statement.
const maxText = 400

// Fingerprint gives the text of a statement without what varies and what may be private: literals and parameters become ?, lists of them
// one ?, comments go, space is one blank. The id is the same for the same text.
func Fingerprint(statement string) (id, text string) {
	f := fingerprint{in: statement}
	for f.at < len(f.in) && f.out.Len() < 4*maxText {
		f.token()
	}
	text = lists.ReplaceAllString(strings.TrimSpace(f.out.String()), "(?)")
	text = rows.ReplaceAllString(text, "(?)")
	sum := sha256.Sum256([]byte(text))
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + " …"
	}
	return "q_" + hex.EncodeToString(sum[:4]), text
}

var (
	lists = regexp.MustCompile(`\(\?(?:\s*,\s*\?)+\)`)
	rows  = regexp.MustCompile(`\(\?\)(?:\s*,\s*\(\?\))+`)
)

type fingerprint struct {
	in  string
	at  int
	out strings.Builder
}

func (f *fingerprint) token() {
	c := f.in[f.at]
	rest := f.in[f.at:]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		f.at++
		f.space()
	case strings.HasPrefix(rest, "--"):
		f.skipTo("\n")
		f.space()
	case strings.HasPrefix(rest, "/*"):
		f.comment()
		f.space()
	case c == '\'':
		f.quoted(f.escapes())
		f.out.WriteByte('?')
	case c == '"':
		f.identifier()
	case c == '$':
		f.dollar()
	case c == '?':
		f.at++
		f.out.WriteByte('?')
	case c >= '0' && c <= '9':
		f.number()
	case isWord(c):
		start := f.at
		for f.at < len(f.in) && (isWord(f.in[f.at]) || f.in[f.at] >= '0' && f.in[f.at] <= '9') {
			f.at++
		}
		f.out.WriteString(strings.ToLower(f.in[start:f.at]))
	default:
		f.at++
		f.out.WriteByte(c)
	}
}

// isWord says whether a byte is of a name or keyword; bytes of other scripts are.
func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func (f *fingerprint) space() {
	if s := f.out.String(); s != "" && s[len(s)-1] != ' ' {
		f.out.WriteByte(' ')
	}
}

func (f *fingerprint) skipTo(end string) {
	i := strings.Index(f.in[f.at:], end)
	if i < 0 {
		f.at = len(f.in)
		return
	}
	f.at += i + len(end)
}

// comment passes over one; they nest (PostgreSQL, 4.1.5).
func (f *fingerprint) comment() {
	depth := 0
	for f.at < len(f.in) {
		switch {
		case strings.HasPrefix(f.in[f.at:], "/*"):
			depth++
			f.at += 2
		case strings.HasPrefix(f.in[f.at:], "*/"):
			depth--
			f.at += 2
			if depth == 0 {
				return
			}
		default:
			f.at++
		}
	}
}

// escapes says whether a string has backslash escapes: E'…'.
func (f *fingerprint) escapes() bool {
	return f.at > 0 && (f.in[f.at-1] == 'E' || f.in[f.at-1] == 'e')
}

func (f *fingerprint) quoted(escapes bool) {
	for f.at++; f.at < len(f.in); f.at++ {
		switch c := f.in[f.at]; {
		case c == '\\' && escapes:
			f.at++
		case c == '\'':
			if f.at+1 < len(f.in) && f.in[f.at+1] == '\'' {
				f.at++
				continue
			}
			f.at++
			return
		}
	}
}

// identifier keeps a quoted name: it is the schema's, not a customer's.
func (f *fingerprint) identifier() {
	end := strings.IndexByte(f.in[f.at+1:], '"')
	if end < 0 {
		f.at = len(f.in)
		return
	}
	f.out.WriteString(f.in[f.at : f.at+end+2])
	f.at += end + 2
}

// dollar is a parameter, $1, or a string, $tag$…$tag$ (PostgreSQL, 4.1.2.4).
func (f *fingerprint) dollar() {
	i := f.at + 1
	for i < len(f.in) && (isWord(f.in[i]) || f.in[i] >= '0' && f.in[i] <= '9') {
		i++
	}
	if i < len(f.in) && f.in[i] == '$' {
		tag := f.in[f.at : i+1]
		f.at = i + 1
		f.skipTo(tag)
	} else {
		f.at = i
	}
	f.out.WriteByte('?')
}

func (f *fingerprint) number() {
	for f.at < len(f.in) {
		c := f.in[f.at]
		exponent := (c == '+' || c == '-') && (f.in[f.at-1] == 'e' || f.in[f.at-1] == 'E')
		if !(c >= '0' && c <= '9' || c == '.' || isWord(c) || exponent) {
			break
		}
		f.at++
	}
	f.out.WriteByte('?')
}
