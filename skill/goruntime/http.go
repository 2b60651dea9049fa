package goruntime

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// HTTP returns a handler that counts the requests to next: those under way, how long they take, failures and panics, by route. The route is the pattern of
// an http.ServeMux, or else the method and the path with its numbers left out. A panic goes on as if nobody had looked.
func (p *Probe) HTTP(next http.Handler) http.Handler { return &middleware{p, next} }

type middleware struct {
	probe *Probe
	next  http.Handler
}

// middlewareName is in the name of the function that is in the stack of each request.
const middlewareName = "(*middleware).ServeHTTP"

func (m *middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{route: routeOf(m.next, r), began: time.Now()}
	t := &m.probe.server
	t.begin(c)
	s := &statusWriter{ResponseWriter: w, taken: func() { t.forget(c) }}
	defer func() {
		v := recover()
		t.end(c, s.status >= http.StatusInternalServerError || v != nil)
		if v != nil {
			m.probe.panics.count(v, c.route)
			panic(v)
		}
	}()
	if _, ok := w.(http.Hijacker); ok {
		m.next.ServeHTTP(hijackable{s}, r)
		return
	}
	m.next.ServeHTTP(s, r)
}

// routeOf is the pattern, if next knows patterns.
func routeOf(next http.Handler, r *http.Request) string {
	if mux, ok := next.(interface {
		Handler(*http.Request) (http.Handler, string)
	}); ok {
		if _, pattern := mux.Handler(r); pattern != "" {
			if !strings.Contains(pattern, " ") {
				pattern = r.Method + " " + pattern
			}
			return pattern
		}
		return r.Method + " not found"
	}
	return r.Method + " " + withoutNumbers(r.URL.Path)
}

// withoutNumbers replaces what varies in a path: segments that have a digit or are long.
func withoutNumbers(path string) string {
	const long = 40
	segments := strings.Split(cut(path, keptText), "/")
	for i, s := range segments {
		if len(s) > long || strings.ContainsAny(s, "0123456789") {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

// statusWriter knows the status that was sent.
type statusWriter struct {
	http.ResponseWriter
	status int
	taken  func() // the connection was taken over
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// ReadFrom keeps the way by which the kernel copies a file.
func (w *statusWriter) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }

type hijackable struct{ *statusWriter }

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err == nil {
		h.taken()
	}
	return c, rw, err
}

// Transport returns a transport that counts the requests that go through next, by host and by the function that asks: those under way, how long they take until
// the answer begins, failures, and answers whose body is not closed. nil is http.DefaultTransport.
func (p *Probe) Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{p, next}
}

type transport struct {
	probe *Probe
	next  http.RoundTripper
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	c := &call{route: r.Method + " " + r.URL.Host, host: r.URL.Host, from: callerOutside(2), began: time.Now()}
	calls := &t.probe.client
	calls.begin(c)
	resp, err := t.next.RoundTrip(r)
	// Who asked and did not wait for the answer has not been failed by it.
	calls.end(c, err != nil && !errors.Is(err, context.Canceled) || err == nil && resp.StatusCode >= http.StatusInternalServerError)
	if err != nil {
		return resp, err
	}
	if resp.Body != nil && resp.Body != http.NoBody && resp.StatusCode != http.StatusSwitchingProtocols {
		calls.answered(c)
		resp.Body = &body{ReadCloser: resp.Body, done: func() { calls.closed(c) }}
	}
	return resp, err
}

// body tells when it is closed, or has been read to its end.
type body struct {
	io.ReadCloser
	once sync.Once
	done func()
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.once.Do(b.done)
	}
	return n, err
}

func (b *body) Close() error {
	b.once.Do(b.done)
	return b.ReadCloser.Close()
}

