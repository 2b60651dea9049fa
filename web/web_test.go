package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/store"
	"github.com/beamlens/beamlens-go/web"
)

var (
	target = beamlens.Target{Kind: "beam", Name: "shop@host"}
	now    = time.Now().UTC().Truncate(time.Second)
)

// engine is a web.Reader that says what it was told to.
type engine struct {
	state web.State
	turns []web.Turn
}

func (e *engine) State(context.Context) web.State { return e.state }
func (e *engine) Series(_ context.Context, _ string, from, to time.Time) ([]web.Point, error) {
	var out []web.Point
	for i := range 600 {
		at := now.Add(time.Duration(i-600) * time.Second)
		if !at.Before(from) && !at.After(to) {
			out = append(out, web.Point{At: at, Mean: float64(i), Low: float64(i) - 1, High: float64(i) + 1})
		}
	}
	return out, nil
}
func (e *engine) Runs(context.Context, string, int) ([]web.Run, error) {
	return []web.Run{{ID: "run1", Operator: "beam", Began: now, Entries: len(e.turns), Reason: e.state.Model, Tools: []string{"execute"}}}, nil
}
func (e *engine) Turns(_ context.Context, run string) ([]web.Turn, error) {
	if run != "run1" {
		return nil, nil
	}
	return e.turns, nil
}

// scene is a dashboard over a store, in which every text of a target or a model is s.
type scene struct {
	*web.Dashboard
	store  *store.Memory
	engine *engine
	ask    func(context.Context, string) (string, error)
}

func newScene(t *testing.T, o *web.Options, s string) *scene {
	t.Helper()
	say := func(plain string) string {
		if s == "" {
			return plain
		}
		return s
	}
	sc := &scene{Dashboard: web.New(o), store: store.NewMemory(), ask: func(context.Context, string) (string, error) { return say("All is well."), nil }}
	usd := 0.01
	sc.engine = &engine{
		state: web.State{
			Now: now, Model: say("the built-in analyst"), Findings: []beamlens.Finding{finding(say)}, Edges: []beamlens.Edge{{From: "beam.queue", To: "beam.memory", Why: say("messages are memory")}},
			Operators: []web.Operator{{Name: "beam", Skill: "beam", Summary: say("the VM"), Health: beamlens.Warning, Activity: say("watching"), Samples: 9, ReadAt: now, Prompt: say("You watch."),
				Callbacks: []web.Callback{{Signature: "beam_top(n)", Doc: say("the largest"), Returns: say("[]"), Cost: "cheap"}}, Playbooks: []web.Playbook{{ID: "mailbox", Doc: say("looks"), Metrics: []string{"queue"}}}, Rules: []string{say("queue > 5")}}},
			Metrics:  []web.Metric{{Name: "beam.queue", Doc: say("messages"), Unit: say("messages"), Kind: "gauge", Rule: 100, Value: 600, Known: true}, {Name: "beam.memory", Doc: "memory", Unit: "MB", Kind: "gauge", Limit: 1000, Value: 400, Known: true}},
			Overhead: &web.Overhead{Micros: 300, MemoryKB: 200}, Cost: &web.Cost{Calls: 3, Tokens: 1000, USD: 0.5}, Settings: []web.Setting{{Group: "Target", Name: "Watches", Value: say("shop")}},
		},
		turns: []web.Turn{{At: now, Kind: web.TurnInput, Text: say("Look.")}, {At: now, Kind: web.TurnThought, Text: say("Hm.")}, {At: now, Kind: web.TurnCall, Tool: "execute", Program: say("return 1"), Text: say("x"), Model: say("m"), Input: 10, Output: 5, USD: &usd},
			{At: now, Kind: web.TurnResult, Tool: "execute", Text: say("1"), Failed: true}},
	}
	for _, a := range []beamlens.Alert{alert("a1", "mailbox_flood", say), alert("a2", "memory_growth", say), alert("a3", "table_growth", say)} {
		must(t, sc.store.PutAlert(t.Context(), a))
	}
	must(t, sc.store.PutInsight(t.Context(), beamlens.Insight{ID: "i1", Target: target, AlertIDs: []string{"a1", "a2"}, CauseAlertID: "a1", CorrelationType: beamlens.Causal, Summary: say("flood led to growth"), RootCauseHypothesis: say("slow"),
		Confidence: beamlens.High, Probability: 0.85, CreatedAt: now, Culprit: culprit(say), Path: []string{"beam.queue", "beam.memory"}, Evidence: []string{say("e")}, Alternatives: []string{say("r")}, Gaps: []string{say("g")},
		WouldChange: []string{say("w")}, TraceID: "run1", Outcome: &beamlens.Outcome{Verdict: beamlens.Confirmed, Why: say("it went"), At: now}}))
	sc.Show(web.Source{Target: target, Store: sc.store, Reader: sc.engine, Ask: func(ctx context.Context, q string) (string, error) { return sc.ask(ctx, q) }})
	sc.Event(beamlens.Event{Name: beamlens.EventTargetUp, At: now, Target: target, Subject: "link"})
	sc.Event(beamlens.Event{Name: "operator.wait", At: now, Target: target, Subject: "beam", Fields: map[string]any{"reason": say("why not")}})
	return sc
}

