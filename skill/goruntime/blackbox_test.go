package goruntime_test

import (
	"context"
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
)

// TestMain is also the program that dies: with a directory, a way to die and whether it has a monitor as its arguments.
func TestMain(m *testing.M) {
	goruntime.RunMonitor()
	if len(os.Args) == 5 && os.Args[1] == "die" {
		die(os.Args[2], os.Args[3], os.Args[4] == "monitor")
	}
	os.Exit(m.Run())
}

// die runs a black box in an engine for some seconds, and then ends as it is told.
func die(dir, how string, monitor bool) {
	p := goruntime.New(nil)
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
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "exit":
		os.Exit(1)
	case "told":
		cancel()
		<-done
		os.Exit(0)
	}
	<-time.After(10 * time.Second)
	os.Exit(4)
}

func explode(m map[string]int) {
	m["order"]++ // culprit: explode
}

func race(m map[int]int) {
	for i := 0; ; i++ {
		m[i%10]++ // culprit: race
	}
}

func victim(t *testing.T, dir, how, monitor string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "die", dir, how, monitor)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == 3 || cmd.ProcessState.ExitCode() == 4 {
		t.Fatalf("the victim did not die: %v\n%s", err, out)
	}
}

// TestPostMortem: a process dies, and the next one says how.
func TestPostMortem(t *testing.T) {
	if testing.Short() {
		t.Skip("processes die for it")
	}
	for _, c := range []struct{ how, monitor, kind, what, culprit string }{
		{"panic", "", "panic", "assignment to entry in nil map", "explode"},
		{"panic", "monitor", "panic", "assignment to entry in nil map", "explode"},
		{"map", "", "fatal error", "map", "race"},
		{"kill", "", "killed", "", ""},
		{"kill", "monitor", "killed", "", ""},
		{"exit", "", "killed", "", ""},
		{"told", "", "", "", ""},
		{"told", "monitor", "", "", ""},
	} {
		t.Run(c.how+" "+c.monitor, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			victim(t, dir, c.how, c.monitor)
			if c.monitor != "" && c.kind != "" {
				// The report is there before anybody starts again.
				within(t, 10*time.Second, func() bool {
					reports, _ := filepath.Glob(filepath.Join(dir, "beamlens-death-*.new"))
					return len(reports) == 1
				})
			}
			box := goruntime.New(nil).BlackBox(goruntime.BlackBoxOptions{Dir: dir, NoCrashOutput: true})
			skilltest.Run(t, box.Skill())
			d, err := box.LastDeath()
			if err != nil {
				t.Fatal(err)
			}
			if c.kind == "" {
				if left, _ := filepath.Glob(filepath.Join(dir, "*")); d != nil || len(left) > 0 {
					t.Errorf("it was told to end; death %+v, left %v", d, left)
				}
				return
			}
			if d == nil || d.Kind != c.kind || !strings.Contains(d.What, c.what) || d.Last["runtime.goroutines"] < 5 || d.Over < 1 {
				t.Fatalf("death %+v", d)
			}
			if c.culprit == "" {
				return
			}
			if want := lineIn(t, "blackbox_test.go", c.culprit); d.At != want || !strings.Contains(d.Function, c.culprit) {
				t.Errorf("it died in %s at %s, want %s at %s; stack %v", d.Function, d.At, c.culprit, want, d.Stack)
			}
			a := alert(t, box)
			t.Log(a.Summary)
			if a.Severity != beamlens.SeverityCritical || a.Culprit == nil || a.Culprit.ID != d.At {
				t.Errorf("alert %+v", a)
			}
		})
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

// alert is what an engine with the black box says first.
func alert(t *testing.T, box *goruntime.BlackBox) beamlens.Alert {
	t.Helper()
	told := make(chan beamlens.Alert, 10)
	e, err := engine.New(engine.Options{Target: beamlens.Target{Kind: "go", Name: "next"}, Skills: []*skill.Skill{box.Skill()}, Interval: 200 * time.Millisecond, OnEvent: func(ev beamlens.Event) {
		if ev.Name == beamlens.EventAlertFired {
			told <- *ev.Alert
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.Serve(ctx)
	}()
	defer func() {
		cancel()
		<-done
	}()
	select {
	case a := <-told:
		return a
	case <-time.After(20 * time.Second):
		t.Fatal("no alert within 20 s")
	}
	panic("unreachable")
}
