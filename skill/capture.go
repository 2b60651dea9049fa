package skill

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Capture is a reading that is taken in the moment of a finding, before anybody is asked what it means: what is there then may be gone when
// somebody is.
type Capture struct {
	Callback Callback
	Args     []any
	Text     string // the call, as in a program
}

// mostCaptures of one metric are taken.
const mostCaptures = 4

var callRE = regexp.MustCompile(`\b([a-z][a-z0-9_]*)\(([^()]*)\)`)

// Captures gives the cheap part of the playbooks of a metric: the calls in their programs that depend on nothing which is read before, but for those that
// are costly.
func (s *Skill) Captures(metric string) []Capture {
	var out []Capture
	for _, p := range s.Match(metric) {
		for _, m := range callRE.FindAllStringSubmatch(p.Lua, -1) {
			i := slices.IndexFunc(s.Callbacks, func(c Callback) bool { return c.Name == m[1] && c.Cost != Costly })
			args, constant := literals(m[2])
			known := slices.ContainsFunc(out, func(c Capture) bool { return c.Text == m[0] })
			if i < 0 || !constant || known || len(out) == mostCaptures {
				continue
			}
			out = append(out, Capture{s.Callbacks[i], args, m[0]})
		}
	}
	return out
}

// literals reads a list of Lua's literals.
func literals(list string) (args []any, constant bool) {
	if strings.TrimSpace(list) == "" {
		return nil, true
	}
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		n, ierr := strconv.ParseInt(text, 10, 64)
		x, ferr := strconv.ParseFloat(text, 64)
		quoted, qerr := strconv.Unquote(text)
		switch {
		case text == "nil":
			args = append(args, nil)
		case text == "true" || text == "false":
			args = append(args, text == "true")
		case ierr == nil:
			args = append(args, n)
		case ferr == nil:
			args = append(args, x)
		case qerr == nil && strings.HasPrefix(text, `"`):
			args = append(args, quoted)
		default:
			return nil, false
		}
	}
	return args, true
}