func finding(say func(string) string) beamlens.Finding {
	return beamlens.Finding{ID: "f", Target: target, Skill: "beam", Metric: "queue", Unit: say("messages"), Kind: beamlens.FindingRule, Tier: beamlens.TierAlert, Value: 600, Onset: now.Add(-5 * time.Minute), At: now, Uncertainty: 2 * time.Second, Rule: say("queue > 5")}
}

func culprit(say func(string) string) *beamlens.Culprit {
	return &beamlens.Culprit{Kind: say("process"), ID: "<0.1.0>", Name: say("Shop.Mailer"), Facts: map[string]any{"at": say("lib/shop/mailer.ex:28")}}
}

func alert(id, kind string, say func(string) string) beamlens.Alert {
	stack := []any{map[string]any{"stack": say("main;work;wait"), "count": 5.0}, map[string]any{"stack": "main;idle", "count": 1.0}}
	tree := map[string]any{"name": say("Shop.Supervisor"), "children": []any{map[string]any{"name": "Shop.Mailer", "pid": "<0.1.0>"}}}
	return beamlens.Alert{ID: id, Target: target, Operator: "beam", AnomalyType: say(kind), Severity: beamlens.SeverityWarning, Status: beamlens.Unread, Summary: say("many messages"), Context: say("c"), Observation: say("o"),
		Hypothesis: say("h"), Culprit: culprit(say), Confidence: beamlens.High, Snapshots: []beamlens.Snapshot{{ID: "s", Skill: "beam", Target: target, CapturedAt: now, Data: map[string]any{"queue": 600.0, say("name"): say("x")}}},
		Findings: []beamlens.Finding{finding(say)}, TraceID: "run1", Onset: now.Add(-5 * time.Minute), DetectedAt: now.Add(-4 * time.Minute), UpdatedAt: now, Count: 2,
		Evidence: []beamlens.Evidence{{Title: say("beam_top(5)"), At: now, Data: map[string]any{"processes": []any{map[string]any{"pid": "<0.1.0>", "name": say("n"), "memory_kb": 5.0}}, "total": 1.0, "text": say("a\nb")}}, {Title: "sup_tree()", At: now, Data: tree},
			{Title: "stacks()", At: now, Data: stack}, {Title: "mailbox()", At: now, Data: []any{say("message"), 1.0, nil}}, {Title: "one()", At: now, Data: say("text")}, {Title: "none()", At: now}}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var links = regexp.MustCompile(`(?:href|src)="([^"]*)"`)

// crawl reads every page that links lead to, from the root of a prefix.
func crawl(t *testing.T, h http.Handler, prefix string, each func(path, body string)) {
	t.Helper()
	todo, seen := []string{prefix}, map[string]bool{prefix: true}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1:4040"+at, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %.200s", at, w.Code, w.Body)
			continue
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			continue
		}
		body := w.Body.String()
		each(at, body)
		base, err := url.Parse("http://127.0.0.1:4040" + at)
		must(t, err)
		for _, m := range links.FindAllStringSubmatch(body, -1) {
			u, err := base.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
			must(t, err)
			if u.Host != base.Host || !strings.HasPrefix(u.Path, prefix) {
				t.Errorf("%s links to %s, which is outside %s", at, u, prefix)
			}
			u.Fragment = ""
			if next := u.RequestURI(); !seen[next] && len(seen) < 400 {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d addresses were found", len(seen))
	}
}

// TestMountsAnywhere: every link of every page leads to something, and stays below the prefix.
func TestMountsAnywhere(t *testing.T) {
	for _, prefix := range []string{"/", "/debug/beamlens/", "/a/b/c/"} {
		sc := newScene(t, nil, "")
		crawl(t, http.StripPrefix(strings.TrimSuffix(prefix, "/"), sc), prefix, func(path, body string) {
			for _, want := range []string{"<title>", `lang="en"`, `id="main"`, "<h1"} {
				if !strings.Contains(body, want) {
					t.Errorf("%s has no %s", path, want)
				}
			}
		})
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "http://127.0.0.1/debug/beamlens?x=1", nil)
	http.StripPrefix("/debug/beamlens", newScene(t, nil, "")).ServeHTTP(w, r)
	if at, err := r.URL.Parse(w.Header().Get("Location")); err != nil || w.Code != http.StatusMovedPermanently || at.Path != "/beamlens/" && at.Path != "/debug/beamlens/" {
		t.Errorf("the prefix without its slash: %d %s %v", w.Code, w.Header().Get("Location"), err)
	}
}

// TestHostileTextStaysText: whatever a target or a model wrote, in every field at once, it is text.
func TestHostileTextStaysText(t *testing.T) {
	for name, s := range map[string]string{
		"script": `</title></script><script>alert(1)</script><img src=x onerror=alert(1)>`, "attribute": `" onmouseover="alert(1)" x="`, "link": `javascript:alert(1)//https://evil.example/`,
		"bidi": "user\u202etxt.exe\u2066\u200b\ufeff", "ansi": "\x1b[31mred\x1b[0m\x00\x07\u009b", "invalid": "\xff\xfe\xc3", "huge": strings.Repeat("W<", 30_000), "template": `{{.}} {{template "x"}} ${1}`,
	} {
		t.Run(name, func(t *testing.T) {
			sc := newScene(t, nil, s)
			crawl(t, sc, "/", func(path, body string) {
				lower := strings.ToLower(body)
				if n := strings.Count(lower, "<script"); n != 2 {
					t.Errorf("%s has %d scripts", path, n)
				}
				for _, bad := range []string{"<img", " onerror=alert", ` onmouseover="`, `href="javascript`, "href=\"https://evil", "\x1b", "\x00", "\u202e", "\u2066", "\u200b", "\ufeff", "\u009b", "\xff"} {
					if strings.Contains(lower, bad) && !strings.Contains(lower, "&lt;img src=x onerror") {
						t.Errorf("%s contains %q", path, bad)
					}
				}
				if raw := strings.HasPrefix(path, "/evidence/") || strings.HasPrefix(path, "/snapshots/"); len(body) > 1<<20 || !raw && strings.Contains(body, strings.Repeat("W&lt;", 12_000)) {
					t.Errorf("%s has %d bytes: something is not cut", path, len(body))
				}
			})
		})
	}
}

// TestGuard: who is let in, and what for.
func TestGuard(t *testing.T) {
	basic := func(password string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("ann", password)
		return r.Header.Get("Authorization")
	}
	for _, c := range []struct {
		name    string
		options web.Options
		method  string
		url     string
		header  map[string]string
		want    int
	}{
		{"loopback", web.Options{}, "GET", "http://127.0.0.1:4040/", nil, 200},
		{"localhost", web.Options{}, "GET", "http://localhost:4040/", nil, 200},
		{"IPv6", web.Options{}, "GET", "http://[::1]:4040/", nil, 200},
		{"a name that points here", web.Options{}, "GET", "http://evil.example:4040/", nil, 403},
		{"an address that is not loopback", web.Options{}, "GET", "http://10.0.0.1/", nil, 403},
		{"open", web.Options{Open: true}, "GET", "http://beamlens.example/", nil, 200},
		{"no token", web.Options{Token: "t"}, "GET", "http://127.0.0.1/", nil, 401},
		{"no token, the API", web.Options{Token: "t"}, "GET", "http://127.0.0.1/api/v1/alerts", nil, 401},
		{"no token, a file", web.Options{Token: "t"}, "GET", "http://127.0.0.1/feed", nil, 401},
		{"wrong token", web.Options{Token: "t"}, "GET", "http://127.0.0.1/", map[string]string{"Authorization": "Bearer u"}, 401},
		{"empty token", web.Options{Token: "t"}, "GET", "http://127.0.0.1/", map[string]string{"Authorization": "Bearer "}, 401},
		{"bearer", web.Options{Token: "t"}, "GET", "http://host.example/", map[string]string{"Authorization": "Bearer t"}, 200},
		{"basic", web.Options{Token: "t"}, "GET", "http://host.example/", map[string]string{"Authorization": basic("t")}, 200},
		{"basic, wrong", web.Options{Token: "t"}, "GET", "http://host.example/", map[string]string{"Authorization": basic("x")}, 401},
		{"own POST", web.Options{}, "POST", "http://127.0.0.1/alerts/a1/status?status=acknowledged", map[string]string{"Sec-Fetch-Site": "same-origin"}, 303},
		{"POST of a program", web.Options{}, "POST", "http://127.0.0.1/api/v1/alerts/a1/status?status=acknowledged", nil, 200},
		{"POST of another site", web.Options{}, "POST", "http://127.0.0.1/alerts/a1/status?status=acknowledged", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"POST of another site, old browser", web.Options{}, "POST", "http://127.0.0.1/alerts/a1/status?status=acknowledged", map[string]string{"Origin": "http://evil.example"}, 403},
		{"read-only", web.Options{ReadOnly: true}, "POST", "http://127.0.0.1/api/v1/alerts/a1/status?status=acknowledged", nil, 403},
		{"read-only, ask", web.Options{ReadOnly: true}, "POST", "http://127.0.0.1/ask?q=x", nil, 403},
		{"GET changes nothing", web.Options{}, "GET", "http://127.0.0.1/api/v1/alerts/a1/status?status=acknowledged", nil, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(c.method, c.url, nil)
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			newScene(t, &c.options, "").ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("got %d, want %d: %.300s", w.Code, c.want, w.Body)
			}
			csp := w.Header().Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("policy %q", csp)
			}
		})
	}
}

