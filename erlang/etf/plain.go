package etf

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxPlain keeps a value that contains itself from being followed for ever. Decode stops far earlier.
const maxPlain = 1000

// Plain turns a term into a JSON-safe value: bool, int64, float64, string, []any, map[string]any and nil. Atoms and binaries are
// strings, the atoms true, false, nil, null and undefined what they say; an integer that does not fit is its digits. Bytes
// that are no text are escaped; pids and what else JSON does not have are what [Format] writes. Keys of a map are text:
// of two that look the same, such as the atom a and the binary <<"a">>, the later one counts.
func Plain(t Term) any { return plain(t, 0) }

func plain(t Term, depth int) any {
	if depth > maxPlain {
		return "..."
	}
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
		return plains(t, depth)
	case Tuple:
		return plains(t, depth)
	case ImproperList:
		return append(plains(t.Items, depth), plain(t.Tail, depth+1))
	case Map:
		m := make(map[string]any, len(t))
		for _, p := range t {
			m[key(p.Key)] = plain(p.Value, depth+1)
		}
		return m
	case nil, bool, int64, float64, string:
		return t
	}
	return Format(t)
}

func plains(items []Term, depth int) []any {
	out := make([]any, len(items), len(items)+1)
	for i, t := range items {
		out[i] = plain(t, depth+1)
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
