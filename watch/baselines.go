package watch

import (
	"context"
	"time"
)

// What the detectors have learnt is stored soon after the start, and then every minute: no kill loses more of days of learning.
const (
	firstSave = 10 * time.Second
	saveEvery = time.Minute
)

// farewellTime bounds the last save.
const farewellTime = 2 * time.Second

func (w *Watch) seriesName() string { return w.target.String() + "/" + w.skill.ID }

// load takes over what was learnt before. What cannot be read is learnt anew.
func (w *Watch) load(ctx context.Context) {
	if w.options.Baselines == nil {
		return
	}
	states, err := w.options.Baselines.Baselines(ctx, w.seriesName())
	if err != nil {
		w.event("watch.baselines_failed", map[string]any{"skill": w.skill.ID, "reason": err.Error()})
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.samples > 0 {
		return // the watch was restarted: what it has in memory is newer
	}
	for metric, state := range states {
		if d := w.detectors[metric]; d != nil {
			_ = d.Load(state) // of another version: it begins anew
		}
	}
}

func (w *Watch) save(ctx context.Context) {
	if w.options.Baselines == nil {
		return
	}
	w.mu.Lock()
	states := make(map[string][]byte, len(w.detectors))
	for metric, d := range w.detectors {
		if state, err := d.Save(); err == nil {
			states[metric] = state
		}
	}
	samples := w.samples
	w.mu.Unlock()
	if samples == 0 {
		return // nothing was learnt, and what is stored is better
	}
	if err := w.options.Baselines.PutBaselines(ctx, w.seriesName(), states); err != nil {
		w.event("watch.baselines_failed", map[string]any{"skill": w.skill.ID, "reason": err.Error()})
	}
}

// farewell saves when the watch ends, whose context has ended then.
func (w *Watch) farewell() {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	w.save(ctx)
}
