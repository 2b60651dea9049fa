package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// incidentPage is all that is known of an incident.
type incidentPage struct {
	incident
	Now      time.Time `json:"now"`
	Graph    graph     `json:"-"`
	Charts   []chart   `json:"-"`
	Timeline []moment  `json:"timeline"`
	Why      string    `json:"-"` // what a single alert means
	AskAbout string    `json:"-"`
}

// moment is a line of the timeline.
type moment struct {
	At     time.Time     `json:"at"`
	Within time.Duration `json:"within_ns,omitempty"`
	Kind   string        `json:"kind"` // onset, alert, insight, cleared, person, outcome
	Level  string        `json:"level,omitempty"`
	Who    string        `json:"who,omitempty"`
	Text   string        `json:"text"`
	Alert  string        `json:"alert_id,omitempty"`
	Run    string        `json:"run_id,omitempty"`
}

func (d *Dashboard) incidentList(r *request) (any, error) {
	list, err := r.incidents(r.Context(), r.URL.Query().Get("open") != "")
	if err != nil {
		return nil, err
	}
	return shown{"incidents", "Incidents", "incidents", map[string]any{"List": list, "Many": len(d.all()) > 1, "Open": r.URL.Query().Get("open")}}, nil
}

func (d *Dashboard) incident(r *request) (any, error) {
	i, s, err := r.find(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return shown{"incident", title(i), "incidents", d.incidentPage(r.Context(), i, s)}, nil
}

func title(i incident) string {
	s := i.What()
	if c := i.Culprit(); c != nil {
		s = c.Key() + ": " + s
	}
	return cut(80, s)
}

func (d *Dashboard) incidentPage(ctx context.Context, i incident, s Source) incidentPage {
	state := stateOf(ctx, s)
	p := incidentPage{incident: i, Now: state.Now, Graph: drawGraph(i, state.Edges), Timeline: timeline(i)}
	p.Charts = chartsOf(ctx, i, s, state)
	return p
}

// maxCharts is the most metrics of one incident that are drawn.
const maxCharts = 8

// chartsOf draws the metrics of an incident around its time.
func chartsOf(ctx context.Context, i incident, s Source, state State) []chart {
	if s.Reader == nil || len(i.Alerts) == 0 {
		return nil
	}
	end := state.Now
	if i.Ended != nil {
		end = *i.Ended
	}
	lasted := end.Sub(i.Onset)
	before := min(max(lasted/3, time.Minute), 6*time.Hour)
	from, to := i.Onset.Add(-before), end.Add(min(lasted/10+10*time.Second, time.Hour))
	if to.After(state.Now) {
		to = state.Now
	}
	if !to.After(from.Add(10 * time.Second)) {
		to = from.Add(10 * time.Second)
	}
	var path []string
	if i.Insight != nil {
		path = slices.Clone(i.Insight.Path)
	}
	for _, a := range i.Alerts {
		for _, f := range a.Findings {
			path = appendNew(path, f.Skill+"."+f.Metric)
		}
	}
	var out []chart
	for _, name := range path[:min(len(path), maxCharts)] {
		m := metricOf(state.Metrics, name)
		points, err := s.Reader.Series(ctx, name, from.Add(-time.Hour), to)
		if err != nil {
			continue // it is drawn when it can be read again
		}
		begin := from
		if len(points) > 0 && points[0].At.After(from) && points[0].At.Before(i.Onset) {
			begin = points[0].At // what was not watched yet is no part of the picture
		}
		var usual *ordinary
		if o, ok := ordinaryOf(points, i.Onset.Add(-2*time.Second)); ok {
			usual = &o
		}
		out = append(out, draw(m, name, points, begin, to, marksOf(i, name), usual))
	}
	return out
}

func metricOf(list []Metric, name string) Metric {
	for _, m := range list {
		if m.Name == name {
			return m
		}
	}
	return Metric{Name: name}
}

// marksOf are the moments of an incident that a metric's chart shows.
func marksOf(i incident, metric string) []mark {
	var out []mark
	if f, a, ok := findingOf(i, metric); ok {
		out = append(out, mark{f.Onset, "began", "onset", f.Uncertainty}, mark{a.DetectedAt, "alert", "alert", 0})
		if a.ClearedAt != nil {
			out = append(out, mark{*a.ClearedAt, "ended", "cleared", 0})
		}
	}
	return out
}

// timeline is what happened, in its order.
func timeline(i incident) []moment {
	var out []moment
	seen := map[string]bool{}
	for _, a := range i.Alerts {
		for _, f := range a.Findings {
			if key := f.Skill + f.Metric + f.Onset.String(); !seen[key] {
				seen[key] = true
				text := fmt.Sprintf("%s.%s began to depart: %s → %s", f.Skill, f.Metric, with(f.Ordinary, ""), with(f.Value, f.Unit))
				if f.Rule != "" {
					text += " (" + f.Rule + ")"
				}
				out = append(out, moment{At: f.Onset, Within: f.Uncertainty, Kind: "onset", Who: f.Skill, Text: text})
			}
		}
		out = append(out, moment{At: a.DetectedAt, Kind: "alert", Level: string(a.Severity), Who: a.Operator, Text: words(a.AnomalyType) + ": " + cut(400, a.Summary), Alert: a.ID, Run: a.TraceID})
		for _, c := range a.Changes {
			if c.By != beamlens.ByEngine {
				out = append(out, moment{At: c.At, Kind: "person", Who: c.By, Text: words(a.AnomalyType) + " was marked " + string(c.Status), Alert: a.ID})
			}
		}
		if a.ClearedAt != nil {
			out = append(out, moment{At: *a.ClearedAt, Kind: "cleared", Who: a.Operator, Text: words(a.AnomalyType) + " ended, after " + span(a.ClearedAt.Sub(a.Onset)), Alert: a.ID})
		}
	}
	if n := i.Insight; n != nil {
		out = append(out, moment{At: n.CreatedAt, Kind: "insight", Who: "coordinator", Text: n.Summary, Run: n.TraceID})
		if n.Outcome != nil {
			out = append(out, moment{At: n.Outcome.At, Kind: "outcome", Who: "coordinator", Text: string(n.Outcome.Verdict) + ": " + n.Outcome.Why})
		}
		if f := n.Feedback; f != nil {
			out = append(out, moment{At: f.At, Kind: "person", Who: f.By, Text: "said that this is " + rightOrWrong(f.Right) + note(f.Note)})
		}
	}
	slices.SortStableFunc(out, func(a, b moment) int { return a.At.Compare(b.At) })
	return out
}

func rightOrWrong(right bool) string {
	if right {
		return "right"
	}
	return "wrong"
}

func note(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

// setAll changes the status of all alerts of an incident.
func (d *Dashboard) setAll(r *request) (string, error) {
	status, err := statusOf(r)
	if err != nil {
		return "", err
	}
	i, s, err := r.find(r.Context(), r.PathValue("id"))
	if err != nil {
		return "", err
	}
	by, now := d.user(r.Request), clockNow()
	for _, a := range i.Alerts {
		changed, err := s.Store.UpdateAlert(r.Context(), a.ID, func(a *beamlens.Alert) { a.SetStatus(status, by, now) })
		if err != nil {
			return "", err
		}
		d.changed(changed, by)
	}
	return "incidents/" + i.ID, nil
}

// changed tells who looks on that an alert was changed by a person.
func (d *Dashboard) changed(a beamlens.Alert, by string) {
	d.feed.take(beamlens.Event{Name: "alert.status_changed", At: a.UpdatedAt, Target: a.Target, Subject: by, Fields: map[string]any{"state": a.Status, "reason": a.AnomalyType}})
}

func statusOf(r *request) (beamlens.AlertStatus, error) {
	s := beamlens.AlertStatus(r.FormValue("status"))
	switch s {
	case beamlens.Acknowledged, beamlens.Resolved, beamlens.Unread:
		return s, nil
	}
	return "", badRequest("There is no status %q; there are acknowledged, resolved and unread.", cut(40, string(s)))
}

// maxNote is the longest note of a person.
const maxNote = 500

// setFeedback notes whether an insight was right.
func (d *Dashboard) setFeedback(r *request) (string, error) {
	right := r.FormValue("right")
	if right != "true" && right != "false" {
		return "", badRequest("right must be true or false.")
	}
	i, s, err := r.find(r.Context(), r.PathValue("id"))
	if err != nil {
		return "", err
	}
	if i.Insight == nil {
		return "", badRequest("That is an alert, and no insight.")
	}
	own := *i.Insight
	own.Feedback = &beamlens.Feedback{Right: right == "true", By: d.user(r.Request), At: clockNow(), Note: cut(maxNote, strings.TrimSpace(r.FormValue("note")))}
	if err := s.Store.PutInsight(r.Context(), own); err != nil {
		return "", err
	}
	d.feed.take(beamlens.Event{Name: "insight.judged", At: own.Feedback.At, Target: own.Target, Subject: own.Feedback.By, Fields: map[string]any{"why": rightOrWrong(own.Feedback.Right)}})
	return "incidents/" + own.ID, nil
}
