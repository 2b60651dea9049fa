package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	beamlens "github.com/beamlens/beamlens-go"
)

// listing is a page of a list, with what it is filtered by.
type listing[T any] struct {
	List     []T
	Query    string
	Severity string
	Operator string
	Status   string
	Verdict  string
	Open     bool
	Names    []string // operators
	Offset   int
	Next     string // query of the next page; "": there is none
	Before   string
	Many     bool   // targets
	Back     string // the query of this page
}

// Severities are what can be chosen from.
func (listing[T]) Severities() []string { return []string{"critical", "warning", "info"} }

// Statuses are what can be chosen from.
func (listing[T]) Statuses() []string { return []string{"unread", "acknowledged", "resolved"} }

// Verdicts are what can be chosen from, and what they are called.
func (listing[T]) Verdicts() [][2]string {
	return [][2]string{{"", "any"}, {"confirmed", "confirmed by what came after"}, {"withdrawn", "withdrawn"}, {"right", "right, says a person"}, {"wrong", "wrong, says a person"}, {"unjudged", "nobody has said"}}
}

// page cuts a list and makes the links to what is before and after.
func (l *listing[T]) page(q url.Values, limit int) {
	at := func(offset int) string {
		v := url.Values{}
		for k, s := range q {
			if k != "offset" {
				v[k] = s
			}
		}
		if offset > 0 {
			v.Set("offset", strconv.Itoa(offset))
		}
		return v.Encode()
	}
	l.Back = q.Encode()
	l.Offset = min(max(intOf(q.Get("offset"), 0), 0), len(l.List))
	if l.Offset > 0 {
		l.Before = "?" + at(max(0, l.Offset-limit))
	}
	l.List = l.List[l.Offset:]
	if len(l.List) > limit {
		l.List = l.List[:limit]
		l.Next = "?" + at(l.Offset+limit)
	}
}

func intOf(s string, def int) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return def
}

// limitOf is how many rows a request wants, within bounds.
func limitOf(q url.Values) int { return min(max(intOf(q.Get("limit"), maxPage), 1), 500) }

// maxSearched is how many alerts of a target a filter looks at.
const maxSearched = 2000

// listAlerts gives the alerts that a query selects, newest first.
func listAlerts(r *request) (listing[beamlens.Alert], error) {
	q := r.URL.Query()
	l := listing[beamlens.Alert]{Query: q.Get("q"), Severity: q.Get("severity"), Operator: q.Get("operator"), Status: q.Get("status"), Open: q.Get("open") != "", Many: len(r.dashboard.all()) > 1}
	limit := limitOf(q)
	// What the store does not filter is filtered here, over more of them.
	read := max(intOf(q.Get("offset"), 0), 0) + limit + 1
	if l.Query != "" || l.Severity != "" {
		read = maxSearched
	}
	for _, s := range r.sources() {
		list, err := s.Store.Alerts(r.Context(), beamlens.AlertFilter{Target: s.Target, Operator: l.Operator, Status: beamlens.AlertStatus(l.Status), Open: l.Open, Limit: min(read, maxSearched)})
		if err != nil {
			return l, err
		}
		for _, a := range list {
			if (l.Severity == "" || l.Severity == string(a.Severity)) && has(l.Query, a.ID, a.AnomalyType, words(a.AnomalyType), a.Summary, a.Observation, a.Hypothesis, a.Operator, culpritText(a.Culprit)) {
				l.List = append(l.List, a)
			}
		}
		for _, o := range stateOf(r.Context(), s).Operators {
			l.Names = appendNew(l.Names, o.Name)
		}
	}
	slices.SortStableFunc(l.List, func(a, b beamlens.Alert) int { return b.DetectedAt.Compare(a.DetectedAt) })
	l.page(q, limit)
	return l, nil
}

func culpritText(c *beamlens.Culprit) string {
	if c == nil {
		return ""
	}
	return c.Kind + " " + c.String()
}

// has says whether every word of a query is in one of the texts.
func has(query string, texts ...string) bool {
	all := strings.ToLower(strings.Join(texts, "\n"))
	for _, w := range strings.Fields(strings.ToLower(query)) {
		if !strings.Contains(all, w) {
			return false
		}
	}
	return true
}

func (d *Dashboard) alerts(r *request) (any, error) {
	l, err := listAlerts(r)
	if err != nil {
		return nil, err
	}
	return shown{"alerts", "Alerts", "alerts", l}, nil
}

func (d *Dashboard) setStatus(r *request) (string, error) {
	status, err := statusOf(r)
	if err != nil {
		return "", err
	}
	a, s, err := r.alert(r.Context(), r.PathValue("id"))
	if err != nil {
		return "", err
	}
	by, now := d.user(r.Request), clockNow()
	a, err = s.Store.UpdateAlert(r.Context(), a.ID, func(a *beamlens.Alert) { a.SetStatus(status, by, now) })
	if err != nil {
		return "", err
	}
	d.changed(a, by)
	return "alerts" + backTo(r), nil
}

// backTo is the query of the list that a form was on.
func backTo(r *request) string {
	if q, err := url.ParseQuery(r.FormValue("back")); err == nil && len(q) > 0 {
		return "?" + q.Encode()
	}
	return ""
}

// listInsights gives the insights that a query selects, newest first, each as the incident it is about.
func listInsights(r *request) (listing[beamlens.Insight], error) {
	q := r.URL.Query()
	l := listing[beamlens.Insight]{Query: q.Get("q"), Verdict: q.Get("verdict"), Many: len(r.dashboard.all()) > 1}
	for _, s := range r.sources() {
		list, err := s.Store.Insights(r.Context(), maxSearched, 0)
		if err != nil {
			return l, err
		}
		for _, i := range list {
			if i.Target == s.Target && verdictIs(l.Verdict, i) && has(l.Query, i.ID, i.Summary, i.RootCauseHypothesis, string(i.CorrelationType), culpritText(i.Culprit), strings.Join(i.Path, " ")) {
				l.List = append(l.List, i)
			}
		}
	}
	slices.SortStableFunc(l.List, func(a, b beamlens.Insight) int { return b.CreatedAt.Compare(a.CreatedAt) })
	l.page(q, limitOf(q))
	return l, nil
}

func verdictIs(want string, i beamlens.Insight) bool {
	switch want {
	case "":
		return true
	case "right", "wrong":
		return i.Feedback != nil && i.Feedback.Right == (want == "right")
	case "unjudged":
		return i.Feedback == nil
	}
	return i.Outcome != nil && string(i.Outcome.Verdict) == want
}

func (d *Dashboard) insights(r *request) (any, error) {
	l, err := listInsights(r)
	if err != nil {
		return nil, err
	}
	return shown{"insights", "Insights", "insights", l}, nil
}
