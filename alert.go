package beamlens

import (
	"strings"
	"time"
)

// Severity is how bad an alert is.
type Severity string

// The severities.
const (
	SeverityInfo     Severity = "info"
	SeverityWarning  Severity = "warning"
	SeverityCritical Severity = "critical"
)

// Health is an operator's assessment of its field.
type Health string

// The states of health.
const (
	Healthy   Health = "healthy"
	Observing Health = "observing" // looks off, gathering data
	Warning   Health = "warning"   // elevated, not critical
	Critical  Health = "critical"  // active issue
)

// AlertStatus is how far the coordinator, or a person, is with an alert.
type AlertStatus string

// The statuses of an alert. Whether the trouble still lasts is another matter: see [Alert.ClearedAt].
const (
	Unread       AlertStatus = "unread"
	Acknowledged AlertStatus = "acknowledged"
	Resolved     AlertStatus = "resolved"
)

// Alert is one operator's claim that something is wrong, with the snapshots that show it.
type Alert struct {
	ID          string      `json:"id"` // 16 hexadecimal digits
	Target      Target      `json:"target"`
	Node        string      `json:"node"`
	Operator    string      `json:"operator"` // the operator's name; by default its skill's id
	AnomalyType string      `json:"anomaly_type"`
	Severity    Severity    `json:"severity"`
	Status      AlertStatus `json:"status"`
	Summary     string      `json:"summary"`
	Context     string      `json:"context,omitempty"`     // fact
	Observation string      `json:"observation,omitempty"` // fact
	Hypothesis  string      `json:"hypothesis,omitempty"`  // speculation
	Culprit     *Culprit    `json:"culprit,omitempty"`
	Confidence  Confidence  `json:"confidence,omitempty"` // that the culprit is right
	Snapshots   []Snapshot  `json:"snapshots"`            // at least one
	Findings    []Finding   `json:"findings,omitempty"`
	Evidence    []Evidence  `json:"evidence,omitempty"`
	TraceID     string      `json:"trace_id"` // 32 hexadecimal digits; the run that fired it

	Onset      time.Time  `json:"onset"`
	DetectedAt time.Time  `json:"detected_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
	ClearedAt  *time.Time `json:"cleared_at,omitempty"`
	Count      int        `json:"count"` // how often it was fired while open, at least 1

	Changes []Change `json:"changes,omitempty"` // of the status, oldest first
}

// Change says who changed the status of an alert, and when.
type Change struct {
	Status AlertStatus `json:"status"`
	By     string      `json:"by"` // "beamlens", or who a person said to be
	At     time.Time   `json:"at"`
}

// ByEngine is who changes a status when nobody says so.
const ByEngine = "beamlens"

// maxChanges are kept of one alert, the newest.
const maxChanges = 50

// SetStatus changes the status, and notes by whom. The same status by the same is noted once.
func (a *Alert) SetStatus(s AlertStatus, by string, at time.Time) {
	if n := len(a.Changes); n > 0 && a.Changes[n-1].Status == s && a.Changes[n-1].By == by && a.Status == s {
		return
	}
	a.Status, a.UpdatedAt = s, at
	a.Changes = append(a.Changes[:len(a.Changes):len(a.Changes)], Change{s, by, at})
	if n := len(a.Changes) - maxChanges; n > 0 {
		a.Changes = a.Changes[n:]
	}
}

// Open says whether the trouble lasts, as far as is known.
func (a Alert) Open() bool { return a.ClearedAt == nil }

// Fingerprint names what an alert is about: operator, type and culprit. An open alert with the same one is updated.
func (a Alert) Fingerprint() string {
	id := ""
	if a.Culprit != nil {
		id = a.Culprit.Kind + " " + a.Culprit.Key()
	}
	return strings.Join([]string{a.Target.String(), a.Operator, a.AnomalyType, id}, "|")
}

// Cause is what an alert is the same by as a cause: its type and culprit, whoever fired it.
func (a Alert) Cause() string {
	if a.Culprit == nil {
		return a.AnomalyType
	}
	return strings.Join([]string{a.AnomalyType, a.Culprit.Kind, a.Culprit.Key()}, " ")
}

// Culprit is what is to blame, as an id that can be looked up.
type Culprit struct {
	Kind  string         `json:"kind"`            // process, table, port, function, query, pool, …
	ID    string         `json:"id"`              // "<0.187.0>", a table's name, "file.go:12"
	Name  string         `json:"name,omitempty"`  // its registered name, if it has one
	Facts map[string]any `json:"facts,omitempty"` // what was read of it: current_function, message_queue, …
}

// Key is what the culprit is the same by: its name if it has one, because ids change when a process restarts.
func (c Culprit) Key() string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

// String gives "Shop.Mailer (<0.187.0>)", or the id alone.
func (c Culprit) String() string {
	if c.Name == "" || c.Name == c.ID {
		return c.ID
	}
	return c.Name + " (" + c.ID + ")"
}

// Evidence is something that was read during the investigation and that the claim rests on.
type Evidence struct {
	Title string    `json:"title"` // "beam_top_processes(10, \"message_queue\")"
	At    time.Time `json:"at"`
	Data  any       `json:"data"` // JSON-safe
}
