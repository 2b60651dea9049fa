package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/examples/shop"
)

// subject is the shop as a running node.
type subject struct {
	node, cookie, cookieFile string
	dir                      string
	cmd                      *exec.Cmd
	output                   *bytes.Buffer
	ended                    chan struct{}
}

// startIn is how long the shop may take to compile and start.
const startIn = 90 * time.Second

// startShop compiles the shop in a directory of its own and starts it as a node of its own.
func startShop(ctx context.Context, p *printer) (*subject, error) {
	for _, program := range []string{"elixir", "mix", "erl"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%s is not installed; the demo needs Elixir 1.14 or later: run scripts/setup, or install it with apt or brew", program)
		}
	}
	dir, err := os.MkdirTemp("", "beamlens-shop-")
	if err != nil {
		return nil, err
	}
	s := &subject{dir: dir, cookie: rand.Text(), cookieFile: filepath.Join(dir, "cookie"), output: &bytes.Buffer{}, ended: make(chan struct{})}
	if err := os.CopyFS(dir, shop.Files); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := os.WriteFile(s.cookieFile, []byte(s.cookie), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	host, _, _ = strings.Cut(host, ".")
	name := fmt.Sprintf("shop-%d", os.Getpid())
	s.node = name + "@" + host

	s.cmd = exec.Command("elixir", "--sname", name, "--cookie", s.cookie, "-S", "mix", "run", "--no-halt")
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(), "MIX_ENV=prod", "MIX_HOME="+filepath.Join(dir, ".mix"), "ERL_CRASH_DUMP_BYTES=0", "LC_ALL=C.UTF-8")
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	// A group of its own: Ctrl-C is ours to handle, and the whole of it can be ended.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() {
		s.cmd.Wait()
		close(s.ended)
	}()
	if err := s.ready(ctx, p); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// ready waits until the node answers.
func (s *subject) ready(ctx context.Context, p *printer) error {
	ctx, cancel := context.WithTimeout(ctx, startIn)
	defer cancel()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		if c, err := erlang.Dial(ctx, s.node, &erlang.Options{Cookie: s.cookie}); err == nil {
			return c.Close()
		}
		if n%20 == 0 {
			p.note("  still compiling and starting, %d s …", n/4)
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the shop did not start:\n%s", s.output)
		case <-ctx.Done():
			return fmt.Errorf("the shop did not start within %s: %w", startIn, ctx.Err())
		case <-tick.C:
		}
	}
}

func (s *subject) stop() {
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.ended
	os.RemoveAll(s.dir)
}
