package etf

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What Format gives is bounded: by its length in bytes, by the nesting it follows, and so by the time it takes.
const (
	maxFormat      = 4096
	maxFormatDepth = 64
)

// Format writes a term as an Erlang shell would, on one line, cut after 4,096 bytes. It is for people: control characters are
// escaped, and different terms may look the same.
func Format(t Term) string {
	f := formatter{}
	f.term(t, 0)
	if f.Len() > maxFormat {
		return strings.ToValidUTF8(f.String()[:maxFormat-3], "") + "..."
	}
	return f.String()
}

type formatter struct{ strings.Builder }

func (f *formatter) full() bool { return f.Len() > maxFormat }

func (f *formatter) term(t Term, depth int) {
	if f.full() {
		return
	}
	if depth > maxFormatDepth {
		f.WriteString("...")
		return
	}
	switch t := t.(type) {
	case List:
		if s, ok := charlist(t); ok {
			f.WriteString(strconv.Quote(s))
			return
		}
		f.seq("[", t, nil, "]", depth)
	case ImproperList:
		f.seq("[", t.Items, t.Tail, "]", depth)
	case Tuple:
		f.seq("{", t, nil, "}", depth)
	case Map:
		f.mapping(t, depth)
	default:
		f.scalar(t)
	}
}

func (f *formatter) scalar(t Term) {
	switch t := t.(type) {
	case Atom:
		f.WriteString(atomText(t.name))
	case []byte:
		f.binary(string(t[:min(len(t), maxFormat)]))
	case string:
		f.binary(t[:min(len(t), maxFormat)])
	case BitString:
		f.bits(t)
	case Pid:
		f.WriteString(t.String())
	case Port:
		fmt.Fprintf(f, "#Port<0.%d>", t.ID)
	case Ref:
		f.ref(t)
	case Fun:
		f.fun(t)
	case Export:
		fmt.Fprintf(f, "fun %s:%s/%d", atomText(t.Module.name), atomText(t.Function.name), t.Arity)
	case float64:
		s := strconv.FormatFloat(t, 'g', -1, 64)
		if m, e, exp := strings.Cut(s, "e"); !strings.Contains(m, ".") {
			s = m + ".0"
			if exp {
				s += "e" + e
			}
		}
		f.WriteString(s)
	case *big.Int:
		if t.BitLen() > 4*maxFormat {
			fmt.Fprintf(f, "an integer of %d bits", t.BitLen()) // its digits take long to find
			return
		}
		f.WriteString(t.String())
	default:
		fmt.Fprint(f, t)
	}
}

// String writes a pid as its own node does. Which node that is, is not in it.
func (p Pid) String() string { return fmt.Sprintf("<0.%d.%d>", p.ID, p.Serial) }

func (f *formatter) binary(s string) {
	if utf8.ValidString(cutInside(s)) {
		fmt.Fprintf(f, "<<%s>>", strconv.Quote(s))
		return
	}
	f.bits(BitString{[]byte(s), 8})
}

// cutInside drops the beginning of a character at the end of a text that was cut to a length.
func cutInside(s string) string {
	for i := 1; i <= min(utf8.UTFMax-1, len(s)); i++ {
		if c := s[len(s)-i]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRuneInString(s[len(s)-i:]) {
				return s[:len(s)-i]
			}
			break
		}
	}
	return s
}

func (f *formatter) bits(t BitString) {
	f.WriteString("<<")
	for i, c := range t.Bytes {
		if f.full() {
			return
		}
		if i > 0 {
			f.WriteByte(',')
		}
		if i == len(t.Bytes)-1 && t.Bits < 8 {
			fmt.Fprintf(f, "%d:%d", c>>(8-t.Bits), t.Bits)
		} else {
			f.WriteString(strconv.Itoa(int(c)))
		}
	}
	f.WriteString(">>")
}

func (f *formatter) ref(r Ref) {
	f.WriteString("#Ref<0")
	for i := int(min(r.N, 5)) - 1; i >= 0; i-- {
		fmt.Fprintf(f, ".%d", r.Words[i])
	}
	f.WriteByte('>')
}

func (f *formatter) fun(t Fun) {
	d := decoder{b: []byte(t.raw), i: min(funModule, len(t.raw)), limits: (*Limits)(nil).withDefaults()}
	if m := d.atom(); d.err == nil {
		fmt.Fprintf(f, "#Fun<%s>", atomText(m.name))
		return
	}
	f.WriteString("#Fun<>")
}

func (f *formatter) mapping(m Map, depth int) {
	f.WriteString("#{")
	for i, p := range m {
		if f.full() {
			return
		}
		if i > 0 {
			f.WriteByte(',')
		}
		f.term(p.Key, depth+1)
		f.WriteString(" => ")
		f.term(p.Value, depth+1)
	}
	f.WriteByte('}')
}

func (f *formatter) seq(open string, items []Term, tail Term, end string, depth int) {
	f.WriteString(open)
	for i, t := range items {
		if f.full() {
			return
		}
		if i > 0 {
			f.WriteByte(',')
		}
		f.term(t, depth+1)
	}
	if tail != nil {
		f.WriteByte('|')
		f.term(tail, depth+1)
	}
	f.WriteString(end)
}

// charlist gives the text of a list of printable characters, as the shell shows it.
func charlist(l List) (string, bool) {
	if len(l) == 0 {
		return "", false
	}
	var b strings.Builder
	for _, t := range l {
		c, ok := t.(int64)
		if !ok || c > unicode.MaxRune || c != '\n' && c != '\t' && !unicode.IsPrint(rune(c)) {
			return "", false
		}
		if b.WriteRune(rune(c)); b.Len() > maxFormat {
			break
		}
	}
	return b.String(), true
}

// atomText quotes an atom if Erlang would.
func atomText(name string) string {
	plain := name != "" && name[0] >= 'a' && name[0] <= 'z'
	for _, c := range name {
		plain = plain && (c == '_' || c == '@' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	}
	if plain {
		return name
	}
	quoted := strconv.Quote(name)
	quoted = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	return "'" + strings.ReplaceAll(quoted, "'", `\'`) + "'"
}
