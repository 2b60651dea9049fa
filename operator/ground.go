package operator

import (
	"fmt"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
)

// derive takes as read what follows from the input: how far a metric grew and how many times its ordinary value it has, since when, and how
// many findings there are.
func (r *run) derive(in input) {
	now := r.Clock.Now()
	for n := range len(in.Findings) + 1 {
		r.record.SawNumbers(float64(n))
	}
	for _, v := range in.Findings {
		r.record.SawNumbers(v.Value - v.Ordinary)
		if v.Ordinary != 0 {
			r.record.SawNumbers(v.Value/v.Ordinary, v.Value/v.Ordinary-1)
		}
		if v.Limit != 0 {
			r.record.SawNumbers(v.Value/v.Limit, v.Limit-v.Value)
		}
	}
	for _, f := range r.Watch.Open() {
		r.record.SawNumbers(now.Sub(f.Onset).Seconds())
	}
}

// ground drops the sentences of a claim that say what was not read in this run. What is left of it must still say something; a claim of
// which a part was dropped is trusted less.
func (r *run) ground(a *beamlens.Alert) error {
	for _, s := range a.Snapshots {
		if raw, err := agent.Encode(s.Data); err == nil {
			r.record.Saw(string(raw))
		}
	}
	wrong := r.record.Ungrounded(a.Summary)
	dropped := 0
	for _, text := range []*string{&a.Summary, &a.Context, &a.Observation, &a.Hypothesis} {
		dropped += r.prose(text)
	}
	if a.Summary == "" {
		return fmt.Errorf("the summary says %.60q, which no tool returned in this run; state only what was read", wrong)
	}
	if dropped > 0 {
		a.Confidence = a.Confidence.Lower()
	}
	return nil
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
