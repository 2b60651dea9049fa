package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// SQL keeps everything in a database. Statements are of the subset that SQLite and PostgreSQL share.
type SQL struct {
	write *sql.DB // one connection: writers queue here and not in the database
	read  *sql.DB
	size  func(context.Context) (int64, error)
}

var _ Store = (*SQL)(nil)

// Database is what a driver's package hands over. Size tells the bytes that the database takes; it may be nil.
type Database struct {
	Write, Read *sql.DB
	Size        func(context.Context) (int64, error)
}

// NewSQL returns a store in the database, after bringing its schema up to date. A schema that is newer than this program is an
// error: it loses nothing.
func NewSQL(ctx context.Context, d Database) (*SQL, error) {
	d.Write.SetMaxOpenConns(1)
	s := &SQL{write: d.Write, read: d.Read, size: d.Size}
	if err := migrate(ctx, d.Write); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// Close closes the database.
func (s *SQL) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

// tx runs f in one transaction.
func (s *SQL) tx(ctx context.Context, f func(*sql.Tx) error) error {
	t, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(t); err != nil {
		return errors.Join(err, t.Rollback())
	}
	return t.Commit()
}

// PutAlert stores an alert.
func (s *SQL) PutAlert(ctx context.Context, a beamlens.Alert) error {
	return s.tx(ctx, func(t *sql.Tx) error { return put(ctx, t, a) })
}

func put(ctx context.Context, t *sql.Tx, a beamlens.Alert) error {
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode alert: %w", err)
	}
	var seq int64
	if err := t.QueryRowContext(ctx, `UPDATE sequence SET n = n + 1 RETURNING n`).Scan(&seq); err != nil {
		return fmt.Errorf("next sequence number: %w", err)
	}
	var cleared sql.NullInt64
	if a.ClearedAt != nil {
		cleared = sql.NullInt64{Int64: a.ClearedAt.UnixNano(), Valid: true}
	}
	_, err = t.ExecContext(ctx, `
		INSERT INTO alerts (id, seq, target, operator, status, severity, detected_at, updated_at, cleared_at, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, target = excluded.target, operator = excluded.operator, status = excluded.status,
			severity = excluded.severity, detected_at = excluded.detected_at, updated_at = excluded.updated_at,
			cleared_at = excluded.cleared_at, body = excluded.body`,
		a.ID, seq, a.Target.String(), a.Operator, string(a.Status), string(a.Severity), a.DetectedAt.UnixNano(), a.UpdatedAt.UnixNano(), cleared, string(body))
	return err
}

// UpdateAlert changes an alert.
func (s *SQL) UpdateAlert(ctx context.Context, id string, change func(*beamlens.Alert)) (a beamlens.Alert, err error) {
	err = s.tx(ctx, func(t *sql.Tx) error {
		if a, err = one[beamlens.Alert](t.QueryRowContext(ctx, `SELECT body FROM alerts WHERE id = ?`, id)); err != nil {
			return fmt.Errorf("alert %s: %w", id, err)
		}
		change(&a)
		return put(ctx, t, a)
	})
	return a, err
}

// Alert returns one alert.
func (s *SQL) Alert(ctx context.Context, id string) (beamlens.Alert, error) {
	a, err := one[beamlens.Alert](s.read.QueryRowContext(ctx, `SELECT body FROM alerts WHERE id = ?`, id))
	if err != nil {
		return a, fmt.Errorf("alert %s: %w", id, err)
	}
	return a, nil
}

func one[T any](row *sql.Row) (v T, err error) {
	var body string
	if err := row.Scan(&body); errors.Is(err, sql.ErrNoRows) {
		return v, ErrNotFound
	} else if err != nil {
		return v, err
	}
	err = json.Unmarshal([]byte(body), &v)
	return v, err
}

