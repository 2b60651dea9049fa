package goruntime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/skill/goruntime"
)

// The faults of this file are real. Each says in a comment, culprit: NAME, which of its lines is to blame.

type fault struct {
	name     string
	skill    string
	kind     string // of the alert
	function string
	run      func(ctx context.Context, p *goruntime.Probe)
}

// every calls f so often until ctx ends.
func every(ctx context.Context, d time.Duration, f func()) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			f()
		}
	}
}

func leakSend(ctx context.Context) {
	every(ctx, 20*time.Millisecond, func() {
		answers := make(chan int)
		go func() {
			select { // culprit: leakSend
			case answers <- 42:
			case <-ctx.Done():
			}
		}()
	})
}

// pool is what benign code looks like: goroutines that wait and work now and then, more of them with the load.
func pool(ctx context.Context) {
	work := make(chan int)
	var n atomic.Int64
	go every(ctx, time.Millisecond, func() {
		for range 40 {
			select {
			case work <- 1:
			default:
			}
		}
	})
	every(ctx, 200*time.Millisecond, func() {
		if n.Add(2) < 400 {
			for range 2 {
				go func() {
					for {
						select {
						case <-work:
						case <-ctx.Done():
							return
						}
					}
				}()
			}
		}
	})
}

type account struct {
	mu      sync.Mutex
	balance int
}

func (a *account) transfer(ctx context.Context, to *account, both *sync.WaitGroup) {
	a.mu.Lock()
	both.Done()
	both.Wait()
	to.lock(ctx)
}

func (a *account) lock(context.Context) {
	a.mu.Lock() // culprit: deadlock
	a.balance++
	a.mu.Unlock()
}

// deadlock has two wait for each other's lock, and others behind them. Nothing frees them: they stay until the test ends.
func deadlock(ctx context.Context) {
	var a, b account
	var both sync.WaitGroup
	both.Add(2)
	go a.transfer(ctx, &b, &both)
	go b.transfer(ctx, &a, &both)
	<-ctx.Done()
}

func leakFile(ctx context.Context, dir string) {
	var open []*os.File
	every(ctx, 20*time.Millisecond, func() {
		f, err := os.OpenFile(dir+"/orders", os.O_CREATE|os.O_RDWR, 0o600) // culprit: leakFile
		if err == nil {
			open = append(open, f)
		}
	})
	for _, f := range open {
		f.Close()
	}
}

func leakBody(ctx context.Context, client *http.Client, url string) {
	var open []io.Closer
	every(ctx, 100*time.Millisecond, func() {
		resp, err := client.Get(url) // culprit: leakBody
		if err == nil {
			open = append(open, resp.Body)
		}
	})
	for _, c := range open {
		c.Close()
	}
}

func logStorm(ctx context.Context, log *slog.Logger) {
	every(ctx, 10*time.Millisecond, func() {
		log.Error("charge failed", "order", 7) // culprit: logStorm
	})
}

func badHandler(w http.ResponseWriter, r *http.Request) {
	var cart map[string]int
	//lint:ignore SA5000 it is the fault
	cart[r.URL.Path]++ // culprit: badHandler
}

type mailer struct{}

func (mailer) send() {
	panic("no connection") // culprit: send
}

// supervise restarts a service that panics, and tells its hook as suture does.
func supervise(ctx context.Context, p *goruntime.Probe) {
	every(ctx, 500*time.Millisecond, func() {
		defer func() {
			if v := recover(); v != nil {
				p.Supervised(event{"supervisor_name": "shop", "service_name": "mailer", "panic_msg": fmt.Sprint(v), "stacktrace": string(debug.Stack()), "restarting": true})
			}
		}()
		mailer{}.send()
	})
}

type event map[string]any

func (e event) String() string      { return fmt.Sprint(map[string]any(e)) }
func (e event) Map() map[string]any { return e }

var sessions = struct {
	sync.Mutex
	m map[int][]byte
}{m: map[int][]byte{}}

func leakMap(ctx context.Context) {
	n := 0
	every(ctx, 10*time.Millisecond, func() {
		sessions.Lock()
		defer sessions.Unlock()
		for range 8 {
			n++
			sessions.m[n] = make([]byte, 16<<10) // culprit: leakMap
		}
	})
	sessions.Lock()
	clear(sessions.m)
	sessions.Unlock()
}

func leakTimers(ctx context.Context) {
	var timers []*time.Timer
	every(ctx, 10*time.Millisecond, func() {
		for range 8 {
			order := make([]byte, 16<<10) // culprit: leakTimers
			timers = append(timers, time.AfterFunc(24*time.Hour, func() { order[0]++ }))
		}
	})
	for _, t := range timers {
		t.Stop()
	}
}

type stock struct{ mu sync.Mutex }

