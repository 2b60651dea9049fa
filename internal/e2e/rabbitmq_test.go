package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// startRabbit starts a RabbitMQ of its own, with the configuration that Debian's package has, and returns its node's name.
func startRabbit(t *testing.T) string {
	t.Helper()
	server, err := exec.LookPath("/usr/lib/rabbitmq/bin/rabbitmq-server")
	if err != nil {
		if server, err = exec.LookPath("rabbitmq-server"); err != nil {
			t.Skip("RabbitMQ is not installed: run scripts/setup")
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".erlang.cookie"), []byte(erlangtest.Cookie), 0o400); err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	node := "rabbit-" + erlangtest.Unique() + "@" + host
	cmd := exec.Command(server)
	cmd.Env = append(os.Environ(), "HOME="+dir, "RABBITMQ_HOME="+dir, "RABBITMQ_NODENAME="+node, "RABBITMQ_MNESIA_BASE="+dir, "RABBITMQ_LOG_BASE="+dir, "RABBITMQ_LOGS=-",
		fmt.Sprintf("RABBITMQ_NODE_PORT=%d", freePort(t)), fmt.Sprintf("RABBITMQ_DIST_PORT=%d", freePort(t)), "RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(dir, "plugins"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
	up := make(chan bool, 1)
	var said strings.Builder
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "completed with") {
				up <- true
			} else {
				said.WriteString(lines.Text() + "\n")
			}
		}
		up <- false
	}()
	if !<-up {
		t.Fatalf("RabbitMQ did not start: %s", said.String())
	}
	return node
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestRabbitMQ attaches to a node that is not ours: it works at once, finds nothing wrong, and leaves nothing behind.
func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	node := startRabbit(t)
	look := func(m, f string, args ...etf.Term) etf.Term {
		t.Helper()
		c, err := erlang.Dial(t.Context(), node, &erlang.Options{Cookie: erlangtest.Cookie, Name: "bltest-look@localhost"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		v, err := c.Call(t.Context(), etf.A(m), etf.A(f), args...)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	processes := look("erlang", "system_info", etf.A("process_count")).(int64)
	a := attach(t, node, "--verbose")
	a.wait(t, beamlens.EventTargetUp, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	<-ctx.Done()
	if n := a.count(beamlens.EventAlertFired); n != 0 {
		t.Errorf("%d false alarms", n)
	}
	if n := a.count("watch.snapshot_failed"); n > 1 {
		t.Errorf("%d snapshots failed", n)
	}
	if code := a.end(syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if v := look("code", "is_loaded", etf.A("beamlens_probe")); v != etf.A("false") {
		t.Errorf("the module is still loaded: %s", etf.Format(v))
	}
	if now := look("erlang", "system_info", etf.A("process_count")).(int64); now > processes+5 {
		t.Errorf("%d processes, before %d", now, processes)
	}
	atoms := look("erlang", "system_info", etf.A("atom_count")).(int64)
	for range 2 {
		b := attach(t, node)
		b.wait(t, beamlens.EventTargetUp, nil)
		b.end(syscall.SIGINT)
	}
	if grown := look("erlang", "system_info", etf.A("atom_count")).(int64) - atoms; grown > 5 {
		t.Errorf("attaching twice more made %d atoms", grown)
	}
}
