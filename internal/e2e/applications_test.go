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
	"sync"
	"syscall"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// application is a node that is not ours: what others wrote, as Debian packages it.
type application struct {
	node, cookie string
	log          func() string // what it has logged
}

// startRabbit starts a RabbitMQ of its own, with the configuration that Debian's package has.
func startRabbit(t *testing.T) application {
	t.Helper()
	server, err := exec.LookPath("/usr/lib/rabbitmq/bin/rabbitmq-server")
	if err != nil {
		if server, err = exec.LookPath("rabbitmq-server"); err != nil {
			if os.Getenv("BEAMLENS_NEED_ERLANG") != "" {
				t.Fatal("RabbitMQ is not installed: run scripts/setup")
			}
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
	var mu sync.Mutex
	var said strings.Builder
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "completed with") {
				up <- true
			}
			mu.Lock()
			said.WriteString(lines.Text() + "\n")
			mu.Unlock()
		}
		close(up)
	}()
	log := func() string {
		mu.Lock()
		defer mu.Unlock()
		return said.String()
	}
	if !<-up {
		t.Fatalf("RabbitMQ did not start: %s", log())
	}
	return application{node, erlangtest.Cookie, log}
}

// startEjabberd starts the ejabberd of Debian's package as the package does, which only root may.
func startEjabberd(t *testing.T) application {
	t.Helper()
	const control, home, logs = "/usr/sbin/ejabberdctl", "/var/lib/ejabberd", "/var/log/ejabberd/ejabberd.log"
	if _, err := os.Stat(control); err != nil || os.Getuid() != 0 {
		t.Skip("ejabberd is not installed, or this is not root: BEAMLENS_SETUP=soak scripts/setup")
	}
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(control, args...).CombinedOutput(); err != nil {
			t.Fatalf("ejabberdctl %v: %v: %s", args, err, out)
		}
	}
	before, err := os.ReadFile(logs)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	run("start")
	t.Cleanup(func() { run("stop") })
	run("started") // waits
	cookie, err := os.ReadFile(filepath.Join(home, ".erlang.cookie"))
	if err != nil {
		t.Fatal(err)
	}
	log := func() string {
		text, err := os.ReadFile(logs)
		if err != nil {
			t.Error(err)
		}
		return strings.TrimPrefix(string(text), string(before))
	}
	// It warns of certificates and addresses when it starts, some of it after it has started: that is not ours.
	said, since := 0, time.Now()
	erlangtest.Eventually(t, "ejabberd has started and has nothing more to say", func() bool {
		text := log()
		if len(text) != said {
			said, since = len(text), time.Now()
		}
		return strings.Contains(text, "is started in the node") && time.Since(since) > 3*time.Second
	})
	return application{"ejabberd@localhost", strings.TrimSpace(string(cookie)), log}
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

// supervise attaches to an application for a while: it works at once, with all skills, finds nothing wrong, and leaves nothing behind.
func supervise(t *testing.T, app application, d time.Duration) {
	t.Helper()
	c, err := erlang.Dial(t.Context(), app.node, &erlang.Options{Cookie: app.cookie, Name: "bltest-look@localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	look := func(m, f string, args ...etf.Term) etf.Term {
		t.Helper()
		v, err := c.Call(t.Context(), etf.A(m), etf.A(f), args...)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	cookie := filepath.Join(t.TempDir(), "cookie")
	if err := os.WriteFile(cookie, []byte(app.cookie), 0o600); err != nil {
		t.Fatal(err)
	}
	processes := look("erlang", "system_info", etf.A("process_count")).(int64)
	monitor := etf.Format(look("erlang", "system_monitor"))
	handlers := etf.Format(look("logger", "get_handler_ids"))
	logged := len(app.log())

	a := attachWith(t, app.node, "--cookie-file", cookie, "--verbose")
	a.wait(t, beamlens.EventTargetUp, nil)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
	a.mu.Lock()
	for _, ev := range a.seen {
		switch {
		case ev.Name == beamlens.EventAlertFired:
			t.Errorf("a false alarm of %s: %s", ev.Alert.Operator, ev.Alert.Summary)
		case strings.HasSuffix(ev.Name, "_failed") && !strings.Contains(fmt.Sprint(ev.Fields["reason"]), "not connected"):
			t.Errorf("%s %s: %v", ev.Subject, ev.Name, ev.Fields["reason"])
		}
	}
	a.mu.Unlock()
	if code := a.end(syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d", code)
	}
	erlangtest.Eventually(t, "no module of ours is loaded", func() bool {
		return !strings.Contains(etf.Format(look("erlang", "loaded")), "beamlens_probe")
	})
	for what, was := range map[string]string{"system_monitor": monitor, "handlers": handlers} {
		now := etf.Format(look("erlang", "system_monitor"))
		if what == "handlers" {
			now = etf.Format(look("logger", "get_handler_ids"))
		}
		if now != was {
			t.Errorf("%s: %s, before %s", what, now, was)
		}
	}
	if now := look("erlang", "system_info", etf.A("process_count")).(int64); now > processes+5 {
		t.Errorf("%d processes, before %d", now, processes)
	}
	for line := range strings.Lines(app.log()[logged:]) {
		if strings.Contains(line, "[error]") || strings.Contains(line, "[warning]") || strings.Contains(line, "[critical]") {
			t.Errorf("it logged: %s", line)
		}
	}
	atoms := look("erlang", "system_info", etf.A("atom_count")).(int64)
	for range 2 {
		b := attachWith(t, app.node, "--cookie-file", cookie)
		b.wait(t, beamlens.EventTargetUp, nil)
		b.end(syscall.SIGINT)
	}
	if grown := look("erlang", "system_info", etf.A("atom_count")).(int64) - atoms; grown > 5 {
		t.Errorf("attaching twice more made %d atoms", grown)
	}
}

// soaking is a quarter of an hour with make soak.
func soaking() time.Duration {
	if os.Getenv("BEAMLENS_SOAK") != "" {
		return 15 * time.Minute
	}
	return 20 * time.Second
}

func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	supervise(t, startRabbit(t), soaking())
}

func TestEjabberd(t *testing.T) {
	if os.Getenv("BEAMLENS_SOAK") == "" {
		t.Skip("it starts the machine's own ejabberd: part of make soak")
	}
	t.Parallel()
	supervise(t, startEjabberd(t), soaking())
}
