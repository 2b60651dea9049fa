package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/ext/sqlite"
	"github.com/rogpeppe/go-internal/testscript"
)

// binary builds the program once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "beamlens-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "beamlens")
	out, err := exec.Command("go", "build", "-o", path, "github.com/beamlens/beamlens-go/cmd/beamlens").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if os.Getenv(spendStore) != "" {
		spender()
		return
	}
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func program(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestScripts(t *testing.T) {
	path := program(t)
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(e *testscript.Env) error {
		e.Setenv("PATH", filepath.Dir(path)+string(os.PathListSeparator)+e.Getenv("PATH"))
		return nil
	}})
}

// attached is a running "beamlens attach --json".
type attached struct {
	cmd    *exec.Cmd
	events chan beamlens.Event
	done   chan struct{}
	mu     sync.Mutex
	errs   strings.Builder
	seen   []beamlens.Event
}

func attach(t *testing.T, node string, args ...string) *attached {
	t.Helper()
	cookie := filepath.Join(t.TempDir(), "cookie")
	if err := os.WriteFile(cookie, []byte(erlangtest.Cookie), 0o600); err != nil {
		t.Fatal(err)
	}
	return attachWith(t, node, append([]string{"--cookie-file", cookie}, args...)...)
}

func attachWith(t *testing.T, node string, args ...string) *attached {
	t.Helper()
	a := &attached{cmd: exec.Command(program(t), append([]string{"attach", node, "--json"}, args...)...), events: make(chan beamlens.Event, 10_000), done: make(chan struct{})}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := a.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(a.done)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var ev beamlens.Event
			if err := json.Unmarshal(lines.Bytes(), &ev); err != nil {
				t.Errorf("no JSON: %s", lines.Text())
				continue
			}
			a.mu.Lock()
			a.seen = append(a.seen, ev)
			a.mu.Unlock()
			a.events <- ev
		}
		text, _ := io.ReadAll(errs)
		a.mu.Lock()
		a.errs.Write(text)
		a.mu.Unlock()
	}()
	t.Cleanup(func() { a.end(syscall.SIGKILL) })
	return a
}

// end signals the program and waits until it has ended; it returns the exit code, -1 when it was killed.
func (a *attached) end(sig syscall.Signal) int {
	a.cmd.Process.Signal(sig)
	<-a.done
	a.cmd.Wait()
	return a.cmd.ProcessState.ExitCode()
}

// wait reads events until one has the name, and is right.
func (a *attached) wait(t *testing.T, name string, right func(beamlens.Event) bool) beamlens.Event {
	t.Helper()
	limit := time.After(90 * time.Second)
	for {
		select {
		case ev := <-a.events:
			if ev.Name == name && (right == nil || right(ev)) {
				return ev
			}
		case <-limit:
			a.mu.Lock()
			defer a.mu.Unlock()
			t.Fatalf("%s did not come; %d events came, the program said %s", name, len(a.seen), a.errs.String())
		case <-a.done:
			t.Fatalf("the program ended before %s came: %s", name, a.errs.String())
		}
	}
}

func (a *attached) count(name string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, ev := range a.seen {
		if ev.Name == name {
			n++
		}
	}
	return n
}

func gone(t *testing.T, n *erlangtest.Node) {
	t.Helper()
	erlangtest.Eventually(t, "nothing of BeamLens is left in the node", func() bool {
		return n.Eval(t, "{code:is_loaded(beamlens_probe), whereis(beamlens_probe), erlang:check_old_code(beamlens_probe)}.") == "{false,undefined,false}"
	})
}

const flood = `P = spawn(fun() -> register(victim, self()), receive stop -> ok end end), timer:sleep(50), [P ! N || N <- lists:seq(1, 30000)], ok.`

func TestLeavesCleanly(t *testing.T) {
	t.Parallel()
	n := erlangtest.StartNode(t)
	a := attach(t, n.Name)
	a.wait(t, beamlens.EventTargetUp, nil)
	if code := a.end(syscall.SIGINT); code != 0 {
		t.Errorf("Ctrl-C: exit code %d: %s", code, a.errs.String())
	}
	gone(t, n)
}

func TestNodeIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	n := erlangtest.StartNode(t)
	a := attach(t, n.Name)
	a.wait(t, beamlens.EventTargetUp, nil)
	n.Kill()
	down := a.wait(t, beamlens.EventTargetDown, nil)
	if reason := fmt.Sprint(down.Fields["reason"]); !strings.Contains(reason, n.Name) {
		t.Errorf("reason %q", reason)
	}
	n = n.Restart(t)
	a.wait(t, beamlens.EventTargetUp, nil)
	n.Eval(t, flood)
	a.wait(t, beamlens.EventAlertFired, func(ev beamlens.Event) bool { return ev.Alert.Culprit != nil && ev.Alert.Culprit.Name == "victim" })
}

