package analyst

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// claim is a group of alerts and how they belong together. alerts[0] is the cause, when there is one.
type claim struct {
	kind        string
	probability float64
	alerts      []alert
	path        []string
	why         []string
	evidence    []string
	gaps        []string
	ruledOut    []string
	changes     []string
	fresh       bool // at least one of the alerts is in no insight yet
}

// The bounds of correlation: what began within together belongs to one story unless the graph says more.
const (
	together   = 15 * time.Second
	longestWay = 6
)

// What speaks for a cause, with its weight, and how far a kind of claim can be trusted. The weights and caps are those of the reference
// (detection.md 1.2); the line from score to probability is checked against the scenarios by beamlens bench.
const (
	weightOrder     = 0.2 // it began before the effect
	weightShare     = 0.25
	weightExclusive = 0.2
	weightDeclared  = 0.2
	weightBorne     = 0.15

	orderUnknown = 0.6 // of the weight: they began together, within the uncertainty
	notExclusive = 0.5
	notDeclared  = 0.5

	scoreBase, scoreSlope = 0.35, 0.65

	capCausal, capIdentity, capSymptomatic, capTemporal = 0.8, 0.9, 0.6, 0.4
	capBroken                                           = 0.7 // something on the way shows no departure

	enough = 0.5 // of the effect: what explains less is no cause alone
)

// correlate groups alerts: first by cause and effect over the graph, then by a common cause, then by time alone.
func (in coordinatorInput) correlate(alerts []alert) []claim {
	g := graphOf(in.Edges)
	used := map[string]bool{}
	var claims []claim
	for _, a := range alerts {
		if slices.Contains(ends, a.Type) {
			used[a.ID] = true
			claims = append(claims, end(a))
		}
	}
	for _, cause := range alerts {
		if used[cause.ID] || g.explained(cause, alerts) {
			continue
		}
		if c, ok := in.causal(g, alerts, used, cause, g.rather); ok {
			claims = append(claims, c)
		}
	}
	// What is left may go round in a circle, in which each explains the next: then who has the shortest ways to the others is the cause.
	for {
		cause, ok := g.hub(alerts, used)
		if !ok {
			break
		}
		c, ok := in.causal(g, alerts, used, cause, g.leads)
		if !ok {
			break // untested: a hub leads to others
		}
		claims = append(claims, c)
	}
	claims = append(claims, in.siblings(g, alerts, used)...)
	for i := range claims {
		claims[i].fresh = slices.ContainsFunc(claims[i].alerts, func(a alert) bool { return a.Status != "resolved" })
	}
	return claims
}

// ends are the types of alerts that tell how something ended, and why. Such a one is a whole story: what it led to is that nothing more is to be seen.
var ends = []string{"crash"}

func end(a alert) claim {
	c := claim{kind: "causal", probability: capCausal, alerts: []alert{a}, changes: []string{"What the system's log says of the end of the process would change it."}}
	switch a.Confidence {
	case "high":
		c.probability = capIdentity
	case "low":
		c.probability = capTemporal
	}
	for _, text := range []string{a.Observation, a.Context} {
		if text != "" {
			c.evidence = append(c.evidence, text)
		}
	}
	return c
}

// causal makes the claim that an alert led to all that a way leads to, and marks them as used.
func (in coordinatorInput) causal(g graph, alerts []alert, used map[string]bool, cause alert, way func(cause, effect alert) ([]string, bool)) (claim, bool) {
	c := claim{kind: "causal", alerts: []alert{cause}, probability: 1}
	for _, effect := range alerts {
		if effect.ID == cause.ID || used[effect.ID] || !overlap(cause, effect) {
			continue
		}
		if path, ok := way(cause, effect); ok {
			c.take(in.judge(g, alerts, cause, effect, path), g)
		}
	}
	if len(c.alerts) == 1 {
		return c, false
	}
	for _, a := range c.alerts {
		used[a.ID] = true
	}
	in.explain(&c, g, alerts)
	return c, true
}

// link is one cause and one effect, and what speaks for it.
type link struct {
	effect      alert
	path        []string
	probability float64
	evidence    []string
	gaps        []string
}

