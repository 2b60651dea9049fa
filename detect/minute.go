package detect

import (
	"math"
	"time"
)

// minute collects the samples of one minute, which is what the slow layers work with.
type minute struct {
	Index           int64
	Sum, SumSquares float64
	SumLog          float64 // of log1p, when the metric is compared on a log scale
	Low, High, Last float64
	Count           int64
}

// begin starts the minute that a sample belongs to.
func (m *minute) begin(index int64, x float64, log bool) {
	*m = minute{Index: index, Low: x, High: x, Last: m.Last}
	m.add(x, log)
}

func (m *minute) add(x float64, log bool) {
	m.Sum += x
	m.SumSquares += x * x
	if log {
		m.SumLog += math.Log1p(max(x, 0))
	}
	m.Low, m.High = min(m.Low, x), max(m.High, x)
	m.Count++
}

func (m *minute) mean() float64 { return m.Sum / float64(m.Count) }

// variation is the coefficient of variation within the minute.
func (m *minute) variation() float64 {
	mean := m.mean()
	if mean == 0 {
		return 0
	}
	return math.Sqrt(max(m.SumSquares/float64(m.Count)-mean*mean, 0)) / math.Abs(mean)
}

// stepMinutes feeds the slow layers when a minute is over.
func (d *Detector) stepMinutes(now int64, x float64) {
	s := &d.saved
	index := now / int64(time.Minute)
	if index == s.Minute.Index && s.Minute.Count > 0 {
		s.Minute.add(x, s.Level.Log)
		return
	}
	if m := &s.Minute; m.Count > 0 {
		moved := m.High != m.Low || m.Low != m.Last
		d.stepLevel(now, x, m)
		d.stepFlat(now, x, moved)
		d.stepLeak(now, x, m)
		d.stepTrend(now, x, m.mean())
		m.Last = m.Low
	}
	s.Minute.begin(index, x, s.Level.Log)
}
