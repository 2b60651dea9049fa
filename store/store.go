// Package store keeps what happened: alerts, insights, snapshots, journals of runs, and cursors of those who read them.
//
// [Memory] keeps it while the program lives, bounded. [SQL] keeps it in a database through database/sql; the driver comes from
// outside (ext/sqlite), so that this package compiles none. Both pass the same contract, storetest.
//
// # Order
//
// Every write of an alert gives it a new sequence number, larger than all before. Whoever follows the alerts reads those after
// the last number he has seen and remembers it as a cursor: that survives restarts, loses nothing and needs no bus. An
// alert that was written twice since is read once, as it is now.
//
// # Journals
//
// Append writes entry n of a run only if n is the next one. Two engines that run the same investigation therefore notice.
package store

import (
	"context"
	"errors"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// ErrNotFound means that there is nothing with this id.
var ErrNotFound = errors.New("not found")

// Store is all that a store does. Consumers declare the part they need.
type Store interface {
	Alerts
	Insights
	Snapshots
	Journal
	Cursors
	Baselines
	Calls
	// Prune removes what is older than the retention, and the oldest of what is too much.
	Prune(ctx context.Context, r Retention) error
}

// Alerts keeps alerts.
type Alerts interface {
	PutAlert(ctx context.Context, a beamlens.Alert) error
	// UpdateAlert changes an alert in one step that nobody else's comes between, and returns it as it is then.
	UpdateAlert(ctx context.Context, id string, change func(*beamlens.Alert)) (beamlens.Alert, error)
	Alert(ctx context.Context, id string) (beamlens.Alert, error)
	Alerts(ctx context.Context, f beamlens.AlertFilter) ([]beamlens.Alert, error) // newest first
	// AlertsAfter gives alerts written after seq in the order of their writing, and the number of the last.
	AlertsAfter(ctx context.Context, seq int64, limit int) ([]beamlens.Alert, int64, error)
}

// Insights keeps insights.
type Insights interface {
	PutInsight(ctx context.Context, i beamlens.Insight) error                    // replaces the one with its id, but for its Feedback when it has none
	Insights(ctx context.Context, limit, offset int) ([]beamlens.Insight, error) // newest first
}

// Snapshots keeps snapshots.
type Snapshots interface {
	PutSnapshot(ctx context.Context, s beamlens.Snapshot) error
	Snapshot(ctx context.Context, id string) (beamlens.Snapshot, error)
	Snapshots(ctx context.Context, f beamlens.SnapshotFilter) ([]beamlens.Snapshot, error) // newest first
}

// Journal keeps the entries of runs.
type Journal interface {
	Append(ctx context.Context, run string, n int, entry []byte) (ok bool, err error)
	Entries(ctx context.Context, run string) ([][]byte, error)
	// Runs lists the journals whose id begins with prefix, the newest first.
	Runs(ctx context.Context, prefix string, limit int) ([]Run, error)
}

// Cursors keeps how far readers are. A cursor that was never set is 0.
type Cursors interface {
	Cursor(ctx context.Context, name string) (int64, error)
	SetCursor(ctx context.Context, name string, seq int64) error
}

// Baselines keeps what detectors have learnt: for a series, as "beam shop@host/ets", the state by metric.
type Baselines interface {
	PutBaselines(ctx context.Context, series string, states map[string][]byte) error
	Baselines(ctx context.Context, series string) (map[string][]byte, error)
}

// Calls keeps the calls of language models, for budgets and bills. PutCall replaces the call with that id; the calls come in order of
// their time.
type Calls interface {
	PutCall(ctx context.Context, id string, at time.Time, call []byte) error
	CallsSince(ctx context.Context, since time.Time) ([][]byte, error)
}

// Run is a journal that is kept.
type Run struct {
	ID      string
	Began   time.Time
	Entries int
}

// Retention says how long things are kept. Zero values mean the defaults.
type Retention struct {
	Alerts    time.Duration // alerts that are cleared, insights, and what models cost; default 400 days
	Snapshots time.Duration // default 7 days
	Journals  time.Duration // default 30 days
	Bytes     int64         // of the whole store; the oldest snapshots and journals go first; default 512 MiB
}

// WithDefaults fills in the defaults.
func (r Retention) WithDefaults() Retention {
	const day = 24 * time.Hour
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&r.Alerts, 400 * day}, {&r.Snapshots, 7 * day}, {&r.Journals, 30 * day}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if r.Bytes <= 0 {
		r.Bytes = 512 << 20
	}
	return r
}

func limitOf(limit int) int {
	if limit <= 0 {
		return 100
	}
	return limit
}
