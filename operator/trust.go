package operator

import (
	"fmt"
	"slices"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/llm"
)

// How long a model is not asked after a run in which it had to be taken over from; it doubles with each such run in a row. So a model that
// fails costs one run of patience, and the next finding is looked at without it.
const (
	minDistrust = time.Minute
	maxDistrust = 16 * time.Minute
)

// trusted gives the model, nil while it is not to be asked.
func (o *Operator) trusted() llm.Model {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.Model == nil || o.Fallback != nil && o.Clock.Now().Before(o.distrust) {
		return nil
	}
	return o.Model
}

// judge takes how a run with the model went.
func (o *Operator) judge(outcome agent.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.Clock.Now()
	switch {
	case o.Model == nil || now.Before(o.distrust):
	case outcome.TookOver == "":
		o.strikes = 0
	default:
		o.distrust = now.Add(min(minDistrust<<min(o.strikes, 10), maxDistrust))
		o.strikes++
	}
}

// unmet says which of the new findings a model has left without an alert. What it says of them does not count: text that it read may
// have told it to.
func (r *run) unmet(any) string {
	open := r.Watch.Open()
	for _, f := range r.owed {
		lasts := slices.ContainsFunc(open, func(g beamlens.Finding) bool { return g.ID == f.ID })
		if lasts && r.owes(f) {
			return fmt.Sprintf("the model ended without an alert for %s", f.Metric)
		}
	}
	return ""
}

// owes says whether a new finding of the input has no alert yet.
func (r *run) owes(f beamlens.Finding) bool {
	return slices.ContainsFunc(r.owed, func(g beamlens.Finding) bool { return g.ID == f.ID }) &&
		!slices.ContainsFunc(r.fired, func(a beamlens.Alert) bool { return covers(a, f) })
}

func covers(a beamlens.Alert, f beamlens.Finding) bool {
	return slices.ContainsFunc(a.Findings, func(g beamlens.Finding) bool { return g.Metric == f.Metric && g.Kind == f.Kind && g.Rule == f.Rule })
}
