package beamlens

import (
	"crypto/rand"
	"encoding/hex"
)

// NewID returns a random id of 16 hexadecimal digits, as snapshots, alerts, insights and findings have.
func NewID() string { return random(8) }

// NewTraceID returns a random id of 32 hexadecimal digits, as runs have.
func NewTraceID() string { return random(16) }

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}