// TestEngineIsKilled kills the engine while an alert is open: nothing stays in the node, nothing is lost in the store, nothing is
// said twice, and what ends while no engine runs is cleared by the next.
func TestEngineIsKilled(t *testing.T) {
	t.Parallel()
	n := erlangtest.StartNode(t)
	file := filepath.Join(t.TempDir(), "beamlens.db")
	a := attach(t, n.Name, "--store", file)
	a.wait(t, beamlens.EventTargetUp, nil)
	n.Eval(t, flood)
	fired := a.wait(t, beamlens.EventAlertFired, nil)
	learnt := func() int {
		s, err := sqlite.Open(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		states, err := s.Baselines(t.Context(), "beam "+n.Name+"/beam")
		if err != nil {
			t.Fatal(err)
		}
		return len(states)
	}
	erlangtest.Eventually(t, "what was learnt is stored", func() bool { return learnt() > 0 })
	a.end(syscall.SIGKILL)
	gone(t, n)
	if learnt() == 0 {
		t.Error("what was learnt is gone")
	}

	a = attach(t, n.Name, "--store", file)
	a.wait(t, beamlens.EventTargetUp, nil)
	n.Eval(t, "exit(whereis(victim), kill).")
	cleared := a.wait(t, beamlens.EventAlertCleared, nil)
	if cleared.Alert.ID != fired.Alert.ID {
		t.Errorf("alert %s was cleared; %s had been fired", cleared.Alert.ID, fired.Alert.ID)
	}
	if c := a.count(beamlens.EventAlertFired); c != 0 {
		t.Errorf("%d alerts were fired again", c)
	}
}

// TestTheLinkIsCut cuts the link again and again, also while an alert is open: it comes back each time, nothing is said twice, and the end
// of the trouble is seen.
func TestTheLinkIsCut(t *testing.T) {
	t.Parallel()
	n := erlangtest.StartNode(t)
	a := attach(t, n.Name)
	const cuts = 4
	for i := range cuts {
		a.wait(t, beamlens.EventTargetUp, nil)
		if i == 1 {
			n.Eval(t, flood)
			a.wait(t, beamlens.EventAlertFired, func(ev beamlens.Event) bool { return ev.Alert.Culprit != nil && ev.Alert.Culprit.Name == "victim" })
		}
		n.Eval(t, "[erlang:disconnect_node(N) || N <- nodes(hidden)], ok.")
		down := a.wait(t, beamlens.EventTargetDown, nil)
		if reason := fmt.Sprint(down.Fields["reason"]); !strings.Contains(reason, "closed the connection") {
			t.Errorf("reason %q", reason)
		}
	}
	a.wait(t, beamlens.EventTargetUp, nil)
	n.Eval(t, "exit(whereis(victim), kill).")
	a.wait(t, beamlens.EventAlertCleared, nil)
	if c := a.count(beamlens.EventAlertFired); c != 1 {
		t.Errorf("%d alerts", c)
	}
}

func TestWithoutProbe(t *testing.T) {
	t.Parallel()
	n := erlangtest.StartNode(t)
	a := attach(t, n.Name, "--no-probe")
	up := a.wait(t, beamlens.EventTargetUp, nil)
	if up.Fields["missing"] == nil {
		t.Errorf("it does not say what is missing: %v", up.Fields)
	}
	n.Eval(t, flood)
	ev := a.wait(t, beamlens.EventAlertFired, nil)
	if ev.Alert.Culprit == nil || ev.Alert.Culprit.Name != "victim" {
		t.Errorf("culprit %v", ev.Alert.Culprit)
	}
	gone(t, n)
}

func TestWrongCookie(t *testing.T) {
	t.Parallel()
	n := erlangtest.StartNode(t)
	cookie := filepath.Join(t.TempDir(), "cookie")
	if err := os.WriteFile(cookie, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := attachWith(t, n.Name, "--cookie-file", cookie)
	down := a.wait(t, beamlens.EventTargetDown, nil)
	if reason := fmt.Sprint(down.Fields["reason"]); !strings.Contains(reason, "the cookie is wrong") {
		t.Errorf("reason %q", reason)
	}
	// Each attempt writes an error into the node's log.
	if retry := down.Fields["retry_ms"].(float64); retry < 10_000 {
		t.Errorf("tries again in %g ms", retry)
	}
}
