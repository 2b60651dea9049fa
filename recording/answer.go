package recording

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Answering returns the skills that are recorded, as they are declared, which answer from the recording: a snapshot is the newest at that time, and a
// callback gives what it gave to the same arguments nearest to that time. now is the time of the replay.
func (r *Recording) Answering(declared []*skill.Skill, now func() time.Time) []*skill.Skill {
	var out []*skill.Skill
	for _, s := range declared {
		if !slices.Contains(r.Skills, s.ID) {
			continue
		}
		copied := *s
		copied.Serve = nil
		copied.Snapshot = func(context.Context) (map[string]any, error) { return r.snapshot(s.ID, now()) }
		copied.Callbacks = slices.Clone(s.Callbacks)
		for i := range copied.Callbacks {
			name := copied.Callbacks[i].Name
			copied.Callbacks[i].Call = func(_ context.Context, args []any) (any, error) { return r.call(name, args, now()) }
		}
		out = append(out, &copied)
	}
	return out
}

func (r *Recording) snapshot(id string, now time.Time) (map[string]any, error) {
	n, _ := slices.BinarySearchFunc(r.Samples, now, func(s beamlens.Snapshot, at time.Time) int {
		if s.CapturedAt.After(at) {
			return 1
		}
		return -1
	})
	for i := n - 1; i >= 0; i-- {
		if r.Samples[i].Skill == id {
			return r.Samples[i].Data, nil
		}
	}
	return nil, fmt.Errorf("the recording has no snapshot of %s before %s", id, now.Format(time.TimeOnly))
}

// call finds the recorded call with the same arguments that is nearest in time.
func (r *Recording) call(name string, args []any, now time.Time) (any, error) {
	key := string(encode(args))
	var best *Call
	others := 0
	for i, c := range r.Calls {
		if c.Name != name {
			continue
		}
		if c.Args != key {
			others++
			continue
		}
		if best == nil || cmp.Less(c.At.Sub(now).Abs(), best.At.Sub(now).Abs()) {
			best = &r.Calls[i]
		}
	}
	switch {
	case best == nil && others > 0:
		return nil, fmt.Errorf("this is a recording, and it has no answer of %s to these arguments, but %d to others", name, others)
	case best == nil:
		return nil, fmt.Errorf("this is a recording, and it has no answer of %s", name)
	case best.Err != "":
		return nil, errors.New(best.Err)
	}
	return clone(best.Result), nil
}

// clone keeps a program that changes an answer from changing the recording.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = clone(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = clone(x)
		}
		return out
	}
	return v
}
