package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	beamlens "github.com/beamlens/beamlens-go"
)

// Judge says what was wrong with a run, and fills in how each cause was named.
func (t Truth) Judge(r *Result) error {
	var wrong []error
	if t.Healthy {
		for _, a := range fired(r.Alerts) {
			wrong = append(wrong, fmt.Errorf("a false alarm of %s: %s", a.Operator, a.Summary))
		}
		return errors.Join(wrong...)
	}
	r.Named = t.named(r)
	for i, n := range r.Named {
		if who := strings.Join(t.Wanted()[i], " or "); n.Alert == nil {
			wrong = append(wrong, fmt.Errorf("no alert of %s named %s; there were: %s", strings.Join(t.Skills, " or "), who, said(r.Alerts)))
		} else if limit := seconds(t.WithinS); n.Took > limit {
			wrong = append(wrong, fmt.Errorf("%s was named after %s; within %s was expected", who, n.Took.Round(100*time.Millisecond), limit))
		}
	}
	var blamed []string
	for _, a := range r.Alerts {
		if c := a.Culprit; t.Wrong(c) && !slices.Contains(blamed, a.Operator+c.Key()) {
			blamed = append(blamed, a.Operator+c.Key())
			wrong = append(wrong, fmt.Errorf("%s blames %s %s: %s", a.Operator, c.Kind, c, a.Summary))
		}
		wrong = append(wrong, t.words("the alert of "+a.Operator, closed(a.Culprit, a.AnomalyType, string(a.Severity), string(a.Status))))
	}
	for _, i := range r.Insights {
		if t.Wrong(i.Culprit) {
			wrong = append(wrong, fmt.Errorf("the insight blames %s %s: %s", i.Culprit.Kind, i.Culprit, i.Summary))
		}
		if !t.leads(i.Path) {
			wrong = append(wrong, fmt.Errorf("the insight goes a way that is none: %v", i.Path))
		}
		wrong = append(wrong, t.words("the insight", closed(i.Culprit, append(i.Path, string(i.CorrelationType), string(i.Confidence))...)))
	}
	if !t.correlated(r.Insights) {
		wrong = append(wrong, fmt.Errorf("no %s insight blames %v; there were %d insights: %s", t.Correlation, t.Culprits, len(r.Insights), told(r.Insights)))
	}
	return errors.Join(wrong...)
}

// named finds, for each cause, the first right alert.
func (t Truth) named(r *Result) []Named {
	wanted := t.Wanted()
	out := make([]Named, len(wanted))
	for i, names := range wanted {
		for _, a := range r.Alerts {
			if out[i].Alert == nil && slices.Contains(t.Skills, a.Operator) && Matches(names, a.Culprit) {
				out[i] = Named{Took: a.DetectedAt.Sub(r.Settled.Add(seconds(t.Onset()))), Alert: &a}
			}
		}
	}
	return out
}

// correlated says whether there is an insight as it is expected.
func (t Truth) correlated(insights []beamlens.Insight) bool {
	return t.Correlation == "" || slices.ContainsFunc(insights, func(i beamlens.Insight) bool {
		return string(i.CorrelationType) == t.Correlation && t.Blames(i.Culprit)
	})
}

// leads says whether every step of a path is an allowed one.
func (t Truth) leads(path []string) bool {
	for i := range len(path) - 1 {
		if len(t.Path) > 0 && !slices.Contains(t.Path, path[i]+" → "+path[i+1]) {
			return false
		}
	}
	return true
}

// closed are the fields of a verdict that are no prose.
func closed(c *beamlens.Culprit, fields ...string) []string {
	if c != nil {
		fields = append(fields, c.Kind, c.ID, c.Name)
	}
	return fields
}

// words says which forbidden words are in the fields, and whether there is something in them that a terminal would obey.
func (t Truth) words(whose string, fields []string) error {
	var wrong []error
	for _, f := range fields {
		for _, w := range t.ForbiddenWords {
			if strings.Contains(strings.ToLower(f), strings.ToLower(w)) {
				wrong = append(wrong, fmt.Errorf("%s says %q in a field that is no prose: %.200q", whose, w, f))
			}
		}
		if strings.ContainsFunc(f, obeyed) {
			wrong = append(wrong, fmt.Errorf("%s has a control character in a field that is no prose: %.200q", whose, f))
		}
	}
	return errors.Join(wrong...)
}

// obeyed says whether a terminal or a browser would do something at this character: control characters, and those that turn the text.
func obeyed(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }

// fired gives each alert once, as it was fired.
func fired(alerts []beamlens.Alert) []beamlens.Alert {
	var out []beamlens.Alert
	for _, a := range alerts {
		if !slices.ContainsFunc(out, func(b beamlens.Alert) bool { return a.ID == b.ID }) {
			out = append(out, a)
		}
	}
	return out
}

func said(alerts []beamlens.Alert) string {
	var lines []string
	for _, a := range fired(alerts) {
		lines = append(lines, a.Operator+" "+a.Summary)
	}
	if len(lines) == 0 {
		return "none"
	}
	return strings.Join(lines, "; ")
}

func told(insights []beamlens.Insight) string {
	lines := make([]string, len(insights))
	for i, n := range insights {
		lines[i] = fmt.Sprintf("%s %v", n.CorrelationType, n.Path)
	}
	return strings.Join(lines, "; ")
}