func (s *stock) slow(ctx context.Context) {
	s.mu.Lock()
	t := time.NewTimer(3 * time.Millisecond)
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	s.mu.Unlock() // culprit: convoy
}

func (s *stock) quick() {
	s.mu.Lock()
	//lint:ignore SA2001 it is what many do: look at something
	s.mu.Unlock()
}

func convoy(ctx context.Context) {
	var s stock
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { every(ctx, 2*time.Millisecond, s.quick) })
	}
	for ctx.Err() == nil {
		s.slow(ctx)
	}
	all.Wait()
}

func spin(ctx context.Context) {
	x := 0
	for i := 0; ctx.Err() == nil; i++ {
		for range 1000 {
			x = x*31 + i // culprit: spin
		}
	}
	sink.Store(int64(x))
}

var sink atomic.Int64

type node struct {
	next *node
	pad  [6]int
}

func churn(ctx context.Context) {
	for ctx.Err() == nil {
		var head *node
		for range 1000 {
			head = &node{next: head} // culprit: churn
		}
		sink.Store(int64(head.pad[0]))
	}
}

var (
	ballast []*node
	live    []*node
)

// fill keeps more than the memory limit allows, while others make garbage.
func fill(ctx context.Context) {
	debug.SetMemoryLimit(48 << 20)
	defer debug.SetMemoryLimit(1 << 62)
	defer func() { ballast = nil }()
	for len(ballast) < 700_000 && ctx.Err() == nil {
		ballast = append(ballast, &node{}) // culprit: fill
	}
	garbage(ctx)
}

// garbage makes some on all processors.
func garbage(ctx context.Context) {
	var all sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		all.Go(func() { churn(ctx) })
	}
	all.Wait()
}

// pressure makes garbage beside much that is alive.
func pressure(ctx context.Context) {
	defer func() { live = nil }()
	for range 500_000 {
		live = append(live, &node{})
	}
	garbage(ctx)
}

// line finds the line that a comment marks.
func line(t *testing.T, name string) string {
	t.Helper()
	return lineIn(t, "fault_test.go", name)
}

func lineIn(t *testing.T, file, name string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for text := range strings.Lines(string(raw)) {
		n++
		if strings.HasSuffix(strings.TrimSpace(text), "// culprit: "+name) {
			return fmt.Sprintf("goruntime/%s:%d", file, n)
		}
	}
	t.Fatalf("no line is marked as the culprit %s", name)
	return ""
}

// watched is an engine that watches this process.
type watched struct {
	mu     sync.Mutex
	alerts []beamlens.Alert
	failed []string
	told   chan struct{}
	stop   func()
}