// Requests is the skill "http": requests that are served, and requests that are made.
func (p *Probe) Requests() *skill.Skill {
	h := &requests{p}
	return &skill.Skill{
		ID: "http", Title: "HTTP", Summary: "Requests under way, latency and errors by route; the same for what is asked of others.",
		Prompt:   text("prompt/http.md"),
		Snapshot: h.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("http_routes", "The routes that are served, with what is usual for them, worst first.", "http_routes(5)", h.routes),
			skill.Func("http_upstreams", "The hosts that the program asks, and the function that asks most, worst first.", "http_upstreams(5)", h.upstreams),
			p.captures("http", captureGoroutines, captureTrace),
			skill.Func("http_waiting", "Where the requests that are under way wait: goroutines of handlers by place, most first.", "http_waiting(5)", h.waiting).Costs(skill.Scan),
		},
		Metrics: []skill.Metric{
			{Name: "requests", Unit: "requests", Kind: skill.Counter, Doc: "requests served"},
			{Name: "in_flight", Unit: "requests", Kind: skill.Gauge, Doc: "requests under way"},
			{Name: "p99_ms", Unit: "ms", Kind: skill.Gauge, Doc: "how long requests take; of a hundred the longest but one"},
			{Name: "errors_pct", Unit: "%", Kind: skill.Ratio, Doc: "requests that failed (5xx or a panic), of the last ten seconds"},
			{Name: "stuck", Unit: "requests", Kind: skill.Gauge, Quiet: true, Doc: "requests under way for more than twenty times as long as such requests take, and more than five seconds"},
			{Name: "slowdown", Unit: "times", Kind: skill.Gauge, Quiet: true, Doc: "how many times as long as usual the requests of a route take, the most"},
			{Name: "upstream_errors_pct", Unit: "%", Kind: skill.Ratio, Doc: "requests to others that failed, of the last ten seconds"},
			{Name: "upstream_slowdown", Unit: "times", Kind: skill.Gauge, Quiet: true, Doc: "how many times as long as usual a host takes to answer, the most"},
			{Name: "upstream_stuck", Unit: "requests", Kind: skill.Gauge, Quiet: true, Doc: "requests to others under way for more than twenty times as long as such requests take, and more than five seconds"},
		},
		Rules: []skill.Rule{
			{Metric: "errors_pct", Above: 20, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "every fifth request fails"},
			{Metric: "stuck", Above: 2.5, For: 3 * time.Second, Severity: beamlens.SeverityWarning, Doc: "requests do not end"},
			{Metric: "slowdown", Above: 5, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "requests take five times as long as usual"},
			{Metric: "upstream_errors_pct", Above: 20, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "every fifth request to others fails"},
			{Metric: "upstream_slowdown", Above: 5, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "a host takes five times as long as usual"},
			{Metric: "upstream_stuck", Above: 2.5, For: 3 * time.Second, Severity: beamlens.SeverityWarning, Doc: "a host does not answer"},
		},
		Edges: []beamlens.Edge{
			{From: "http.upstream_slowdown", To: "http.slowdown", Why: "who waits for another is slow himself"},
			{From: "http.upstream_slowdown", To: "http.p99_ms", Why: "who waits for another is slow himself"},
			{From: "http.upstream_slowdown", To: "http.in_flight", Why: "who waits for another does not end"},
			{From: "http.upstream_stuck", To: "http.stuck", Why: "who waits for another does not end"},
			{From: "http.upstream_stuck", To: "http.in_flight", Why: "who waits for another does not end"},
			{From: "http.upstream_errors_pct", To: "http.errors_pct", Why: "who cannot ask another fails himself"},
			{From: "http.slowdown", To: "http.in_flight", Why: "what takes longer is longer under way"},
			{From: "http.slowdown", To: "http.p99_ms", Why: "it is the same time"},
			{From: "http.in_flight", To: "runtime.goroutines", Why: "every request has a goroutine"},
			{From: "http.stuck", To: "runtime.goroutines", Why: "every request has a goroutine"},
			{From: "http.requests", To: "runtime.cpu_pct", Why: "requests take CPU"},
			{From: "http.requests", To: "gc.allocated_mb", Why: "requests allocate"},
		},
		Playbooks: []skill.Playbook{
			playbook("upstream", "which host is slow or fails, and who asks it", "upstream_slowdown", "upstream_stuck", "upstream_errors_pct"),
			playbook("requests", "which route, and where its requests wait", "stuck", "slowdown", "errors_pct", "in_flight", "p99_ms"),
		},
	}
}

type requests struct{ probe *Probe }

func (h *requests) snapshot(context.Context) (map[string]any, error) {
	s, c := h.probe.server.summary(), h.probe.client.summary()
	return map[string]any{
		"requests": int64(s.total), "in_flight": s.inFlight, "p50_ms": s.p50, "p99_ms": s.p99, "errors_pct": s.errors, "stuck": s.stuck, "slowdown": s.slowdown, "oldest_s": s.oldest,
		"upstream_requests": int64(c.total), "upstream_in_flight": c.inFlight, "upstream_p99_ms": c.p99, "upstream_errors_pct": c.errors, "upstream_slowdown": c.slowdown, "upstream_stuck": c.stuck,
	}, nil
}

func (h *requests) routes(_ context.Context, in limitIn) ([]routeRow, error) {
	rows := h.probe.server.rows()
	return rows[:min(len(rows), in.Limit)], nil
}

func (h *requests) upstreams(_ context.Context, in limitIn) ([]routeRow, error) {
	rows := h.probe.client.rows()
	return rows[:min(len(rows), in.Limit)], nil
}

func (h *requests) waiting(_ context.Context, in limitIn) (goroutinesOut, error) {
	return h.probe.goroutines(in.Limit, func(p place) bool { return p.inHTTP })
}