func get[T any](t *testing.T, h http.Handler, path string) (v T) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1"+path, nil))
	if w.Code != 200 {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	must(t, json.Unmarshal(w.Body.Bytes(), &v))
	return v
}

func post(h http.Handler, path, kind, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "http://127.0.0.1"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	r.SetBasicAuth("ann", "")
	h.ServeHTTP(w, r)
	return w
}

const formKind = "application/x-www-form-urlencoded"

// TestWhoAndWhenIsNoted: people acknowledge, resolve and judge, as themselves.
func TestWhoAndWhenIsNoted(t *testing.T) {
	sc := newScene(t, nil, "")
	for _, c := range []struct {
		path, kind, body string
		want             int
	}{
		{"/alerts/a3/status", formKind, "status=acknowledged", 303},
		{"/incidents/i1/status", formKind, "status=resolved", 303},
		{"/api/v1/alerts/a3/status", "application/json", `{"status":"resolved"}`, 200},
		{"/api/v1/alerts/a3/status", "application/json", `{"status":"gone"}`, 400},
		{"/api/v1/alerts/a3/status", "application/json", `[`, 400},
		{"/api/v1/alerts/none/status", "application/json", `{"status":"resolved"}`, 404},
		{"/api/v1/insights/i1/feedback", "application/json", `{"right":false,"note":"it was the \"other\" one"}`, 200},
		{"/insights/a3/feedback", formKind, "right=true", 400},
		{"/insights/i1/feedback", formKind, "right=maybe", 400},
		{"/alerts/a3/status", formKind, "status=acknowledged&x=" + strings.Repeat("x", 100_000), 413},
	} {
		if w := post(sc, c.path, c.kind, c.body); w.Code != c.want {
			t.Errorf("%s %.80s: %d, want %d: %.200s", c.path, c.body, w.Code, c.want, w.Body)
		}
	}
	a, err := sc.store.Alert(t.Context(), "a3")
	must(t, err)
	if a.Status != beamlens.Resolved || len(a.Changes) != 2 || a.Changes[0].Status != beamlens.Acknowledged || a.Changes[1].By != "ann" || time.Since(a.Changes[1].At) > time.Minute {
		t.Errorf("alert: %s %+v", a.Status, a.Changes)
	}
	if a, _ := sc.store.Alert(t.Context(), "a2"); a.Status != beamlens.Resolved {
		t.Errorf("the incident's second alert is %s", a.Status)
	}
	list, err := sc.store.Insights(t.Context(), 1, 0)
	must(t, err)
	if f := list[0].Feedback; f == nil || f.Right || f.By != "ann" || f.Note != `it was the "other" one` {
		t.Errorf("feedback: %+v", f)
	}
}