func watchSelf(t *testing.T, p *goruntime.Probe) *watched {
	t.Helper()
	w := &watched{told: make(chan struct{}, 1)}
	e, err := engine.New(engine.Options{Target: p.Target("test"), Skills: p.Skills(), Interval: 250 * time.Millisecond, OnEvent: func(ev beamlens.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case ev.Alert != nil && ev.Name != beamlens.EventAlertCleared:
			w.alerts = append(w.alerts, *ev.Alert)
		case ev.Name == "watch.snapshot_failed" || ev.Name == "engine.panic" || ev.Name == "engine.restart" || ev.Name == "operator.run_failed":
			w.failed = append(w.failed, fmt.Sprintf("%s %s: %v", ev.Name, ev.Subject, ev.Fields))
		}
		select {
		case w.told <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := e.Serve(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("the engine ended: %v", err)
		}
	}()
	w.stop = func() {
		cancel()
		<-done
	}
	return w
}

func (w *watched) named(f fault, at string) *beamlens.Alert {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.alerts {
		if c := a.Culprit; c != nil && a.Operator == f.skill && a.AnomalyType == f.kind && c.Kind == "function" && c.ID == at && strings.Contains(c.Name, f.function) {
			return &a
		}
	}
	return nil
}

// wait waits until all faults were named.
func (w *watched) wait(t *testing.T, faults []fault, within time.Duration) {
	t.Helper()
	began := time.Now()
	over := time.After(within)
	open := map[string]string{}
	for _, f := range faults {
		open[f.name] = line(t, f.name)
	}
	for len(open) > 0 {
		select {
		case <-w.told:
			for _, f := range faults {
				if at := open[f.name]; at != "" {
					if a := w.named(f, at); a != nil {
						t.Logf("%s after %s: %s", f.name, time.Since(began).Round(100*time.Millisecond), a.Summary)
						delete(open, f.name)
					}
				}
			}
		case <-over:
			w.mu.Lock()
			defer w.mu.Unlock()
			for name, at := range open {
				t.Errorf("%s at %s was not named within %s", name, at, within)
			}
			for _, a := range w.alerts {
				t.Logf("%s %s blames %v: %s | %s", a.Operator, a.AnomalyType, a.Culprit, a.Summary, a.Context)
			}
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, failure := range w.failed {
		t.Error(failure)
	}
}

// blamed says who else was blamed for a kind of thing.
func (w *watched) blamed(kind string, but ...string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
next:
	for _, a := range w.alerts {
		if a.AnomalyType != kind || a.Culprit == nil {
			continue
		}
		for _, b := range but {
			if strings.Contains(a.Culprit.Name, b) {
				continue next
			}
		}
		out = append(out, a.Summary)
	}
	return out
}

// TestQuietFaults has faults that take hardly any CPU, all at once, beside work that looks like a leak and is none.
func TestQuietFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	p := goruntime.New(&goruntime.Options{Every: time.Second})
	dir := t.TempDir()
	log := slog.New(p.Log(slog.NewJSONHandler(io.Discard, nil)))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /big", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	mux.HandleFunc("GET /cart/{id}", badHandler)
	server := httptest.NewUnstartedServer(p.HTTP(mux))
	server.Config.ErrorLog = p.ErrorLog(io.Discard)
	server.Start()
	defer server.Close()
	client := &http.Client{Transport: p.Transport(&http.Transport{})}
	faults := []fault{
		{"leakSend", "leaks", "goroutine_leak", "leakSend", func(ctx context.Context, _ *goruntime.Probe) { leakSend(ctx) }},
		{"deadlock", "leaks", "deadlock", "(*account).lock", func(ctx context.Context, _ *goruntime.Probe) { deadlock(ctx) }},
		{"leakFile", "fds", "descriptor_leak", "leakFile", func(ctx context.Context, _ *goruntime.Probe) { leakFile(ctx, dir) }},
		{"leakBody", "fds", "body_leak", "leakBody", func(ctx context.Context, _ *goruntime.Probe) { leakBody(ctx, client, server.URL+"/big") }},
		{"logStorm", "logger", "log_errors", "logStorm", func(ctx context.Context, _ *goruntime.Probe) { logStorm(ctx, log) }},
		{"badHandler", "exception", "panic_loop", "badHandler", func(ctx context.Context, _ *goruntime.Probe) {
			every(ctx, 50*time.Millisecond, func() {
				if resp, err := client.Get(server.URL + "/cart/7"); err == nil {
					resp.Body.Close()
				}
			})
		}},
		{"send", "sup", "restart_loop", "mailer.send", supervise},
	}
	w := watchSelf(t, p)
	defer w.stop()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { pool(ctx) })
	for _, f := range faults {
		all.Go(func() { f.run(ctx, p) })
	}
	w.wait(t, faults, 40*time.Second)
	cancel()
	all.Wait()
	for kind, who := range map[string][]string{"goroutine_leak": {"leakSend", "(*account).lock"}, "deadlock": {"(*account).lock"}, "descriptor_leak": {"leakFile", "leakBody"}, "body_leak": {"leakBody"}, "restart_loop": {"mailer.send"}} {
		for _, wrong := range w.blamed(kind, who...) {
			t.Errorf("somebody else was blamed: %s", wrong)
		}
	}
}

// TestLoudFaults has faults that take the CPU, the memory or the locks, one after the other.
func TestLoudFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes two minutes")
	}
	for _, f := range []fault{
		{"leakMap", "heap", "heap_growth", "leakMap", func(ctx context.Context, _ *goruntime.Probe) { leakMap(ctx) }},
		{"leakTimers", "heap", "heap_growth", "leakTimers", func(ctx context.Context, _ *goruntime.Probe) { leakTimers(ctx) }},
		{"convoy", "locks", "lock_contention", "(*stock).slow", func(ctx context.Context, _ *goruntime.Probe) { convoy(ctx) }},
		{"spin", "runtime", "cpu_spin", "spin", func(ctx context.Context, _ *goruntime.Probe) {
			var all sync.WaitGroup
			for range 8 * runtime.GOMAXPROCS(0) {
				all.Go(func() { spin(ctx) })
			}
			all.Wait()
		}},
		{"churn", "gc", "gc_pressure", "churn", func(ctx context.Context, _ *goruntime.Probe) { pressure(ctx) }},
		{"fill", "gc", "memory_limit", "fill", func(ctx context.Context, _ *goruntime.Probe) { fill(ctx) }},
	} {
		t.Run(f.name, func(t *testing.T) {
			p := goruntime.New(&goruntime.Options{Every: time.Second})
			w := watchSelf(t, p)
			defer w.stop()
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() {
				<-time.After(2 * time.Second) // what is usual
				f.run(ctx, p)
			})
			w.wait(t, []fault{f}, 45*time.Second)
			cancel()
			all.Wait()
			runtime.GC()
		})
	}
}
