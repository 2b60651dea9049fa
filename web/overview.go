package web

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// Bounds of what a page shows at once.
const (
	maxOpenShown  = 12
	maxEndedShown = 6
	maxNearShown  = 6
	maxPage       = 50
)

// overviewTarget is one target on the overview.
type overviewTarget struct {
	Target   beamlens.Target `json:"target"`
	Verdict  verdict         `json:"verdict"`
	Link     link            `json:"link"`
	State    State           `json:"state"`
	Near     []near          `json:"near"` // the metrics nearest to their limits
	First    *incident       `json:"-"`    // the worst that is open
	Rest     []incident      `json:"-"`
	Ended    []incident      `json:"-"`
	Insight  *incident       `json:"-"`
	OpenIDs  []string        `json:"open_incidents"`
	Last     time.Time       `json:"last_read"`
	Hidden   int             `json:"-"`
	Overhead string          `json:"-"`
}

// near is how far a metric is from its limit.
type near struct {
	Metric Metric  `json:"metric"`
	Part   float64 `json:"part"` // of the limit, 0 to 1
}

// Of100 is the part for a meter.
func (n near) Of100() int { return int(100*min(n.Part, 1) + 0.5) }

func (d *Dashboard) overview(r *request) (any, error) {
	targets, err := d.targets(r)
	if err != nil {
		return nil, err
	}
	return shown{"overview", "Overview", "overview", targets}, nil
}

func (d *Dashboard) targets(r *request) ([]overviewTarget, error) {
	var out []overviewTarget
	for _, s := range r.sources() {
		list, err := incidentsOf(r.Context(), s, false)
		if err != nil {
			return nil, err
		}
		t := overviewTarget{Target: s.Target, Link: d.feed.link(s.Target), State: stateOf(r.Context(), s)}
		var open []incident
		for _, i := range list {
			if i.Open {
				open = append(open, i)
				t.OpenIDs = append(t.OpenIDs, i.ID)
			} else if len(t.Ended) < maxEndedShown {
				t.Ended = append(t.Ended, i)
			}
		}
		slices.SortStableFunc(open, func(a, b incident) int {
			return cmp.Or(cmp.Compare(weight[b.Severity], weight[a.Severity]), cmp.Compare(len(b.Alerts), len(a.Alerts)), a.Onset.Compare(b.Onset))
		})
		slices.SortStableFunc(t.Ended, func(a, b incident) int { return b.Onset.Compare(a.Onset) })
		t.Verdict = judge(t.State, t.Link, open, s.Target)
		if len(open) > 0 {
			t.First = &open[0]
			t.Rest = open[1:min(len(open), maxOpenShown)]
			t.Hidden = max(0, len(open)-maxOpenShown)
		}
		for _, o := range t.State.Operators {
			if o.ReadAt.After(t.Last) {
				t.Last = o.ReadAt
			}
		}
		t.Near = nearest(t.State.Metrics)
		if o := t.State.Overhead; o != nil {
			t.Overhead = fmt.Sprintf("%s ms and %s KB for each look", num(o.Micros/1000), num(o.MemoryKB))
		}
		out = append(out, t)
	}
	slices.SortStableFunc(out, func(a, b overviewTarget) int { return cmp.Compare(rank[b.Verdict.Level], rank[a.Verdict.Level]) })
	return out, nil
}

func nearest(metrics []Metric) []near {
	var out []near
	for _, m := range metrics {
		if m.Known && m.Limit > 0 {
			out = append(out, near{m, m.Value / m.Limit})
		}
	}
	slices.SortStableFunc(out, func(a, b near) int { return cmp.Compare(b.Part, a.Part) })
	return out[:min(len(out), maxNearShown)]
}