// TestFilters: the lists and the API select the same.
func TestFilters(t *testing.T) {
	sc := newScene(t, nil, "")
	cleared := now
	_, err := sc.store.UpdateAlert(t.Context(), "a3", func(a *beamlens.Alert) {
		a.ClearedAt, a.Severity, a.Summary = &cleared, beamlens.SeverityCritical, "a table grows"
	})
	must(t, err)
	for query, want := range map[string]int{"": 3, "?open=1": 2, "?severity=critical": 1, "?severity=info": 0, "?q=TABLE": 1, "?q=table+mailbox": 0, "?q=shop.mailer": 3, "?operator=beam": 3, "?operator=ets": 0,
		"?status=unread": 3, "?limit=2": 2, "?limit=2&offset=2": 1, "?offset=99": 0, "?target=beam+shop@host": 3, "?target=beam+other": 0, "?limit=-1": 1, "?offset=-5": 3, "?limit=x": 3} {
		if got := get[[]beamlens.Alert](t, sc, "/api/v1/alerts"+query); len(got) != want {
			t.Errorf("%s: %d alerts, want %d", query, len(got), want)
		}
	}
	for query, want := range map[string]int{"": 1, "?verdict=confirmed": 1, "?verdict=withdrawn": 0, "?verdict=unjudged": 1, "?verdict=right": 0, "?q=nothing": 0} {
		if got := get[[]beamlens.Insight](t, sc, "/api/v1/insights"+query); len(got) != want {
			t.Errorf("%s: %d insights, want %d", query, len(got), want)
		}
	}
	if got := get[[]map[string]any](t, sc, "/api/v1/incidents?open=1"); len(got) != 1 || got[0]["id"] != "i1" {
		t.Errorf("open incidents: %v", got)
	}
	if got := get[map[string][]any](t, jsonOnly{sc}, "/api/v1/export"); len(got["alerts"]) != 3 || len(got["insights"]) != 1 {
		t.Errorf("export: %v", got)
	}
	if got := get[[]web.Point](t, sc, "/api/v1/series?metric=beam.queue&from="+url.QueryEscape(now.Add(-time.Minute).Format(time.RFC3339))); len(got) < 50 || len(got) > 61 {
		t.Errorf("series: %d points", len(got))
	}
}

