package watch

import (
	"math"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// kept samples are an hour at one a second.
const kept = 3600

// Sample is one value of a series.
type Sample struct {
	At    time.Time
	Value float64
}

// series keeps the newest samples of all metrics of a skill. Its memory grows to kept samples and no further.
type series struct {
	at     []int64
	values map[string][]float64
	next   int
}

func (s *series) init(metrics []skill.Metric) {
	s.values = make(map[string][]float64, len(metrics))
	for _, m := range metrics {
		s.values[m.Name] = nil
	}
}

func (s *series) push(snapshot beamlens.Snapshot) {
	at := snapshot.CapturedAt.UnixNano()
	full := len(s.at) == kept
	if full {
		s.at[s.next] = at
	} else {
		s.at = append(s.at, at)
	}
	for name, values := range s.values {
		x, ok := snapshot.Number(name)
		if !ok {
			x = math.NaN()
		}
		if full {
			values[s.next] = x
		} else {
			s.values[name] = append(values, x)
		}
	}
	s.next = (s.next + 1) % kept
}

func (s *series) of(metric string) []Sample {
	values := s.values[metric]
	out := make([]Sample, 0, len(values))
	for i := range values {
		j := i
		if len(values) == kept {
			j = (s.next + i) % kept
		}
		if !math.IsNaN(values[j]) {
			out = append(out, Sample{At: time.Unix(0, s.at[j]).UTC(), Value: values[j]})
		}
	}
	return out
}
