package beamlens

// Edge is one declared step of cause and effect between two metrics, "skill.metric" each. Skills declare edges; none is
// learnt. Where both ends have a unit, the size of the cause's change can be compared with the effect's.
type Edge struct {
	From string `json:"from"` // "beam.message_queue_max"
	To   string `json:"to"`   // "beam.memory_processes_mb"
	Why  string `json:"why"`  // "messages wait in the process's memory"
}