// jsonOnly leaves out what is no list of the export.
type jsonOnly struct{ http.Handler }

func (j jsonOnly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	j.Handler.ServeHTTP(rec, r)
	var v map[string]any
	_ = json.Unmarshal(rec.Body.Bytes(), &v)
	delete(v, "at")
	delete(v, "cut")
	_ = json.NewEncoder(w).Encode(v)
}

// TestVerdict: what cannot be seen is unknown and never well.
func TestVerdict(t *testing.T) {
	fine := web.Operator{Name: "beam", ReadAt: now}
	for _, c := range []struct {
		name   string
		change func(*scene)
		level  string
		text   string
	}{
		{"something is open", func(*scene) {}, "warning", "2 things are wrong"},
		{"nothing is open", func(s *scene) { end(t, s) }, "ok", "Nothing is wrong"},
		{"the link is down", func(s *scene) { end(t, s); down(s) }, "unknown", "Not reached"},
		{"down, and something was open", func(s *scene) { down(s) }, "warning", "2 things are wrong"},
		{"an operator reads nothing", func(s *scene) {
			end(t, s)
			s.engine.state.Operators = []web.Operator{fine, {Name: "ets", ReadAt: now, Failure: "timeout"}}
		}, "unknown", "not everything can be read"},
		{"the last reading is old", func(s *scene) {
			end(t, s)
			s.engine.state.Operators = []web.Operator{{Name: "beam", ReadAt: now.Add(-time.Hour)}}
		}, "unknown", "nobody knows"},
		{"nothing was read yet", func(s *scene) { end(t, s); s.engine.state.Operators = []web.Operator{{Name: "beam"}} }, "unknown", "Nothing has been read yet"},
		{"no operators", func(s *scene) { end(t, s); s.engine.state.Operators = nil }, "unknown", "Nothing is watched"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := newScene(t, nil, "")
			c.change(sc)
			got := get[[]struct{ Verdict struct{ Level, Text string } }](t, sc, "/api/v1/overview")
			if v := got[0].Verdict; v.Level != c.level || !strings.Contains(v.Text, c.text) {
				t.Errorf("got %q %q, want %q %q", v.Level, v.Text, c.level, c.text)
			}
		})
	}
}

