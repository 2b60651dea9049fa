//go:build race

package sandbox

import "testing"

// skipUnderRace skips what measures time and memory, which are not the program's own under the race detector.
func skipUnderRace(t *testing.T) { t.Skip("time and memory are measured without the race detector") }
