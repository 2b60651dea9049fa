package web

import (
	"slices"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

func (d *Dashboard) operators(r *request) (any, error) {
	var out []overviewTarget
	for _, s := range r.sources() {
		out = append(out, overviewTarget{Target: s.Target, State: stateOf(r.Context(), s)})
	}
	return shown{"operators", "Operators", "operators", out}, nil
}

// operatorPage is one operator, or the coordinator.
type operatorPage struct {
	Target      beamlens.Target
	Operator    Operator
	Coordinator bool
	Runs        []Run
	Happened    []happened
	Metrics     []Metric
	All         bool // also the runs that looked at nothing
}

// maxRuns is how many investigations a page lists.
const maxRuns = 30

// coordinatorName is what the coordinator is called among the operators.
const coordinatorName = "coordinator"

func (d *Dashboard) operator(r *request) (any, error) {
	name := r.PathValue("name")
	for _, s := range r.sources() {
		state := stateOf(r.Context(), s)
		i := slices.IndexFunc(state.Operators, func(o Operator) bool { return o.Name == name })
		if i < 0 && name != coordinatorName || s.Reader == nil {
			continue
		}
		p := operatorPage{Target: s.Target, Coordinator: name == coordinatorName, All: r.URL.Query().Get("all") != ""}
		if i >= 0 {
			p.Operator = state.Operators[i]
			for _, m := range state.Metrics {
				if skillOf(m.Name) == p.Operator.Skill {
					p.Metrics = append(p.Metrics, m)
				}
			}
		} else {
			p.Operator = Operator{Name: name, Summary: "Correlates the alerts of all operators into insights.", Health: beamlens.Healthy}
		}
		runs, err := s.Reader.Runs(r.Context(), name, maxRuns)
		if err != nil {
			return nil, err
		}
		p.Runs = runs
		list, _ := d.feed.after(0, maxHappened)
		for _, h := range slices.Backward(list) {
			if h.Subject == name && h.Target == s.Target.String() && len(p.Happened) < 20 {
				p.Happened = append(p.Happened, h)
			}
		}
		return shown{"operator", name, "operators", p}, nil
	}
	return nil, notFound("There is no operator %s.", cut(60, name))
}

// runPage is a transcript.
type runPage struct {
	ID       string
	Operator string
	Turns    []Turn
	Began    time.Time
	Took     time.Duration
	Input    int64
	Output   int64
	USD      *float64
	Models   []string
}

func (d *Dashboard) run(r *request) (any, error) {
	id := r.PathValue("id")
	for _, s := range r.sources() {
		if s.Reader == nil {
			continue
		}
		turns, err := s.Reader.Turns(r.Context(), id)
		if err != nil {
			return nil, err
		}
		if len(turns) == 0 {
			continue
		}
		p := runPage{ID: id, Operator: d.feed.who(id), Turns: turns, Began: turns[0].At, Took: turns[len(turns)-1].At.Sub(turns[0].At)}
		for _, t := range turns {
			p.Input, p.Output = p.Input+t.Input, p.Output+t.Output
			if t.Model != "" {
				p.Models = appendNew(p.Models, t.Model)
			}
			if t.USD != nil {
				if p.USD == nil {
					p.USD = new(float64)
				}
				*p.USD += *t.USD
			}
		}
		return shown{"run", "Transcript", "operators", p}, nil
	}
	return nil, notFound("There is no transcript %s. Transcripts are kept for some weeks.", cut(40, id))
}
