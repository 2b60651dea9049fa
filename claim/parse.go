package claim

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// word is something in a text that must have been read: a number, or what must stand in it verbatim.
type word struct {
	text     string
	verbatim string
	number   float64
	decimals int
	scales   []float64
}

var (
	numberRE = regexp.MustCompile(`^[-+−]?(\d{1,3}(?:[,_'’]\d{3})+|\d+)(\.\d+)?([eE][-+]?\d+)?([%‰a-zA-Zµμ/]*)$`)
	timeRE   = regexp.MustCompile(`^(?:\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?|\d{1,2}:\d{2}(?::\d{2})?)(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?$`)
	linkRE   = regexp.MustCompile(`(?i)\b(?:[a-z][a-z0-9+.-]*://|www\.)[^\s)>\]"']+`)
	idREs    = []*regexp.Regexp{
		regexp.MustCompile(`<\d+\.\d+\.\d+>`),                                  // a pid
		regexp.MustCompile(`#(?:Ref|Reference|Port|Fun)<[^>]+>`),               // what Erlang shows
		regexp.MustCompile(`\b[0-9a-f]{16}\b|\b[0-9a-f]{32}\b`),                // an id of ours
		regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b`),           // an address
		regexp.MustCompile(`[\w/.-]+\.(?:ex|exs|erl|hrl|go|lua|rs|c|sql):\d+`), // a place in source
		regexp.MustCompile(`\b0x[0-9a-fA-F]+\b`),
	}
	// How sure one is, is no reading.
	sureRE = regexp.MustCompile(`\b(\d{1,3})(?:\.\d+)? ?% (?:sure|certain|confident|likely)\b`)
)

// mostSure is the highest that a claim may call itself.
const mostSure = 95

// parse finds what must have been read.
func parse(text string) []word {
	var out []word
	text = sureRE.ReplaceAllStringFunc(text, func(m string) string {
		if n, err := strconv.Atoi(sureRE.FindStringSubmatch(m)[1]); err == nil && n <= mostSure {
			return "sure"
		}
		out = append(out, word{text: m, verbatim: m})
		return "sure"
	})
	verbatim := func(m string) string {
		m = strings.TrimRight(m, ".,;:!?")
		out = append(out, word{text: m, verbatim: m})
		return " "
	}
	text = linkRE.ReplaceAllStringFunc(text, verbatim)
	for _, re := range idREs {
		text = re.ReplaceAllStringFunc(text, verbatim)
	}
	fields := strings.Fields(text)
	for i, f := range fields {
		next := ""
		if i+1 < len(fields) {
			next = strings.Trim(fields[i+1], ".,;:!?)]}\"'")
		}
		out = append(out, number(trim(f), next)...)
	}
	return out
}

// trim takes off what stands around a word.
func trim(f string) string {
	f = strings.TrimLeft(f, "([{\"'`“‘~≈<>=≥≤±+*$€£#×x:")
	return strings.TrimRight(f, ")]}\"'`”’.,;:!?*…")
}

// number reads a word as a number, a time, or numbers with something between them. What is none of it has no numbers.
func number(f, next string) []word {
	if f == "" || !strings.ContainsAny(f, "0123456789") {
		return nil
	}
	if timeRE.MatchString(f) {
		return []word{{text: f, verbatim: strings.TrimSuffix(f, "Z")}}
	}
	if m := numberRE.FindStringSubmatch(f); m != nil {
		return read(f, m, next)
	}
	for _, sep := range []string{"/", "–", "-", "…", "..", "→", "->", "=", "×", ":", "x", "(", "|"} {
		if a, b, ok := strings.Cut(f, sep); ok && a != "" && b != "" && begins(a) && (begins(b) || isUnit(b)) {
			return append(number(trim(a), unitOr(b, next)), number(trim(b), next)...)
		}
		if a, b, ok := strings.Cut(f, sep); ok && (sep == "=" || sep == "(" || sep == ":") && begins(b) && !begins(a) {
			return number(trim(b), next) // name=5
		}
	}
	return nil
}

func begins(s string) bool {
	s = strings.TrimLeft(s, "-+~≈<>$")
	return s != "" && s[0] >= '0' && s[0] <= '9'
}

func unitOr(b, next string) string {
	if isUnit(b) {
		return b
	}
	return next
}

func isUnit(s string) bool { _, ok := units[strings.ToLower(s)]; return ok }

// read makes a number of what numberRE found.
func read(f string, m []string, next string) []word {
	suffix := strings.ToLower(m[4])
	if suffix != "" {
		base, per, _ := strings.Cut(suffix, "/")
		if _, ok := units[base]; !ok && base != "" && base != "x" && base != "st" && base != "nd" && base != "rd" && base != "th" {
			return nil // 2nd_queue, 3abc: a name
		}
		next, f = base, strings.TrimSuffix(f, "/"+per)
		if per != "" {
			next = base + "/" + per
		}
	}
	digits := strings.NewReplacer(",", "", "_", "", "'", "", "’", "").Replace(m[1])
	x, err := strconv.ParseFloat(digits+m[2]+m[3], 64)
	if err != nil {
		return []word{{text: f, verbatim: f}} // too large to be a number
	}
	decimals := max(len(m[2])-1, 0)
	if m[3] != "" {
		if e, err := strconv.Atoi(m[3][1:]); err == nil {
			decimals -= e
		}
	}
	return []word{{text: f, number: x, decimals: decimals, scales: scalesOf(next)}}
}

// units are what numbers may be multiples of: of bytes, seconds, ratios and counts, and of each other.
var units = map[string][]float64{
	"%": {1, 0.01}, "percent": {1, 0.01}, "pct": {1, 0.01}, "per": {1, 0.01}, "‰": {1, 0.001},
	"b": {1}, "byte": {1}, "bytes": {1}, "words": {1, 0.125, 8},
	"k": {1, 1e3, 1024}, "thousand": {1, 1e3}, "kb": {1, 1e3, 1024, 1e-3, 1.0 / 1024}, "kib": {1, 1024, 1.0 / 1024}, "kbytes": {1, 1e3, 1024},
	"m": {1, 1e6, 1 << 20, 60}, "million": {1, 1e6}, "millions": {1, 1e6}, "mio": {1, 1e6}, "mb": {1, 1e6, 1 << 20, 1e3, 1024, 1e-3, 1.0 / 1024}, "mib": {1, 1 << 20, 1024, 1.0 / 1024}, "megabytes": {1, 1e6, 1 << 20, 1e3, 1024},
	"g": {1, 1e9, 1 << 30}, "billion": {1, 1e9}, "gb": {1, 1e9, 1 << 30, 1e6, 1 << 20, 1e3, 1024}, "gib": {1, 1 << 30, 1 << 20, 1024}, "gigabytes": {1, 1e9, 1 << 30, 1e6, 1 << 20, 1e3, 1024},
	"tb": {1, 1e12, 1 << 40, 1e9, 1 << 30, 1e6, 1 << 20, 1e3, 1024},
	"ns": {1, 1e-3, 1e-6, 1e-9}, "µs": {1, 1e3, 1e-3, 1e-6}, "μs": {1, 1e3, 1e-3, 1e-6}, "us": {1, 1e3, 1e-3, 1e-6},
	"ms": {1, 1e6, 1e3, 1e-3}, "milliseconds": {1, 1e6, 1e3, 1e-3},
	"s": {1, 1e9, 1e6, 1e3}, "sec": {1, 1e9, 1e6, 1e3}, "second": {1, 1e9, 1e6, 1e3}, "seconds": {1, 1e9, 1e6, 1e3},
	"min": {1, 60, 6e4, 6e7, 6e10}, "minute": {1, 60, 6e4, 6e7, 6e10}, "minutes": {1, 60, 6e4, 6e7, 6e10}, "mins": {1, 60, 6e4},
	"h": {1, 3600, 60, 3.6e6}, "hour": {1, 3600, 60, 3.6e6}, "hours": {1, 3600, 60, 3.6e6}, "hrs": {1, 3600, 60},
	"d": {1, 86400, 24, 1440, 8.64e7}, "day": {1, 86400, 24, 1440, 8.64e7}, "days": {1, 86400, 24, 1440, 8.64e7}, "weeks": {1, 604800, 168, 7},
	"x": {1}, "times": {1},
}

// anyUnit are the multiples by which a value may differ whose unit is in the name of its field.
var anyUnit = []float64{1, 1e3, 1024, 1e6, 1 << 20, 1e9, 1 << 30, 1e-3, 1.0 / 1024, 1e-6, 0.01, 100, 60, 3600}

// decimalsOf is how many digits a number has behind its point.
func decimalsOf(s string) int {
	_, frac, ok := strings.Cut(s, ".")
	if !ok || strings.ContainsAny(s, "eE") {
		return 0
	}
	return len(frac)
}

// scalesOf gives what a number with this unit may be multiplied by to be what was read. A rate is what its unit is, for another time.
func scalesOf(unit string) []float64 {
	base, per, rate := strings.Cut(strings.ToLower(unit), "/")
	scales, ok := units[base]
	if !ok || base == "per" {
		scales = []float64{1}
	}
	if !rate {
		return scales
	}
	out := append([]float64(nil), scales...)
	for name, seconds := range map[string]float64{"m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400} {
		if per == name {
			for _, s := range scales {
				out = append(out, s/seconds)
			}
		}
	}
	return out
}

// numbersOf gives the numbers in a text that was read.
func numbersOf(text string) []float64 {
	var out []float64
	for _, f := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`,;()[]{}"'|`, r) }) {
		for _, w := range number(trim(f), "") {
			if w.verbatim == "" {
				out = append(out, w.number)
			}
		}
	}
	// A number with separators of thousands was cut in pieces by them.
	for _, f := range strings.Fields(text) {
		if strings.ContainsAny(f, ",'’") {
			for _, w := range number(trim(f), "") {
				if w.verbatim == "" {
					out = append(out, w.number)
				}
			}
		}
	}
	return out
}

