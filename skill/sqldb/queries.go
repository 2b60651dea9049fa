package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// Queries counts the statements of a pool by fingerprint and by the function that asks, and knows who holds a connection. It stands between database/sql
// and the driver, whose rows it hands on untouched:
//
//	q := &sqldb.Queries{}
//	db, err := q.Open("pgx", url)
//	skills := append(skills, sqldb.Pool(db, q))
//
// A program that reaches for the driver's own connection (sql.Conn.Raw) finds the wrapper, whose method Unwrap gives it.
type Queries struct {
	mu    sync.Mutex // guards what follows
	kept  map[queryKey]*queryCount
	conns map[*conn]struct{}
	texts map[string]fingerprinted
	total uint64
	fails uint64
}

type queryKey struct {
	id   string
	from caller
}

type queryCount struct {
	text   string
	calls  uint64
	errors uint64
	sum    time.Duration
	max    time.Duration
	last   [2]lately // the period before, and the present one
}

// lately is what a statement did in some seconds.
type lately struct {
	began time.Time
	calls int
	sum   time.Duration
}

type fingerprinted struct{ id, text string }

// caller is the place in the program that asks.
type caller struct{ function, at string }

// Bounds of what is kept.
const (
	mostQueries = 2000
	mostTexts   = 5000
	latelySpan  = 10 * time.Second
)

// Open is sql.Open with the counting between.
func (q *Queries) Open(driverName, dsn string) (*sql.DB, error) {
	plain, err := sql.Open(driverName, dsn)
	if err != nil {
		return nil, err
	}
	defer plain.Close() // it has no connection yet
	d := plain.Driver()
	if dc, ok := d.(driver.DriverContext); ok {
		c, err := dc.OpenConnector(dsn)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", driverName, err)
		}
		return sql.OpenDB(q.Connector(c)), nil
	}
	return sql.OpenDB(q.Connector(dsnConnector{d, dsn})), nil
}

type dsnConnector struct {
	driver driver.Driver
	dsn    string
}

func (d dsnConnector) Connect(context.Context) (driver.Conn, error) { return d.driver.Open(d.dsn) }
func (d dsnConnector) Driver() driver.Driver                        { return d.driver }

// Connector wraps one: for sql.OpenDB.
func (q *Queries) Connector(c driver.Connector) driver.Connector { return &connector{c, q} }

type connector struct {
	driver.Connector
	queries *Queries
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	n := &conn{inner: inner, queries: c.queries}
	n.took(callerOf())
	c.queries.mu.Lock()
	defer c.queries.mu.Unlock()
	if c.queries.conns == nil {
		c.queries.conns = map[*conn]struct{}{}
	}
	c.queries.conns[n] = struct{}{}
	return n, nil
}

// callerOf is the first function outside of database/sql, of drivers that wrap it and of this package; of the program's own module, if one is.
func callerOf() caller {
	var pcs [32]uintptr
	n := runtime.Callers(3, pcs[:])
	frames := runtime.CallersFrames(pcs[:n])
	var first caller
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "database/sql.") && !strings.HasPrefix(f.Function, "runtime.") && !strings.Contains(f.Function, "/skill/sqldb.") && f.Function != "" {
			c := caller{f.Function[strings.LastIndexByte(f.Function, '/')+1:], shortFile(f.File, f.Line)}
			if main := mainModule(); strings.HasPrefix(f.Function, "main.") || main != "" && strings.HasPrefix(f.Function, main) {
				return c
			}
			if first.function == "" {
				first = c
			}
		}
		if !more {
			return first
		}
	}
}

func shortFile(file string, line int) string {
	parts := strings.Split(file, "/")
	return fmt.Sprintf("%s:%d", strings.Join(parts[max(0, len(parts)-2):], "/"), line)
}

var mainModule = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Path
	}
	return ""
})

// fingerprint is [Fingerprint], remembered.
func (q *Queries) fingerprint(statement string) fingerprinted {
	q.mu.Lock()
	f, ok := q.texts[statement]
	q.mu.Unlock()
	if ok {
		return f
	}
	f.id, f.text = Fingerprint(statement)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.texts == nil || len(q.texts) >= mostTexts {
		q.texts = map[string]fingerprinted{}
	}
	q.texts[statement] = f
	return f
}

