package e2e

import (
	_ "embed"
	"fmt"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/internal/scenario"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/store"
	"github.com/beamlens/beamlens-go/web"
	"github.com/beamlens/beamlens-go/web/live"
)

// checks is what is looked for in every page, in the browser: rules for who sees little, hears the page or has no mouse. They are ours, not axe's: see
// the file for which.
//
//go:embed testdata/checks.js
var checks string

// recorded is a dashboard over the recorded incident of the shop.
type recorded struct {
	*web.Dashboard
	engine *engine.Engine
	store  store.Store
	url    string
}

func showRecording(t *testing.T, o *web.Options) *recorded {
	t.Helper()
	rec, err := scenario.Recorded("mailbox")
	if err != nil {
		t.Fatal(err)
	}
	d := &recorded{Dashboard: web.New(o)}
	if d.engine, err = engine.Replay(t.Context(), rec, engine.Options{Skills: beam.All(nil), OnEvent: d.Event}); err != nil {
		t.Fatal(err)
	}
	d.store = d.engine.Look().Store
	d.Event(beamlens.Event{Name: beamlens.EventTargetUp, At: rec.Samples[0].CapturedAt, Target: rec.Target, Subject: "link"})
	d.Show(live.Source(d.engine, nil))
	server := httptest.NewServer(d)
	t.Cleanup(func() {
		server.CloseClientConnections() // pages are live until they are closed
		server.Close()
	})
	d.url = server.URL + "/"
	return d
}

// incident gives the id of the newest insight, and the alert that is its cause.
func (d *recorded) incident(t *testing.T) (insight string, alert beamlens.Alert) {
	t.Helper()
	list, err := d.store.Insights(t.Context(), 1, 0)
	if err != nil || len(list) == 0 {
		t.Fatalf("no insight: %v", err)
	}
	if alert, err = d.store.Alert(t.Context(), list[0].CauseAlertID); err != nil {
		t.Fatal(err)
	}
	return list[0].ID, alert
}

// paths are all pages.
func (d *recorded) paths(t *testing.T) map[string]string {
	t.Helper()
	id, a := d.incident(t)
	return map[string]string{
		"overview": "", "incidents": "incidents", "incident": "incidents/" + url.PathEscape(id), "alone": "incidents/" + url.PathEscape(a.ID), "alerts": "alerts", "insights": "insights", "operators": "operators",
		"operator": "operators/beam", "coordinator": "operators/coordinator", "transcript": "runs/" + url.PathEscape(a.TraceID), "metrics": "metrics", "metric": "metrics?metric=beam.message_queue_max&range=5m",
		"evidence": "evidence/" + url.PathEscape(a.ID) + "/1", "snapshot": "snapshots/" + url.PathEscape(a.ID) + "/1", "ask": "ask", "settings": "settings",
	}
}

// looks are the sizes and themes that every page is looked at in.
var looks = []struct {
	name          string
	width, height int
	dark, phone   bool
}{{"dark", 1280, 900, true, false}, {"light", 1280, 900, false, false}, {"phone, dark", 390, 844, true, true}, {"phone, light", 360, 740, false, true}}

// inspect checks the page in all looks.
func inspect(t *testing.T, p *tab, name string) {
	t.Helper()
	for _, l := range looks {
		p.look(l.width, l.height, l.dark, l.phone)
		var faults []string
		p.eval(checks, &faults)
		for _, f := range faults {
			t.Errorf("%s, %s: %s", name, l.name, f)
		}
	}
}

// TestDashboardPages looks at every page in a real browser, in both themes, wide and on a phone.
func TestDashboardPages(t *testing.T) {
	d := showRecording(t, nil)
	p := startChromium(t).open(t)
	for name, path := range d.paths(t) {
		p.visit(d.url + path)
		inspect(t, p, name)
	}
	p.clean(d.url)
}

