package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// Bounds of a memory store.
const (
	maxAlerts    = 2000
	maxInsights  = 1000
	maxSnapshots = 5000
	maxRuns      = 200
	maxCalls     = 10_000
)

// Memory keeps everything in memory, the newest of it: thousands of alerts and snapshots, hundreds of journals.
type Memory struct {
	mu        sync.Mutex // guards what follows
	seq       int64
	alerts    map[string]stored
	insights  []beamlens.Insight
	snapshots []beamlens.Snapshot
	runs      map[string][][]byte
	began     map[string]time.Time
	calls     map[string]call
	order     []string // of runs, oldest first
	cursors   map[string]int64
	baselines map[string]map[string][]byte
}

// call is a call of a language model.
type call struct {
	at   time.Time
	body []byte
}

// stored is an alert as JSON, so that nobody holds a pointer into the store.
type stored struct {
	seq  int64
	body []byte
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{alerts: map[string]stored{}, runs: map[string][][]byte{}, began: map[string]time.Time{}, calls: map[string]call{}, cursors: map[string]int64{}, baselines: map[string]map[string][]byte{}}
}

func (s stored) alert() (a beamlens.Alert, err error) {
	err = json.Unmarshal(s.body, &a)
	return a, err
}

// PutAlert stores an alert.
func (m *Memory) PutAlert(_ context.Context, a beamlens.Alert) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.put(a)
}

func (m *Memory) put(a beamlens.Alert) error {
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode alert: %w", err)
	}
	m.seq++
	m.alerts[a.ID] = stored{m.seq, body}
	if len(m.alerts) > maxAlerts {
		oldest := ""
		for id, s := range m.alerts {
			if oldest == "" || s.seq < m.alerts[oldest].seq {
				oldest = id
			}
		}
		delete(m.alerts, oldest)
	}
	return nil
}

// UpdateAlert changes an alert.
func (m *Memory) UpdateAlert(_ context.Context, id string, change func(*beamlens.Alert)) (beamlens.Alert, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.alerts[id]
	if !ok {
		return beamlens.Alert{}, fmt.Errorf("alert %s: %w", id, ErrNotFound)
	}
	a, err := s.alert()
	if err != nil {
		return a, err
	}
	change(&a)
	return a, m.put(a)
}

// Alert returns one alert.
func (m *Memory) Alert(_ context.Context, id string) (beamlens.Alert, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.alerts[id]
	if !ok {
		return beamlens.Alert{}, fmt.Errorf("alert %s: %w", id, ErrNotFound)
	}
	return s.alert()
}

// Alerts returns the alerts that the filter selects.
func (m *Memory) Alerts(_ context.Context, f beamlens.AlertFilter) ([]beamlens.Alert, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []beamlens.Alert
	for _, s := range m.alerts {
		a, err := s.alert()
		if err != nil {
			return nil, err
		}
		if f.Match(a) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b beamlens.Alert) int {
		if c := b.DetectedAt.Compare(a.DetectedAt); c != 0 {
			return c
		}
		return int(m.alerts[b.ID].seq - m.alerts[a.ID].seq)
	})
	return cut(out, f.Limit, f.Offset), nil
}

func cut[T any](list []T, limit, offset int) []T {
	if offset >= len(list) {
		return nil
	}
	list = list[max(offset, 0):]
	return list[:min(limitOf(limit), len(list))]
}

// AlertsAfter returns the alerts written after seq.
func (m *Memory) AlertsAfter(_ context.Context, seq int64, limit int) ([]beamlens.Alert, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var after []stored
	for _, s := range m.alerts {
		if s.seq > seq {
			after = append(after, s)
		}
	}
	slices.SortFunc(after, func(a, b stored) int { return int(a.seq - b.seq) })
	var out []beamlens.Alert
	for _, s := range cut(after, limit, 0) {
		a, err := s.alert()
		if err != nil {
			return nil, seq, err
		}
		out, seq = append(out, a), s.seq
	}
	return out, seq, nil
}

// PutInsight stores an insight, or replaces the one with its id.
func (m *Memory) PutInsight(_ context.Context, i beamlens.Insight) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := slices.IndexFunc(m.insights, func(old beamlens.Insight) bool { return old.ID == i.ID }); at >= 0 {
		if i.Feedback == nil {
			i.Feedback = m.insights[at].Feedback
		}
		m.insights[at] = i
		return nil
	}
	m.insights = append(m.insights, i)
	if len(m.insights) > maxInsights {
		m.insights = slices.Delete(m.insights, 0, 1)
	}
	return nil
}

