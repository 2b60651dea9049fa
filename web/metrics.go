package web

import (
	"slices"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// ranges are the windows that a chart can have.
var ranges = []struct {
	Name string
	Span time.Duration
}{{"5m", 5 * time.Minute}, {"1h", time.Hour}, {"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"30d", 30 * 24 * time.Hour}}

// metricsPage is the list of metrics, or one of them.
type metricsPage struct {
	Target beamlens.Target
	Metric *Metric // nil: the list
	Chart  chart
	Range  string
	Ranges []string
	Groups []metricGroup
	Found  []beamlens.Finding // that are open for it
	Near   []incident
	Query  string
	Edges  []beamlens.Edge // from and to it
}

type metricGroup struct {
	Skill   string
	Metrics []departed
}

// departed is a metric, and whether it departs from normal now.
type departed struct {
	Metric
	Level string
}

func skillOf(metric string) string {
	skill, _, _ := strings.Cut(metric, ".")
	return skill
}

func (d *Dashboard) metrics(r *request) (any, error) {
	s, err := r.source()
	if err != nil {
		return nil, err
	}
	state := stateOf(r.Context(), s)
	q := r.URL.Query()
	p := metricsPage{Target: s.Target, Range: q.Get("range"), Query: q.Get("q")}
	for _, x := range ranges {
		p.Ranges = append(p.Ranges, x.Name)
	}
	if !slices.Contains(p.Ranges, p.Range) {
		p.Range = "1h"
	}
	name := q.Get("metric")
	if name == "" {
		p.Groups = groups(state, p.Query)
		return shown{"metrics", "Metrics", "metrics", p}, nil
	}
	i := slices.IndexFunc(state.Metrics, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		return nil, notFound("There is no metric %s.", cut(80, name))
	}
	p.Metric = &state.Metrics[i]
	width := time.Hour
	for _, x := range ranges {
		if x.Name == p.Range {
			width = x.Span
		}
	}
	to := state.Now
	points, err := s.Reader.Series(r.Context(), name, to.Add(-width), to)
	if err != nil {
		return nil, err
	}
	from := to.Add(-width)
	if len(points) > 0 && points[0].At.After(from) && width <= time.Hour {
		from = points[0].At // what was not watched yet is no part of the picture
		if !to.After(from.Add(10 * time.Second)) {
			from = to.Add(-10 * time.Second)
		}
	}
	list, err := incidentsOf(r.Context(), s, false)
	if err != nil {
		return nil, err
	}
	var marks []mark
	before := to
	for _, i := range list {
		if m := marksOf(i, name); len(m) > 0 {
			marks = append(marks, m...)
			p.Near = append(p.Near, i)
			if m[0].At.Before(before) && m[0].At.After(from) {
				before = m[0].At
			}
		}
	}
	p.Near = p.Near[:min(len(p.Near), 8)]
	var usual *ordinary
	if o, ok := ordinaryOf(points, before.Add(-2*time.Second)); ok {
		usual = &o
	}
	p.Chart = draw(*p.Metric, name, points, from, to, marks[:min(len(marks), 12)], usual)
	for _, f := range state.Findings {
		if f.Skill+"."+f.Metric == name {
			p.Found = append(p.Found, f)
		}
	}
	for _, e := range state.Edges {
		if e.From == name || e.To == name {
			p.Edges = append(p.Edges, e)
		}
	}
	return shown{"metrics", name, "metrics", p}, nil
}

func groups(state State, query string) []metricGroup {
	level := map[string]string{}
	for _, f := range state.Findings {
		name := f.Skill + "." + f.Metric
		if f.Tier == beamlens.TierAlert || level[name] == "" {
			level[name] = f.Tier
		}
	}
	var out []metricGroup
	for _, m := range state.Metrics {
		if !has(query, m.Name, m.Doc, m.Unit) {
			continue
		}
		skill := skillOf(m.Name)
		i := slices.IndexFunc(out, func(g metricGroup) bool { return g.Skill == skill })
		if i < 0 {
			i = len(out)
			out = append(out, metricGroup{Skill: skill})
		}
		out[i].Metrics = append(out[i].Metrics, departed{m, level[m.Name]})
	}
	return out
}
