package beamlens

// Edge is one declared step of cause and effect between two metrics, "skill.metric" each. Skills declare edges; none is
// learnt.
type Edge struct {
	From string `json:"from"` // "beam.message_queue_max"
	To   string `json:"to"`   // "beam.memory_processes_mb"
	Why  string `json:"why"`  // "messages wait in the process's memory"
	// Fact is the fact of a culprit that says how much of To is its own, in the unit of To: "memory_mb". With it, or where both ends have the same unit,
	// the size of the cause can be compared with that of the effect.
	Fact string `json:"fact,omitempty"`
}
