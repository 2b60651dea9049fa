package goruntime_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/goruntime"
)

// TestEvidenceOpens: what is captured is what Go's own tools open, at most one of a kind in five minutes, and no more than there is room for.
func TestEvidenceOpens(t *testing.T) {
	for _, flight := range []bool{false, true} {
		dir := t.TempDir()
		p := goruntime.New(&goruntime.Options{Evidence: dir, EvidenceBytes: 32 << 20})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		if flight {
			go func() { done <- p.FlightRecorder().Serve(ctx) }()
			<-time.After(1500 * time.Millisecond)
		}
		got, err := p.Capture(ctx, "test", "cpu", "trace", "heap", "goroutines", "mutex")
		if err != nil || len(got.Files) != 5 {
			t.Fatalf("captured %+v, %v", got, err)
		}
		for _, c := range got.Files {
			args := []string{"tool", "pprof", "-top", filepath.Join(dir, c.File)}
			if c.Kind == "trace" {
				args = []string{"tool", "trace", "-d=parsed", filepath.Join(dir, c.File)}
			}
			if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil || len(out) == 0 {
				t.Errorf("%s: go %v: %v\n%.300s", c.Kind, args, err, out)
			}
		}
		again, err := p.Capture(ctx, "test", "cpu")
		if err != nil || len(again.Files) != 0 || !strings.Contains(again.Note, "five minutes") {
			t.Errorf("again: %+v, %v", again, err)
		}
		cancel()
		if flight {
			<-done
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"beamlens.20200101.000000.x.heap.pprof", "beamlens.20210101.000000.x.heap.pprof", "mine.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := goruntime.New(&goruntime.Options{Evidence: dir, EvidenceBytes: 3 << 19})
	if got, err := p.Capture(t.Context(), "test", "goroutines"); err != nil || len(got.Files) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(left) != 3 || !strings.Contains(left[0], "2021") {
		t.Errorf("left %v", left)
	}
}

// TestEvidenceIsInTheAlert: what was captured in the moment of a finding is named in the alert that comes of it.
func TestEvidenceIsInTheAlert(t *testing.T) {
	dir := t.TempDir()
	p := goruntime.New(&goruntime.Options{Every: 500 * time.Millisecond, Evidence: dir})
	told := make(chan beamlens.Alert, 10)
	e, err := engine.New(engine.Options{Target: p.Target("test"), Skills: []*skill.Skill{p.Leaks()}, Interval: 200 * time.Millisecond, OnEvent: func(ev beamlens.Event) {
		if ev.Name == beamlens.EventAlertFired {
			told <- *ev.Alert
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- e.Serve(ctx) }()
	go func() {
		leakSend(ctx)
		done <- nil
	}()
	select {
	case a := <-told:
		files := 0
		for _, x := range a.Evidence {
			if data, ok := x.Data.(map[string]any); ok && x.Title == "leaks_capture()" {
				list, _ := data["files"].([]any)
				for _, f := range list {
					name := f.(map[string]any)["file"].(string)
					if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
						t.Error(err)
					}
					files++
				}
			}
		}
		if files != 2 {
			t.Errorf("%d files in the evidence: %+v", files, a.Evidence)
		}
	case <-time.After(30 * time.Second):
		t.Error("no alert within 30 s")
	}
	cancel()
	<-done
	<-done
}
