package watch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/detect"
	"github.com/beamlens/beamlens-go/skill"
)

// Options of a [Watch]. Nil and zero values mean the defaults.
type Options struct {
	Interval time.Duration // between two samples; default 1 s
	Timeout  time.Duration // of one snapshot; default 5 s

	// AlertsPerWeek is how many alerts of its statistical detectors a watch may give; the thresholds keep near it by themselves. Rules and limits are not
	// bound by it. Default 1.
	AlertsPerWeek float64

	// Baselines keeps what the detectors learn, so that a restart does not begin anew. Nil: it does.
	Baselines Baselines

	Clock beamlens.Clock // nil: the machine's

	OnSample func(beamlens.Snapshot) // is told each snapshot; nil: nobody is
	// OnFinding is told each finding that opens or clears, the snapshot it was found in, and what was captured in that moment.
	OnFinding func(beamlens.Finding, beamlens.Snapshot, []beamlens.Evidence)
	OnEvent   func(beamlens.Event)
}

// Baselines keeps the states of detectors by metric.
type Baselines interface {
	PutBaselines(ctx context.Context, series string, states map[string][]byte) error
	Baselines(ctx context.Context, series string) (map[string][]byte, error)
}

// Watch samples one skill of one target.
type Watch struct {
	target    beamlens.Target
	skill     *skill.Skill
	options   Options
	detectors map[string]*detect.Detector
	rules     map[string][]skill.Rule
	captured  map[string]time.Time // by metric; of the goroutine that serves
	shedding  bool                 // of that goroutine, too

	mu      sync.Mutex // guards what follows
	open    map[string]beamlens.Finding
	series  series
	history history
	latest  beamlens.Snapshot
	failure error
	samples int
}

// New returns a watch over the skill.
func New(target beamlens.Target, s *skill.Skill, o *Options) *Watch {
	w := &Watch{
		target: target, skill: s,
		detectors: map[string]*detect.Detector{},
		rules:     map[string][]skill.Rule{},
		open:      map[string]beamlens.Finding{},
		captured:  map[string]time.Time{},
	}
	if o != nil {
		w.options = *o
	}
	if w.options.Interval <= 0 {
		w.options.Interval = time.Second
	}
	if w.options.Timeout <= 0 {
		w.options.Timeout = 5 * time.Second
	}
	if w.options.Clock == nil {
		w.options.Clock = beamlens.MachineClock{}
	}
	if w.options.OnFinding == nil {
		w.options.OnFinding = func(beamlens.Finding, beamlens.Snapshot, []beamlens.Evidence) {}
	}
	if w.options.OnEvent == nil {
		w.options.OnEvent = func(beamlens.Event) {}
	}
	for _, r := range s.Rules {
		w.rules[r.Metric] = append(w.rules[r.Metric], r)
	}
	if w.options.AlertsPerWeek <= 0 {
		w.options.AlertsPerWeek = 1
	}
	budget := detect.NewBudget(w.options.AlertsPerWeek, len(s.Metrics), w.options.Interval)
	for _, m := range s.Metrics {
		w.detectors[m.Name] = detect.New(metric(m, w.rules[m.Name], budget, w.detectors))
	}
	w.series.init(s.Metrics)
	return w
}

func metric(m skill.Metric, rules []skill.Rule, budget *detect.Budget, detectors map[string]*detect.Detector) detect.Metric {
	out := detect.Metric{Counter: m.Kind == skill.Counter, Limit: m.Limit, Quiet: m.Quiet, Budget: budget}
	for _, r := range rules {
		dr := detect.Rule{Above: r.Above, For: r.For, Severity: string(r.Severity), Text: r.String()}
		if r.Growth != nil {
			dr.Factor, dr.Min, dr.Over = r.Growth.Factor, r.Growth.Min, r.Growth.Over
			dr.Steady, dr.Rising = r.Growth.Steady, r.Growth.Rising
			if other := r.Growth.While; other != "" {
				dr.While = func() bool { return detectors[other].Holds() }
			}
		}
		out.Rules = append(out.Rules, dr)
	}
	return out
}

