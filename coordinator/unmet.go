package coordinator

import (
	"context"
	"fmt"
	"slices"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// undecided is how long a model may put off an alert that is new.
const undecided = time.Minute

// unmet says what a model that ends a run has left undone: a question without an answer, an alert that it neither acknowledged nor
// explained.
func (r *run) unmet(ctx context.Context, question string, content any) string {
	if d, ok := content.(finished); ok && question != "" && d.Answer == "" {
		return "the model ended without an answer"
	}
	_, waits := content.(waited)
	alerts, err := r.recent(ctx)
	if err != nil || question != "" {
		return ""
	}
	now := r.Clock.Now()
	for _, a := range alerts {
		if a.Status == beamlens.Unread && (!waits || now.Sub(a.DetectedAt) > undecided) {
			return fmt.Sprintf("the model ended and left alert %s unread", a.ID)
		}
	}
	return ""
}

// stands refuses a model's insight that gives alerts another cause than the insight that explains them already.
func (r *run) stands(i *beamlens.Insight) error {
	if !r.second {
		return nil
	}
	for _, old := range r.remembered(r.Clock.Now()) {
		if old.CauseAlertID == "" || old.CauseAlertID == i.CauseAlertID || old.Outcome != nil && old.Outcome.Verdict == beamlens.Withdrawn {
			continue
		}
		if slices.ContainsFunc(old.AlertIDs, func(id string) bool { return slices.Contains(i.AlertIDs, id) }) {
			r.event(beamlens.EventContradicted, r.trace, map[string]any{"insight": old.ID, "verdict": old.Cause, "model": i.Cause})
			return fmt.Errorf("insight %s explains these alerts already, by alert %s; name that as cause_alert_id to add to it, and put what else may be into alternatives", old.ID, old.CauseAlertID)
		}
	}
	return nil
}

// leads makes sure that a causal insight has a way in the causal graph from the cause to each of its effects. One that has not is told for
// what is known: that they came together.
func (r *run) leads(i *beamlens.Insight, alerts []beamlens.Alert) {
	if i.CorrelationType != beamlens.Causal || i.CauseAlertID == "" {
		return
	}
	j := slices.IndexFunc(alerts, func(a beamlens.Alert) bool { return a.ID == i.CauseAlertID })
	if j < 0 {
		return
	}
	reached := map[string]bool{}
	var todo []string
	for _, f := range alerts[j].Findings {
		todo = append(todo, f.Skill+"."+f.Metric)
	}
	for len(todo) > 0 {
		m := todo[0]
		todo = todo[1:]
		if reached[m] {
			continue
		}
		reached[m] = true
		for _, e := range r.known.edges {
			if e.From == m {
				todo = append(todo, e.To)
			}
		}
	}
	for k, a := range alerts {
		way := slices.ContainsFunc(a.Findings, func(f beamlens.Finding) bool { return reached[f.Skill+"."+f.Metric] })
		if k == j || way || len(a.Findings) == 0 || len(alerts[j].Findings) == 0 {
			continue
		}
		i.CorrelationType, i.Culprit, i.Cause, i.CauseAlertID = beamlens.Temporal, nil, "", ""
		i.Probability = min(i.Probability, beamlens.Temporal.MaxProbability(false))
		i.Confidence = beamlens.ConfidenceOf(i.Probability)
		i.Gaps = append(i.Gaps, fmt.Sprintf("no way in the causal graph leads from %s to %s", alerts[j].AnomalyType, a.AnomalyType))
		return
	}
}
