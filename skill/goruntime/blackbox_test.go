package goruntime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/goruntime"
	"github.com/beamlens/beamlens-go/skill/skilltest"
	"github.com/beamlens/beamlens-go/store"
)

// TestMain is also the program that dies: with a directory, a way to die, whether it has a monitor, and a control group to die in as its arguments.
func TestMain(m *testing.M) {
	goruntime.RunMonitor(explain)
	if len(os.Args) == 6 && os.Args[1] == "die" {
		die(os.Args[2], os.Args[3], os.Args[4] == "monitor", os.Args[5])
	}
	os.Exit(m.Run())
}

// explain is what a monitor does when its program has died: it has an insight made, stored and told.
func explain(box *goruntime.BlackBox) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	kept := store.NewMemory()
	told := 0
	i, err := engine.Explain(ctx, engine.Options{Target: beamlens.Target{Kind: "go", Name: "victim"}, Skills: []*skill.Skill{box.Skill()}, Store: kept, Interval: 200 * time.Millisecond, OnEvent: func(ev beamlens.Event) {
		if ev.Insight != nil {
			told++
		}
	}})
	if err != nil || i == nil || told != 1 {
		return fmt.Errorf("insight %+v, told %d times, %v", i, told, err)
	}
	insights, err := kept.Insights(ctx, 10, 0)
	if err != nil || len(insights) != 1 {
		return fmt.Errorf("stored are %d, %v", len(insights), err)
	}
	d, err := box.LastDeath()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(explained{insights[0], *d})
	if err != nil {
		return err
	}
	name := filepath.Join(box.Dir(), "explained.json")
	return errors.Join(os.WriteFile(name+".part", raw, 0o600), os.Rename(name+".part", name))
}

// explained is what a monitor of this test leaves.
type explained struct {
	Insight beamlens.Insight
	Death   goruntime.Death
}

// die runs a black box in an engine for some seconds, and then ends as it is told.
func die(dir, how string, monitor bool, group string) {
	if group != "" {
		if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(fmt.Sprint(os.Getpid())), 0); err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
	}
	p := goruntime.New(&goruntime.Options{Every: 500 * time.Millisecond})
	box := p.BlackBox(goruntime.BlackBoxOptions{Dir: dir, Monitor: monitor})
	e, err := engine.New(engine.Options{Target: p.Target("victim"), Skills: append(p.Skills(), box.Skill()), Work: []engine.Work{box}})
	if err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.Serve(ctx)
	}()
	<-time.After(2500 * time.Millisecond)
	switch how {
	case "panic":
		go explode(nil)
	case "map":
		m := map[int]int{}
		for range 4 {
			go race(m)
		}
	case "oom":
		go every(ctx, 50*time.Millisecond, hoard)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "exit":
		os.Exit(1)
	case "told":
		cancel()
		<-done
		os.Exit(0)
	}
	<-time.After(60 * time.Second)
	os.Exit(4)
}

var hoarded [][]byte

func hoard() {
	b := make([]byte, 1<<20) // culprit: hoard
	for i := range b {
		b[i] = 1
	}
	hoarded = append(hoarded, b)
}

func explode(m map[string]int) {
	m["order"]++ // culprit: explode
}

func race(m map[int]int) {
	for i := 0; ; i++ {
		m[i%10]++ // culprit: race
	}
}

func victim(t *testing.T, dir, how, monitor, group string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "die", dir, how, monitor, group)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == 3 || cmd.ProcessState.ExitCode() == 4 {
		t.Fatalf("the victim did not die: %v\n%s", err, out)
	}
	t.Logf("%v\n%.1000s", err, out)
}

// smallGroup makes a control group with little memory, where this machine lets us.
func smallGroup(t *testing.T) string {
	t.Helper()
	raw, _ := os.ReadFile("/proc/self/cgroup")
	const limit = "134217728"
	for line := range strings.Lines(string(raw)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		root, name := "/sys/fs/cgroup", "memory.max"
		if len(f) != 3 || f[1] != "" && f[1] != "memory" {
			continue
		}
		if f[1] == "memory" {
			root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		dir := filepath.Join(root, f[2], fmt.Sprintf("beamlens-test-%d-%s", os.Getpid(), filepath.Base(t.Name())))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { within(t, 10*time.Second, func() bool { return os.Remove(dir) == nil }) }) // a moment after its last process
		if os.WriteFile(filepath.Join(dir, name), []byte(limit), 0) != nil {
			continue
		}
		_ = os.WriteFile(filepath.Join(dir, "memory.memsw.limit_in_bytes"), []byte(limit), 0)
		_ = os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0)
		return dir
	}
	t.Skip("no control group can be made here: a kill by the kernel cannot be tried")
	return ""
}

