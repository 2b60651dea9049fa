package beamlens

import "time"

// Correlation is how the alerts of an insight belong together.
type Correlation string

// The correlations.
const (
	Temporal    Correlation = "temporal"    // they started together; no known link
	Causal      Correlation = "causal"      // one led to the other
	Symptomatic Correlation = "symptomatic" // one hidden cause shows in all of them
)

// Confidence is how far an insight can be relied on.
type Confidence string

// The confidences.
const (
	High   Confidence = "high"
	Medium Confidence = "medium"
	Low    Confidence = "low"
)

// Insight is the coordinator's statement about one or more alerts.
type Insight struct {
	ID                  string      `json:"id"`
	Target              Target      `json:"target"`
	AlertIDs            []string    `json:"alert_ids"`
	CorrelationType     Correlation `json:"correlation_type"`
	Summary             string      `json:"summary"`
	RootCauseHypothesis string      `json:"root_cause_hypothesis,omitempty"`
	Confidence          Confidence  `json:"confidence"`
	CreatedAt           time.Time   `json:"created_at"`

	Culprit      *Culprit `json:"culprit,omitempty"`
	Path         []string `json:"path,omitempty"`         // metrics from cause to effect
	Evidence     []string `json:"evidence,omitempty"`     // what the statement rests on, a line each
	Alternatives []string `json:"alternatives,omitempty"` // what was ruled out, and by what
	Gaps         []string `json:"gaps,omitempty"`         // what could not be read
	TraceID      string   `json:"trace_id"`
}
