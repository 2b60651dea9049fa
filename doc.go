// Package beamlens holds the words of BeamLens: the values that its parts hand to each other.
//
// BeamLens watches a live system from the inside. The stream runs one way, and each arrow is a value of this package:
//
//	Target → Snapshot → Finding → Alert → Insight → sink
//
// A [Snapshot] is one reading of one skill. A [Finding] is a detector's statement about one metric of it. An [Alert] is
// an operator's claim, with the snapshots that show it. An [Insight] is the coordinator's statement about several alerts.
// Everything that happens on the way is an [Event].
//
// The package has values only: no behaviour beyond reading them, no clock, no I/O, nothing but the standard library. Every
// type encodes to JSON and back without loss; the JSON is what the store keeps, what a model reads and what a sink sends.
package beamlens