// TestDashboardHostile: what a target wrote with ill intent is text in every field, does nothing, and breaks no page.
func TestDashboardHostile(t *testing.T) {
	d := showRecording(t, nil)
	evil := `"><script>window.hit=1</script><img src=x onerror="window.hit=1"><a href="javascript:window.hit=1">x</a>` + "\u202etxt\x1b[31m\u2066 " + strings.Repeat("W", 20_000)
	_, a := d.incident(t)
	a.ID, a.AnomalyType, a.Summary, a.Context, a.Observation, a.Hypothesis, a.ClearedAt, a.Severity = "e000000000000001", evil, evil, evil, evil, evil, nil, beamlens.SeverityCritical
	a.Culprit = &beamlens.Culprit{Kind: evil, ID: evil, Name: evil, Facts: map[string]any{"at": evil}}
	a.Evidence = []beamlens.Evidence{{Title: evil, Data: map[string]any{evil: []any{map[string]any{evil: evil}}, "text": evil + "\n" + evil}}, {Title: "stacks", Data: []any{map[string]any{"stack": []any{evil, "main"}, "count": 3.0}}},
		{Title: "tree", Data: map[string]any{"name": evil, "children": []any{map[string]any{"name": evil}}}}}
	if err := d.store.PutAlert(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	i := beamlens.Insight{ID: "e000000000000002", Target: a.Target, AlertIDs: []string{a.ID}, CauseAlertID: a.ID, CorrelationType: beamlens.Causal, Summary: evil, RootCauseHypothesis: evil, Confidence: beamlens.High, Culprit: a.Culprit,
		CreatedAt: a.DetectedAt, Path: []string{evil, "beam.message_queue_max"}, Evidence: []string{evil}, Alternatives: []string{evil}, Gaps: []string{evil}, WouldChange: []string{evil}, TraceID: a.TraceID}
	if err := d.store.PutInsight(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	p := startChromium(t).open(t)
	for _, path := range []string{"", "incidents", "incidents/" + i.ID, "alerts", "alerts?q=" + url.QueryEscape(evil[:200]), "insights", "evidence/" + a.ID + "/1", "evidence/" + a.ID + "/2", "evidence/" + a.ID + "/3", "snapshots/" + a.ID + "/1", "ask?q=" + url.QueryEscape(evil[:200])} {
		p.visit(d.url + path)
		inspect(t, p, path)
		if got := p.text(`String(window.hit) + document.querySelectorAll("main script, main img, main a[href^=javascript]").length`); got != "undefined0" {
			t.Errorf("%s: something of it was carried out, or became an element: %s", path, got)
		}
	}
	d.Event(beamlens.Event{Name: beamlens.EventAlertFired, Target: a.Target, Subject: evil, Alert: &a}) // it comes by the feed too
	p.visit(d.url)
	p.until("the page shows the text", `document.body.innerText.includes("<script>window.hit=1</script>")`)
	p.clean(d.url)
}

// TestDashboardKeyboard finds out what is wrong, why, and acknowledges it, without a mouse.
func TestDashboardKeyboard(t *testing.T) {
	d := showRecording(t, nil)
	p := startChromium(t).open(t)
	p.look(1280, 900, true, false)
	p.visit(d.url)
	p.press("Tab")
	if got := p.text(`document.activeElement.textContent`); got != "Skip to the content" {
		t.Errorf("the first stop is %q", got)
	}
	if got := p.text(`getComputedStyle(document.activeElement).outlineStyle`); got == "none" {
		t.Error("the focus is not seen")
	}
	p.press("Enter", "Tab")
	if got := p.text(`document.activeElement.textContent`); got != "See why" {
		t.Errorf("the first stop in the page is %q", got)
	}
	p.follow(func() { p.press("Enter") })
	if got := p.text(`document.querySelector("h1").textContent`); got != "Shop.Mailer: mailbox flood" {
		t.Errorf("the page says %q", got)
	}
	p.press("t")
	if got := p.text(`document.documentElement.dataset.theme`); got != "light" {
		t.Errorf("theme %q", got)
	}
	p.press("?")
	p.until("the help is open", `document.querySelector("#help").open`)
	p.press("Escape")
	p.until("the help is closed", `!document.querySelector("#help").open`)
	p.browser.call(t, "", "Browser.grantPermissions", map[string]any{"permissions": []string{"clipboardReadWrite", "clipboardSanitizedWrite"}}, nil)
	p.press("c")
	p.until("it says that it has copied", `document.querySelector("[data-copy]").textContent === "Copied"`)
	if got := p.text(`navigator.clipboard.readText()`); !strings.Contains(got, "## Shop.Mailer: mailbox flood") || !strings.Contains(got, "Ruled out") {
		t.Errorf("what was copied: %.300s", got)
	}
	p.follow(func() { p.press("g", "a") })
	p.press("/")
	p.press("m", "a", "i", "l", "b", "o", "x")
	p.follow(func() { p.press("Enter") })
	if got := p.text(`[...document.querySelectorAll("[data-list] > li")].map((li) => li.innerText.toLowerCase().includes("shop.mailer")).join()`); got != "true,true,true" {
		t.Errorf("what is found: %s", got) // the flood, the growth and the large heap, whose mailbox holds it
	}
	p.press("j", "Tab")
	if got := p.text(`document.activeElement.textContent`); got != "Acknowledge" {
		t.Errorf("after the row comes %q", got)
	}
	p.follow(func() { p.press("Enter") })
	p.until("the alert is acknowledged", `document.querySelector("[data-list]").innerText.includes("Acknowledged")`)
	if got := p.text(`location.search`); !strings.Contains(got, "q=mailbox") {
		t.Errorf("the search is gone: %q", got)
	}
	kept, err := d.store.Alerts(t.Context(), beamlens.AlertFilter{Status: beamlens.Acknowledged})
	if err != nil || len(kept) != 1 || len(kept[0].Changes) == 0 || kept[0].Changes[0].By != "somebody" {
		t.Errorf("acknowledged: %+v, %v", kept, err)
	}
	p.follow(func() { p.press("g", "q") })
	p.until("the page of questions is there", `location.pathname === "/ask" && document.readyState === "complete"`)
	p.eval(`document.querySelector("#question").focus()`, nil)
	if got := p.text(`document.activeElement.id`); got != "question" {
		t.Errorf("the focus is on %q", got)
	}
	p.press(strings.Split("why is memory high?", "")...)
	p.press("Enter")
	p.until("there is an answer", `document.querySelector(".answer pre")?.textContent.includes("Shop.Mailer")`)
	p.follow(func() { p.eval(`document.querySelector(".answer a").click()`, nil) })
	if got := p.text(`document.querySelector("h1").textContent`); got != "Transcript" {
		t.Errorf("the evidence of the answer is %q", got)
	}
	p.clean(d.url)
}

// TestDashboardIsCalm: hundreds of alerts a minute do not freeze a page, what is typed and opened stays.
func TestDashboardIsCalm(t *testing.T) {
	d := showRecording(t, nil)
	_, a := d.incident(t)
	p := startChromium(t).open(t)
	p.look(1280, 900, false, false)
	p.visit(d.url + "alerts")
	p.until("it is live", `document.querySelector("#live").dataset.state === "live"`)
	p.eval(`document.querySelector("[data-search]").focus(); window.longest = 0; window.last = performance.now();
		window.beat = () => { const now = performance.now(); window.longest = Math.max(window.longest, now - window.last); window.last = now; requestAnimationFrame(window.beat); }; requestAnimationFrame(window.beat); 0`, nil)
	p.press("x")
	const storm = 600
	for n := range storm {
		a.ID, a.DetectedAt, a.ClearedAt = fmt.Sprintf("b%015d", n), a.DetectedAt.Add(time.Millisecond), nil
		if err := d.store.PutAlert(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		d.Event(beamlens.Event{Name: beamlens.EventAlertFired, At: a.DetectedAt, Target: a.Target, Subject: "beam", Alert: &a})
	}
	p.until("the newest is there", fmt.Sprintf(`document.querySelector("[data-key=b%015d]")`, storm-1))
	if got := p.text(`document.activeElement.name + document.querySelector("[data-search]").value`); got != "qx" {
		t.Errorf("what was typed: %q", got)
	}
	var longest float64
	p.eval(`window.longest`, &longest)
	t.Logf("%d alerts at once: the longest pause of the page is %.0f ms", storm, longest)
	if longest > 2000 {
		t.Errorf("the page stood still for %.0f ms", longest)
	}
	p.clean(d.url)
}

// TestDashboardLive follows an incident of the shop as it happens, on a page that is never loaded again.
func TestDashboardLive(t *testing.T) {
	erlangtest.Erl(t)
	if _, err := exec.LookPath("elixir"); err != nil {
		t.Fatal("Elixir is not installed: run scripts/setup")
	}
	c := startChromium(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(program(t), "demo", "--attach", "--listen", address)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill() // when it has not ended by then; the shop ends with it
		<-done
	})
	erlangtest.Eventually(t, "the dashboard answers", func() bool {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
	p := c.open(t)
	base := "http://" + address + "/"
	p.look(1280, 900, true, false)
	p.visit(base)
	p.eval(`window.same = true`, nil)
	for _, step := range []struct{ what, js string }{
		{"it is well", `document.querySelector(".verdict.ok h2")?.textContent === "Nothing is wrong"`},
		{"the overview names the culprit", `document.querySelector(".verdict h2")?.textContent.startsWith("Shop.Mailer")`},
		{"it says where", `document.querySelector(".facts").innerText.includes("lib/shop/mailer.ex")`},
		{"it says what that led to", `document.querySelector(".facts").innerText.includes("memory growth")`},
	} {
		p.until(step.what, step.js)
	}
	var same bool
	if p.eval(`window.same`, &same); !same {
		t.Error("the page was loaded again")
	}
	inspect(t, p, "overview, live")
	p.look(1280, 900, true, false)
	p.follow(func() {
		p.eval(`[...document.querySelectorAll("a")].find((a) => a.textContent === "See why").click()`, nil)
	})
	p.until("the path is drawn", `document.querySelectorAll(".graph .node").length >= 3`)
	p.until("the metrics are drawn", `document.querySelectorAll(".chart .line").length >= 2 && document.querySelector(".chart .mark.onset")`)
	inspect(t, p, "incident, live")
	p.until("the end is seen", `document.querySelector(".verdict.ended")`)
	p.clean(base)
	cmd.Process.Signal(os.Interrupt)
	select {
	case err := <-done:
		if err != nil || !strings.Contains(out.String(), "The culprit was named") {
			t.Errorf("the demo: %v\n%s", err, out.String())
		}
	case <-time.After(2 * time.Minute):
		t.Error("the demo does not end")
	}
}

// TestScreenshots makes the pictures of docs; only when it is asked to.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("BEAMLENS_SCREENSHOTS")
	if dir == "" {
		t.Skip("make screenshots")
	}
	d := showRecording(t, nil)
	p := startChromium(t).open(t)
	for _, s := range []struct {
		page          string
		width, height int
		dark, phone   bool
	}{
		{"overview", 1120, 760, true, false}, {"incident", 1120, 1180, true, false}, {"incident", 390, 844, false, true}, {"alerts", 1120, 620, false, false}, {"insights", 1120, 420, false, false}, {"operators", 1120, 760, false, false},
		{"operator", 1120, 800, false, false}, {"transcript", 1120, 900, false, false}, {"metrics", 1120, 700, false, false}, {"metric", 1120, 620, true, false}, {"evidence", 1120, 560, false, false}, {"ask", 1120, 480, false, false}, {"settings", 1120, 700, false, false},
	} {
		p.look(s.width, s.height, s.dark, s.phone)
		p.visit(d.url + d.paths(t)[s.page])
		if s.page == "ask" {
			p.eval(`document.querySelector("#question").value = "why is memory high?"; document.querySelector("#ask").requestSubmit(); 0`, nil)
			p.until("there is an answer", `document.querySelector(".answer pre")`)
		}
		// A replay has no now: what is told of it would change from day to day.
		p.eval(`document.querySelectorAll("[data-age]").forEach((e) => { delete e.dataset.age; e.textContent = ""; }); document.querySelector("#live").textContent = "live"; 0`, nil)
		name := s.page
		if s.phone {
			name += "-phone"
		}
		p.shot(filepath.Join(dir, name+".png"), s.width, s.height)
	}
}
