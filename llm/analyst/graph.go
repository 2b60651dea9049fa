package analyst

import (
	"fmt"
	"math"
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

// hub gives, of the alerts that are in no claim yet and that another of them explains, the one that leads to the most others, on the shortest ways; of
// two that are alike the earlier.
func (g graph) hub(alerts []alert, used map[string]bool) (alert, bool) {
	var best alert
	reached, length := 0, 0
	for _, a := range alerts {
		if used[a.ID] {
			continue
		}
		n, sum := 0, 0
		for _, b := range alerts {
			if b.ID == a.ID || used[b.ID] || !overlap(a, b) {
				continue
			}
			if path, ok := g.leads(a, b); ok {
				n, sum = n+1, sum+len(path)
			}
		}
		if n > reached || n == reached && n > 0 && sum < length {
			best, reached, length = a, n, sum
		}
	}
	return best, reached > 0
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

// causes gives the alerts that can have led to this one.
func (g graph) causes(effect alert, alerts []alert) []alert {
	var out []alert
	for _, a := range alerts {
		if a.ID == effect.ID || !overlap(a, effect) {
			continue
		}
		if _, ok := g.rather(a, effect); ok && !same(a, effect) {
			out = append(out, a)
		} else if ok && !slices.ContainsFunc(out, func(b alert) bool { return same(a, b) }) {
			out = append(out, a) // of one culprit, one
		}
	}
	return out
}

// share says how much of the effect the cause explains: by the fact that an edge names, of the culprit of both, or by how much both have changed where
// their units are the same. A cause that is too small is none.
func (g graph) share(cause, effect alert, path []string) (share float64, text string, known bool) {
	to, ok := metricOf(effect, path[len(path)-1])
	grown := to.Value - to.Ordinary
	if !ok || grown <= 0 {
		return 0, "", false
	}
	if same(cause, effect) {
		for _, fact := range g.facts(path) {
			for _, c := range []*culprit{effect.Culprit, cause.Culprit} {
				if has, ok := c.Facts[fact].(float64); ok {
					return has / grown, fmt.Sprintf("%s has %s; %s grew by %s.", c, amount(has, to.Unit), to.Metric, amount(grown, to.Unit)), true
				}
			}
		}
	}
	from, ok := metricOf(cause, path[0])
	if own := from.Value - from.Ordinary; ok && from.Unit == to.Unit && to.Unit != "" && to.Unit != "%" && own > 0 {
		return own / grown, fmt.Sprintf("%s grew by %s, %s by %s.", from.Metric, amount(own, from.Unit), to.Metric, amount(grown, to.Unit)), true
	}
	return 0, "", false
}

func metricOf(a alert, name string) (metric, bool) {
	for _, m := range a.Metrics {
		if m.Metric == name {
			return m, true
		}
	}
	return metric{}, false
}

// facts gives the facts that the edges at the end of a path name.
func (g graph) facts(path []string) []string {
	var out []string
	for _, e := range g[path[len(path)-2]] {
		if e.To == path[len(path)-1] && e.Fact != "" {
			out = append(out, e.Fact)
		}
	}
	return out
}

// against says what speaks against an alert as the cause of another.
func (g graph) against(other, effect alert) string {
	if !overlap(other, effect) {
		if other.ClearedAt != nil && !other.ClearedAt.After(effect.Onset) {
			return "it had ended before"
		}
		return "it began after the other had ended"
	}
	back := g.shortest(effect, other)
	ahead := g.shortest(other, effect)
	switch {
	case ahead == nil && back != nil:
		return "the way is from " + effect.Type + " to it"
	case ahead == nil:
		return "no way leads from it"
	case back != nil && len(back) < len(ahead):
		return "the way back is shorter"
	}
	if late := other.Onset.Sub(effect.Onset).Seconds(); late > 0 {
		return fmt.Sprintf("it began %.1f s later", late)
	}
	return "another explains more"
}

// shortest is the shortest way between two alerts, whatever began first.
func (g graph) shortest(from, to alert) []string {
	var best []string
	for _, a := range from.Metrics {
		for _, b := range to.Metrics {
			if path := g.way(a.Metric, b.Metric); path != nil && (best == nil || len(path) < len(best)) {
				best = path
			}
		}
	}
	return best
}

// into gives the metrics that lead directly to an alert's, but for those on a path.
func (g graph) into(a alert, path []string) []string {
	var out []string
	for from, edges := range g {
		for _, e := range edges {
			if a.has(e.To) && !slices.Contains(path, from) && !slices.Contains(out, from) {
				out = append(out, from)
			}
		}
	}
	slices.Sort(out)
	return out
}

// siblings relates what the causal claims left over: alerts with a common ancestor that shows in no alert, or that only began
// together.
func (in coordinatorInput) siblings(g graph, alerts []alert, used map[string]bool) []claim {
	var claims []claim
	for i, a := range alerts {
		if used[a.ID] {
			continue
		}
		group := claim{kind: "temporal", probability: capTemporal, alerts: []alert{a}}
		for _, b := range alerts[i+1:] {
			if used[b.ID] || b.Onset.Sub(a.Onset).Abs() > together || !overlap(a, b) {
				continue
			}
			x := g.ancestor(a, b, func(m string) bool { return alerted(alerts, m) })
			switch {
			case x != "":
				group.kind, group.probability = "symptomatic", capSymptomatic
				group.path = append(group.path, x)
				group.gaps = append(group.gaps, x+in.hidden(x))
			case surprise(b) >= surprising:
				continue // it comes so often that it would have come anyway
			}
			group.alerts = append(group.alerts, b)
		}
		if len(group.alerts) > 1 {
			for _, b := range group.alerts {
				used[b.ID] = true
			}
			group.changes = []string{"A reading that links them, or one of them without the other, would change it."}
			claims = append(claims, group)
		}
	}
	return claims
}

// hidden says why nothing was alerted of a metric.
func (in coordinatorInput) hidden(metric string) string {
	switch {
	case in.watched(metric) && slices.Contains(in.Readings.Departed, metric):
		return " departed, but not so far that it was alerted"
	case in.watched(metric):
		return " was not alerted"
	}
	return " was not read"
}

// surprising is the most that the probability of a coincidence may be.
const surprising = 0.01

// surprise is the probability that an alert of this type comes within together of another by chance, from how often it came in the week before.
func surprise(a alert) float64 {
	perSecond := float64(a.Earlier) / (7 * 24 * 3600)
	return 1 - math.Exp(-perSecond*2*together.Seconds())
}

// ancestor gives a metric that leads to both alerts and that is not anomalous itself.
func (g graph) ancestor(a, b alert, anomalous func(string) bool) string {
	reaches := func(from string, to alert) bool {
		return slices.ContainsFunc(to.Metrics, func(m metric) bool { return g.way(from, m.Metric) != nil })
	}
	names := make([]string, 0, len(g))
	for name := range g {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, x := range names {
		if !anomalous(x) && reaches(x, a) && reaches(x, b) {
			return x
		}
	}
	return ""
}
