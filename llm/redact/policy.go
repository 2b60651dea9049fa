package redact

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Policy says what of an operator's system may reach a model. The zero value lets through all that is not secret or personal.
type Policy struct {
	// NumbersOnly lets no text of the system through: numbers, times, our own ids and words, and names of fields that our own prompt
	// knows. Every text has a pseudonym instead, so that the model can still tell things apart and name a culprit.
	NumbersOnly bool
	// Fields, when given, are the only fields whose texts may leave, by their name; the texts of others have pseudonyms.
	Fields []string
}

func (p Policy) restricts() bool { return p.NumbersOnly || p.Fields != nil }

// Fields of our own messages, whose texts are ours: of the input of a run, and of the results of tools.
var ourFields = map[string]bool{}

// The fields below which everything is the system's, whatever it is called.
var theirFields = map[string]bool{}

// Fields of ours that a person or a model has written, who may have put something of the system into it.
var proseFields = map[string]bool{}

func init() {
	for list, set := range map[string]map[string]bool{
		`for state reason metric metrics kind tier unit rule severity onset id alert_id type anomaly_type status since cleared snapshot_ids captured_at detected_at cleared_at
		operator operators skill skills correlation_type confidence activity from to why path playbooks docs doc lua limits causal_graph note hint alert_ids updated`: ourFields,
		`result printed data culprit facts evidence summary context observation hypothesis root_cause_hypothesis beginning thought answer error`: theirFields,
		`question`: proseFields,
	} {
		for _, f := range strings.Fields(list) {
			set[f] = true
		}
	}
}

var (
	oursRE   = regexp.MustCompile(`^(?:[0-9a-f]{16}|[0-9a-f]{32}|-?[0-9][0-9.eE+-]*|true|false|nil|null)$`)
	markRE   = regexp.MustCompile(`^\[redacted:[a-z0-9-]*\]$`)
	symbolRE = regexp.MustCompile(`^[a-z0-9_.]{1,80}$`)
	wordRE   = regexp.MustCompile(`[\pL\pN_]+`)
)

// tellsNothing says whether a text tells nothing that is the system's: a number, a time, an id of ours.
func tellsNothing(s string) bool {
	if s == "" || oursRE.MatchString(s) || markRE.MatchString(s) || pseudonymRE.FindString(s) == s {
		return true
	}
	_, err := time.Parse(time.RFC3339Nano, s)
	return err == nil
}

// masked goes through a value under a policy. The words are those of our own prompt.
type masked struct {
	policy Policy
	words  map[string]bool
	names  *pseudonyms
	prose  func(string) string // for what a person or a model has written
}

// value masks a value. theirs says that it stands below a field that is the system's.
func (m masked) value(key string, v any, theirs bool, depth int) any {
	if depth > maxDepth {
		return mark("too-deep")
	}
	switch v := v.(type) {
	case string:
		return m.str(key, v, theirs)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = m.value(key, x, theirs, depth+1)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			name := k
			if m.policy.NumbersOnly && !m.words[k] && !ourFields[k] && !theirFields[k] && !proseFields[k] {
				name = m.names.of("text", k)
			}
			out[name] = m.value(k, x, theirs || theirFields[k], depth+1)
		}
		return out
	}
	return v // numbers, booleans, nothing
}

func (m masked) str(key, s string, theirs bool) string {
	switch {
	case tellsNothing(s):
		return s
	case !m.policy.NumbersOnly && slices.Contains(m.policy.Fields, key):
		return s
	case key == "error":
		return m.wordwise(s) // what went wrong is said in words of ours, with words of the system in between
	case !theirs && proseFields[key]:
		return m.prose(s)
	case !theirs && ourFields[key]:
		if key == "lua" || key == "doc" || key == "docs" || key == "rule" || key == "why" || key == "reason" || key == "hint" || key == "note" || key == "unit" || symbolRE.MatchString(s) {
			return s
		}
	}
	return m.names.of("text", s)
}

// wordwise puts pseudonyms in place of the words that are not ours.
func (m masked) wordwise(s string) string {
	return wordRE.ReplaceAllStringFunc(s, func(w string) string {
		if tellsNothing(w) || m.words[strings.ToLower(w)] || m.words[w] || utf8.RuneCountInString(w) == 1 {
			return w
		}
		return m.names.of("text", w)
	})
}

// vocabulary gives the words of our own texts.
func vocabulary(texts ...string) map[string]bool {
	out := map[string]bool{}
	for _, t := range texts {
		for _, w := range wordRE.FindAllString(t, -1) {
			out[w] = true
			out[strings.ToLower(w)] = true
		}
	}
	return out
}

// Visible makes control characters visible that a reader would not see or that change the order of what he sees: of direction, without
// width, tags, and those of terminals.
func Visible(s string) string {
	clean := true
	for _, r := range s {
		if hidden(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if !hidden(r) {
			b.WriteRune(r)
			continue
		}
		raw, err := json.Marshal(string(r))
		if err != nil || len(raw) < 4 || raw[1] != '\\' {
			raw = []byte(`"` + escapeRune(r) + `"`)
		}
		b.Write(raw[1 : len(raw)-1])
	}
	return b.String()
}

func escapeRune(r rune) string {
	const digits = "0123456789abcdef"
	out := []byte(`\u{`)
	for shift := 20; shift >= 0; shift -= 4 {
		if d := r >> shift; d > 0 || shift == 0 {
			out = append(out, digits[d&15])
		}
	}
	return string(append(out, '}'))
}

// hidden says whether a character is one of those. Lines and tabs are not.
func hidden(r rune) bool {
	if r == '\n' || r == '\t' {
		return false
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) ||
		r >= 0xFE00 && r <= 0xFE0F || r >= 0xE0100 && r <= 0xE01EF || r == 0x115F || r == 0x1160 || r == 0x3164 || r == 0xFFA0 || r == utf8.RuneError
}