func end(t *testing.T, s *scene) {
	for _, id := range []string{"a1", "a2", "a3"} {
		_, err := s.store.UpdateAlert(t.Context(), id, func(a *beamlens.Alert) { a.ClearedAt = &now })
		must(t, err)
	}
}

func down(s *scene) {
	s.Event(beamlens.Event{Name: beamlens.EventTargetDown, At: now, Target: target, Subject: "link", Fields: map[string]any{"reason": "refused"}})
}

// TestMarkdownMeansNothing: what is copied into a ticket has no links, no HTML and no mentions of the target's making.
func TestMarkdownMeansNothing(t *testing.T) {
	sc := newScene(t, nil, "[x](https://evil.example) <b>@all</b> `code` ![i](http://e/i.png) www.evil.example\n# head | cell")
	w := httptest.NewRecorder()
	sc.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1/incidents/i1/markdown", nil))
	text := regexp.MustCompile(`\\.`).ReplaceAllString(w.Body.String(), "")
	for _, bad := range []string{"](", "<b>", "://", " www.", "\n# ", "![", " @all", "| cell"} {
		if strings.Contains(text, bad) {
			t.Errorf("it contains %q:\n%s", bad, w.Body)
		}
	}
	if !strings.Contains(w.Body.String(), "85 %") || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%s\n%s", w.Header(), w.Body)
	}
}

