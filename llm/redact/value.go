package redact

import (
	"bytes"
	"cmp"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
)

// Options say what is removed besides secrets. The zero value removes secrets alone.
type Options struct {
	Mails     bool // e-mail addresses
	Addresses bool // IP addresses
	Hidden    bool // characters that a reader does not see, or that move his cursor, are made visible: see [Visible]
	// Keep are names that look like an e-mail address and are none: of Erlang nodes. Nodes with the same name on other hosts are kept too.
	Keep []string
}

// Text removes from a text what the options say.
func (o Options) Text(s string) string { return o.text(s, true) }

func (o Options) text(s string, chance bool) string {
	if isJSON(s) {
		return string(o.JSON([]byte(s)))
	}
	s = secrets(s, chance)
	if o.Hidden {
		s = Visible(s)
	}
	if o.Mails {
		s = mails(s, o.Keep, func(string) string { return mark("email") })
	}
	if o.Addresses {
		s = addresses(s, func(string) string { return mark("ip") })
	}
	return s
}

// Value removes secrets from a JSON-safe value: maps, lists and texts, nested. The value itself is not changed.
func Value(v any) any { return Options{}.Value(v) }

// JSON removes secrets from an encoded value. What is no JSON is a text.
func JSON(raw []byte) []byte { return Options{}.JSON(raw) }

// Value removes from a value what the options say.
func (o Options) Value(v any) any {
	return walk{text: o.text}.value("", v, open)
}

// JSON removes from an encoded value what the options say. What has nothing to remove stays as it is, byte for byte.
func (o Options) JSON(raw []byte) []byte {
	return walk{text: o.text}.json(raw)
}

// walk goes through a value.
type walk struct {
	// text redacts one text; chance says whether it may be judged by its entropy alone.
	text func(s string, chance bool) string
	// field, if given, decides about the value of a field before its text is looked at.
	field func(key string, v any) (any, bool)
}

// maxDepth is how deep a value is followed; below it nothing is let through.
const maxDepth = 64

func (w walk) json(raw []byte) []byte {
	v, err := decode(raw)
	if err != nil {
		return []byte(w.text(string(raw), true))
	}
	out := w.value("", v, open)
	before, err1 := encode(v)
	after, err2 := encode(out)
	if err1 != nil || err2 != nil {
		return []byte(w.text(string(raw), true)) // unreachable: it was JSON
	}
	if bytes.Equal(before, after) {
		return raw
	}
	return after
}

func decode(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errTrailing
	}
	return v, nil
}

var errTrailing = &json.SyntaxError{}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// idKey names fields that hold ids of ours or of providers, which look like chance.
var idKey = regexp.MustCompile(`^(id|run|nonce|.*_ids?)$`)

// plainKey is the name of a field, and not a text.
var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,40}$`)

// ownID is what such an id looks like.
var ownID = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,80}$`)

func (w walk) value(key string, v any, sec secrecy) any { return w.deep(key, v, sec, 0) }

func (w walk) deep(key string, v any, sec secrecy, depth int) any {
	if depth > maxDepth {
		return mark("too-deep")
	}
	if sec == open && key != "" {
		sec = secrecyOf(key)
	}
	if w.field != nil && sec == open {
		if out, done := w.field(key, v); done {
			return out
		}
	}
	switch v := v.(type) {
	case string:
		return w.str(key, v, sec)
	case json.Number:
		if sec == secretAll {
			return mark("number")
		}
		return v
	case nil, bool:
		return v
	case float64, float32, int, int64, int32, uint64, uint32:
		if sec == secretAll {
			return mark("number")
		}
		return v
	case map[string]any:
		return w.object(v, sec, depth)
	case map[string]string:
		m := map[string]any{}
		for k, x := range v {
			m[k] = x
		}
		return w.object(m, sec, depth)
	case []any:
		return w.list(key, v, sec, depth)
	case []string:
		l := make([]any, len(v))
		for i, x := range v {
			l[i] = x
		}
		return w.list(key, l, sec, depth)
	case []map[string]any:
		l := make([]any, len(v))
		for i, x := range v {
			l[i] = x
		}
		return w.list(key, l, sec, depth)
	}
	return w.other(key, v, sec, depth)
}

