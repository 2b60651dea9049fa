package web

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// incident is what belongs together: an insight with its alerts, or an alert that is in none.
type incident struct {
	ID       string            `json:"id"` // of the insight, or of the alert
	Target   beamlens.Target   `json:"target"`
	Insight  *beamlens.Insight `json:"insight,omitempty"`
	Alerts   []beamlens.Alert  `json:"alerts"` // the cause first, the others by their onset
	Open     bool              `json:"open"`
	Severity beamlens.Severity `json:"severity"`
	Onset    time.Time         `json:"onset"`
	Detected time.Time         `json:"detected"`
	Ended    *time.Time        `json:"ended,omitempty"`
	Seen     bool              `json:"seen"` // a person has acknowledged or resolved all of it
}

// weight puts severities in their order.
var weight = map[beamlens.Severity]int{beamlens.SeverityInfo: 1, beamlens.SeverityWarning: 2, beamlens.SeverityCritical: 3}

func newIncident(i *beamlens.Insight, alerts []beamlens.Alert) incident {
	out := incident{Insight: i, Alerts: slices.Clone(alerts), Seen: true}
	if i != nil {
		out.ID, out.Target = i.ID, i.Target
	} else {
		out.ID, out.Target = alerts[0].ID, alerts[0].Target
	}
	slices.SortStableFunc(out.Alerts, func(a, b beamlens.Alert) int {
		if i != nil && (a.ID == i.CauseAlertID) != (b.ID == i.CauseAlertID) {
			if a.ID == i.CauseAlertID {
				return -1
			}
			return 1
		}
		return cmp.Or(a.Onset.Compare(b.Onset), a.DetectedAt.Compare(b.DetectedAt), strings.Compare(a.ID, b.ID))
	})
	for n, a := range out.Alerts {
		if n == 0 || a.Onset.Before(out.Onset) {
			out.Onset = a.Onset
		}
		if n == 0 || a.DetectedAt.Before(out.Detected) {
			out.Detected = a.DetectedAt
		}
		if weight[a.Severity] > weight[out.Severity] {
			out.Severity = a.Severity
		}
		out.Open = out.Open || a.Open()
		out.Seen = out.Seen && handled(a)
		if a.ClearedAt != nil && (out.Ended == nil || a.ClearedAt.After(*out.Ended)) {
			out.Ended = a.ClearedAt
		}
	}
	if out.Open {
		out.Ended = nil
	}
	if len(out.Alerts) == 0 {
		out.Onset, out.Detected = i.CreatedAt, i.CreatedAt
	}
	return out
}

// handled says whether a person has acknowledged or resolved an alert.
func handled(a beamlens.Alert) bool {
	n := len(a.Changes)
	return n > 0 && a.Status != beamlens.Unread && slices.ContainsFunc(a.Changes, func(c beamlens.Change) bool { return c.By != beamlens.ByEngine })
}

// Culprit is who is to blame: as the insight says, or the first alert.
func (i incident) Culprit() *beamlens.Culprit {
	if i.Insight != nil && i.Insight.Culprit != nil {
		return i.Insight.Culprit
	}
	if len(i.Alerts) > 0 {
		return i.Alerts[0].Culprit
	}
	return nil
}

// Where is the place in the code, if it is known.
func (i incident) Where() string {
	if c := i.Culprit(); c != nil {
		for _, k := range []string{"at", "current_function", "file"} {
			if s, ok := c.Facts[k].(string); ok && s != "" {
				return s
			}
		}
	}
	return ""
}

// What says in a few words what is wrong.
func (i incident) What() string {
	if len(i.Alerts) == 0 {
		return "Alerts that are kept no more"
	}
	return words(i.Alerts[0].AnomalyType)
}

