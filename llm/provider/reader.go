package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// reader reads options. The first thing that is wrong is kept until done.
type reader struct {
	options map[string]any
	err     error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// text reads a text; "" if it is not there, or nil.
func (r *reader) text(name string) string {
	switch v := r.options[name].(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(v)
	default:
		r.fail("%s must be a text, is %v", name, v)
		return ""
	}
}

// number reads a number that is not below 0; 0 if it is not there.
func (r *reader) number(name string) float64 {
	v := r.options[name]
	if v == nil {
		return 0
	}
	raw, err := json.Marshal(v)
	var n float64
	if err != nil || json.Unmarshal(raw, &n) != nil || n < 0 {
		// A text comes from a command line.
		if s, ok := v.(string); !ok || json.Unmarshal([]byte(s), &n) != nil || n < 0 {
			r.fail("%s must be a number from 0 on, is %v", name, v)
		}
	}
	return n
}

func (r *reader) list(name string) []string {
	raw, err := json.Marshal(r.options[name])
	var out []string
	if err != nil || json.Unmarshal(raw, &out) != nil {
		r.fail("%s must be a list of texts, is %v", name, r.options[name])
	}
	return out
}

func (r *reader) object(name string) map[string]any {
	v := r.options[name]
	if v == nil {
		return nil
	}
	out, ok := v.(map[string]any)
	if !ok {
		r.fail("%s must be a map, is %v", name, v)
	}
	return out
}

// done reports what was wrong, and options that are none.
func (r *reader) done(known ...string) error {
	for _, name := range slices.Sorted(maps.Keys(r.options)) {
		if !slices.Contains(known, name) {
			r.fail("there is no option %q%s; there are %s", name, nearest(name, known), strings.Join(known, ", "))
		}
	}
	return r.err
}

// nearest gives the name that was probably meant, as part of a sentence.
func nearest(name string, names []string) string {
	best, least := "", 1+len(name)/2
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least || d == least && best == "" && d < len(n) {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// distance is how many letters must be changed, added or taken away.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// needs is the error of a key that is not there.
func needs(what string) error { return errMissing{errors.New(what)} }
