package beamlens

import "time"

// Event is something that happened in the engine. Telemetry, the command line and the dashboard read the same stream of them.
//
// Names are those of the original's telemetry, joined by a dot: "operator.alert_fired" is [:beamlens, :operator,
// :alert_fired] in Elixir.
type Event struct {
	Name    string         `json:"name"`
	At      time.Time      `json:"at"`
	Target  Target         `json:"target"`
	Subject string         `json:"subject,omitempty"`  // the operator's name, or "coordinator"
	TraceID string         `json:"trace_id,omitempty"` // the run it belongs to
	Fields  map[string]any `json:"fields,omitempty"`
	Alert   *Alert         `json:"alert,omitempty"`
	Insight *Insight       `json:"insight,omitempty"`
	Finding *Finding       `json:"finding,omitempty"`
}

// The events that carry a value, or that others wait for.
const (
	EventTargetUp        = "target.up"
	EventTargetDown      = "target.down"
	EventFindingOpened   = "watch.finding_opened"
	EventFindingCleared  = "watch.finding_cleared"
	EventStateChange     = "operator.state_change"
	EventAlertFired      = "operator.alert_fired"
	EventAlertUpdated    = "operator.alert_updated"
	EventAlertCleared    = "operator.alert_cleared"
	EventAlertFailed     = "operator.alert_failed"
	EventUngrounded      = "claim.ungrounded"   // sentences of a model were dropped, because they say what was not read
	EventContradicted    = "claim.contradicted" // a model blamed another than the investigation does, whose verdict stands
	EventInsightProduced = "coordinator.insight_produced"
	EventInsightFollowed = "coordinator.insight_followed" // its outcome is known, or has changed
)
