package beam

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// template is a message with its variables taken out, and how often it came.
type template struct {
	Template string `json:"template"`
	Count    int64  `json:"count"`
	Level    string `json:"level"`
	Module   string `json:"module"`
	Example  string `json:"example"`
	First    string `json:"first_seen"`
	Last     string `json:"last_seen"`

	tokens []string
	last   time.Time
}

// templates groups messages as Drain does (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017): by the
// number of words and the first of them, then with the most similar that is similar enough. It is bounded in all directions.
type templates struct {
	groups map[string][]*template
	count  int
}

const (
	maxTemplates    = 300
	maxOfGroup      = 30
	maxWords        = 60
	templateSimilar = 0.6
	hole            = "<*>"
)

// What differs from line to line and says nothing of what the line is.
var variables = regexp.MustCompile(strings.Join([]string{
	`"(?:[^"\\]|\\.)*"`, `'(?:[^'\\]|\\.)*'`, `<<[^>]*>>`,
	`#(?:PID|Pid|Port|Ref|Reference|Fun)?<[^>]*>`, `<\d+\.\d+\.\d+>`,
	`\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b`,
	`\b0x[0-9a-fA-F]+\b`, `\b(?:[0-9]+[a-fA-F]|[a-fA-F]+[0-9])[0-9a-fA-F]{6,}\b`, `\b\d[\d.,:_T-]*\w*`,
}, "|"))

func words(message string) []string {
	w := strings.Fields(variables.ReplaceAllString(message, hole))
	if len(w) > maxWords {
		w = w[:maxWords]
	}
	return w
}

func (t *templates) add(message, level, module string, at time.Time) {
	w := words(message)
	if len(w) == 0 {
		return
	}
	if t.groups == nil {
		t.groups = map[string][]*template{}
	}
	key := level + " " + string(rune(len(w))) + " " + w[0]
	best, score := (*template)(nil), 0.0
	for _, have := range t.groups[key] {
		if s := similar(have.tokens, w); s > score {
			best, score = have, s
		}
	}
	when := at.UTC().Format(time.RFC3339)
	if best == nil || score < templateSimilar && len(t.groups[key]) < maxOfGroup {
		if t.count >= maxTemplates {
			t.evict()
		}
		best = &template{Level: level, First: when, tokens: w}
		t.groups[key] = append(t.groups[key], best)
		t.count++
	}
	for i := range best.tokens {
		if best.tokens[i] != w[i] {
			best.tokens[i] = hole
		}
	}
	best.Template = strings.Join(best.tokens, " ")
	best.Count++
	best.Module, best.Example, best.Last, best.last = module, clip(message, 300), when, at
}

func similar(a, b []string) float64 {
	same := 0
	for i := range a {
		if a[i] == b[i] || a[i] == hole {
			same++
		}
	}
	return float64(same) / float64(len(a))
}

// evict drops the template that came last the longest ago.
func (t *templates) evict() {
	var key string
	var oldest *template
	for k, group := range t.groups {
		for _, have := range group {
			if oldest == nil || have.last.Before(oldest.last) {
				key, oldest = k, have
			}
		}
	}
	t.groups[key] = slices.DeleteFunc(t.groups[key], func(have *template) bool { return have == oldest })
	if len(t.groups[key]) == 0 {
		delete(t.groups, key)
	}
	t.count--
}

// top gives the most frequent.
func (t *templates) top(limit int) []template {
	out := make([]template, 0, t.count)
	for _, group := range t.groups {
		for _, have := range group {
			out = append(out, *have)
		}
	}
	slices.SortFunc(out, func(a, b template) int {
		if a.Count != b.Count {
			return int(b.Count - a.Count)
		}
		return strings.Compare(a.Template, b.Template)
	})
	return out[:min(limit, len(out))]
}

// clip shortens a text to so many bytes, at a whole character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xc0 == 0x80 {
		most--
	}
	return s[:most] + "…"
}
