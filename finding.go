package beamlens

import "time"

// The kinds of a finding.
const (
	FindingRule   = "rule"   // a declared threshold is crossed
	FindingGrowth = "growth" // a declared growth is exceeded within its window
	FindingLimit  = "limit"  // a hard limit is in sight: near, or reached soon at the present rate
	FindingSpike  = "spike"  // far out for seconds
	FindingLevel  = "level"  // another level for minutes
	FindingFlat   = "flat"   // what moved all the time moves no more
	FindingLeak   = "leak"   // its floors rise for hours
)

// The tiers of a finding: only an alert-tier finding may wake an operator alone, a notable one is context.
const (
	TierNotable = "notable"
	TierAlert   = "alert"
)

// Finding is a detector's statement about one metric: it departed from what is ordinary or crossed what is declared.
type Finding struct {
	ID     string `json:"id"` // stable while the finding is open
	Target Target `json:"target"`
	Skill  string `json:"skill"`
	Metric string `json:"metric"`
	Unit   string `json:"unit,omitempty"`
	Kind   string `json:"kind"`
	Tier   string `json:"tier"`

	Value    float64 `json:"value"`              // what was read when it was found, or last
	Ordinary float64 `json:"ordinary"`           // what is ordinary, or the value before the onset
	Limit    float64 `json:"limit,omitempty"`    // the declared threshold or hard limit, if one was crossed
	Rate     float64 `json:"rate,omitempty"`     // change per second since the onset
	Score    float64 `json:"score"`              // how far out, larger is farther; kinds are not comparable
	Severity string  `json:"severity,omitempty"` // what the rule declares
	Rule     string  `json:"rule,omitempty"`     // the declaration in words: "message_queue_max > 10000"

	// For limits: seconds until it is reached, by the trend, by the steepest and by the flattest that is plausible. 0: not told.
	LimitIn     float64 `json:"limit_in_s,omitempty"`
	LimitInLow  float64 `json:"limit_in_low_s,omitempty"`
	LimitInHigh float64 `json:"limit_in_high_s,omitempty"`

	At          time.Time     `json:"at"`
	Onset       time.Time     `json:"onset"`
	Uncertainty time.Duration `json:"uncertainty_ns"` // the onset is within ± this
	ClearedAt   *time.Time    `json:"cleared_at,omitempty"`
}

// Cleared says whether the metric has returned.
func (f Finding) Cleared() bool { return f.ClearedAt != nil }