// judge weighs what speaks for one alert as the cause of another.
func (in coordinatorInput) judge(g graph, alerts []alert, cause, effect alert, path []string) link {
	l := link{effect: effect, path: path}
	score, most := 0.0, capCausal
	if same(cause, effect) {
		most = capIdentity
		l.evidence = append(l.evidence, fmt.Sprintf("%s and %s name the same culprit: %s.", cause.Type, effect.Type, cause.Culprit))
	}
	share, text, known := g.share(cause, effect, path)
	switch {
	case known:
		score += weightShare * min(share, 1)
		l.evidence = append(l.evidence, text)
		if share < enough {
			most = min(most, capBroken)
		}
	case cause.Culprit != nil:
		l.gaps = append(l.gaps, fmt.Sprintf("how much of %s comes from %s", effect.Type, cause.Culprit))
	}
	order, known := orderOf(cause, effect)
	l.evidence = append(l.evidence, order)
	score += weightOrder * pick(known, 1, orderUnknown)
	score += weightExclusive * pick(len(g.causes(effect, alerts)) == 1, 1, notExclusive)
	score += weightDeclared * pick(declared(cause) && declared(effect), 1, notDeclared)
	if slices.Contains(in.Borne, cause.fingerprint()) {
		score += weightBorne
		l.evidence = append(l.evidence, fmt.Sprintf("An earlier insight that blamed %s for %s was borne out.", cause.Culprit, cause.Type))
	}
	for _, m := range path[1 : len(path)-1] {
		if in.watched(m) && !slices.Contains(in.Readings.Departed, m) && !alerted(alerts, m) {
			most = min(most, capBroken)
			l.gaps = append(l.gaps, m+", on the way, showed no departure")
		}
	}
	l.probability = min(most, scoreBase+scoreSlope*score)
	return l
}

func pick(is bool, yes, no float64) float64 {
	if is {
		return yes
	}
	return no
}

// take adds an effect to a causal claim. The claim is as likely as its least likely link.
func (c *claim) take(l link, g graph) {
	c.alerts = append(c.alerts, l.effect)
	c.probability = min(c.probability, l.probability)
	if len(l.path) > len(c.path) {
		c.path, c.why = l.path, g.reasons(l.path)
	}
	c.evidence = append(c.evidence, l.evidence...)
	c.gaps = append(c.gaps, l.gaps...)
}

// Of each kind of explanation at most so many are told.
const mostTold = 4

// explain adds what else it could have been, what was not read, and what would change the verdict.
func (in coordinatorInput) explain(c *claim, g graph, alerts []alert) {
	cause := c.alerts[0]
	first := c.alerts[1]
	for _, other := range alerts {
		if slices.ContainsFunc(c.alerts, func(a alert) bool { return a.ID == other.ID }) || !near(other, first) {
			continue
		}
		c.ruledOut = append(c.ruledOut, other.Type+" as the cause of "+first.Type+": "+g.against(other, first))
	}
	for _, effect := range c.alerts[1:] {
		c.ruledOut = append(c.ruledOut, effect.Type+" as the cause of "+cause.Type+": "+g.against(effect, cause))
	}
	c.ruledOut = c.ruledOut[:min(len(c.ruledOut), mostTold)]
	told := 0
	for _, m := range g.into(first, c.path) {
		switch {
		case told == mostTold || alerted(alerts, m) || slices.Contains(in.Readings.Departed, m):
			continue
		case in.watched(m):
			c.ruledOut = append(c.ruledOut, m+", which can lead to "+first.Type+" too: it did not depart")
		case len(in.Readings.Watched) > 0:
			c.gaps = append(c.gaps, m+", which can lead to "+first.Type+" too")
		default:
			continue
		}
		told++
	}
	who := cause.Type
	if cause.Culprit != nil {
		who = cause.Culprit.String()
	}
	c.changes = append(c.changes, fmt.Sprintf("If %s goes on after %s has ended, %s is not the cause, or not alone.", first.Type, cause.Type, who))
	if len(c.gaps) > 0 {
		c.changes = append(c.changes, "It may look different when this is known: "+c.gaps[0]+".")
	}
	if order, known := orderOf(cause, first); !known {
		c.changes = append(c.changes, "The order is not known: "+order)
	}
}

// watched says whether the metric's skill is watched and could be read.
func (in coordinatorInput) watched(metric string) bool {
	id, _, _ := strings.Cut(metric, ".")
	return slices.Contains(in.Readings.Watched, id) && !slices.Contains(in.Readings.Unread, id)
}

