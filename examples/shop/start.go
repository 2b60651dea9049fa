package shop

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
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// Project is the compiled application, which can be started more than once. Make it with [Compile].
type Project struct {
	dir   string
	under []string // environment, when it runs under BeamLens
}

// Shop is a running node. Make it with [Project.Start].
type Shop struct {
	Node, Cookie, CookieFile string

	project *Project
	load    string
	cmd     *exec.Cmd
	output  tail
	ended   chan struct{}
	wait    sync.WaitGroup
}

// startIn is how long the shop may take to start.
const startIn = 60 * time.Second

// Under says that the shop runs under BeamLens, with the Elixir package in its supervision tree.
type Under struct {
	Package string // its folder
	Engine  string // the program that the package starts
	Events  string // a file or pipe that the engine writes its events to, as JSON, a line each
	Listen  string // an address at which the engine serves its dashboard; "": none
}

// Compile writes the project into a temporary folder and compiles it there. Without under it knows nothing of BeamLens.
func Compile(ctx context.Context, under *Under) (*Project, error) {
	for _, program := range []string{"elixir", "mix", "erl"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%s is not installed; the shop needs Elixir 1.14 or later: run scripts/setup, or install it with apt or brew", program)
		}
	}
	dir, err := os.MkdirTemp("", "beamlens-shop-")
	if err != nil {
		return nil, err
	}
	p := &Project{dir: dir}
	if under != nil {
		p.under = []string{"BEAMLENS_PACKAGE=" + under.Package, "BEAMLENS_PATH=" + under.Engine, "BEAMLENS_EVENTS=" + under.Events, "BEAMLENS_LISTEN=" + under.Listen}
	}
	if err := os.CopyFS(dir, Files); err != nil {
		return nil, errors.Join(err, p.Remove())
	}
	cmd := exec.CommandContext(ctx, "mix", "compile")
	cmd.Dir, cmd.Env = dir, p.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("the shop does not compile: %w\n%s", err, out), p.Remove())
	}
	return p, nil
}

// Remove deletes the folder.
func (p *Project) Remove() error { return os.RemoveAll(p.dir) }

func (p *Project) env() []string {
	env := append(os.Environ(), p.under...)
	return append(env, "MIX_ENV=prod", "MIX_HOME="+filepath.Join(p.dir, ".mix"), "ERL_CRASH_DUMP_BYTES=0", "LC_ALL=C.UTF-8")
}

var started atomic.Int64

// Start starts a node, and returns when it answers.
func (p *Project) Start(ctx context.Context) (*Shop, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	host, _, _ = strings.Cut(host, ".")
	name := fmt.Sprintf("shop-%d-%d", os.Getpid(), started.Add(1))
	s := &Shop{Node: name + "@" + host, Cookie: rand.Text(), CookieFile: filepath.Join(p.dir, name+".cookie"), project: p}
	if err := os.WriteFile(s.CookieFile, []byte(s.Cookie), 0o600); err != nil {
		return nil, err
	}
	if err := s.launch(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// tied ends the node with the program that has started it, however that ends: then its input does.
const tied = "spawn(fn -> IO.read(:stdio, :line) && System.halt(0) end)"

// launch starts the node, and returns when it answers.
func (s *Shop) launch(ctx context.Context) error {
	name, _, _ := strings.Cut(s.Node, "@")
	s.ended = make(chan struct{})
	s.cmd = exec.Command("elixir", "--sname", name, "--cookie", s.Cookie, "-S", "mix", "run", "--no-compile", "--no-halt", "-e", tied)
	s.cmd.Dir, s.cmd.Env = s.project.dir, s.project.env()
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	// A group of its own: Ctrl-C is the caller's to handle, and the whole of it can be ended.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if _, err := s.cmd.StdinPipe(); err != nil { // it is closed when the node has ended, or we have
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	cmd, ended := s.cmd, s.ended
	s.wait.Go(func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed, or says why in its output
	})
	if err := s.ready(ctx); err != nil {
		s.Stop()
		return err
	}
	return nil
}

// ready waits until the node answers and the application runs.
func (s *Shop) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startIn)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := erlang.Dial(ctx, s.Node, &erlang.Options{Cookie: s.Cookie}); err == nil {
			at, err := c.Call(ctx, etf.A("erlang"), etf.A("whereis"), etf.A("Elixir.Shop.Customers"))
			c.Close()
			if _, ok := at.(etf.Pid); err == nil && ok {
				return nil
			}
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the shop did not start:\n%s", s.output.String())
		case <-ctx.Done():
			return fmt.Errorf("the shop did not start within %s: %w\n%s", startIn, ctx.Err(), s.output.String())
		case <-tick.C:
		}
	}
}

// Output is the end of what the node has printed.
func (s *Shop) Output() string { return s.output.String() }

// Stop kills the node, and waits until it has ended.
func (s *Shop) Stop() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	s.wait.Wait()
}

// tail keeps the end of what is written.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailSize = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() > 2*tailSize {
		t.buf.Next(t.buf.Len() - tailSize)
	}
	return t.buf.Write(p)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
