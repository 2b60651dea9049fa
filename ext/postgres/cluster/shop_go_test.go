package cluster_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	shopgo "github.com/beamlens/beamlens-go/examples/shop-go"
	"github.com/beamlens/beamlens-go/ext/postgres/cluster"
	"github.com/beamlens/beamlens-go/skill/sqldb"
)

// TestGoShop has the Go shop keep its orders in a real PostgreSQL, over pgx and the wrapper that counts, and breaks its pool.
func TestGoShop(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	for _, c := range []struct{ fault, kind string }{{"rows", "pool_exhausted"}, {"slow", "slow_query"}} {
		t.Run(c.fault, func(t *testing.T) {
			database, err := cluster.Start(t.Context(), "max_connections=30")
			if errors.Is(err, cluster.ErrNotInstalled) && os.Getenv("BEAMLENS_NEED_ERLANG") == "" {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer database.Stop()
			if err := database.Orders(t.Context(), 60_000); err != nil {
				t.Fatal(err)
			}
			q := &sqldb.Queries{}
			db, err := q.Open("pgx", database.URL+"&application_name=shop-go")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			db.SetMaxOpenConns(8)
			ctx, cancel := context.WithCancel(t.Context())
			shop, err := shopgo.Start(ctx, shopgo.Options{DB: db, Queries: q})
			if err != nil {
				t.Fatal(err)
			}
			shop.Load(4)
			told := make(chan beamlens.Alert, 100)
			var all sync.WaitGroup
			all.Go(func() {
				_ = shop.Watch(ctx, engine.Options{OnEvent: func(ev beamlens.Event) {
					if ev.Name == beamlens.EventAlertFired {
						told <- *ev.Alert
					}
				}})
			})
			<-time.After(2 * time.Second)
			if err := shop.On(c.fault); err != nil {
				t.Fatal(err)
			}
			over := time.After(45 * time.Second)
			for found := false; !found; {
				select {
				case a := <-told:
					t.Logf("%s: %s", a.Operator, a.Summary)
					if a.Operator != "sql" || a.AnomalyType != c.kind {
						continue
					}
					found = true
					if c.fault == "rows" && a.Culprit.ID != shopgo.Line("rows") || c.fault == "slow" && (a.Culprit.Facts["at"] != shopgo.Line("slow") || strings.Contains(a.Summary, "secret")) {
						t.Errorf("it blames %+v", a.Culprit)
					}
				case <-over:
					t.Error("nobody was named within 45 s")
					found = true
				}
			}
			cancel()
			all.Wait()
			if err := shop.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}
