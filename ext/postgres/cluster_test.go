package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/ext/postgres/cluster"
)

// server is a real PostgreSQL of a test's own.
type server struct{ *cluster.Cluster }

// start makes a cluster and starts it, with these settings besides.
func start(t *testing.T, settings ...string) server {
	t.Helper()
	c, err := cluster.Start(t.Context(), settings...)
	if errors.Is(err, cluster.ErrNotInstalled) && os.Getenv("BEAMLENS_NEED_ERLANG") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server{c}
}

// app opens a pool as an application would have it.
func (c server) app(t *testing.T, name string) *sql.DB {
	t.Helper()
	db, err := c.App(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func orders(t *testing.T, c server, rows int) {
	t.Helper()
	if err := c.Orders(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
}

// session is one connection of an application; what it runs goes on until the test ends.
type session struct {
	t    *testing.T
	conn *sql.Conn
}

func (c server) session(t *testing.T, name string) *session {
	t.Helper()
	conn, err := c.app(t, name).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &session{t, conn}
}

func (s *session) exec(statement string) {
	s.t.Helper()
	if _, err := s.conn.ExecContext(s.t.Context(), statement); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
}

// background runs a statement, again and again, until the test ends.
func (s *session) background(statement string) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := s.conn.ExecContext(ctx, statement); err != nil {
				return
			}
		}
	}()
	s.t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			s.t.Errorf("still running: %s", statement)
		}
	})
}