func alerted(alerts []alert, metric string) bool {
	return slices.ContainsFunc(alerts, func(a alert) bool { return a.has(metric) })
}

func (a alert) has(metric string) bool {
	for _, m := range a.Metrics {
		if m.Metric == metric {
			return true
		}
	}
	return false
}

// fingerprint is what an alert of another time is the same by.
func (a alert) fingerprint() string {
	if a.Culprit == nil {
		return a.Type
	}
	return a.Type + " " + a.Culprit.key()
}

func same(a, b alert) bool {
	return a.Culprit != nil && b.Culprit != nil && a.Culprit.key() == b.Culprit.key()
}

// declared says whether a rule or a limit says that something is wrong, and not statistics alone.
func declared(a alert) bool {
	return slices.ContainsFunc(a.Metrics, func(m metric) bool { return m.Kind == "rule" || m.Kind == "limit" || m.Kind == "growth" })
}

// nearby is how far apart two alerts may begin to be told of together.
const nearby = 10 * time.Minute

func near(a, b alert) bool { return a.Onset.Sub(b.Onset).Abs() < nearby }

// orderOf tells which began first, and whether that is known: whether the gap exceeds the uncertainty of both.
func orderOf(cause, effect alert) (string, bool) {
	gap := effect.Onset.Sub(cause.Onset)
	if gap.Abs().Seconds() <= unsure(cause)+unsure(effect) {
		return fmt.Sprintf("%s and %s began within %.1f s of each other, which is within the uncertainty.", cause.Type, effect.Type, gap.Abs().Seconds()), false
	}
	return fmt.Sprintf("%s began %.1f s before %s.", cause.Type, gap.Seconds(), effect.Type), true
}

// unsure is the uncertainty of an alert's onset in seconds.
func unsure(a alert) float64 {
	u := 1.0
	for _, m := range a.Metrics {
		u = max(u, m.Uncertainty)
	}
	return u
}

// overlap says whether both lasted at one time.
func overlap(a, b alert) bool {
	return (a.ClearedAt == nil || a.ClearedAt.After(b.Onset)) && (b.ClearedAt == nil || b.ClearedAt.After(a.Onset))
}

func (c claim) args() object {
	args := object{"correlation_type": c.kind, "confidence": confidence(c.probability), "probability": math.Round(100*c.probability) / 100, "summary": c.summary()}
	ids := make([]string, len(c.alerts))
	var shown []string
	for i, a := range c.alerts {
		ids[i] = a.ID
		shown = append(shown, a.Snapshots...)
	}
	slices.Sort(shown)
	args["alert_ids"] = ids
	if c.kind == "causal" {
		args["root_cause_hypothesis"] = c.alerts[0].Summary
		args["cause_alert_id"] = c.alerts[0].ID
	}
	for key, list := range map[string][]string{
		"path": c.path, "evidence": c.evidence, "evidence_ids": slices.Compact(shown), "gaps": c.gaps, "alternatives": c.ruledOut, "would_change": c.changes,
	} {
		if len(list) > 0 {
			args[key] = list
		}
	}
	return args
}

// confidence is the word for a probability.
func confidence(p float64) string {
	switch {
	case p > capCausal:
		return "high"
	case p >= 0.5:
		return "medium"
	}
	return "low"
}

func (c claim) summary() string {
	names := make([]string, len(c.alerts))
	for i, a := range c.alerts {
		names[i] = a.Type
	}
	if len(c.alerts) == 1 {
		return c.alerts[0].Summary
	}
	switch c.kind {
	case "causal":
		who := "an unknown culprit"
		if c.alerts[0].Culprit != nil {
			who = c.alerts[0].Culprit.String()
		}
		s := fmt.Sprintf("%s led to %s. To blame: %s.", names[0], strings.Join(names[1:], " and "), who)
		for _, why := range c.why {
			s += " " + strings.ToUpper(why[:1]) + why[1:] + "."
		}
		return s
	case "symptomatic":
		return fmt.Sprintf("%s are symptoms of one cause that no alert shows: %s.", strings.Join(names, " and "), strings.Join(c.path, ", "))
	}
	return fmt.Sprintf("%s began together; no link between them is known.", strings.Join(names, " and "))
}
