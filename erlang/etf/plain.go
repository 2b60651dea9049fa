package etf

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Plain turns a term into a JSON-safe value: bool, int64, float64, string, []any, map[string]any and nil. Atoms and binaries are
// strings, the atoms true, false, nil, null and undefined what they say; an integer that does not fit is its digits. Bytes
// that are no text are escaped.
func Plain(t Term) any {
	switch t := t.(type) {
	case Atom:
		switch t.name {
		case "true":
			return true
		case "false":
			return false
		case "nil", "null", "undefined":
			return nil
		}
		return t.name
	case []byte:
		return text(t)
	case *big.Int:
		return t.String()
	case int:
		return int64(t)
	case List:
		return plains(t)
	case Tuple:
		return plains(t)
	case ImproperList:
		return append(plains(t.Items), Plain(t.Tail))
	case Map:
		m := make(map[string]any, len(t))
		for _, p := range t {
			m[key(p.Key)] = Plain(p.Value)
		}
		return m
	case nil, bool, int64, float64, string:
		return t
	}
	return Format(t)
}

func plains(items []Term) []any {
	out := make([]any, len(items))
	for i, t := range items {
		out[i] = Plain(t)
	}
	return out
}

func key(t Term) string {
	switch t := t.(type) {
	case Atom:
		return t.name
	case []byte:
		return text(t)
	}
	return Format(t)
}

func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.Trim(strconv.QuoteToASCII(string(b)), `"`)
}

// maxFormat bounds what Format gives.
const maxFormat = 4096

// Format writes a term as a person at an Erlang shell would, cut after 4,096 bytes.
func Format(t Term) string {
	var b strings.Builder
	format(&b, t, 0)
	if b.Len() > maxFormat {
		return strings.ToValidUTF8(b.String()[:maxFormat-3], "") + "..."
	}
	return b.String()
}

func format(b *strings.Builder, t Term, depth int) {
	if b.Len() > maxFormat {
		return
	}
	if depth > 64 {
		b.WriteString("...")
		return
	}
	switch t := t.(type) {
	case Atom:
		b.WriteString(atomText(t.name))
	case []byte:
		fmt.Fprintf(b, "<<%s>>", strconv.Quote(string(t[:min(len(t), maxFormat)])))
	case string:
		fmt.Fprintf(b, "<<%s>>", strconv.Quote(t[:min(len(t), maxFormat)]))
	case BitString:
		fmt.Fprintf(b, "<<%v:%d>>", t.Bytes[:min(len(t.Bytes), 64)], t.Bits)
	case List:
		if s, ok := charlist(t); ok {
			b.WriteString(strconv.Quote(s))
			return
		}
		seq(b, "[", t, nil, "]", depth)
	case ImproperList:
		seq(b, "[", t.Items, t.Tail, "]", depth)
	case Tuple:
		seq(b, "{", t, nil, "}", depth)
	case Map:
		b.WriteString("#{")
		for i, p := range t {
			if i > 0 {
				b.WriteString(",")
			}
			format(b, p.Key, depth+1)
			b.WriteString(" => ")
			format(b, p.Value, depth+1)
		}
		b.WriteString("}")
	case Pid:
		fmt.Fprintf(b, "<%s.%d.%d>", t.Node.name, t.ID, t.Serial)
	case Port:
		fmt.Fprintf(b, "#Port<%s.%d>", t.Node.name, t.ID)
	case Ref:
		fmt.Fprintf(b, "#Ref<%s%v>", t.Node.name, t.Words[:t.N])
	case Fun:
		b.WriteString("#Fun<>")
	case Export:
		fmt.Fprintf(b, "fun %s:%s/%d", t.Module.name, t.Function.name, t.Arity)
	case float64:
		raw, err := json.Marshal(t)
		if err != nil {
			raw = []byte("?")
		}
		b.Write(raw)
	default:
		fmt.Fprint(b, t)
	}
}

func seq(b *strings.Builder, open string, items []Term, tail Term, end string, depth int) {
	b.WriteString(open)
	for i, t := range items {
		if b.Len() > maxFormat {
			break
		}
		if i > 0 {
			b.WriteString(",")
		}
		format(b, t, depth+1)
	}
	if tail != nil {
		b.WriteString("|")
		format(b, tail, depth+1)
	}
	b.WriteString(end)
}

// charlist gives the text of a list of printable characters, as the shell shows it.
func charlist(l List) (string, bool) {
	if len(l) == 0 {
		return "", false
	}
	var b strings.Builder
	for _, t := range l {
		c, ok := t.(int64)
		if !ok || (c < 32 && c != '\n' && c != '\t') || c > 0x10ffff || !utf8.ValidRune(rune(c)) || b.Len() > maxFormat {
			return "", false
		}
		b.WriteRune(rune(c))
	}
	return b.String(), true
}

func atomText(name string) string {
	plain := name != "" && name[0] >= 'a' && name[0] <= 'z'
	for _, c := range name {
		plain = plain && (c == '_' || c == '@' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	}
	if plain {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `\'`) + "'"
}
