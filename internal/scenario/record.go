package scenario

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/recording"
	"github.com/beamlens/beamlens-go/sandbox"
	"github.com/beamlens/beamlens-go/skill"
)

// settledMark is what a recording has when the steps of its scenario begin.
const settledMark = "settled"

// sweepEvery is how often all playbooks are run while a scenario is recorded, so that the recording has answers for investigations that come at other moments
// than those of today.
const sweepEvery = 10 * time.Second

// recorder writes down what the engine reads of a subject.
type recorder struct {
	*recording.Writer
	skills []*skill.Skill
}

// Record runs a scenario and records it. The error says what was wrong with what the engine said; the recording is good all the same, if the
// result has a time at which the subject had settled.
func Record(ctx context.Context, start Start, t Truth, file io.Writer) (Result, error) {
	r := &recorder{}
	result, err := run(ctx, start, t, &Options{}, func(s Subject, skills []*skill.Skill) (*recorder, error) {
		ids := make([]string, len(skills))
		for i, s := range skills {
			ids[i] = s.ID
		}
		w, err := recording.NewWriter(file, recording.Header{Target: s.Target(), Skills: ids, Began: time.Now().UTC(), Note: t.ID}, true)
		if err != nil {
			return nil, err
		}
		r.Writer, r.skills = w, w.Wrap(skills)
		return r, nil
	})
	if r.Writer != nil {
		if cerr := r.Close(); cerr != nil {
			return Result{}, cerr
		}
	}
	return result, err
}

// sweep runs all playbooks now and then until ctx ends.
func (r *recorder) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, s := range r.skills {
			functions := map[string]sandbox.Function{}
			for _, c := range s.Callbacks {
				functions[c.Name] = c.Run
			}
			for _, p := range s.Playbooks {
				finding := fmt.Sprintf("local finding = {metric = %q, kind = \"rule\", value = 1, ordinary = 0, rate = 0, limit = 1, unit = \"\"}\n", p.Metrics[0])
				_, _ = sandbox.Run(ctx, finding+p.Lua, functions, sandbox.Limits{}) // what it says is of no interest, what it read is
			}
		}
	}
}

// text is a step as a mark.
func (s Step) text() string {
	for verb, what := range map[string]string{"on": s.On, "off": s.Off, "do": s.Do} {
		if what != "" {
			return verb + " " + what
		}
	}
	return ""
}

// settledAt finds when the steps of a recorded scenario began.
func settledAt(rec *recording.Recording) (time.Time, error) {
	for _, m := range rec.Marks {
		if strings.HasPrefix(m.Text, settledMark) {
			return m.At, nil
		}
	}
	return time.Time{}, fmt.Errorf("the recording does not say when its subject had settled: it is none of a scenario")
}
