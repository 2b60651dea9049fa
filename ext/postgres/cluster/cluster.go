// Package cluster starts a real PostgreSQL of one's own, in a temporary folder and on a socket in it, and breaks it: the subject of tests and
// of scenarios.
package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
)

// Cluster is a running server. Make it with [Start].
type Cluster struct {
	URL string // for psql and drivers

	dir, bin string
	as       *syscall.SysProcAttr // the user that it runs as
}

// ErrNotInstalled is when there is no server to be started.
var ErrNotInstalled = errors.New("PostgreSQL is not installed: run scripts/setup")

// startIn is how long each of the server's programs may take.
const startIn = 60 * time.Second

// programs is the folder of the server's programs.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		slices.Sort(found)
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", ErrNotInstalled
	}
	return filepath.Dir(path), nil
}

// Start makes a cluster and starts it, with these settings besides.
func Start(ctx context.Context, settings ...string) (*Cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bl-pg-") // a short path: it holds a socket
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, bin: bin, URL: "postgres://shop@/postgres?host=" + url.QueryEscape(dir)}
	if err := c.start(ctx, settings); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, settings []string) error {
	// The server refuses to run as root.
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return err
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return err
		}
		c.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		if err := os.Chown(c.dir, int(uid), int(gid)); err != nil {
			return err
		}
	}
	if err := c.run(ctx, "initdb", "-D", c.data(), "-U", "shop", "--auth=trust", "--no-sync"); err != nil {
		return err
	}
	options := "-c listen_addresses='' -c fsync=off -c unix_socket_directories=" + c.dir
	for _, s := range settings {
		options += " -c " + s
	}
	return c.run(ctx, "pg_ctl", "-D", c.data(), "-w", "-l", filepath.Join(c.dir, "log"), "-o", options, "start")
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) run(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, startIn)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = c.dir, c.as
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// Stop ends the server at once, and removes what it had.
func (c *Cluster) Stop() error {
	err := c.run(context.Background(), "pg_ctl", "-D", c.data(), "-m", "immediate", "stop")
	return errors.Join(err, os.RemoveAll(c.dir))
}

// App opens a pool as the application of this name would have it.
func (c *Cluster) App(name string) (*sql.DB, error) {
	return sql.Open("pgx", c.URL+"&application_name="+url.QueryEscape(name))
}

// Orders makes a table with so many orders.
func (c *Cluster) Orders(ctx context.Context, rows int) error {
	db, err := c.App("setup")
	if err != nil {
		return err
	}
	defer db.Close()
	for _, statement := range []string{
		"create table orders (id bigint primary key, customer text, total bigint)",
		fmt.Sprintf("insert into orders select n, 'customer' || n, n from generate_series(1, %d) n", rows),
		"analyze orders",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
