package web

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// api adds the JSON API. See the package documentation.
func (d *Dashboard) api(m *http.ServeMux) {
	for pattern, f := range map[string]func(*request) (any, error){
		"overview":       func(r *request) (any, error) { return d.targets(r) },
		"incidents":      func(r *request) (any, error) { return r.incidents(r.Context(), r.URL.Query().Get("open") != "") },
		"incidents/{id}": d.incidentJSON,
		"alerts":         func(r *request) (any, error) { l, err := listAlerts(r); return l.List, err },
		"alerts/{id}":    func(r *request) (any, error) { a, _, err := r.alert(r.Context(), r.PathValue("id")); return a, err },
		"insights":       func(r *request) (any, error) { l, err := listInsights(r); return l.List, err },
		"operators":      d.operatorsJSON,
		"runs":           d.runsJSON,
		"runs/{id}":      d.runJSON,
		"metrics":        d.metricsJSON,
		"series":         d.seriesJSON,
		"events":         func(*request) (any, error) { list, _ := d.feed.after(0, maxHappened); return list, nil },
		"export":         d.export,
	} {
		m.HandleFunc("GET /api/v1/"+pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(&request{Request: r, dashboard: d, target: r.URL.Query().Get("target")})
			if err != nil {
				d.fail(w, r, err)
				return
			}
			if pattern == "export" {
				w.Header().Set("Content-Disposition", `attachment; filename="beamlens.json"`)
			}
			writeJSON(w, http.StatusOK, v)
		})
	}
	m.HandleFunc("POST /api/v1/alerts/{id}/status", d.changeJSON(func(r *request) (any, error) {
		if _, err := d.setStatus(r); err != nil {
			return nil, err
		}
		a, _, err := r.alert(r.Context(), r.PathValue("id"))
		return a, err
	}))
	m.HandleFunc("POST /api/v1/insights/{id}/feedback", d.changeJSON(func(r *request) (any, error) {
		if _, err := d.setFeedback(r); err != nil {
			return nil, err
		}
		i, _, err := r.find(r.Context(), r.PathValue("id"))
		return i.Insight, err
	}))
	m.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		d.fail(w, r, notFound("There is no such resource, or not with this method."))
	})
}

// changeJSON answers a POST with what is there then. Its values may come as a form or as JSON.
func (d *Dashboard) changeJSON(f func(*request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
			var values map[string]any
			if err := json.NewDecoder(r.Body).Decode(&values); err != nil {
				d.fail(w, r, badRequest("That is no JSON object: %v", err))
				return
			}
			r.Form = url.Values{}
			for k, v := range values {
				if text, ok := v.(string); ok {
					r.Form.Set(k, text)
				} else {
					r.Form.Set(k, fmt.Sprint(v))
				}
			}
		}
		v, err := f(&request{Request: r, dashboard: d, target: r.FormValue("target")})
		if err != nil {
			d.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, v)
	}
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	raw, err := encode(v)
	if err != nil {
		code, raw = http.StatusInternalServerError, []byte(`{"error":"this cannot be encoded"}`)
	}
	if string(raw) == "null" {
		raw = []byte("[]") // a list that is empty
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(raw, '\n')) // who has gone needs nothing
}

func (d *Dashboard) incidentJSON(r *request) (any, error) {
	i, s, err := r.find(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return d.incidentPage(r.Context(), i, s), nil
}

// operatorsOf is what the operators of a target are doing.
type operatorsOf struct {
	Target      beamlens.Target `json:"target"`
	Operators   []Operator      `json:"operators"`
	Coordinator Coordinator     `json:"coordinator"`
}

func (d *Dashboard) operatorsJSON(r *request) (any, error) {
	var out []operatorsOf
	for _, s := range r.sources() {
		state := stateOf(r.Context(), s)
		out = append(out, operatorsOf{s.Target, state.Operators, state.Coordinator})
	}
	return out, nil
}

func (d *Dashboard) runsJSON(r *request) (any, error) {
	var out []Run
	for _, s := range r.sources() {
		if s.Reader == nil {
			continue
		}
		list, err := s.Reader.Runs(r.Context(), r.URL.Query().Get("operator"), limitOf(r.URL.Query()))
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

func (d *Dashboard) runJSON(r *request) (any, error) {
	got, err := d.run(r)
	if err != nil {
		return nil, err
	}
	p, _ := got.(shown)
	page, _ := p.body.(runPage)
	return page.Turns, nil
}

// metricsOf is the newest of all metrics of a target.
type metricsOf struct {
	Target   beamlens.Target    `json:"target"`
	Metrics  []Metric           `json:"metrics"`
	Findings []beamlens.Finding `json:"findings"`
}

func (d *Dashboard) metricsJSON(r *request) (any, error) {
	var out []metricsOf
	for _, s := range r.sources() {
		state := stateOf(r.Context(), s)
		out = append(out, metricsOf{s.Target, state.Metrics, state.Findings})
	}
	return out, nil
}

func (d *Dashboard) seriesJSON(r *request) (any, error) {
	s, err := r.source()
	if err != nil {
		return nil, err
	}
	state, q := stateOf(r.Context(), s), r.URL.Query()
	if !slices.ContainsFunc(state.Metrics, func(m Metric) bool { return m.Name == q.Get("metric") }) {
		return nil, notFound("There is no metric %s.", cut(80, q.Get("metric")))
	}
	to, from := state.Now, state.Now.Add(-time.Hour)
	for name, t := range map[string]*time.Time{"from": &from, "to": &to} {
		if text := q.Get(name); text != "" {
			if *t, err = time.Parse(time.RFC3339, text); err != nil {
				return nil, badRequest("%s must be a time as 2006-01-02T15:04:05Z.", name)
			}
		}
	}
	return s.Reader.Series(r.Context(), q.Get("metric"), from, to)
}

// exported is all that is kept of alerts and insights.
type exported struct {
	At       time.Time          `json:"at"`
	Alerts   []beamlens.Alert   `json:"alerts"`
	Insights []beamlens.Insight `json:"insights"`
	Cut      bool               `json:"cut"` // there is more: narrow it by target
}

// maxExported is the most alerts of a target that one export has.
const maxExported = 10_000

func (d *Dashboard) export(r *request) (any, error) {
	out := exported{At: clockNow(), Alerts: []beamlens.Alert{}, Insights: []beamlens.Insight{}}
	for _, s := range r.sources() {
		alerts, err := s.Store.Alerts(r.Context(), beamlens.AlertFilter{Target: s.Target, Limit: maxExported})
		if err != nil {
			return nil, err
		}
		insights, err := s.Store.Insights(r.Context(), maxExported, 0)
		if err != nil {
			return nil, err
		}
		out.Alerts = append(out.Alerts, alerts...)
		for _, i := range insights {
			if i.Target == s.Target {
				out.Insights = append(out.Insights, i)
			}
		}
		out.Cut = out.Cut || len(alerts) == maxExported || len(insights) == maxExported
	}
	return out, nil
}