// other looks into values of types of Go's own making, by way of their JSON. One that has nothing to remove stays what it is.
func (w walk) other(key string, v any, sec secrecy, depth int) any {
	t := reflect.TypeOf(v)
	if t == nil || !holdsText(t, 0) {
		return v
	}
	raw, err := encode(v)
	if err != nil {
		return mark("unreadable")
	}
	plain, err := decode(raw)
	if err != nil {
		return mark("unreadable") // unreachable: it has just been encoded
	}
	out := w.deep(key, plain, sec, depth+1)
	if clean, err := encode(out); err == nil {
		if same, err := encode(plain); err == nil && bytes.Equal(clean, same) {
			return v
		}
	}
	return out
}

// holdsText says whether values of a type can hold text.
func holdsText(t reflect.Type, depth int) bool {
	const deepest = 5
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return false
	case reflect.Slice, reflect.Array, reflect.Pointer:
		return depth > deepest || holdsText(t.Elem(), depth+1)
	}
	return true
}

func (w walk) str(key, s string, sec secrecy) any {
	if sec != open && !harmless(s) && (sec == secretAll || !plainNumber(s)) {
		if strings.HasPrefix(s, "[redacted:") {
			return s
		}
		if !plainKey.MatchString(key) {
			key = "value" // a text that a table is keyed by may itself hold the secret
		}
		return mark(cmp.Or(strings.Join(split(key), "-"), "value"))
	}
	if isJSON(s) {
		return string(w.json([]byte(s))) // a value in a text: results of tools in a transcript
	}
	return w.text(s, !(idKey.MatchString(key) && ownID.MatchString(s)))
}

// Fields that hold a name and a value of something.
var (
	nameFields  = []string{"name", "key", "k", "field", "header", "option", "variable", "var", "env", "setting", "param", "attribute"}
	valueFields = []string{"value", "val", "v", "content", "data", "default", "setting_value", "string"}
)

func isJSON(s string) bool {
	t := strings.TrimSpace(s)
	return len(t) > 1 && (t[0] == '{' || t[0] == '[') && json.Valid([]byte(t))
}

func (w walk) object(m map[string]any, sec secrecy, depth int) map[string]any {
	pair := open
	for _, n := range nameFields {
		if s, ok := m[n].(string); ok && pair == open {
			pair = secrecyOf(s)
		}
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		inner := sec
		for _, f := range valueFields {
			if k == f && pair != open {
				inner = pair
			}
		}
		name := k
		if inner == pair && pair != open && inner != sec {
			name = "value"
		}
		out[w.key(k, out)] = w.deep(name, v, inner, depth+1)
	}
	return out
}

// key redacts a key: tables of a system are keyed by anything.
func (w walk) key(k string, taken map[string]any) string {
	if isWord(k) {
		return k
	}
	t := w.text(k, true)
	if t == k {
		return k
	}
	for n := 2; ; n++ {
		if _, ok := taken[t]; !ok {
			return t
		}
		t = strings.TrimRight(t, "0123456789#") + "#" + string(rune('0'+n%10))
		if n > 200 {
			return t // the last of very many secret keys: one of them is enough
		}
	}
}

// isWord says whether a key is the name of a field, which says nothing of a system.
func isWord(k string) bool {
	const longest = 40
	return len(k) <= longest && !strings.Contains(k, ".") && isPlain(k)
}

func (w walk) list(key string, l []any, sec secrecy, depth int) []any {
	out := make([]any, len(l))
	pair := open
	if len(l) == 2 { // a tuple of Erlang, a header
		if s, ok := l[0].(string); ok && sec == open {
			pair = secrecyOf(s)
		}
	}
	for i, v := range l {
		if i == 1 && pair != open {
			out[i] = w.deep("value", v, pair, depth+1)
			continue
		}
		out[i] = w.deep(key, v, sec, depth+1)
	}
	return out
}
