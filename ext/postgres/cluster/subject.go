package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/ext/postgres"
	"github.com/beamlens/beamlens-go/internal/scenario"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/sqldb"
)

// rows is how many orders there are.
const rows = 30_000

// Subject starts a database under the load of a shop, that scenarios can break.
func Subject(ctx context.Context, t scenario.Truth) (scenario.Subject, error) {
	if t.Subject != "postgres" {
		return nil, fmt.Errorf("scenario %s is one of %s, not of a database", t.ID, t.Subject)
	}
	c, err := Start(ctx, "max_connections=30")
	if err != nil {
		return nil, err
	}
	s := &subject{cluster: c}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	err = c.Orders(ctx, rows)
	if err == nil && t.Load == "steady" {
		err = s.load(ctx)
	}
	if err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// subject is a database and the sessions of its applications.
type subject struct {
	cluster *Cluster
	ctx     context.Context // of the sessions: they outlive the call that opens them
	cancel  context.CancelFunc
	busy    sync.WaitGroup
	open    []*sql.DB
}

func (s *subject) Target() beamlens.Target { return beamlens.Target{Kind: "postgresql", Name: "shop"} }

func (s *subject) Watching() ([]*skill.Skill, []engine.Work, error) {
	db, err := postgres.Open(s.cluster.URL)
	if err != nil {
		return nil, nil, err
	}
	s.open = append(s.open, db)
	return []*skill.Skill{sqldb.Postgres(db, "ecto")}, nil, nil
}

func (s *subject) load(ctx context.Context) error {
	return errors.Join(
		s.session(ctx, "shop", "", "with o as (update orders set total = total + 1 where id = 1 + floor(random() * 30000) returning id) select pg_sleep(0.02) from o"),
		s.session(ctx, "shop", "", "with o as (select total from orders where id = 1 + (random() * 29999)::int) select pg_sleep(0.01) from o"),
	)
}

func (s *subject) Do(ctx context.Context, step scenario.Step) error {
	switch step.On {
	case "lock":
		err := s.session(ctx, "billing", "begin; update orders set total = 0 where id = 7", "")
		for range 3 {
			err = errors.Join(err, s.session(ctx, "shop", "", "update orders set total = total + 1 where id = 7"))
		}
		return err
	case "slow":
		var err error
		for range 3 {
			err = errors.Join(err, s.session(ctx, "shop", "", "select count(*) from orders a join orders b on a.total + b.total = 77 where a.customer <> 'secret'"))
		}
		return err
	case "pool":
		var err error
		for range 24 {
			err = errors.Join(err, s.session(ctx, "reports", "select 1", ""))
		}
		return err
	}
	return fmt.Errorf("a database cannot do step %+v", step)
}

// session opens a connection of an application, runs one statement, and then, if there is one, another again and again.
func (s *subject) session(ctx context.Context, app, once, again string) error {
	db, err := s.cluster.App(app)
	if err != nil {
		return err
	}
	s.open = append(s.open, db)
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	if once != "" {
		if _, err := conn.ExecContext(ctx, once); err != nil {
			return fmt.Errorf("%s: %w", once, err)
		}
	}
	if again != "" {
		s.busy.Go(func() {
			for s.ctx.Err() == nil {
				if _, err := conn.ExecContext(s.ctx, again); err != nil {
					return // the end, or a server that is gone
				}
			}
		})
	}
	return nil
}

func (s *subject) Stop() {
	s.cancel()
	s.busy.Wait()
	for _, db := range s.open {
		_ = db.Close() // its server is stopped next
	}
	_ = s.cluster.Stop() // and what it had is in a temporary folder
}