// Effects are the types of the other alerts, each once.
func (i incident) Effects() []string {
	var out []string
	for n, a := range i.Alerts {
		if w := words(a.AnomalyType); n > 0 && w != i.What() && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// LedTo says how the effects belong to the cause.
func (i incident) LedTo() string {
	if i.Insight == nil {
		return ""
	}
	switch i.Insight.CorrelationType {
	case beamlens.Causal:
		return "Led to"
	case beamlens.Symptomatic:
		return "Shares a hidden cause with"
	}
	return "At the same time"
}

// Summary is one or two sentences for a person.
func (i incident) Summary() string {
	if len(i.Alerts) > 0 && i.Alerts[0].Summary != "" {
		return i.Alerts[0].Summary
	}
	if i.Insight != nil {
		return i.Insight.Summary
	}
	return ""
}

// Sure is how sure it is.
func (i incident) Sure() sure {
	var s sure
	switch {
	case i.Insight != nil:
		s = sure{Word: string(i.Insight.Confidence), P: i.Insight.Probability, Of: "that this is the cause"}
		if s.P == 0 {
			s.P = i.Insight.Confidence.Probability()
		}
	case len(i.Alerts) > 0 && i.Alerts[0].Confidence != "":
		c := i.Alerts[0].Confidence
		s = sure{Word: string(c), P: c.Probability(), Of: "that the culprit is right", Rough: true}
	default:
		return sure{Word: "not told", Of: "no cause is known"}
	}
	if i.Insight != nil && i.Insight.Outcome != nil {
		s.Outcome = string(i.Insight.Outcome.Verdict)
	}
	return s
}

// sure is how far a statement can be relied on.
type sure struct {
	Word, Of, Outcome string
	P                 float64
	Rough             bool // only the word is known
}

// Of100 is the probability for a meter.
func (s sure) Of100() int { return int(100*s.P + 0.5) }

// maxRead is how many alerts and insights a list is made of.
const maxRead = 200

// incidents gives those of some sources: what lasts first, the worst first, the newest first.
func (r *request) incidents(ctx context.Context, onlyOpen bool) ([]incident, error) {
	var out []incident
	for _, s := range r.sources() {
		list, err := incidentsOf(ctx, s, onlyOpen)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	slices.SortStableFunc(out, func(a, b incident) int {
		if a.Open != b.Open {
			if a.Open {
				return -1
			}
			return 1
		}
		if a.Open {
			if c := cmp.Compare(weight[b.Severity], weight[a.Severity]); c != 0 {
				return c
			}
		}
		return cmp.Or(b.Onset.Compare(a.Onset), strings.Compare(a.ID, b.ID))
	})
	return out, nil
}

func incidentsOf(ctx context.Context, s Source, onlyOpen bool) ([]incident, error) {
	alerts, err := s.Store.Alerts(ctx, beamlens.AlertFilter{Target: s.Target, Open: true, Limit: maxRead})
	if err != nil {
		return nil, err
	}
	if !onlyOpen {
		more, err := s.Store.Alerts(ctx, beamlens.AlertFilter{Target: s.Target, Limit: maxRead})
		if err != nil {
			return nil, err
		}
		alerts = append(alerts, more...)
	}
	byID := map[string]beamlens.Alert{}
	var order []string
	for _, a := range alerts {
		if _, known := byID[a.ID]; !known {
			order = append(order, a.ID)
		}
		byID[a.ID] = a
	}
	insights, err := s.Store.Insights(ctx, maxRead, 0)
	if err != nil {
		return nil, err
	}
	var out []incident
	told := map[string]bool{}
	for n := range insights { // newest first
		i := insights[n]
		if i.Target != s.Target {
			continue
		}
		var own []beamlens.Alert
		lasts, fresh := false, false
		for _, id := range i.AlertIDs {
			a, known := byID[id]
			fresh = fresh || !told[id]
			lasts = lasts || known && a.Open()
			if known {
				own = append(own, a)
			}
		}
		if !fresh || onlyOpen && !lasts {
			continue // a newer insight is about the same alerts
		}
		if len(own) < len(i.AlertIDs) {
			own = alertsOf(ctx, s, i)
		}
		for _, a := range own {
			told[a.ID] = true
		}
		out = append(out, newIncident(&i, own))
	}
	for _, id := range order {
		if a := byID[id]; !told[id] && (!onlyOpen || a.Open()) {
			out = append(out, newIncident(nil, []beamlens.Alert{a}))
		}
	}
	return out, nil
}

// maxOwn is the most alerts of one insight that are read.
const maxOwn = 100

// alertsOf reads an insight's alerts. Those that are kept no more are left out.
func alertsOf(ctx context.Context, s Source, i beamlens.Insight) []beamlens.Alert {
	var own []beamlens.Alert
	for _, id := range i.AlertIDs[:min(len(i.AlertIDs), maxOwn)] {
		if a, err := s.Store.Alert(ctx, id); err == nil && a.Target == s.Target {
			own = append(own, a)
		}
	}
	return own
}

// find gives the incident that an id belongs to: of an insight, or of an alert.
func (r *request) find(ctx context.Context, id string) (incident, Source, error) {
	for _, s := range r.sources() {
		insights, err := s.Store.Insights(ctx, 10*maxRead, 0)
		if err != nil {
			return incident{}, s, err
		}
		for n := range insights {
			i := insights[n]
			if i.Target == s.Target && (i.ID == id || slices.Contains(i.AlertIDs, id)) {
				return newIncident(&i, alertsOf(ctx, s, i)), s, nil
			}
		}
		if a, err := s.Store.Alert(ctx, id); err == nil && a.Target == s.Target {
			return newIncident(nil, []beamlens.Alert{a}), s, nil
		} else if err != nil && ctx.Err() != nil {
			return incident{}, s, err
		}
	}
	return incident{}, Source{}, notFound("There is no incident %s. It may have been removed because it was old.", cut(40, id))
}

// alert finds one alert and where it is kept.
func (r *request) alert(ctx context.Context, id string) (beamlens.Alert, Source, error) {
	var last error
	for _, s := range r.sources() {
		a, err := s.Store.Alert(ctx, id)
		if err == nil && a.Target == s.Target {
			return a, s, nil
		}
		last = err
	}
	if ctx.Err() != nil && last != nil {
		return beamlens.Alert{}, Source{}, errors.Join(ctx.Err(), last)
	}
	return beamlens.Alert{}, Source{}, notFound("There is no alert %s. It may have been removed because it was old.", cut(40, id))
}