// Serve samples until ctx ends.
func (w *Watch) Serve(ctx context.Context) error {
	w.load(ctx)
	defer w.farewell()
	timer := time.NewTimer(0)
	defer timer.Stop()
	saved := time.Now().Add(firstSave - saveEvery)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if time.Since(saved) > saveEvery {
			w.save(ctx)
			saved = time.Now()
		}
		began := time.Now()
		w.sample(ctx)
		took := time.Since(began)
		// A little jitter keeps several watches, and a periodic job on the target, from marching in step.
		pause := w.options.Interval - took + time.Duration((rand.Float64()-0.5)*0.05*float64(w.options.Interval))
		timer.Reset(max(pause, 4*took, 10*time.Millisecond))
		w.shed(took)
	}
}

// shed tells when the target answers so slowly that it is sampled less often than it should be, and when that is over.
func (w *Watch) shed(took time.Duration) {
	slow := 4*took > w.options.Interval
	switch {
	case slow && !w.shedding:
		w.event("watch.shedding", map[string]any{"skill": w.skill.ID, "took_ms": took.Milliseconds(), "next_in_ms": (4 * took).Milliseconds()})
	case !slow && w.shedding:
		w.event("watch.shedding_ended", map[string]any{"skill": w.skill.ID})
	}
	w.shedding = slow
}

func (w *Watch) sample(ctx context.Context) {
	sctx, cancel := context.WithTimeout(ctx, w.options.Timeout)
	defer cancel()
	data, err := w.snapshot(sctx)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	failed := w.failure
	w.failure = err
	w.mu.Unlock()
	if err != nil {
		if failed == nil {
			w.event("watch.snapshot_failed", map[string]any{"skill": w.skill.ID, "reason": err.Error()})
		}
		return
	}
	if failed != nil {
		w.event("watch.snapshot_recovered", map[string]any{"skill": w.skill.ID})
	}
	w.Feed(ctx, beamlens.Snapshot{ID: w.options.Clock.NewID(), Skill: w.skill.ID, Target: w.target, CapturedAt: w.options.Clock.Now(), Data: data})
}

// Feed takes in one snapshot: what Serve does with each that it reads, and a replay with each that was recorded.
func (w *Watch) Feed(ctx context.Context, snapshot beamlens.Snapshot) {
	if w.options.OnSample != nil {
		w.options.OnSample(snapshot)
	}
	for _, f := range w.feed(snapshot) {
		name := beamlens.EventFindingOpened
		if f.Cleared() {
			name = beamlens.EventFindingCleared
		}
		w.options.OnEvent(beamlens.Event{Name: name, At: f.At, Target: w.target, Subject: w.skill.ID, Finding: &f})
		var evidence []beamlens.Evidence
		if f.Tier == beamlens.TierAlert && !f.Cleared() {
			evidence = w.capture(ctx, f.Metric, snapshot.CapturedAt)
		}
		w.options.OnFinding(f, snapshot, evidence)
	}
}

// snapshot calls the skill; a panic in it is an error of that snapshot.
func (w *Watch) snapshot(ctx context.Context) (data map[string]any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("snapshot of %s panicked: %v", w.skill.ID, p)
		}
	}()
	return w.skill.Snapshot(ctx)
}

// feed gives one snapshot to the detectors and returns the findings that opened or cleared.
func (w *Watch) feed(s beamlens.Snapshot) []beamlens.Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latest = s
	w.samples++
	w.series.push(s)
	w.history.push(s.CapturedAt.UnixNano(), func(yield func(string, float64)) {
		for _, m := range w.skill.Metrics {
			if x, ok := s.Number(m.Name); ok {
				yield(m.Name, x)
			}
		}
	})
	var told []beamlens.Finding
	for _, m := range w.skill.Metrics {
		x, ok := s.Number(m.Name)
		if !ok {
			continue
		}
		for _, c := range w.detectors[m.Name].Step(s.CapturedAt, x) {
			told = append(told, w.finding(m, c, s.CapturedAt))
		}
		w.follow(m, x)
	}
	if len(told) > 0 {
		w.confirm()
	}
	return told
}

