package web

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Sizes of a chart, in the units of its drawing. It is stretched to the page; text stands beside it.
const (
	chartWidth  = 600
	chartHeight = 120
	maxBuckets  = 300
)

// mark is a moment in a chart.
type mark struct {
	At    time.Time
	Text  string
	Kind  string // onset, alert, cleared, insight
	Range time.Duration
}

// chart is a series as it is drawn.
type chart struct {
	Metric   Metric
	Title    string
	From, To time.Time
	Low      float64 // of the axis
	High     float64
	Line     string   // path of the mean
	Area     string   // path between the lowest and the highest
	Marks    []placed // within the window
	LimitY   string   // "": it is out of sight
	Limit    float64
	BandY    string // of what is ordinary; "": not known
	BandH    string
	Band     string // in words
	Values   string // of the buckets, for who hovers
	Rows     []row  // the same in numbers
	Last     float64
	Empty    bool
}

type placed struct {
	mark
	X, From, Width string
}

type row struct {
	At    time.Time
	Value float64
}

// ordinary is where a metric is most of the time.
type ordinary struct{ low, high float64 }

// ordinaryOf is the range of the middle nine tenths of the points before a moment; ok is false when there are too few of them.
func ordinaryOf(points []Point, before time.Time) (o ordinary, ok bool) {
	var v []float64
	for _, p := range points {
		if p.At.Before(before) {
			v = append(v, p.Mean)
		}
	}
	if len(v) < 5 {
		return o, false
	}
	slices.Sort(v)
	return ordinary{v[len(v)/20], v[len(v)-1-len(v)/20]}, true
}

// draw makes a chart of the points between two times.
func draw(m Metric, title string, points []Point, from, to time.Time, marks []mark, usual *ordinary) chart {
	c := chart{Metric: m, Title: title, From: from, To: to}
	buckets := bucket(points, from, to)
	low, high := math.Inf(1), math.Inf(-1)
	for _, b := range buckets {
		if b.n > 0 {
			low, high = min(low, b.low), max(high, b.high)
			c.Last = b.mean()
		}
	}
	if math.IsInf(low, 1) {
		c.Empty = true
		return c
	}
	threshold := m.Rule
	if threshold == 0 {
		threshold = m.Limit
	}
	if threshold > 0 && high >= threshold/3 && threshold >= high/30 {
		high = max(high, threshold*1.05)
		c.Limit = threshold
	}
	if low > 0 && low < high/2 || m.Kind == "ratio" {
		low = 0
	}
	if high == low {
		high, low = high+1, low-1
		if c.Last == 0 {
			low = 0
		}
	}
	c.Low, c.High = low, high
	y := func(v float64) float64 { return chartHeight - (v-low)/(high-low)*chartHeight }
	x := func(t time.Time) float64 { return float64(t.Sub(from)) / float64(to.Sub(from)) * chartWidth }
	c.Line, c.Area = paths(buckets, y)
	if c.Limit > 0 {
		c.LimitY = px(y(c.Limit))
	}
	if usual != nil {
		top, bottom := max(0, y(usual.high)-1), min(chartHeight, y(usual.low)+1)
		if bottom > top {
			c.BandY, c.BandH = px(top), px(bottom-top)
			c.Band = "ordinarily " + with(usual.low, m.Unit)
			if usual.high != usual.low {
				c.Band = "ordinarily " + num(usual.low) + " to " + with(usual.high, m.Unit)
			}
		}
	}
	for _, k := range marks {
		if k.At.Before(from) || k.At.After(to) {
			continue
		}
		p := placed{mark: k, X: px(x(k.At))}
		if k.Range > 0 {
			left, right := max(0, x(k.At.Add(-k.Range))), min(chartWidth, x(k.At.Add(k.Range)))
			p.From, p.Width = px(left), px(max(1, right-left))
		}
		c.Marks = append(c.Marks, p)
	}
	c.table(buckets)
	return c
}

// table is the chart in numbers.
func (c *chart) table(buckets []bin) {
	var v []string
	every := (len(buckets) + 23) / 24
	for n, b := range buckets {
		if b.n == 0 {
			v = append(v, "")
			continue
		}
		v = append(v, num(b.mean()))
		if n%every == 0 || n == len(buckets)-1 {
			c.Rows = append(c.Rows, row{c.From.Add(time.Duration(n) * c.To.Sub(c.From) / time.Duration(len(buckets))), b.mean()})
		}
	}
	c.Values = strings.Join(v, ";")
}

// bin is the points of a slice of time.
type bin struct {
	n              int
	sum, low, high float64
}

func (b bin) mean() float64 { return b.sum / float64(b.n) }

// bucket puts points into slices of time, so that a chart has no more of them than can be seen.
func bucket(points []Point, from, to time.Time) []bin {
	if !to.After(from) {
		return nil
	}
	n := maxBuckets
	if s := int(to.Sub(from) / time.Second); s < n {
		n = max(s, 1)
	}
	out := make([]bin, n)
	for _, p := range points {
		if p.At.Before(from) || p.At.After(to) || math.IsNaN(p.Mean) || math.IsInf(p.Mean, 0) {
			continue
		}
		i := min(int(float64(p.At.Sub(from))/float64(to.Sub(from))*float64(n)), n-1)
		b := &out[i]
		if b.n == 0 {
			b.low, b.high = p.Low, p.High
		}
		b.n, b.sum, b.low, b.high = b.n+1, b.sum+p.Mean, min(b.low, p.Low), max(b.high, p.High)
	}
	return out
}

// paths draws the bins. What was not read for longer than the points are apart is a gap, not a line.
func paths(bins []bin, y func(float64) float64) (line, area string) {
	var filled []int
	for i, b := range bins {
		if b.n > 0 {
			filled = append(filled, i)
		}
	}
	steps := make([]int, 0, len(filled))
	for k := 1; k < len(filled); k++ {
		steps = append(steps, filled[k]-filled[k-1])
	}
	slices.Sort(steps)
	gap := 4
	if len(steps) > 0 {
		gap = max(4, 4*steps[len(steps)/2])
	}
	var l, top, whole strings.Builder
	var back []string
	flush := func() {
		if len(back) > 0 {
			slices.Reverse(back)
			whole.WriteString(top.String() + " L " + strings.Join(back, " L ") + " Z ")
		}
		top.Reset()
		back = nil
	}
	for k, i := range filled {
		b := bins[i]
		at := px((float64(i) + 0.5) / float64(len(bins)) * chartWidth)
		verb := " L "
		if k == 0 || i-filled[k-1] > gap {
			flush()
			verb = " M "
		}
		l.WriteString(verb + at + " " + px(y(b.mean())))
		top.WriteString(verb + at + " " + px(y(b.high)))
		back = append(back, at+" "+px(y(b.low)))
	}
	flush()
	return strings.TrimSpace(l.String()), strings.TrimSpace(whole.String())
}

func px(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}

// Describe says in a sentence what the chart shows.
func (c chart) Describe() string {
	if c.Empty {
		return c.Title + ": nothing was read."
	}
	s := fmt.Sprintf("%s: between %s and %s, last %s", c.Title, with(c.Low, c.Metric.Unit), with(c.High, c.Metric.Unit), with(c.Last, c.Metric.Unit))
	if c.Band != "" {
		s += ", " + c.Band
	}
	for _, m := range c.Marks {
		s += fmt.Sprintf("; %s at %s", m.Text, m.At.UTC().Format(time.TimeOnly))
	}
	return s + "."
}