// live reads a feed.
func live(t *testing.T, server, last string) (next func() (id, event, data string)) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server+"/feed", nil)
	must(t, err)
	r.Header.Set("Last-Event-ID", last)
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	buf := ""
	return func() (id, event, data string) {
		for !strings.Contains(buf, "\n\n") {
			b := make([]byte, 1<<16)
			n, err := resp.Body.Read(b)
			if err != nil && err != io.EOF {
				t.Fatal(err)
			}
			buf += string(b[:n])
		}
		message, rest, _ := strings.Cut(buf, "\n\n")
		buf = rest
		for line := range strings.Lines(message) {
			k, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch k {
			case "id":
				id = v
			case "event":
				event = v
			case "data":
				data = v
			}
		}
		return id, event, data
	}
}

// TestFeed: a thousand events are a few messages; who comes back is told what he has missed.
func TestFeed(t *testing.T) {
	sc := newScene(t, nil, "")
	server := httptest.NewServer(sc)
	t.Cleanup(server.Close) // after those who read have gone
	next := live(t, server.URL, "")
	first, _, _ := next()
	for range 1000 {
		sc.Event(beamlens.Event{Name: "operator.alert_fired", At: now, Target: target, Subject: "beam", Alert: &beamlens.Alert{Summary: "x"}})
	}
	messages, id := 0, ""
	for id != fmt.Sprint(1002) {
		var event, data string
		if id, event, data = next(); event != "happened" {
			t.Fatalf("%s %s", event, data)
		}
		if messages++; messages > 20 || len(data) > 1<<16 {
			t.Fatalf("%d messages, the last of %d bytes", messages, len(data))
		}
	}
	again := live(t, server.URL, first)
	again()
	if id, event, _ := again(); id != fmt.Sprint(1002) || event != "happened" {
		t.Errorf("who comes back is told %s %s", id, event)
	}
}

// TestAskStops: to stop a question, or to go away, ends its work.
func TestAskStops(t *testing.T) {
	for _, how := range []string{"stop", "leave", "answer"} {
		t.Run(how, func(t *testing.T) {
			sc := newScene(t, nil, "")
			began, ended := make(chan struct{}), make(chan error, 1)
			sc.ask = func(ctx context.Context, q string) (string, error) {
				sc.Event(beamlens.Event{Name: "coordinator.iteration_start", Target: target, Subject: "coordinator", TraceID: "run1", Fields: map[string]any{"reason": "asked"}})
				close(began)
				if how == "answer" {
					ended <- nil
					return "because of " + q, nil
				}
				<-ctx.Done()
				ended <- ctx.Err()
				return "", ctx.Err()
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan struct{})
			go func() {
				defer close(done)
				r := httptest.NewRequestWithContext(ctx, "POST", "http://127.0.0.1/ask?key=77&q=why", nil)
				sc.ServeHTTP(httptest.NewRecorder(), r)
			}()
			<-began
			switch how {
			case "stop":
				if w := post(sc, "/ask/stop", formKind, "key=77"); w.Code != 303 {
					t.Errorf("stop: %d %s", w.Code, w.Body)
				}
			case "leave":
				cancel()
			}
			if err := <-ended; (err == nil) != (how == "answer") {
				t.Errorf("it ended with %v", err)
			}
			<-done
			w := httptest.NewRecorder()
			sc.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1/ask", nil))
			want := map[string]string{"stop": "stopped", "leave": "stopped", "answer": "because of why"}[how]
			if !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), "runs/run1") {
				t.Errorf("the page does not say %q, or not where the evidence is: %s", want, w.Body)
			}
			if w := post(sc, "/ask/stop", formKind, "key=77"); w.Code != 404 {
				t.Errorf("stopped twice: %d", w.Code)
			}
		})
	}
}
