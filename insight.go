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
	CauseAlertID string   `json:"cause_alert_id,omitempty"` // of the alert that led to the others
	Cause        string   `json:"cause,omitempty"`          // its type and culprit: what a cause of another time is the same by
	Path         []string `json:"path,omitempty"`           // metrics from cause to effect
	Evidence     []string `json:"evidence,omitempty"`       // what the statement rests on, a line each
	EvidenceIDs  []string `json:"evidence_ids,omitempty"`   // of the snapshots that show it
	Alternatives []string `json:"alternatives,omitempty"`   // what was ruled out, and by what
	Gaps         []string `json:"gaps,omitempty"`           // what could not be read
	WouldChange  []string `json:"would_change,omitempty"`   // what would change the verdict
	TraceID      string   `json:"trace_id"`

	// Probability says how likely the culprit is right, from 0 to 1; Confidence is the word for it.
	Probability float64  `json:"probability"`
	Outcome     *Outcome `json:"outcome,omitempty"` // what became of it; nil: not known yet

	Feedback *Feedback `json:"feedback,omitempty"` // what a person says of it; nil: nobody has said anything
}

// Feedback is a person's word on an insight.
type Feedback struct {
	Right bool      `json:"right"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
	Note  string    `json:"note,omitempty"`
}

// Outcome says whether what happened afterwards bore an insight out.
type Outcome struct {
	Verdict Verdict   `json:"verdict"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
}

// Verdict is how an insight turned out.
type Verdict string

// The verdicts.
const (
	Confirmed Verdict = "confirmed" // the cause went, and its effects went after it
	Withdrawn Verdict = "withdrawn" // the effects stayed, or came back, without the cause
)

// The bounds between the confidences. What is over mostMedium has a fact in common, or was borne out.
const (
	mostMedium  = 0.8
	leastMedium = 0.5
)

// ConfidenceOf is the word for a probability.
func ConfidenceOf(p float64) Confidence {
	switch {
	case p > mostMedium:
		return High
	case p >= leastMedium:
		return Medium
	}
	return Low
}

// Lower is the next lower confidence.
func (c Confidence) Lower() Confidence {
	if c == High {
		return Medium
	}
	return Low
}

// Probability is what a confidence stands for where only the word is known.
func (c Confidence) Probability() float64 {
	switch c {
	case High:
		return 0.85
	case Medium:
		return 0.65
	}
	return 0.35
}

// MaxProbability is the most that a correlation of a kind can be trusted before it has been confirmed. sameCulprit says that cause and effect
// blame the same.
func (c Correlation) MaxProbability(sameCulprit bool) float64 {
	switch {
	case c == Causal && sameCulprit:
		return 0.9
	case c == Causal:
		return 0.8
	case c == Symptomatic:
		return 0.6
	}
	return 0.4
}

// ConfirmedProbability is that of an insight that was borne out.
const ConfirmedProbability = 0.95
