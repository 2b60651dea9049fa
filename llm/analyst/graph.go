package analyst

import (
	"slices"
)

// graph is the declared causal graph: for each metric, where it leads to.
type graph map[string][]edge

func graphOf(edges []edge) graph {
	g := graph{}
	for _, e := range edges {
		g[e.From] = append(g[e.From], e)
	}
	return g
}

// way gives the shortest path between two metrics, nil if there is none.
func (g graph) way(from, to string) []string {
	before := map[string]string{from: from}
	queue := []string{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if at == to && at != from {
			path := []string{to}
			for at != from {
				at = before[at]
				path = append(path, at)
			}
			slices.Reverse(path)
			if len(path) > longestWay {
				return nil
			}
			return path
		}
		for _, e := range g[at] {
			if _, seen := before[e.To]; !seen {
				before[e.To] = at
				queue = append(queue, e.To)
			}
		}
	}
	return nil
}

// leads says whether one alert can have led to the other: a path from a metric of the first to one of the second, and the
// effect did not begin before the cause by more than the uncertainty.
func (g graph) leads(cause, effect alert) ([]string, bool) {
	var best []string
	for _, a := range cause.Metrics {
		for _, b := range effect.Metrics {
			path := g.way(a.Metric, b.Metric)
			if path == nil || (best != nil && len(path) >= len(best)) {
				continue
			}
			if a.Onset.Sub(b.Onset).Seconds() > a.Uncertainty+b.Uncertainty+1 {
				continue
			}
			best = path
		}
	}
	return best, best != nil
}

// explained says whether another alert can have led to this one.
func (g graph) explained(a alert, alerts []alert) bool {
	for _, other := range alerts {
		if other.ID == a.ID || !overlap(other, a) {
			continue
		}
		if _, ok := g.rather(other, a); ok {
			return true
		}
	}
	return false
}

// rather says whether one alert can have led to the other, and not the other way round. Where the graph has a cycle, the way that passes over
// less that no alert shows is the likelier, and of two that are alike that of the earlier one.
func (g graph) rather(cause, effect alert) ([]string, bool) {
	path, ok := g.leads(cause, effect)
	if !ok {
		return nil, false
	}
	back, ok := g.leads(effect, cause)
	if ok && (len(back) < len(path) || len(back) == len(path) && !cause.Onset.Before(effect.Onset)) {
		return nil, false
	}
	return path, true
}

// reasons gives the words of the edges along a path.
func (g graph) reasons(path []string) []string {
	var out []string
	for i := 1; i < len(path); i++ {
		for _, e := range g[path[i-1]] {
			if e.To == path[i] && e.Why != "" {
				out = append(out, e.Why)
			}
		}
	}
	return out
}

// siblings relates what the causal claims left over: alerts with a common ancestor that shows in no alert, or that only began
// together.
func (g graph) siblings(alerts []alert, used, anomalous map[string]bool) []claim {
	var claims []claim
	for i, a := range alerts {
		if used[a.ID] {
			continue
		}
		group := claim{kind: "temporal", confidence: "low", alerts: []alert{a}}
		for _, b := range alerts[i+1:] {
			if used[b.ID] || b.Onset.Sub(a.Onset).Abs() > together || !overlap(a, b) {
				continue
			}
			if x := g.ancestor(a, b, anomalous); x != "" {
				group.kind, group.confidence = "symptomatic", "medium"
				group.path = append(group.path, x)
				group.gaps = append(group.gaps, x+" was not alerted, or not read")
			}
			group.alerts = append(group.alerts, b)
		}
		if len(group.alerts) > 1 {
			for _, b := range group.alerts {
				used[b.ID] = true
			}
			claims = append(claims, group)
		}
	}
	return claims
}

// ancestor gives a metric that leads to both alerts and that is not anomalous itself.
func (g graph) ancestor(a, b alert, anomalous map[string]bool) string {
	reaches := func(from string, to alert) bool {
		return slices.ContainsFunc(to.Metrics, func(m metric) bool { return g.way(from, m.Metric) != nil })
	}
	names := make([]string, 0, len(g))
	for name := range g {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, x := range names {
		if !anomalous[x] && reaches(x, a) && reaches(x, b) {
			return x
		}
	}
	return ""
}
