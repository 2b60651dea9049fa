package detect

import "time"

// Budget keeps the alarms of several detectors near a rate, whatever the metrics do: each alarm makes the next less likely, and time makes it
// likelier again (Gibbs and Candès 2021). It never lowers a threshold below its constant. Rules and limits are not bound by it. The detectors
// that share one must be stepped by one goroutine.
type Budget struct {
	perStep float64 // alarms that are allowed
	raise   float64 // of thresholds, in evidence: powers of ten
}

// The gain of the budget: an alarm makes the next ten to this power rarer.
const budgetGain = 0.5

// NewBudget returns a budget of so many alarms a week for so many metrics that are sampled at this interval.
func NewBudget(perWeek float64, metrics int, interval time.Duration) *Budget {
	steps := (7 * 24 * time.Hour).Seconds() / interval.Seconds() * float64(max(metrics, 1))
	return &Budget{perStep: max(perWeek, 0) / steps}
}

func (b *Budget) step() {
	if b != nil && b.raise > 0 {
		b.raise = max(0, b.raise-budgetGain*b.perStep)
	}
}

func (b *Budget) alarm() {
	if b != nil {
		b.raise += budgetGain
	}
}

// threshold is what a score must exceed to be an alarm.
func (b *Budget) threshold(constant float64) float64 {
	if b == nil {
		return constant
	}
	return constant + b.raise
}
