package llmtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The shapes of JSON that the fakes read and write.
type (
	object = map[string]any
	list   = []any
)

func objects(v any) []object {
	var out []object
	l, _ := v.(list)
	for _, x := range l {
		o, _ := x.(object)
		out = append(out, o)
	}
	return out
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// unknown names the members that an API does not know, as strict ones refuse them.
func unknown(o object, known ...string) string {
	for name := range o {
		if !slices.Contains(known, name) {
			return name + ": Extra inputs are not permitted"
		}
	}
	return ""
}

// pairs checks that each call is answered, once, before anything else is said, as all APIs want it.
type pairs struct {
	open    []string
	problem string
}

func (p *pairs) call(id string) { p.open = append(p.open, id) }

func (p *pairs) result(id string) {
	i := slices.Index(p.open, id)
	if i < 0 {
		p.fail("the result %q answers no call of the turn before", id)
		return
	}
	p.open = slices.Delete(p.open, i, i+1)
}

// settled must hold before anything but results comes.
func (p *pairs) settled() {
	if len(p.open) > 0 {
		p.fail("calls without a result: %s", strings.Join(p.open, ", "))
	}
}

func (p *pairs) fail(format string, args ...any) {
	if p.problem == "" {
		p.problem = fmt.Sprintf(format, args...)
	}
}

// arguments gives arguments as a value: an object, or a string if they are none, as APIs do whose calls hold JSON.
func arguments(args string) any {
	var o object
	if json.Unmarshal([]byte(args), &o) != nil {
		return args
	}
	return o
}
