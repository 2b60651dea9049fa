package engine

import (
	"slices"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/llm/route"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/store"
	"github.com/beamlens/beamlens-go/watch"
)

// Look is what an engine is and has, for who shows it. Nothing in it may be changed.
type Look struct {
	Options Options     // as they are after the defaults
	Store   store.Store // with redaction before it
	Budget  *route.Budget
	Now     time.Time // of the engine's clock
	Skills  []Watched
}

// Watched is a skill, and what its watch has read.
type Watched struct {
	Skill   *skill.Skill
	Samples int
	Latest  beamlens.Snapshot
	Failure error // of the last attempt
}

// Look tells what there is. It waits for nothing.
func (e *Engine) Look() Look {
	l := Look{Options: e.options, Store: e.options.Store, Budget: e.options.Budget, Now: e.options.Clock.Now()}
	for _, w := range e.all() {
		latest, err := w.watch.Latest()
		l.Skills = append(l.Skills, Watched{Skill: w.skill, Samples: w.watch.Samples(), Latest: latest, Failure: err})
	}
	return l
}

// Series gives what is kept in memory of a metric, "beam.process_count": the samples of the last hour, and before them a day of points.
func (e *Engine) Series(metric string) ([]watch.Sample, []watch.Point) {
	id, name, _ := strings.Cut(metric, ".")
	w := e.skill(id)
	if w == nil || !slices.ContainsFunc(w.skill.Metrics, func(m skill.Metric) bool { return m.Name == name }) {
		return nil, nil
	}
	return w.watch.Series(name), w.watch.History(name)
}
