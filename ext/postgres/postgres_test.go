package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/ext/postgres"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/skilltest"
	"github.com/beamlens/beamlens-go/skill/sqldb"
)

func open(t *testing.T, c server) *skill.Skill {
	t.Helper()
	db, err := postgres.Open(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := postgres.Check(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return sqldb.Postgres(db, "ecto")
}

func TestSkill(t *testing.T) {
	t.Parallel()
	c := start(t, "shared_preload_libraries=pg_stat_statements")
	orders(t, c, 1000)
	s := c.session(t, "shop")
	s.exec("create extension pg_stat_statements")
	s.exec("create index orders_total on orders (total)")
	s.exec("delete from orders where id < 100")
	s.exec("select count(*) from orders where customer = 'nobody'")
	sk := open(t, c)
	skilltest.Run(t, sk)
	slow, ok := skilltest.Lua(t, sk, `return ecto_db_slow_queries(50).statements`).([]any)
	if !ok || len(slow) == 0 || !strings.Contains(fmt.Sprint(slow), "count(*) from orders where customer = ?") || strings.Contains(fmt.Sprint(slow), "nobody") {
		t.Errorf("slow queries %v", slow)
	}
	for program, want := range map[string]string{
		`return ecto_unused_indexes(5).indexes[1].index`: "orders_total",
		`return ecto_table_sizes(5).tables[1].table`:     "public.orders",
		`return ecto_index_usage(5).tables[1].table`:     "public.orders",
	} {
		if got := skilltest.Lua(t, sk, program); got != want {
			t.Errorf("%s: %v, want %s", program, got, want)
		}
	}
}

func TestWithoutStatements(t *testing.T) {
	t.Parallel()
	sk := open(t, start(t))
	got := skilltest.Lua(t, sk, `local ok, e = pcall(ecto_db_slow_queries, 5) return tostring(e)`)
	if !strings.Contains(fmt.Sprint(got), "CREATE EXTENSION") {
		t.Errorf("%v", got)
	}
}

// TestOnlyReads: a session of ours cannot write, and gives up after two seconds.
func TestOnlyReads(t *testing.T) {
	t.Parallel()
	c := start(t)
	db, err := postgres.Open(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "create table x (id int)"); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("create table: %v", err)
	}
	if _, err := db.ExecContext(t.Context(), "select pg_sleep(30)"); err == nil || !strings.Contains(err.Error(), "statement timeout") {
		t.Errorf("a long statement: %v", err)
	}
}

func TestErrors(t *testing.T) {
	if _, err := postgres.Open("postgres://shop:SECRET@host:notaport/db"); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("%v", err)
	}
	db, err := postgres.Open("postgres://shop@127.0.0.1:1/db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := postgres.Check(t.Context(), db); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("%v", err)
	}
}

// TestFaults breaks a real database under a real engine: the alert comes within 30 s and names who is to blame, and nobody else.
func TestFaults(t *testing.T) {
	for _, f := range []struct {
		name    string
		breakIt func(*testing.T, server)
		kind    string // of the alert
		culprit string // in its id or name
		says    string
	}{
		{"lock wait", func(t *testing.T, c server) {
			holder := c.session(t, "billing")
			holder.exec("begin")
			holder.exec("update orders set total = 0 where id = 7")
			for range 3 {
				s := c.session(t, "shop")
				s.background("update orders set total = total + 1 where id = 7")
			}
		}, "lock_wait", "update orders set total = ? where id = ?", "lock on orders that session"},
		{"slow query", func(t *testing.T, c server) {
			for range 3 {
				s := c.session(t, "shop")
				s.background("select count(*) from orders a join orders b on a.total + b.total = 77 where a.customer <> 'secret'")
			}
		}, "slow_query", "select count(*) from orders a join orders b", "of shop run a statement"},
		{"connections", func(t *testing.T, c server) {
			for range 26 {
				c.session(t, "reports").exec("select 1")
			}
		}, "connections_exhausted", "reports", "of 30 connections"},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c := start(t, "max_connections=30")
			orders(t, c, 30_000)
			events := make(chan beamlens.Event, 10_000)
			e, err := engine.New(engine.Options{Target: beamlens.Target{Kind: "postgresql", Name: "shop"}, Skills: []*skill.Skill{open(t, c)},
				OnEvent: func(ev beamlens.Event) { events <- ev }})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = e.Serve(ctx)
			}()
			defer func() {
				cancel()
				<-done
			}()
			f.breakIt(t, c)
			limit := time.After(30 * time.Second)
			for {
				select {
				case <-limit:
					t.Fatal("no alert within 30 s")
				case ev := <-events:
					if strings.HasSuffix(ev.Name, "_failed") {
						t.Errorf("%s: %v", ev.Name, ev.Fields)
					}
					if ev.Name != beamlens.EventAlertFired {
						continue
					}
					a := ev.Alert
					t.Logf("%s; culprit %v", a.Summary, a.Culprit)
					if a.AnomalyType != f.kind || a.Culprit == nil || !strings.Contains(a.Culprit.ID+a.Culprit.Name, f.culprit) || !strings.Contains(a.Summary, f.says) {
						t.Errorf("%s: %s; culprit %v", a.AnomalyType, a.Summary, a.Culprit)
					}
					if strings.Contains(fmt.Sprint(a.Summary, a.Observation, a.Culprit), "secret") {
						t.Error("a literal got out")
					}
					return
				}
			}
		})
	}
}
