package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Pool is the skill "sql" over a pool of any driver: who waits for a connection, who holds them, which statements take long. q is what the pool was
// opened with; nil if it was not: then statements and holders are not known.
func Pool(db *sql.DB, q *Queries) *skill.Skill {
	if q == nil {
		q = &Queries{}
	}
	p := &pool{db: db, queries: q}
	return &skill.Skill{
		ID: "sql", Title: "the connection pool", Summary: "Connections in use and waited for, who holds them, statements by fingerprint and caller.",
		Prompt: text("prompt/pool.md"), Snapshot: p.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("sql_stats", "The pool: its connections, and how many had to wait and for how long, since it was made.", "sql_stats()", p.stats),
			skill.Func("sql_holders", "The places in the program that hold connections now, most first.", "sql_holders(5)", p.holders),
			skill.Func("sql_queries", "Statements by fingerprint and the function that asks: by the time that they took lately, by calls, or by how long one has been running.",
				`sql_queries(5, "running")`, p.list),
		},
		Metrics: []skill.Metric{
			{Name: "in_use", Unit: "connections", Kind: skill.Gauge, Doc: "connections that somebody has"},
			{Name: "open", Unit: "connections", Kind: skill.Gauge, Quiet: true, Doc: "connections"},
			{Name: "in_use_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "of the most that may be open; null without a limit"},
			{Name: "waits", Unit: "waits", Kind: skill.Counter, Quiet: true, Doc: "how often somebody had to wait for a connection"},
			{Name: "wait_s", Unit: "s", Kind: skill.Counter, Quiet: true, Doc: "how long, all together; told when a wait ends"},
			{Name: "exhausted", Kind: skill.Gauge, Quiet: true, Doc: "1 when all connections are in use and somebody has begun to wait in the last ten seconds, or nobody who waited has got one"},
			{Name: "queries", Unit: "queries", Kind: skill.Counter, Doc: "statements that have ended"},
			{Name: "errors", Unit: "errors", Kind: skill.Counter, Doc: "statements that failed"},
			{Name: "slow_running", Unit: "queries", Kind: skill.Gauge, Quiet: true, Doc: "statements that have been running for more than two seconds"},
			{Name: "closed_lifetime", Unit: "connections", Kind: skill.Counter, Quiet: true, Doc: "connections that were closed because they were old"},
			{Name: "closed_idle", Unit: "connections", Kind: skill.Counter, Quiet: true, Doc: "connections that were closed because too many were idle"},
		},
		Rules: []skill.Rule{
			{Metric: "exhausted", Above: 0.5, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "whoever needs the database waits"},
			{Metric: "slow_running", Above: 2.5, For: 3 * time.Second, Severity: beamlens.SeverityWarning, Doc: "statements take seconds, and several at once"},
			{Metric: "errors", Above: 5, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "five statements a second fail"},
			{Metric: "closed_idle", Above: 20, For: 10 * time.Second, Severity: beamlens.SeverityWarning, Doc: "connections are opened and closed again all the time: the pool keeps too few"},
		},
		Edges: []beamlens.Edge{
			{From: "sql.slow_running", To: "sql.in_use", Why: "slow statements hold their connections longer"},
			{From: "sql.slow_running", To: "sql.exhausted", Why: "slow statements hold their connections longer"},
			{From: "sql.in_use", To: "sql.exhausted", Why: "at the limit who comes next waits"},
			{From: "sql.exhausted", To: "http.slowdown", Why: "requests wait for a connection"},
			{From: "sql.exhausted", To: "http.stuck", Why: "requests wait for a connection"},
			{From: "sql.exhausted", To: "http.in_flight", Why: "requests wait for a connection"},
			{From: "sql.exhausted", To: "runtime.goroutines", Why: "who waits does not end"},
			{From: "sql.exhausted", To: "leaks.growing", Why: "who waits for a connection does not end"},
			{From: "sql.slow_running", To: "http.slowdown", Why: "requests wait for the database"},
			{From: "sql.slow_running", To: "http.stuck", Why: "requests wait for the database"},
			{From: "sql.errors", To: "http.errors_pct", Why: "requests whose statement fails fail"},
			{From: "sql.errors", To: "logger.error_count_1m", Why: "statements that fail are logged"},
		},
		Playbooks: []skill.Playbook{
			playbook("pool_exhausted", "who holds the connections", "exhausted", "in_use", "in_use_pct"),
			playbook("pool_queries", "which statements run long, and who asks", "slow_running", "errors"),
			playbook("pool_churn", "why connections are closed", "closed_idle"),
		},
	}
}

