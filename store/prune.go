package store

import (
	"context"
	"fmt"
	"time"
)

// batch rows are removed in one transaction, so that pruning never holds up a writer for long.
const batch = 1000

// Prune removes what is older than the retention, and the oldest snapshots and journal entries while the store is too large.
func (s *SQL) Prune(ctx context.Context, r Retention) error {
	r = r.WithDefaults()
	now := time.Now()
	for _, p := range []struct {
		what, where string
		age         time.Duration
	}{
		{"snapshots", "captured_at", r.Snapshots},
		{"journal", "at", r.Journals},
		{"insights", "created_at", r.Alerts},
		{"calls", "at", r.Alerts},
		{"alerts", "cleared_at IS NOT NULL AND updated_at", r.Alerts},
	} {
		if err := s.remove(ctx, p.what, p.where+" < ?", now.Add(-p.age).UnixNano()); err != nil {
			return err
		}
	}
	if s.size == nil {
		return nil
	}
	for range 1000 { // bounded: what cannot be made smaller is left as it is
		bytes, err := s.size(ctx)
		if err != nil || bytes <= r.Bytes {
			return err
		}
		removed := int64(0)
		for _, p := range []struct{ what, order string }{{"snapshots", "captured_at"}, {"journal", "at"}} {
			res, err := s.write.ExecContext(ctx, fmt.Sprintf(`DELETE FROM %[1]s WHERE rowid IN (SELECT rowid FROM %[1]s ORDER BY %[2]s LIMIT %[3]d)`, p.what, p.order, batch))
			if err != nil {
				return fmt.Errorf("prune %s: %w", p.what, err)
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			removed += n
		}
		if removed == 0 {
			return nil
		}
	}
	return nil
}

func (s *SQL) remove(ctx context.Context, what, where string, arg any) error {
	for {
		res, err := s.write.ExecContext(ctx, fmt.Sprintf(`DELETE FROM %[1]s WHERE rowid IN (SELECT rowid FROM %[1]s WHERE %[2]s LIMIT %[3]d)`, what, where, batch), arg)
		if err != nil {
			return fmt.Errorf("prune %s: %w", what, err)
		}
		if n, err := res.RowsAffected(); err != nil || n < batch {
			return err
		}
	}
}
