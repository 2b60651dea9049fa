package sqldb

import (
	"context"
	"database/sql"
	"math"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Postgres is the skill over PostgreSQL's statistics. Its id is the one that is given, and its callbacks are prefixed with it: "ecto" for an
// application with Ecto.
func Postgres(db *sql.DB, id string) *skill.Skill {
	p := &postgres{db: db}
	name := func(callback string) string { return id + "_" + callback }
	s := &skill.Skill{
		ID: id, Title: "the PostgreSQL database", Summary: "Queries that are slow, locks and who holds them, long transactions, connections, indexes, tables.",
		Prompt: text("prompt/postgres.md"), Snapshot: p.snapshot, Metrics: postgresMetrics, Rules: postgresRules,
		Callbacks: []skill.Callback{
			skill.Func(name("active"), "What runs longest now.", name("active(10)"), p.active).Costs("cheap"),
			skill.Func(name("long_running"), "The transactions that are open longest, with their last statement.", name("long_running(10)"), p.longRunning).Costs("cheap"),
			skill.Func(name("locks"), "Who waits for a lock and for whom; roots are those at the beginning of a chain, with how many wait for them.", name("locks()"), p.locks).Costs("scan"),
			skill.Func(name("connections"), "Connections by application, user and database.", name("connections()"), p.connections).Costs("cheap"),
			skill.Func(name("db_slow_queries"), "Statements by the time that they took on average, since the reading before; needs pg_stat_statements.", name("db_slow_queries(10)"), p.slowQueries).Costs("scan"),
			skill.Func(name("index_usage"), "Tables by the rows that were read without an index.", name("index_usage(10)"), p.indexUsage).Costs("scan"),
			skill.Func(name("unused_indexes"), "Indexes that were never used.", name("unused_indexes(10)"), p.unusedIndexes).Costs("scan"),
			skill.Func(name("table_sizes"), "The largest tables.", name("table_sizes(10)"), p.tableSizes).Costs("scan"),
			skill.Func(name("cache_hit"), "How much was found in the cache.", name("cache_hit()"), p.cacheHit).Costs("scan"),
			skill.Func(name("bloat"), "Tables with the most dead rows.", name("bloat(10)"), p.bloat).Costs("scan"),
		},
		Playbooks: []skill.Playbook{
			playbook("locks", "who waits for whom, and who is at the root", "blocked_over_5s"),
			playbook("slow_queries", "what runs longest now, counted by fingerprint", "slow_queries_active"),
			playbook("connections", "who holds the connections", "connection_utilization_pct"),
			playbook("long_transactions", "the transactions that are open longest", "idle_in_transaction_longest_s"),
		},
	}
	for i := range s.Playbooks {
		s.Playbooks[i].Lua = prefixed(s.Playbooks[i].Lua, id)
	}
	for _, e := range postgresEdges {
		s.Edges = append(s.Edges, beamlens.Edge{From: id + "." + e.From, To: id + "." + e.To, Why: e.Why})
	}
	return s
}

var postgresMetrics = []skill.Metric{
	{Name: "connections", Unit: "connections", Kind: skill.Gauge, Quiet: true, Doc: "connections of clients"},
	{Name: "connection_utilization_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Quiet: true, Doc: "connections of max_connections"},
	{Name: "active", Unit: "sessions", Kind: skill.Gauge, Doc: "sessions that run a statement"},
	{Name: "idle_in_transaction", Unit: "sessions", Kind: skill.Gauge, Doc: "sessions that hold a transaction open and do nothing"},
	{Name: "waiting_for_locks", Unit: "sessions", Kind: skill.Gauge, Doc: "sessions that wait for a lock"},
	{Name: "blocked_over_5s", Unit: "sessions", Kind: skill.Gauge, Quiet: true, Doc: "sessions that have waited for a lock for more than five seconds"},
	{Name: "slow_queries_active", Unit: "queries", Kind: skill.Gauge, Quiet: true, Doc: "statements that have run for more than five seconds and are no maintenance"},
	{Name: "longest_query_s", Unit: "s", Kind: skill.Gauge, Quiet: true, Doc: "the statement that runs longest, maintenance left out"},
	{Name: "longest_transaction_s", Unit: "s", Kind: skill.Gauge, Quiet: true, Doc: "the transaction that is open longest, maintenance left out"},
	{Name: "idle_in_transaction_longest_s", Unit: "s", Kind: skill.Gauge, Quiet: true, Doc: "how long a session has been idle in a transaction"},
	{Name: "cache_hit_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "blocks found in the cache, since the snapshot before"},
	{Name: "commits", Unit: "transactions", Kind: skill.Counter, Doc: "transactions committed"},
	{Name: "rollbacks", Unit: "transactions", Kind: skill.Counter, Doc: "transactions rolled back"},
	{Name: "deadlocks", Unit: "deadlocks", Kind: skill.Counter, Doc: "deadlocks"},
	{Name: "temp_mb", Unit: "MB", Kind: skill.Counter, Doc: "temporary files written"},
}

var postgresRules = []skill.Rule{
	{Metric: "connection_utilization_pct", Above: 85, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "at the limit nobody can connect"},
	{Metric: "connection_utilization_pct", Above: 95, For: 5 * time.Second, Severity: beamlens.SeverityCritical, Doc: "at the limit nobody can connect"},
	{Metric: "blocked_over_5s", Above: 0.5, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "ten seconds at a lock are an outage for somebody"},
	// One slow query is a report. Three at once are no coincidence.
	{Metric: "slow_queries_active", Above: 2.5, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "statements take seconds, and several at once"},
	{Metric: "idle_in_transaction_longest_s", Above: 300, Severity: beamlens.SeverityWarning, Doc: "it holds locks, and keeps vacuum from its work"},
}

var postgresEdges = []beamlens.Edge{
	{From: "idle_in_transaction_longest_s", To: "blocked_over_5s", Why: "who is idle in a transaction holds its locks"},
	{From: "slow_queries_active", To: "connection_utilization_pct", Why: "slow statements hold their connections longer"},
	{From: "blocked_over_5s", To: "connection_utilization_pct", Why: "who waits for a lock holds a connection"},
}

type postgres struct {
	db *sql.DB

	mu         sync.Mutex // guards what follows
	hits, read int64
	statements map[int64]statementRow // at the reading before
	readAt     time.Time
}

type snapshotRow struct {
	MaxConnections, Connections, Active, IdleInTransaction, Waiting, Blocked, Slow int64
	LongestQuery, LongestTransaction, LongestIdle                                  float64
	Hidden                                                                         bool
	Commits, Rollbacks, Hits, Reads, Deadlocks, TempBytes                          int64
}

func (p *postgres) snapshot(ctx context.Context) (map[string]any, error) {
	all, err := query[snapshotRow](ctx, p.db, "snapshot")
	if err != nil {
		return nil, err
	}
	r := all[0]
	s := map[string]any{
		"connections": r.Connections, "max_connections": r.MaxConnections, "connection_utilization_pct": round(100 * float64(r.Connections) / float64(max(r.MaxConnections, 1))),
		"active": r.Active, "idle_in_transaction": r.IdleInTransaction, "waiting_for_locks": r.Waiting, "blocked_over_5s": r.Blocked,
		"slow_queries_active": r.Slow, "longest_query_s": round(r.LongestQuery), "longest_transaction_s": round(r.LongestTransaction),
		"idle_in_transaction_longest_s": round(r.LongestIdle), "cache_hit_pct": p.hitPct(r.Hits, r.Reads),
		"commits": r.Commits, "rollbacks": r.Rollbacks, "deadlocks": r.Deadlocks, "temp_mb": round(float64(r.TempBytes) / (1 << 20)),
	}
	if r.Hidden {
		s["hidden"] = "this role does not see what others run: grant pg_monitor to it"
	}
	return s, nil
}

// hitPct is of the blocks since the snapshot before.
func (p *postgres) hitPct(hits, read int64) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, r := hits-p.hits, read-p.read
	p.hits, p.read = hits, read
	if h+r <= 0 || h < 0 || r < 0 {
		return 100
	}
	return round(100 * float64(h) / float64(h+r))
}

func round(x float64) float64 { return math.Round(x*100) / 100 }