func many[T any](ctx context.Context, db *sql.DB, query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		var v T
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			return nil, fmt.Errorf("decode row: %w", err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Alerts returns the alerts that the filter selects.
func (s *SQL) Alerts(ctx context.Context, f beamlens.AlertFilter) ([]beamlens.Alert, error) {
	var where []string
	var args []any
	add := func(cond string, v ...any) { where, args = append(where, cond), append(args, v...) }
	if f.Target != (beamlens.Target{}) {
		add("target = ?", f.Target.String())
	}
	if f.Operator != "" {
		add("operator = ?", f.Operator)
	}
	if f.Status != "" {
		add("status = ?", string(f.Status))
	}
	if f.Open {
		add("cleared_at IS NULL")
	}
	if !f.Since.IsZero() {
		add("updated_at >= ?", f.Since.UnixNano())
	}
	query := `SELECT body FROM alerts`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, " AND ")
	}
	args = append(args, limitOf(f.Limit), max(f.Offset, 0))
	return many[beamlens.Alert](ctx, s.read, query+` ORDER BY detected_at DESC, seq DESC LIMIT ? OFFSET ?`, args...)
}

// AlertsAfter returns the alerts written after seq.
func (s *SQL) AlertsAfter(ctx context.Context, seq int64, limit int) ([]beamlens.Alert, int64, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT seq, body FROM alerts WHERE seq > ? ORDER BY seq LIMIT ?`, seq, limitOf(limit))
	if err != nil {
		return nil, seq, err
	}
	defer rows.Close()
	var out []beamlens.Alert
	for rows.Next() {
		var body string
		var a beamlens.Alert
		if err := rows.Scan(&seq, &body); err != nil {
			return nil, seq, err
		}
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			return nil, seq, fmt.Errorf("decode alert: %w", err)
		}
		out = append(out, a)
	}
	return out, seq, rows.Err()
}

// PutInsight stores an insight, or replaces the one with its id. What a person has said of it stays.
func (s *SQL) PutInsight(ctx context.Context, i beamlens.Insight) error {
	return s.tx(ctx, func(t *sql.Tx) error {
		if i.Feedback == nil {
			old, err := one[beamlens.Insight](t.QueryRowContext(ctx, `SELECT body FROM insights WHERE id = ?`, i.ID))
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			i.Feedback = old.Feedback
		}
		body, err := json.Marshal(i)
		if err != nil {
			return fmt.Errorf("encode insight: %w", err)
		}
		_, err = t.ExecContext(ctx, `INSERT INTO insights (id, target, created_at, body) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body`,
			i.ID, i.Target.String(), i.CreatedAt.UnixNano(), string(body))
		return err
	})
}

// Insights returns the insights, newest first.
func (s *SQL) Insights(ctx context.Context, limit, offset int) ([]beamlens.Insight, error) {
	return many[beamlens.Insight](ctx, s.read, `SELECT body FROM insights ORDER BY created_at DESC LIMIT ? OFFSET ?`, limitOf(limit), max(offset, 0))
}

// PutSnapshot stores a snapshot.
func (s *SQL) PutSnapshot(ctx context.Context, snap beamlens.Snapshot) error {
	body, err := json.Marshal(snap)
	if err != nil {
		return fmt.Errorf("encode snapshot: %w", err)
	}
	_, err = s.write.ExecContext(ctx, `INSERT INTO snapshots (id, target, skill, captured_at, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
		snap.ID, snap.Target.String(), snap.Skill, snap.CapturedAt.UnixNano(), string(body))
	return err
}

// Snapshot returns one snapshot.
func (s *SQL) Snapshot(ctx context.Context, id string) (beamlens.Snapshot, error) {
	snap, err := one[beamlens.Snapshot](s.read.QueryRowContext(ctx, `SELECT body FROM snapshots WHERE id = ?`, id))
	if err != nil {
		return snap, fmt.Errorf("snapshot %s: %w", id, err)
	}
	return snap, nil
}

// Snapshots returns the snapshots that the filter selects, newest first.
func (s *SQL) Snapshots(ctx context.Context, f beamlens.SnapshotFilter) ([]beamlens.Snapshot, error) {
	target := ""
	if f.Target != (beamlens.Target{}) {
		target = f.Target.String()
	}
	return many[beamlens.Snapshot](ctx, s.read, `
		SELECT body FROM snapshots WHERE (? = '' OR target = ?) AND (? = '' OR skill = ?)
		ORDER BY captured_at DESC LIMIT ? OFFSET ?`, target, target, f.Skill, f.Skill, limitOf(f.Limit), max(f.Offset, 0))
}

