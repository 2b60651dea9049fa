package scenario

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/recording"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/goruntime"
	"github.com/beamlens/beamlens-go/skill/host"
	"github.com/beamlens/beamlens-go/skill/sqldb"
	"github.com/beamlens/beamlens-go/store"
)

//go:embed recordings
var recordings embed.FS

// ErrNotRecorded means that there is no recording of a scenario.
var ErrNotRecorded = errors.New("it is not recorded")

// Recorded gives the recording of a scenario that this program carries.
func Recorded(id string) (*recording.Recording, error) {
	raw, err := recordings.ReadFile("recordings/" + id + ".jsonl.gz")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("scenario %s: %w", id, ErrNotRecorded)
	}
	if err != nil {
		return nil, err
	}
	rec, err := recording.Read(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", id, err)
	}
	return rec, nil
}

// declared are the skills of each subject, as declared: what they read comes from a recording.
var declared = map[string]func() []*skill.Skill{
	"shop":     func() []*skill.Skill { return beam.All(nil) },
	"postgres": func() []*skill.Skill { return []*skill.Skill{sqldb.Postgres(nil, "ecto")} },
	"shop-go":  func() []*skill.Skill { return append(goruntime.New(nil).Skills(), host.New(nil)) },
}

// Replay runs the engine over a recorded scenario, with a model or, if that is nil, the analyst, and judges. The error says what was wrong with what the engine
// said.
func Replay(ctx context.Context, t Truth, rec *recording.Recording, model llm.Model) (Result, error) {
	settled, err := settledAt(rec)
	if err != nil {
		return Result{}, err
	}
	skills := declared[t.Subject]
	if skills == nil {
		return Result{}, fmt.Errorf("scenario %s: recordings of %s cannot be replayed", t.ID, t.Subject)
	}
	w := watched{Result: Result{Settled: settled}}
	var order sync.Mutex // a model's turn is a goroutine of its own
	kept := store.NewMemory()
	_, err = engine.Replay(ctx, rec, engine.Options{Skills: skills(), Store: kept, Model: model, OnEvent: func(ev beamlens.Event) {
		order.Lock()
		defer order.Unlock()
		w.take(ev)
	}})
	if err != nil {
		return w.Result, err
	}
	return w.Result, t.Judge(&w.Result)
}

// Claim is one thing that a verdict blames.
type Claim struct {
	Culprit     *beamlens.Culprit
	Probability float64
	Summary     string
	Path        []string
	Insight     bool
}

// Claims are what a run says in the end, the surest first: what its insights blame, and the alerts that are in none.
func (r *Result) Claims() []Claim {
	var out []Claim
	told := map[string]bool{}
	final := map[string]beamlens.Insight{}
	for _, i := range r.Insights {
		final[i.ID] = i
	}
	for _, i := range r.Insights {
		if now, left := final[i.ID]; left {
			delete(final, i.ID)
			out = append(out, Claim{now.Culprit, now.Probability, now.Summary, now.Path, true})
			for _, id := range now.AlertIDs {
				told[id] = true
			}
		}
	}
	last := map[string]beamlens.Alert{}
	for _, a := range r.Alerts {
		last[a.ID] = a
	}
	for _, first := range fired(r.Alerts) {
		if a := last[first.ID]; !told[a.ID] {
			out = append(out, Claim{a.Culprit, a.Confidence.Probability(), a.Summary, nil, false})
		}
	}
	slices.SortStableFunc(out, func(a, b Claim) int { return cmp.Compare(b.Probability, a.Probability) })
	return out
}
