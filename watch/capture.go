package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// The bounds of what is captured in the moment of a finding: the next sample waits for it.
const (
	captureTime  = 2 * time.Second
	captureBytes = 16 << 10 // of one reading
	captureRest  = time.Minute
)

// capture takes the readings of a metric's playbooks that need no knowledge, at most once a minute for each metric. What cannot be read is left out: whoever
// investigates sees why.
func (w *Watch) capture(ctx context.Context, metric string, at time.Time) []beamlens.Evidence {
	if last, ok := w.captured[metric]; ok && at.Sub(last) < captureRest {
		return nil
	}
	w.captured[metric] = at
	ctx, cancel := context.WithTimeout(ctx, captureTime)
	defer cancel()
	var out []beamlens.Evidence
	for _, c := range w.skill.Captures(metric) {
		data, err := call(func() (any, error) { return c.Callback.Run(ctx, c.Args) })
		if err != nil {
			continue
		}
		if raw, err := json.Marshal(data); err != nil || len(raw) > captureBytes {
			continue
		}
		out = append(out, beamlens.Evidence{Title: c.Text, At: w.options.Clock.Now(), Data: data})
	}
	return out
}

// call runs a callback; a panic in it is its error.
func call(f func() (any, error)) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %v", p)
		}
	}()
	return f()
}
