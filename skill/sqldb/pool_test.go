package sqldb_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/skilltest"
	"github.com/beamlens/beamlens-go/skill/sqldb"
)

// memory is a driver with as little as a driver can have: no contexts, one row. A statement that says sleep takes as long as it has time.
type memory struct{ rich bool }

func (m memory) Open(string) (driver.Conn, error) {
	if m.rich {
		return &richConn{}, nil
	}
	return &poorConn{}, nil
}

type poorConn struct{}

func (*poorConn) Prepare(q string) (driver.Stmt, error) { return poorStmt{q}, nil }
func (*poorConn) Close() error                          { return nil }
func (*poorConn) Begin() (driver.Tx, error)             { return poorTx{}, nil }

type poorTx struct{}

func (poorTx) Commit() error   { return nil }
func (poorTx) Rollback() error { return nil }

type poorStmt struct{ query string }

func (poorStmt) Close() error  { return nil }
func (poorStmt) NumInput() int { return -1 }
func (s poorStmt) Exec([]driver.Value) (driver.Result, error) {
	if strings.Contains(s.query, "fail") {
		return nil, errors.New("it fails")
	}
	return driver.RowsAffected(1), nil
}
func (poorStmt) Query([]driver.Value) (driver.Rows, error) { return &oneRow{}, nil }

type oneRow struct{ read bool }

func (*oneRow) Columns() []string { return []string{"id"} }
func (*oneRow) Close() error      { return nil }
func (r *oneRow) Next(v []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read = true
	v[0] = int64(7)
	return nil
}

// richConn has what most drivers have.
type richConn struct{ poorConn }

func (*richConn) QueryContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if strings.Contains(query, "sleep") {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &oneRow{}, nil
}
func (*richConn) ExecContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}
func (*richConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return poorTx{}, nil }
func (*richConn) CheckNamedValue(*driver.NamedValue) error                     { return nil }

func init() {
	sql.Register("poor", memory{})
	sql.Register("rich", memory{rich: true})
}

func open(t *testing.T, name string) (*sql.DB, *sqldb.Queries) {
	t.Helper()
	q := &sqldb.Queries{}
	db, err := q.Open(name, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, q
}

// forget reads a row and does not close the rest.
func forget(ctx context.Context, db *sql.DB) {
	rows, err := db.QueryContext(ctx, "select id from carts where customer = 'secret'") // culprit: forget
	if err == nil {
		rows.Next()
	}
}

func report(ctx context.Context, db *sql.DB) {
	rows, err := db.QueryContext(ctx, "select sleep(10) from orders where total > 77") // culprit: report
	if err == nil {
		rows.Close()
	}
}

// TestTheWrapperChangesNothing: what works with a driver works through the wrapper, with little as with much; and it is counted.
func TestTheWrapperChangesNothing(t *testing.T) {
	for _, name := range []string{"poor", "rich"} {
		t.Run(name, func(t *testing.T) {
			db, q := open(t, name)
			s := sqldb.Pool(db, q)
			skilltest.Run(t, s)
			var id int
			if err := db.QueryRow("select id from orders where id = ?", 7).Scan(&id); err != nil || id != 7 {
				t.Fatalf("%d, %v", id, err)
			}
			if _, err := db.Exec("update orders set total = 1"); err != nil {
				t.Error(err)
			}
			tx, err := db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec("insert into orders values (1, 'x')"); err != nil {
				t.Error(err)
			}
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
			st, err := db.Prepare("select id from orders where id in (1, 2, 3)")
			if err != nil {
				t.Fatal(err)
			}
			if err := st.QueryRow().Scan(&id); err != nil || id != 7 {
				t.Errorf("%d, %v", id, err)
			}
			if err := st.Close(); err != nil {
				t.Error(err)
			}
			if err := db.Ping(); err != nil {
				t.Error(err)
			}
			if _, err := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true}); (err == nil) != (name == "rich") {
				t.Errorf("read-only: %v", err)
			}
			data, err := s.Snapshot(t.Context())
			if err != nil || data["queries"] != int64(4) || data["errors"] != int64(0) {
				t.Errorf("counted %v, %v", data, err)
			}
			rows := skilltest.Lua(t, s, `return sql_queries(10, "calls")`).([]any)
			for _, r := range rows {
				row := r.(map[string]any)
				if text := row["query"].(string); strings.ContainsAny(text, "7'") || !strings.Contains(row["at"].(string), "sqldb/pool_test.go:") {
					t.Errorf("row %v", row)
				}
			}
		})
	}
}

func TestFaultsOfAPool(t *testing.T) {
	for _, c := range []struct {
		name, kind, culprit string
		fault               func(ctx context.Context, db *sql.DB)
	}{
		{"rows that are not closed", "pool_exhausted", line(t, "forget"), func(ctx context.Context, db *sql.DB) {
			for range 4 {
				forget(ctx, db)
			}
			var waiting sync.WaitGroup
			for range 3 {
				waiting.Go(func() { _ = db.QueryRowContext(ctx, "select 1").Err() })
			}
			waiting.Wait()
		}},
		{"a statement that takes long", "slow_query", "q_", func(ctx context.Context, db *sql.DB) {
			var busy sync.WaitGroup
			for range 3 {
				busy.Go(func() { report(ctx, db) })
			}
			busy.Wait()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, q := open(t, "rich")
			db.SetMaxOpenConns(4)
			told := make(chan beamlens.Alert, 100)
			e, err := engine.New(engine.Options{Target: beamlens.Target{Kind: "go", Name: "test"}, Skills: []*skill.Skill{sqldb.Pool(db, q)}, Interval: 250 * time.Millisecond,
				OnEvent: func(ev beamlens.Event) {
					if ev.Alert != nil {
						told <- *ev.Alert
					}
				}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() { _ = e.Serve(ctx) })
			all.Go(func() { c.fault(ctx, db) })
			over := time.After(30 * time.Second)
			for {
				select {
				case a := <-told:
					if a.AnomalyType != c.kind || a.Culprit == nil {
						continue
					}
					t.Log(a.Summary)
					if !strings.HasPrefix(a.Culprit.ID, c.culprit) || c.kind == "slow_query" && a.Culprit.Facts["at"] != line(t, "report") {
						t.Errorf("it blames %v", a.Culprit)
					}
				case <-over:
					t.Error("nobody was named within 30 s")
				}
				break
			}
			cancel()
			all.Wait()
		})
	}
}

// line finds the line that a comment marks.
func line(t *testing.T, name string) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for text := range strings.Lines(string(raw)) {
		if n++; strings.HasSuffix(strings.TrimSpace(text), "// culprit: "+name) {
			return fmt.Sprintf("sqldb/pool_test.go:%d", n)
		}
	}
	t.Fatalf("no line is marked as %s", name)
	return ""
}
