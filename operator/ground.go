package operator

import (
	"fmt"
	"strings"

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
	if a.Culprit != nil {
		for name, fact := range a.Culprit.Facts {
			if raw, err := agent.Encode(fact); err != nil || !r.record.Read(string(raw)) {
				delete(a.Culprit.Facts, name)
				dropped++
				r.event(beamlens.EventUngrounded, r.trace, map[string]any{"dropped": 1, "first": name})
			}
		}
	}
	if dropped > 0 {
		a.Confidence = a.Confidence.Lower()
	}
	return nil
}

// symbol makes a type of alert what it is meant to be, a name in snake_case: it is shown and compared everywhere, and is not checked as prose is.
func symbol(s string) string {
	const longest = 64
	var b strings.Builder
	for _, c := range strings.ToLower(strings.TrimSpace(s)) {
		switch {
		case b.Len() >= longest:
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	return strings.Trim(b.String(), "_")
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
