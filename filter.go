package beamlens

import "time"

// AlertFilter selects alerts. The zero value selects all; results are newest first.
type AlertFilter struct {
	Target   Target      // zero: any
	Operator string      // "": any
	Status   AlertStatus // "": any
	Open     bool        // only those that are not cleared
	Since    time.Time   // updated at or after
	Limit    int         // 0: 100
	Offset   int
}

// Match says whether the alert is selected, apart from Limit and Offset.
func (f AlertFilter) Match(a Alert) bool {
	return (f.Target == Target{} || f.Target == a.Target) &&
		(f.Operator == "" || f.Operator == a.Operator) &&
		(f.Status == "" || f.Status == a.Status) &&
		(!f.Open || a.Open()) &&
		(f.Since.IsZero() || !a.UpdatedAt.Before(f.Since))
}

// SnapshotFilter selects snapshots of one skill. Results are newest first.
type SnapshotFilter struct {
	Target Target // zero: any
	Skill  string // "": any
	Limit  int    // 0: 100
	Offset int
}