type pool struct {
	db      *sql.DB
	queries *Queries

	mu     sync.Mutex // guards what follows
	waits  int64
	waited time.Time     // when somebody last began to wait
	spent  time.Duration // on waits that had ended by then
}

const (
	slowRunning = 2 * time.Second
	waitCounts  = 10 * time.Second
)

func (p *pool) snapshot(context.Context) (map[string]any, error) {
	s := p.db.Stats()
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.WaitCount > p.waits {
		p.waits, p.waited, p.spent = s.WaitCount, time.Now(), s.WaitDuration
	}
	full := s.MaxOpenConnections > 0 && s.InUse >= s.MaxOpenConnections
	if !full {
		p.waited = time.Time{}
	}
	exhausted := 0
	// Where no wait has ended since, whoever waited waits.
	if full && !p.waited.IsZero() && (time.Since(p.waited) < waitCounts || s.WaitDuration == p.spent) {
		exhausted = 1
	}
	total, fails := p.queries.counts()
	out := map[string]any{
		"in_use": s.InUse, "idle": s.Idle, "open": s.OpenConnections, "max_open": s.MaxOpenConnections, "in_use_pct": nil, "waits": s.WaitCount, "wait_s": round(s.WaitDuration.Seconds()),
		"exhausted": exhausted, "queries": int64(total), "errors": int64(fails), "slow_running": p.queries.slow(slowRunning), "closed_lifetime": s.MaxLifetimeClosed,
		"closed_idle": s.MaxIdleClosed, "closed_idle_time": s.MaxIdleTimeClosed,
	}
	if s.MaxOpenConnections > 0 {
		out["in_use_pct"] = round(100 * float64(s.InUse) / float64(s.MaxOpenConnections))
	}
	return out, nil
}

type poolStats struct {
	Max       int     `json:"max_open"`
	Open      int     `json:"open"`
	InUse     int     `json:"in_use"`
	Idle      int     `json:"idle"`
	Waits     int64   `json:"waits"`
	WaitS     float64 `json:"wait_s"`
	Lifetime  int64   `json:"closed_for_age"`
	IdleClose int64   `json:"closed_for_too_many_idle"`
	IdleTime  int64   `json:"closed_for_idle_time"`
}

func (p *pool) stats(context.Context, struct{}) (poolStats, error) {
	s := p.db.Stats()
	return poolStats{s.MaxOpenConnections, s.OpenConnections, s.InUse, s.Idle, s.WaitCount, round(s.WaitDuration.Seconds()), s.MaxLifetimeClosed, s.MaxIdleClosed, s.MaxIdleTimeClosed}, nil
}

type poolLimitIn struct {
	Limit int `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

func (p *pool) holders(_ context.Context, in poolLimitIn) ([]holderRow, error) {
	rows := p.queries.holders()
	return rows[:min(len(rows), in.Limit)], nil
}

type poolQueriesIn struct {
	Limit int    `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
	By    string `json:"sort_by" default:"time" enum:"time,calls,running,errors" doc:"what they are sorted by"`
}

func (p *pool) list(_ context.Context, in poolQueriesIn) ([]queryRow, error) {
	rows := p.queries.rows()
	slices.SortFunc(rows, func(a, b queryRow) int {
		var c int
		switch in.By {
		case "calls":
			c = cmp.Compare(b.Calls, a.Calls)
		case "running":
			c = cmp.Compare(b.Oldest, a.Oldest)
		case "errors":
			c = cmp.Compare(b.Errors, a.Errors)
		}
		return cmp.Or(c, cmp.Compare(b.MS, a.MS), cmp.Compare(a.ID+a.At, b.ID+b.At))
	})
	return rows[:min(len(rows), in.Limit)], nil
}
