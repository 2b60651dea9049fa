//go:build !unix

package goruntime

import (
	"math"
	"runtime/metrics"
)

// processCPU is what the runtime knows of it: it moves with the cycles of the collector only.
func processCPU() float64 {
	s := []metrics.Sample{{Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64() - s[1].Value.Float64()
}

func descriptorLimit() float64 { return math.NaN() }

// lives is not known: a record that is being written is one of a process that lives.
func lives(int) bool { return true }
