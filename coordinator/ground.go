package coordinator

import (
	"fmt"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
)

// ground drops the sentences of an insight that say what was not read in this run: in its alerts, or by tools. What is left must still say
// something; an insight of which a part was dropped is trusted less.
func (r *run) ground(i *beamlens.Insight, alerts []beamlens.Alert) error {
	if err := r.stands(i); err != nil {
		return err
	}
	r.derive(alerts)
	r.leads(i, alerts)
	wrong := r.record.Ungrounded(i.Summary)
	dropped := r.prose(&i.Summary) + r.prose(&i.RootCauseHypothesis)
	for _, list := range []*[]string{&i.Evidence, &i.Alternatives, &i.Gaps, &i.WouldChange} {
		var kept []string
		for _, line := range *list {
			if dropped += r.prose(&line); line != "" {
				kept = append(kept, line)
			}
		}
		*list = kept
	}
	if i.Summary == "" {
		return fmt.Errorf("the summary says %.60q, which no alert and no tool has; state only what was read", wrong)
	}
	if dropped > 0 {
		i.Confidence = i.Confidence.Lower()
		i.Probability = min(i.Probability, i.Confidence.Probability())
	}
	return nil
}

// derive takes as read what is in the alerts, and what follows from it: how far metrics grew, and how long after each other they began.
func (r *run) derive(alerts []beamlens.Alert) {
	for i, a := range alerts {
		if raw, err := agent.Encode(view(a)); err == nil {
			r.record.Saw(string(raw))
		}
		for _, f := range a.Findings {
			r.record.SawNumbers(f.Value-f.Ordinary, f.Uncertainty.Seconds())
			if f.Ordinary != 0 {
				r.record.SawNumbers(f.Value/f.Ordinary, f.Value/f.Ordinary-1)
			}
		}
		for _, b := range alerts[:i] {
			r.record.SawNumbers(a.Onset.Sub(b.Onset).Seconds())
		}
	}
	r.record.SawNumbers(float64(len(alerts)))
}

// prose drops what was not read from a text, and tells how many sentences that were.
func (r *run) prose(text *string) int {
	wrong := r.record.Ungrounded(*text)
	kept, dropped := r.record.Prose(*text)
	if dropped > 0 {
		r.event(beamlens.EventUngrounded, r.trace, map[string]any{"dropped": dropped, "first": wrong})
	}
	*text = kept
	return dropped
}