var literalRE = regexp.MustCompile(`\d+(?:\.\d+)?(?:[eE][-+]?\d+)?`)

// literals gives the numbers that stand anywhere in a program.
func literals(program string) []float64 {
	var out []float64
	for _, m := range literalRE.FindAllString(program, -1) {
		if x, err := strconv.ParseFloat(m, 64); err == nil {
			out = append(out, x)
		}
	}
	return out
}

// sentences cuts a text so that the parts together are the text. A sentence ends at a line's end, and at a full stop, question or
// exclamation mark before a space; not within brackets that are open.
func sentences(text string) []string {
	var out []string
	from := 0
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		i += n
		end := r == '\n'
		if r == '.' || r == '!' || r == '?' {
			j := i
			for j < len(text) && strings.IndexByte(`)"'`, text[j]) >= 0 {
				j++
			}
			end = (j == len(text) || text[j] == ' ' || text[j] == '\n') && !abbreviated(text[from:i])
			if end {
				i = j
			}
		}
		if !end {
			continue
		}
		for i < len(text) && (text[i] == ' ' || text[i] == '\n') {
			i++
		}
		out = append(out, text[from:i])
		from = i
	}
	if from < len(text) {
		out = append(out, text[from:])
	}
	return out
}

// abbreviated says whether the full stop at the end belongs to a word.
func abbreviated(s string) bool {
	for _, a := range []string{"e.g.", "i.e.", "vs.", "approx.", "ca.", "etc.", "no.", "incl.", "max.", "min.", "avg."} {
		if strings.HasSuffix(strings.ToLower(s), a) {
			return true
		}
	}
	return false
}
