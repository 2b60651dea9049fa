// Package watch samples one skill on a schedule and tells when a metric departs from normal.
//
// While all is normal nothing but a [Watch] runs: no model, no Lua. A finding is handed over with the very snapshot in which
// it was found, so that what was there at that moment is kept whatever happens next.
//
// # Promises
//
// Serve calls everything from its own goroutine: OnFinding and OnEvent must return soon and are never called concurrently.
// A snapshot that takes long makes the next one wait: sampling takes at most a fifth of the time, and it is told when that makes it less often. A snapshot that fails is
// a gap in the series, told once, and never a finding. Memory is bounded: an hour of samples is kept.
package watch
