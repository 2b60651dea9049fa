package goruntime_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/skill/goruntime"
)

// TestEveryGoroutineIsOwned: when Serve has returned, none that the engine or a skill started is left, whatever was going on.
func TestEveryGoroutineIsOwned(t *testing.T) {
	p := goruntime.New(&goruntime.Options{Every: 100 * time.Millisecond, Evidence: t.TempDir()})
	box := p.BlackBox(goruntime.BlackBoxOptions{Dir: t.TempDir(), NoCrashOutput: true})
	e, err := engine.New(engine.Options{Target: p.Target("test"), Skills: append(p.Skills(), box.Skill()), Work: []engine.Work{box, p.FlightRecorder()}, Interval: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Serve(ctx) }()
	server := httptest.NewServer(p.HTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })))
	client := &http.Client{Transport: p.Transport(&http.Transport{})}
	over := time.After(time.Second)
	for open := true; open; {
		select {
		case <-over:
			open = false
		default:
			resp, err := client.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	// In the middle of a capture, too.
	captured := make(chan error, 1)
	go func() {
		_, err := p.Capture(ctx, "test", "cpu", "trace", "heap", "goroutines", "mutex")
		captured <- err
	}()
	<-time.After(50 * time.Millisecond)
	cancel()
	if err := <-captured; err != nil {
		t.Error(err)
	}
	<-done
	client.CloseIdleConnections()
	server.Close()
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	for group := range strings.SplitSeq(b.String(), "\n\n") {
		// The deadlock of another test stays, and is that test's.
		group = strings.ReplaceAll(group, "github.com/beamlens/beamlens-go/skill/goruntime_test.", "")
		if strings.Contains(group, "github.com/beamlens/beamlens-go/") {
			t.Errorf("left:\n%s", group)
		}
	}
}
