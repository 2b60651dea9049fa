package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// cluster is a real PostgreSQL of a test's own.
type cluster struct {
	dir string
	url string
}

// programs is where the server's programs are.
func programs(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		slices.Sort(found)
		return filepath.Dir(found[len(found)-1])
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		if os.Getenv("BEAMLENS_NEED_ERLANG") != "" {
			t.Fatal("PostgreSQL is not installed: run scripts/setup")
		}
		t.Skip("PostgreSQL is not installed: run scripts/setup")
	}
	return filepath.Dir(path)
}

// start makes a cluster and starts it, with these settings besides.
func start(t *testing.T, settings ...string) *cluster {
	t.Helper()
	bin := programs(t)
	dir, err := os.MkdirTemp("", "bl-pg-") // a short path: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{dir: dir}
	t.Cleanup(func() { os.RemoveAll(dir) })
	// The server refuses to run as root.
	var as *syscall.SysProcAttr
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr = dir, as
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	data := filepath.Join(dir, "data")
	run("initdb", "-D", data, "-U", "shop", "--auth=trust", "--no-sync")
	options := "-c listen_addresses='' -c fsync=off -c unix_socket_directories=" + dir
	for _, s := range settings {
		options += " -c " + s
	}
	run("pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "log"), "-o", options, "start")
	t.Cleanup(func() { run("pg_ctl", "-D", data, "-m", "immediate", "stop") })
	c.url = "postgres://shop@/postgres?host=" + url.QueryEscape(dir)
	return c
}

// app opens a pool as an application would have it.
func (c *cluster) app(t *testing.T, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", c.url+"&application_name="+name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// session is one connection of an application; what it runs goes on until the test ends.
type session struct {
	t    *testing.T
	conn *sql.Conn
}

func (c *cluster) session(t *testing.T, name string) *session {
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

func orders(t *testing.T, c *cluster, rows int) {
	t.Helper()
	s := c.session(t, "setup")
	s.exec("create table orders (id bigint primary key, customer text, total bigint)")
	s.exec(fmt.Sprintf("insert into orders select n, 'customer' || n, n from generate_series(1, %d) n", rows))
	s.exec("analyze orders")
}