// confirm tells the detectors that what is open is an incident, when a rule or a limit says so too: what an incident contains is not
// remembered as what the metric does anyway.
func (w *Watch) confirm() {
	declared := func(f beamlens.Finding) bool { return f.Rule != "" || f.Kind == beamlens.FindingLimit }
	for _, f := range w.open {
		if declared(f) {
			for _, d := range w.detectors {
				d.Confirm()
			}
			return
		}
	}
}

// finding turns a detector's change into the vocabulary's word, and keeps the list of open ones.
func (w *Watch) finding(m skill.Metric, c detect.Change, at time.Time) beamlens.Finding {
	key := fmt.Sprintf("%s/%s/%d", m.Name, c.Kind, c.Rule)
	f, known := w.open[key]
	if !known {
		f = beamlens.Finding{ID: w.options.Clock.NewID(), Onset: c.Onset.UTC(), Uncertainty: c.Uncertainty}
	}
	if m.Largest && !known && c.Rate > 0 {
		f.Uncertainty += hidden(c.Ordinary, c.Rate)
	}
	f.Target, f.Skill, f.Metric, f.Unit, f.Kind = w.target, w.skill.ID, m.Name, m.Unit, string(c.Kind)
	f.Value, f.Limit, f.Rate, f.Score, f.At = c.Value, c.Limit, c.Rate, c.Score, at
	f.LimitIn, f.LimitInLow, f.LimitInHigh = c.In.Seconds(), c.InLow.Seconds(), c.InHigh.Seconds()
	f.Tier = beamlens.TierNotable
	if c.Alert {
		f.Tier = beamlens.TierAlert
	}
	if c.Kind == detect.KindRule || c.Kind == detect.KindGrowth {
		r := w.rules[m.Name][c.Rule]
		f.Rule, f.Severity = r.String(), string(r.Severity)
	}
	if c.Cleared {
		f.ClearedAt = &at
		delete(w.open, key)
		return f
	}
	f.Ordinary = c.Ordinary
	w.open[key] = f
	return f
}

// mostHidden bounds how long something may have grown unseen.
const mostHidden = time.Minute

// hidden is how long something that grows at a rate may have grown below what was the largest before.
func hidden(before, rate float64) time.Duration {
	return min(time.Duration(max(before, 0)/rate*float64(time.Second)), mostHidden)
}

// follow keeps value and rate of the open findings of a metric current.
func (w *Watch) follow(m skill.Metric, x float64) {
	for key, f := range w.open {
		if f.Metric == m.Name {
			f.Value, f.Rate = x, w.detectors[m.Name].Rate()
			w.open[key] = f
		}
	}
}

// Open returns the findings that last, those with the earliest onset first.
func (w *Watch) Open() []beamlens.Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	open := make([]beamlens.Finding, 0, len(w.open))
	for _, f := range w.open {
		open = append(open, f)
	}
	slices.SortFunc(open, func(a, b beamlens.Finding) int {
		if c := a.Onset.Compare(b.Onset); c != 0 {
			return c
		}
		return strings.Compare(a.Metric+a.Kind+a.Rule, b.Metric+b.Kind+b.Rule)
	})
	return open
}

// Samples is how many snapshots have been read.
func (w *Watch) Samples() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.samples
}

// Latest returns the newest snapshot, and the error of the last attempt if it failed.
func (w *Watch) Latest() (beamlens.Snapshot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.latest, w.failure
}

// Series returns the samples of a metric that are kept, oldest first.
func (w *Watch) Series(metric string) []Sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.series.of(metric)
}

// History returns what is kept of a metric behind the samples of the last hour: a point for each five minutes of a day, oldest first.
func (w *Watch) History(metric string) []Point {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.history.of(metric)
}

func (w *Watch) event(name string, fields map[string]any) {
	w.options.OnEvent(beamlens.Event{Name: name, At: w.options.Clock.Now(), Target: w.target, Subject: w.skill.ID, Fields: fields})
}