// Insights returns the insights, newest first.
func (m *Memory) Insights(_ context.Context, limit, offset int) ([]beamlens.Insight, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.insights)
	slices.Reverse(list)
	return cut(list, limit, offset), nil
}

// PutSnapshot stores a snapshot.
func (m *Memory) PutSnapshot(_ context.Context, s beamlens.Snapshot) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.snapshots = append(m.snapshots, s)
	if len(m.snapshots) > maxSnapshots {
		m.snapshots = slices.Delete(m.snapshots, 0, 1)
	}
	return nil
}

// Snapshot returns one snapshot.
func (m *Memory) Snapshot(_ context.Context, id string) (beamlens.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.snapshots {
		if s.ID == id {
			return s, nil
		}
	}
	return beamlens.Snapshot{}, fmt.Errorf("snapshot %s: %w", id, ErrNotFound)
}

// Snapshots returns the snapshots that the filter selects, newest first.
func (m *Memory) Snapshots(_ context.Context, f beamlens.SnapshotFilter) ([]beamlens.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []beamlens.Snapshot
	for i := len(m.snapshots) - 1; i >= 0; i-- {
		s := m.snapshots[i]
		if (f.Target == beamlens.Target{} || f.Target == s.Target) && (f.Skill == "" || f.Skill == s.Skill) {
			out = append(out, s)
		}
	}
	return cut(out, f.Limit, f.Offset), nil
}

// Append writes entry n of a run.
func (m *Memory) Append(_ context.Context, run string, n int, entry []byte) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	entries, known := m.runs[run]
	if n != len(entries) {
		return false, nil
	}
	if !known {
		m.order = append(m.order, run)
		m.began[run] = time.Now().UTC()
		if len(m.order) > maxRuns {
			delete(m.runs, m.order[0])
			delete(m.began, m.order[0])
			m.order = slices.Delete(m.order, 0, 1)
		}
	}
	m.runs[run] = append(entries, slices.Clone(entry))
	return true, nil
}

// Entries returns the entries of a run.
func (m *Memory) Entries(_ context.Context, run string) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.runs[run]), nil
}

// Runs lists the journals, the newest first.
func (m *Memory) Runs(_ context.Context, prefix string, limit int) ([]Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Run
	for i := len(m.order) - 1; i >= 0; i-- {
		if id := m.order[i]; strings.HasPrefix(id, prefix) {
			out = append(out, Run{id, m.began[id], len(m.runs[id])})
		}
	}
	return cut(out, limit, 0), nil
}

// PutCall stores a call of a language model.
func (m *Memory) PutCall(_ context.Context, id string, at time.Time, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[id] = call{at, slices.Clone(body)}
	if len(m.calls) > maxCalls {
		oldest := id
		for other, c := range m.calls {
			if c.at.Before(m.calls[oldest].at) {
				oldest = other
			}
		}
		delete(m.calls, oldest)
	}
	return nil
}

// CallsSince returns the calls at and after a time.
func (m *Memory) CallsSince(_ context.Context, since time.Time) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []call
	for _, c := range m.calls {
		if !c.at.Before(since) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b call) int { return a.at.Compare(b.at) })
	out := make([][]byte, len(found))
	for i, c := range found {
		out[i] = slices.Clone(c.body)
	}
	return out, nil
}

// Cursor returns how far a reader is.
func (m *Memory) Cursor(_ context.Context, name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursors[name], nil
}

// SetCursor remembers how far a reader is.
func (m *Memory) SetCursor(_ context.Context, name string, seq int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cursors[name] = seq
	return nil
}

// Prune does nothing: the bounds of a memory store are kept at every write.
func (m *Memory) Prune(context.Context, Retention) error { return nil }

// PutBaselines keeps what detectors have learnt.
func (m *Memory) PutBaselines(_ context.Context, series string, states map[string][]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.baselines[series] == nil {
		m.baselines[series] = map[string][]byte{}
	}
	for metric, state := range states {
		m.baselines[series][metric] = slices.Clone(state)
	}
	return nil
}

// Baselines returns what detectors had learnt.
func (m *Memory) Baselines(_ context.Context, series string) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.baselines[series]), nil
}
