package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// The levels of a verdict. What cannot be seen is unknown, never ok.
const (
	levelOK       = "ok"
	levelUnknown  = "unknown"
	levelInfo     = "info"
	levelWarning  = "warning"
	levelCritical = "critical"
)

// verdict is whether anything is wrong with a target.
type verdict struct {
	Level   string   `json:"level"`
	Text    string   `json:"text"`
	Reasons []string `json:"reasons,omitempty"` // why it is not better known
}

// stale is how long a reading may be old before it says nothing of now.
const stale = 30 * time.Second

// judge says whether anything is wrong, from what is open and what could be read.
func judge(s State, l link, open []incident, target beamlens.Target) verdict {
	var v verdict
	if l.Known && !l.Up {
		v.Reasons = append(v.Reasons, fmt.Sprintf("%s is not reached since %s UTC: %s", target.Name, l.At.UTC().Format(time.TimeOnly), l.Reason))
	}
	var blind, waiting []string
	for _, o := range s.Operators {
		switch {
		case o.ReadAt.IsZero() && o.Failure == "":
			waiting = append(waiting, o.Name)
		case o.Failure != "", s.Now.Sub(o.ReadAt) > stale:
			blind = append(blind, o.Name)
		}
	}
	if len(blind) > 0 && (l.Up || !l.Known) {
		v.Reasons = append(v.Reasons, "Cannot be read now: "+strings.Join(blind, ", ")+".")
	}
	worst := -1
	for n, i := range open {
		if worst < 0 || weight[i.Severity] > weight[open[worst].Severity] {
			worst = n
		}
	}
	switch {
	case worst >= 0:
		v.Level = string(open[worst].Severity)
		v.Text = "One thing is wrong"
		if len(open) > 1 {
			v.Text = fmt.Sprintf("%d things are wrong", len(open))
		}
	case l.Known && !l.Up:
		v.Level, v.Text = levelUnknown, "Not reached: nobody knows how it is"
	case len(s.Operators) == 0:
		v.Level, v.Text = levelUnknown, "Nothing is watched"
	case len(waiting) == len(s.Operators):
		v.Level, v.Text = levelUnknown, "Nothing has been read yet"
	case len(blind) == len(s.Operators):
		v.Level, v.Text = levelUnknown, "Nothing can be read: nobody knows how it is"
	case len(blind) > 0:
		v.Level, v.Text = levelUnknown, "Nothing is known to be wrong, but not everything can be read"
	default:
		v.Level, v.Text = levelOK, "Nothing is wrong"
	}
	if v.Level == levelOK {
		if n := departing(s.Findings); n > 0 {
			v.Reasons = append(v.Reasons, fmt.Sprintf("%d of %d metrics move unusually, none enough to alert.", n, len(s.Metrics)))
		}
	}
	return v
}

func departing(list []beamlens.Finding) int {
	var names []string
	for _, f := range list {
		if m := f.Skill + "." + f.Metric; !slices.Contains(names, m) {
			names = append(names, m)
		}
	}
	return len(names)
}

// rank puts levels in their order.
var rank = map[string]int{levelOK: 0, levelInfo: 1, levelUnknown: 2, levelWarning: 3, levelCritical: 4}

// status is what every page says in its head, about all targets.
func (d *Dashboard) status(r *request) status {
	out := status{levelOK, "Nothing is wrong"}
	all := d.all()
	if len(all) == 0 {
		return status{levelUnknown, "Nothing is watched"}
	}
	total := 0
	for _, s := range all {
		open, err := incidentsOf(r.Context(), s, true)
		if err != nil {
			return status{levelUnknown, "The store cannot be read"}
		}
		total += len(open)
		if v := judge(stateOf(r.Context(), s), d.feed.link(s.Target), open, s.Target); rank[v.Level] > rank[out.Level] {
			out = status{v.Level, v.Text}
		}
	}
	if total > 1 {
		out.Text = fmt.Sprintf("%d things are wrong", total)
	}
	return out
}

func stateOf(ctx context.Context, s Source) State {
	if s.Reader == nil {
		return State{Now: clockNow()}
	}
	state := s.Reader.State(ctx)
	state.Metrics = slices.Clone(state.Metrics)
	for i := range state.Metrics {
		m := &state.Metrics[i]
		m.Unit, m.Doc, m.Name = cut(maxUnit, m.Unit), cut(300, m.Doc), cut(200, m.Name)
	}
	return state
}