// TestPostMortem: a process dies, and what died, where, and what its last minutes looked like is an insight, which is stored and told: by the next process, or by the
// monitor before there is one.
func TestPostMortem(t *testing.T) {
	if testing.Short() {
		t.Skip("processes die for it")
	}
	for _, c := range []struct{ how, monitor, kind, what, culprit string }{
		{"panic", "", "panic", "assignment to entry in nil map", "explode"},
		{"panic", "monitor", "panic", "assignment to entry in nil map", "explode"},
		{"map", "", "fatal error", "map", "race"},
		{"map", "monitor", "fatal error", "map", "race"},
		{"oom", "", "out of memory", "want of memory", "hoard"},
		{"oom", "monitor", "out of memory", "want of memory", "hoard"},
		{"kill", "", "killed", "it left no word", ""},
		{"kill", "monitor", "killed", "it left no word", ""},
		{"exit", "", "killed", "it left no word", ""},
		{"told", "", "", "", ""},
		{"told", "monitor", "", "", ""},
	} {
		t.Run(strings.TrimSpace(c.how+" "+c.monitor), func(t *testing.T) {
			t.Parallel()
			dir, group := t.TempDir(), ""
			if c.how == "oom" {
				group = smallGroup(t)
			}
			victim(t, dir, c.how, c.monitor, group)
			var got explained
			if c.monitor != "" && c.kind != "" {
				name := filepath.Join(dir, "explained.json")
				within(t, 40*time.Second, func() bool { _, err := os.Stat(name); return err == nil })
				raw, err := os.ReadFile(name)
				if err == nil {
					err = json.Unmarshal(raw, &got)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			box := goruntime.New(nil).BlackBox(goruntime.BlackBoxOptions{Dir: dir, NoCrashOutput: true})
			skilltest.Run(t, box.Skill())
			d, err := box.LastDeath()
			if err != nil {
				t.Fatal(err)
			}
			switch left, _ := filepath.Glob(filepath.Join(dir, "*")); {
			case c.kind == "":
				if d != nil || len(left) > 0 {
					t.Errorf("it was told to end; death %+v, left %v", d, left)
				}
				return
			case c.monitor != "":
				if d != nil || len(left) != 2 {
					t.Errorf("it has been told already; death %+v, left %v", d, left)
				}
			case d == nil:
				t.Fatalf("nobody died; left %v", left)
			default:
				got = explained{next(t, box), *d}
			}
			died(t, got, c.kind, c.what, c.culprit)
		})
	}
}

// died checks what is said of a death.
func died(t *testing.T, x explained, kind, what, culprit string) {
	t.Helper()
	d, i := x.Death, x.Insight
	t.Log(i.Summary, i.Probability, i.Evidence)
	if d.Kind != kind || !strings.Contains(d.What, what) || d.Last["runtime.goroutines"] < 5 || d.Over < 1 {
		t.Fatalf("death %+v", d)
	}
	if !strings.Contains(i.Summary, what) || i.Culprit == nil || i.CauseAlertID == "" || len(i.Evidence) == 0 || !strings.Contains(i.Evidence[0], "At the end it had") {
		t.Errorf("insight %+v", i)
	}
	at := ""
	if culprit != "" {
		at = lineIn(t, "blackbox_test.go", culprit)
	}
	switch {
	case culprit == "":
		if i.Culprit.Kind != "system" || i.Probability > 0.5 {
			t.Errorf("nobody knows who it was; the insight blames %s, %.2f", i.Culprit, i.Probability)
		}
	case i.Culprit.ID != at || !strings.Contains(i.Culprit.Name, culprit) || i.Probability < 0.6 || !strings.Contains(i.Summary, at):
		t.Errorf("the insight blames %s, %.2f; want %s at %s; stack %v", i.Culprit, i.Probability, culprit, at, d.Stack)
	}
}

func within(t *testing.T, limit time.Duration, ok func() bool) {
	t.Helper()
	over := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-over:
			t.Fatalf("it did not happen within %s", limit)
		case <-tick.C:
		}
	}
}

// next is the insight of an engine that starts after a death, as it is stored.
func next(t *testing.T, box *goruntime.BlackBox) beamlens.Insight {
	t.Helper()
	kept := store.NewMemory()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var severity beamlens.Severity
	told, err := engine.Explain(ctx, engine.Options{Target: beamlens.Target{Kind: "go", Name: "next"}, Skills: []*skill.Skill{box.Skill()}, Store: kept, Interval: 200 * time.Millisecond, OnEvent: func(ev beamlens.Event) {
		if ev.Name == beamlens.EventAlertFired {
			severity = ev.Alert.Severity
		}
	}})
	insights, ierr := kept.Insights(t.Context(), 10, 0)
	if err != nil || ierr != nil || told == nil || len(insights) != 1 || insights[0].ID != told.ID || severity != beamlens.SeverityCritical {
		t.Fatalf("told %+v, %v; stored %+v, %v; severity %s", told, err, insights, ierr, severity)
	}
	return insights[0]
}