// Append writes entry n of a run, if n is the next.
func (s *SQL) Append(ctx context.Context, run string, n int, entry []byte) (ok bool, err error) {
	err = s.tx(ctx, func(t *sql.Tx) error {
		var next int
		if err := t.QueryRowContext(ctx, `SELECT COALESCE(MAX(n) + 1, 0) FROM journal WHERE run = ?`, run).Scan(&next); err != nil {
			return err
		}
		if ok = next == n; !ok {
			return nil
		}
		_, err := t.ExecContext(ctx, `INSERT INTO journal (run, n, at, body) VALUES (?, ?, ?, ?)`, run, n, time.Now().UnixNano(), string(entry))
		return err
	})
	return ok && err == nil, err
}

// Entries returns the entries of a run.
func (s *SQL) Entries(ctx context.Context, run string) ([][]byte, error) {
	raw, err := many[json.RawMessage](ctx, s.read, `SELECT body FROM journal WHERE run = ? ORDER BY n`, run)
	out := make([][]byte, len(raw))
	for i, r := range raw {
		out[i] = r
	}
	return out, err
}

// Runs lists the journals, the newest first.
func (s *SQL) Runs(ctx context.Context, prefix string, limit int) ([]Run, error) {
	rows, err := s.read.QueryContext(ctx, `
		SELECT run, at, (SELECT COUNT(*) FROM journal e WHERE e.run = j.run) FROM journal j
		WHERE n = 0 AND substr(run, 1, ?) = ? ORDER BY at DESC LIMIT ?`,
		len(prefix), prefix, limitOf(limit))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Run
	for rows.Next() {
		var r Run
		var at int64
		if err := rows.Scan(&r.ID, &at, &r.Entries); err != nil {
			return nil, err
		}
		r.Began = time.Unix(0, at).UTC()
		out = append(out, r)
	}
	return out, rows.Err()
}

// PutCall stores a call of a language model.
func (s *SQL) PutCall(ctx context.Context, id string, at time.Time, call []byte) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO calls (id, at, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at, body = excluded.body`,
		id, at.UnixNano(), string(call))
	return err
}

// CallsSince returns the calls at and after a time.
func (s *SQL) CallsSince(ctx context.Context, since time.Time) ([][]byte, error) {
	from := int64(0)
	if !since.IsZero() {
		from = since.UnixNano()
	}
	raw, err := many[json.RawMessage](ctx, s.read, `SELECT body FROM calls WHERE at >= ? ORDER BY at`, from)
	out := make([][]byte, len(raw))
	for i, r := range raw {
		out[i] = r
	}
	return out, err
}

// Cursor returns how far a reader is.
func (s *SQL) Cursor(ctx context.Context, name string) (pos int64, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT pos FROM cursors WHERE name = ?`, name).Scan(&pos)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return pos, err
}

// SetCursor remembers how far a reader is.
func (s *SQL) SetCursor(ctx context.Context, name string, seq int64) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO cursors (name, pos) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET pos = excluded.pos`, name, seq)
	return err
}

// PutBaselines keeps what detectors have learnt, all of it or nothing.
func (s *SQL) PutBaselines(ctx context.Context, series string, states map[string][]byte) error {
	return s.tx(ctx, func(t *sql.Tx) error {
		for metric, state := range states {
			if _, err := t.ExecContext(ctx, `INSERT INTO baselines (series, metric, state) VALUES (?, ?, ?) ON CONFLICT (series, metric) DO UPDATE SET state = excluded.state`, series, metric, state); err != nil {
				return err
			}
		}
		return nil
	})
}

// Baselines returns what detectors had learnt.
func (s *SQL) Baselines(ctx context.Context, series string) (map[string][]byte, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT metric, state FROM baselines WHERE series = ?`, series)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string][]byte{}
	for rows.Next() {
		var metric string
		var state []byte
		if err := rows.Scan(&metric, &state); err != nil {
			return nil, err
		}
		out[metric] = state
	}
	return out, rows.Err()
}