// ended takes a statement that has ended.
func (q *Queries) ended(f fingerprinted, from caller, took time.Duration, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.total++
	if err != nil {
		q.fails++
	}
	k := queryKey{f.id, from}
	c := q.kept[k]
	if c == nil {
		if q.kept == nil {
			q.kept = map[queryKey]*queryCount{}
		}
		if len(q.kept) >= mostQueries {
			return // untested: a program has hardly so many
		}
		c = &queryCount{text: f.text}
		q.kept[k] = c
	}
	c.calls++
	if err != nil {
		c.errors++
	}
	c.sum += took
	c.max = max(c.max, took)
	c.turn(time.Now())
	c.last[1].calls++
	c.last[1].sum += took
}

func (c *queryCount) turn(now time.Time) {
	if age := now.Sub(c.last[1].began); age > latelySpan {
		c.last[0] = c.last[1]
		if age > 2*latelySpan {
			c.last[0] = lately{}
		}
		c.last[1] = lately{began: now}
	}
}

// queryRow is a statement as it is told, running ones included.
type queryRow struct {
	ID       string  `json:"query_id"`
	Text     string  `json:"query"`
	Function string  `json:"function"`
	At       string  `json:"at"`
	Calls    int     `json:"calls_20s"`
	MS       float64 `json:"time_20s_ms"`
	Mean     float64 `json:"mean_ms"`
	Max      float64 `json:"max_ms"`
	Errors   uint64  `json:"errors"`
	Total    uint64  `json:"calls"`
	Running  int     `json:"running"`
	Oldest   float64 `json:"running_longest_s"`
}

func (q *Queries) rows() []queryRow {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	by := map[queryKey]*queryRow{}
	for k, c := range q.kept {
		c.turn(now)
		calls, sum := c.last[0].calls+c.last[1].calls, c.last[0].sum+c.last[1].sum
		r := &queryRow{ID: k.id, Text: c.text, Function: k.from.function, At: k.from.at, Calls: calls, MS: ms(sum), Max: ms(c.max), Errors: c.errors, Total: c.calls}
		if calls > 0 {
			r.Mean = ms(sum / time.Duration(calls))
		}
		by[k] = r
	}
	for c := range q.conns {
		h := c.state()
		if h.running.id == "" {
			continue
		}
		k := queryKey{h.running.id, h.from}
		if by[k] == nil {
			by[k] = &queryRow{ID: k.id, Text: h.running.text, Function: k.from.function, At: k.from.at}
		}
		by[k].Running++
		by[k].Oldest = max(by[k].Oldest, round(now.Sub(h.began).Seconds()))
	}
	out := make([]queryRow, 0, len(by))
	for _, r := range by {
		out = append(out, *r)
	}
	return out
}

// holderRow are connections that are held by one place in the program.
type holderRow struct {
	Function    string  `json:"function"`
	At          string  `json:"at"`
	Connections int     `json:"connections"`
	Oldest      float64 `json:"held_longest_s"`
	Idle        int     `json:"doing_nothing"` // between two statements
	Transaction int     `json:"in_transaction"`
	Last        string  `json:"last_query"`
}

func (q *Queries) holders() []holderRow {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	by := map[caller]*holderRow{}
	for c := range q.conns {
		h := c.state()
		if h.since.IsZero() {
			continue
		}
		r := by[h.from]
		if r == nil {
			r = &holderRow{Function: h.from.function, At: h.from.at}
			by[h.from] = r
		}
		r.Connections++
		if held := round(now.Sub(h.since).Seconds()); held >= r.Oldest {
			r.Oldest, r.Last = held, h.last
		}
		if h.running.id == "" {
			r.Idle++
		}
		if h.transaction {
			r.Transaction++
		}
	}
	out := make([]holderRow, 0, len(by))
	for _, r := range by {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b holderRow) int {
		return cmp.Or(cmp.Compare(b.Connections, a.Connections), cmp.Compare(b.Oldest, a.Oldest), cmp.Compare(a.At, b.At))
	})
	return out
}

// slow is how many statements have been running for longer than that.
func (q *Queries) slow(than time.Duration) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for c := range q.conns {
		if h := c.state(); h.running.id != "" && time.Since(h.began) > than {
			n++
		}
	}
	return n
}

func (q *Queries) counts() (total, fails uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total, q.fails
}

func ms(d time.Duration) float64 { return round(float64(d) / 1e6) }
