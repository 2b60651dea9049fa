package sqldb

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

type none struct{}

type limitIn struct {
	Limit int64 `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

// prefixed writes a playbook for a skill with this prefix: in the files it is sql.
func prefixed(lua, id string) string { return strings.ReplaceAll(lua, "sql_", id+"_") }

type activeRow struct {
	Pid                      int64
	User, Application, State string
	Wait                     string
	QueryS, TransactionS     float64
	Query                    string
}

type session struct {
	Pid          int64   `json:"pid"`
	Application  string  `json:"application"`
	User         string  `json:"user"`
	State        string  `json:"state"`
	Wait         string  `json:"waits_for,omitempty"`
	QueryS       float64 `json:"query_s"`
	TransactionS float64 `json:"transaction_s"`
	QueryID      string  `json:"query_id"`
	Query        string  `json:"query"`
}

type sessionsOut struct {
	Sessions []session `json:"sessions"`
}

func (p *postgres) sessions(ctx context.Context, limit int64, byTransaction bool) (sessionsOut, error) {
	rows, err := query[activeRow](ctx, p.db, "active", limit, byTransaction)
	out := sessionsOut{Sessions: []session{}}
	for _, r := range rows {
		id, text := Fingerprint(r.Query)
		out.Sessions = append(out.Sessions, session{r.Pid, r.Application, r.User, r.State, r.Wait, round(r.QueryS), round(r.TransactionS), id, text})
	}
	return out, err
}

func (p *postgres) active(ctx context.Context, in limitIn) (sessionsOut, error) {
	return p.sessions(ctx, in.Limit, false)
}

func (p *postgres) longRunning(ctx context.Context, in limitIn) (sessionsOut, error) {
	return p.sessions(ctx, in.Limit, true)
}

type lockRow struct {
	Waiter                    int64
	WaitS                     float64
	WaiterQuery, Mode, Object string
	Blocker                   int64
	User, Application, State  string
	TransactionS, StateS      float64
	BlockerQuery              string
	BlockerWaits              bool
}

type waiter struct {
	Pid     int64   `json:"pid"`
	WaitS   float64 `json:"waits_s"`
	For     string  `json:"waits_for"` // table or kind of lock
	Mode    string  `json:"mode"`
	QueryID string  `json:"query_id"`
	Query   string  `json:"query"`
	Blocker int64   `json:"blocked_by_pid"`
}

type lockRoot struct {
	Pid          int64   `json:"pid"`
	Application  string  `json:"application"`
	User         string  `json:"user"`
	State        string  `json:"state"`
	TransactionS float64 `json:"transaction_s"`
	StateS       float64 `json:"in_state_s"`
	QueryID      string  `json:"query_id"`
	Query        string  `json:"query"` // its last
	Victims      int     `json:"waiting_sessions"`
	Object       string  `json:"object"`
}

type locksOut struct {
	Waiting int        `json:"waiting_sessions"`
	Roots   []lockRoot `json:"roots"`
	Waiters []waiter   `json:"waiters"`
}

// locks tells the chains. A session that waits may itself be waited for; who is at the root waits for nobody.
func (p *postgres) locks(ctx context.Context, _ none) (locksOut, error) {
	rows, err := query[lockRow](ctx, p.db, "locks")
	out := locksOut{Roots: []lockRoot{}, Waiters: []waiter{}}
	blockedBy := map[int64][]int64{}
	roots := map[int64]*lockRoot{}
	for _, r := range rows {
		if len(blockedBy[r.Waiter]) == 0 {
			id, text := Fingerprint(r.WaiterQuery)
			out.Waiters = append(out.Waiters, waiter{r.Waiter, round(r.WaitS), r.Object, r.Mode, id, text, r.Blocker})
		}
		blockedBy[r.Waiter] = append(blockedBy[r.Waiter], r.Blocker)
		if !r.BlockerWaits && roots[r.Blocker] == nil {
			id, text := Fingerprint(r.BlockerQuery)
			roots[r.Blocker] = &lockRoot{r.Blocker, r.Application, r.User, r.State, round(r.TransactionS), round(r.StateS), id, text, 0, r.Object}
		}
	}
	out.Waiting = len(blockedBy)
	for waiting := range blockedBy {
		for root := range rootsOf(waiting, blockedBy, map[int64]bool{}) {
			if r := roots[root]; r != nil {
				r.Victims++
			}
		}
	}
	for _, r := range roots {
		out.Roots = append(out.Roots, *r)
	}
	slices.SortFunc(out.Roots, func(a, b lockRoot) int {
		return cmp.Or(cmp.Compare(b.Victims, a.Victims), cmp.Compare(b.TransactionS, a.TransactionS), cmp.Compare(a.Pid, b.Pid))
	})
	return out, err
}

// rootsOf gives who is at the end of the chains from a session. A deadlock is a circle, and has none.
func rootsOf(pid int64, blockedBy map[int64][]int64, seen map[int64]bool) map[int64]bool {
	out := map[int64]bool{}
	if seen[pid] {
		return out
	}
	seen[pid] = true
	for _, b := range blockedBy[pid] {
		if len(blockedBy[b]) == 0 {
			out[b] = true
			continue
		}
		for r := range rootsOf(b, blockedBy, seen) {
			out[r] = true
		}
	}
	return out
}

type connectionRow struct {
	Application       string  `json:"application"`
	User              string  `json:"user"`
	Database          string  `json:"database"`
	Connections       int64   `json:"connections"`
	Active            int64   `json:"active"`
	Idle              int64   `json:"idle"`
	IdleInTransaction int64   `json:"idle_in_transaction"`
	LongestIdleS      float64 `json:"longest_idle_s"`
}

type connectionsOut struct {
	Max         int64           `json:"max_connections"`
	Connections int64           `json:"connections"`
	Pools       []connectionRow `json:"pools"`
}

func (p *postgres) connections(ctx context.Context, _ none) (connectionsOut, error) {
	s, err := query[snapshotRow](ctx, p.db, "snapshot")
	if err != nil {
		return connectionsOut{}, err
	}
	rows, err := query[connectionRow](ctx, p.db, "connections")
	for i := range rows {
		rows[i].LongestIdleS = round(rows[i].LongestIdleS)
	}
	return connectionsOut{s[0].MaxConnections, s[0].Connections, rows}, err
}

type statementRow struct {
	ID           int64
	Calls        int64
	TotalMS      float64
	Rows, Blocks int64
	Query        string
}

type statement struct {
	QueryID string  `json:"query_id"`
	Query   string  `json:"query"`
	Calls   int64   `json:"calls"`
	MeanMS  float64 `json:"mean_ms"`
	TotalMS float64 `json:"total_ms"`
	Rows    int64   `json:"rows"`
	Blocks  int64   `json:"blocks_per_call"`
}

type statementsOut struct {
	WindowS    *float64    `json:"window_s"` // null: since the statistics were reset
	Statements []statement `json:"statements"`
}

var errNoStatements = errors.New("not available: the extension pg_stat_statements is not installed in this database (shared_preload_libraries, then CREATE EXTENSION pg_stat_statements)")

// slowQueries tells what happened since the reading before, if that was long enough ago to mean something.
func (p *postgres) slowQueries(ctx context.Context, in limitIn) (statementsOut, error) {
	out := statementsOut{Statements: []statement{}}
	has, err := query[struct{ Has bool }](ctx, p.db, "has_statements")
	if err != nil {
		return out, err
	}
	if !has[0].Has {
		return out, errNoStatements
	}
	rows, err := query[statementRow](ctx, p.db, "statements")
	if err != nil {
		return out, err
	}
	now := time.Now()
	p.mu.Lock()
	before, window := p.statements, now.Sub(p.readAt).Seconds()
	if before == nil || window > 10 {
		p.statements, p.readAt = make(map[int64]statementRow, len(rows)), now
		for _, r := range rows {
			p.statements[r.ID] = r
		}
	}
	p.mu.Unlock()
	if before != nil && window > 10 {
		w := round(window)
		out.WindowS = &w
	} else {
		before = nil
	}
	for _, r := range rows {
		if b, ok := before[r.ID]; ok && r.Calls >= b.Calls {
			r.Calls, r.TotalMS, r.Rows, r.Blocks = r.Calls-b.Calls, r.TotalMS-b.TotalMS, r.Rows-b.Rows, r.Blocks-b.Blocks
		}
		if r.Calls == 0 {
			continue
		}
		id, text := Fingerprint(r.Query)
		out.Statements = append(out.Statements, statement{id, text, r.Calls, round(r.TotalMS / float64(r.Calls)), round(r.TotalMS), r.Rows, r.Blocks / r.Calls})
	}
	slices.SortStableFunc(out.Statements, func(a, b statement) int { return cmp.Compare(b.MeanMS, a.MeanMS) })
	out.Statements = out.Statements[:min(len(out.Statements), int(in.Limit))]
	return out, nil
}
