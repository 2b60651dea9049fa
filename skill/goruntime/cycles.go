package goruntime

import (
	"bytes"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
)

// cyclesPerSecond is the speed of the clock in which the runtime counts waiting. It tells it in the text form of the profile of mutexes only.
var cyclesPerSecond = sync.OnceValue(func() float64 {
	const usual = 1e9
	p := pprof.Lookup("mutex")
	var b bytes.Buffer
	if p == nil || p.WriteTo(&b, 1) != nil {
		return usual // unreachable: the profile is there, and a buffer takes all
	}
	for line := range strings.Lines(b.String()) {
		if rest, ok := strings.CutPrefix(line, "cycles/second="); ok {
			if x, err := strconv.ParseFloat(strings.TrimSpace(rest), 64); err == nil && x > 0 {
				return x
			}
		}
	}
	return usual
})
