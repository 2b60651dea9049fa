package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/llmtest"
	"github.com/beamlens/beamlens-go/llm/route"
	"github.com/beamlens/beamlens-go/store"
)

// provider is a model that says what it is, with all around it that a client has.
type provider struct {
	llm.Model
	llm.About
}

func (p provider) Describe() llm.About { return p.About }

var haiku = llm.About{Provider: "anthropic", Model: "claude-haiku-4-5", ForcedTool: true}

var dayLimit = route.Limits{Run: route.Amount{Calls: 60}, Hour: route.Amount{Calls: 400}, Day: route.Amount{Tokens: 20_000_000, USD: 20}}

func client(t *testing.T, m llm.Model, s store.Store) (llm.Model, *route.Budget) {
	t.Helper()
	b, err := route.NewBudget(t.Context(), route.BudgetOptions{Limits: dayLimit, Ledger: s})
	if err != nil {
		t.Fatal(err)
	}
	return route.Client(provider{m, haiku}, route.ClientOptions{Budget: b}), b
}

// assessedIn is the longest that a new finding may be without the assessment that it deserves: a run with a model that is on when it comes, and
// its own, each as long as there is patience.
const assessedIn = 2*2*time.Minute + 30*time.Second

// TestEveryFaultOfAModel runs each way of misbehaving against a whole engine, with all that a client has around it: the right culprit is named in
// time, by the analyst if need be, and in an insight; the budget holds; nothing that the model made up or smuggled in is told or kept.
func TestEveryFaultOfAModel(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes under the race detector")
	}
	faults := llmtest.Misbehaviours()
	for seed := range 3 {
		faults = append(faults, llmtest.Misbehaviour{Name: fmt.Sprintf("chaos %d", seed)})
	}
	for i, f := range faults {
		t.Run(f.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := llm.Model(llmtest.Chaos(uint64(i)))
				if f.Turns != nil {
					m = llmtest.NewScript(f.Turns...)
				}
				s := store.NewMemory()
				model, budget := client(t, m, s)
				p := &plant{}
				_, l, stop := start(t, p, engine.Options{Model: model, Budget: budget, Store: s})
				time.Sleep(2 * time.Minute)
				p.set(func(p *plant) { p.filler = 3000 })
				began := time.Now()
				time.Sleep(12 * time.Minute)
				stop()
				l.assessed(t, "mailbox_flood", began)
				l.assessed(t, "memory_growth", began)
				insights := l.named(beamlens.EventInsightProduced)
				if len(insights) == 0 {
					t.Errorf("no insight; events %v", l.names())
				}
				_, day := budget.Spent()
				lies := f.Turns == nil || f.Name == "costs a fortune" // about what it took
				if !lies && (day.Tokens > dayLimit.Day.Tokens || day.USD > dayLimit.Day.USD) {
					t.Errorf("spent %+v of %+v", day, dayLimit.Day)
				}
				if day.Calls > dayLimit.Hour.Calls {
					t.Errorf("%d calls", day.Calls)
				}
				told := everything(t, l, s)
				for _, bad := range []string{"evil.example", "Evil.Process", "0.666.0", "\x1b[31m", "\u202e", `\u001b[31m"`} {
					if strings.Contains(told, bad) {
						i := strings.Index(told, bad)
						t.Errorf("%q is told or kept: …%s…", bad, told[max(i-200, 0):min(i+100, len(told))])
					}
				}
			})
		})
	}
}

// assessed checks that an alert of the type came in time and blames the right one, and that no alert of it blames anybody else.
func (l *log) assessed(t *testing.T, kind string, began time.Time) {
	t.Helper()
	var first time.Time
	for _, name := range []string{beamlens.EventAlertFired, beamlens.EventAlertUpdated} {
		for _, ev := range l.named(name) {
			if len(ev.Alert.Findings) == 0 {
				if ev.Alert.Severity != beamlens.SeverityInfo || ev.Alert.Confidence != beamlens.Low {
					t.Errorf("an alert without a finding is %s, %s", ev.Alert.Severity, ev.Alert.Confidence)
				}
				continue
			}
			if ev.Alert.Culprit == nil || ev.Alert.Culprit.Name != "Plant.Mailer" || ev.Alert.Severity == beamlens.SeverityInfo {
				t.Errorf("alert %s %s blames %v", ev.Alert.Severity, ev.Alert.AnomalyType, ev.Alert.Culprit)
			}
			if ev.Alert.AnomalyType == kind && (first.IsZero() || ev.At.Before(first)) {
				first = ev.At
			}
		}
	}
	if first.IsZero() {
		t.Errorf("no alert %s; events %v", kind, l.names())
	} else if d := first.Sub(began); d > assessedIn {
		t.Errorf("alert %s after %s, want at most %s", kind, d, assessedIn)
	}
}

// everything is all that an engine told and kept, besides what the model itself said and did, which the journal has as it was, made harmless.
func everything(t *testing.T, l *log, s store.Store) string {
	t.Helper()
	var b strings.Builder
	put := func(v any) {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(raw)
	}
	l.mu.Lock()
	for _, ev := range l.events {
		put(ev.Alert)
		put(ev.Insight)
	}
	l.mu.Unlock()
	alerts, err := s.Alerts(t.Context(), beamlens.AlertFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	insights, err := s.Insights(t.Context(), 1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	put(alerts)
	put(insights)
	return b.String()
}

// journals are all journals of a store.
func journals(t *testing.T, s store.Store) string {
	t.Helper()
	var b strings.Builder
	runs, err := s.Runs(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		entries, err := s.Entries(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b.Write(e)
		}
	}
	return b.String()
}

// TestLoopsAcrossCompaction: what a model repeats is counted though its transcript is compacted between the calls.
func TestLoopsAcrossCompaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store.NewMemory()
		m := llmtest.NewScript(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			if len(req.Tools) == 0 {
				return llmtest.Say("All was well.")(ctx, req)
			}
			return llmtest.Call("get_snapshots", map[string]int{"limit": 3})(ctx, req)
		})
		p := &plant{filler: 3000}
		_, l, stop := start(t, p, engine.Options{Model: m, Store: s, Compaction: agent.Compaction{MaxTokens: 300, KeepLast: 1}})
		began := time.Now()
		time.Sleep(5 * time.Minute)
		stop()
		if len(l.named("compaction.stop")) == 0 {
			t.Error("nothing was compacted: this test has shown nothing")
		}
		l.assessed(t, "mailbox_flood", began)
	})
}

// TestADayOfAHealthySystem: with a provider it costs the heartbeats and nothing else, and each asks with the same prefix as the one before, so
// that a provider finds it in its cache.
func TestADayOfAHealthySystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store.NewMemory()
		script := llmtest.NewScript(llmtest.Billed(llm.Usage{Known: true, Input: 3000, CacheRead: 2500, Output: 30}, llmtest.Call("wait", map[string]any{"ms": 30_000})))
		model, budget := client(t, script, s)
		_, _, stop := start(t, &plant{}, engine.Options{Model: model, Budget: budget, Store: s, Interval: 10 * time.Second})
		time.Sleep(24*time.Hour + time.Minute)
		stop()
		asked := script.Asked()
		summaries := 0
		var before []byte
		for i, r := range asked {
			if len(r.Tools) == 0 {
				summaries++
				before = nil
				continue
			}
			if r.CacheTTL < 20*time.Minute {
				t.Fatalf("call %d lets its prefix go after %s, before the next heartbeat", i, r.CacheTTL)
			}
			raw, err := json.Marshal([]any{r.System, r.Tools, r.Messages})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(raw) - len("]]"); before != nil && (n < len(before) || string(raw[:len(before)]) != string(before)) {
				if len(r.Messages) > 0 && strings.HasPrefix(r.Messages[0].Text, "[Conversation Summary]") {
					before = raw[:n]
					continue // compacted since
				}
				t.Fatalf("call %d does not begin as the one before it", i)
			}
			before = raw[:len(raw)-len("]]")]
		}
		if n := len(asked) - summaries; n != 97 || summaries > 2 {
			t.Errorf("%d calls and %d summaries in a healthy day, want one at the start and 96 heartbeats", n, summaries)
		}
		_, day := budget.Spent()
		t.Logf("%d calls, %d tokens, %.3f $ in a healthy day of one operator", day.Calls, day.Tokens, day.USD)
	})
}

// TestWhatIsSpentIsTold, call by call, with what has been spent by then.
func TestWhatIsSpentIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store.NewMemory()
		model, budget := client(t, llmtest.NewScript(llmtest.Billed(llm.Usage{Known: true, Input: 1000, Output: 100}, llmtest.Call("wait", map[string]any{"ms": 30_000}))), s)
		_, l, stop := start(t, &plant{}, engine.Options{Model: model, Budget: budget, Store: s})
		time.Sleep(16 * time.Minute)
		stop()
		calls := l.named("llm.call")
		if len(calls) != 2 {
			t.Fatalf("%d calls told; events %v", len(calls), l.names())
		}
		for i, ev := range calls {
			f := ev.Fields
			if day, _ := f["day_cost_usd"].(float64); f["cost_usd"] != 0.0015 || math.Abs(day-0.0015*float64(i+1)) > 1e-9 || f["run_calls"] != 1 || ev.Subject != "plant" || ev.TraceID == "" {
				t.Errorf("call %d: %s %+v", i, ev.Subject, f)
			}
		}
		stops := l.named("llm.stop")
		if !slices.ContainsFunc(stops, func(ev beamlens.Event) bool { return ev.Fields["cost_usd"] == 0.0015 }) {
			t.Errorf("a turn does not tell its cost: %+v", stops)
		}
	})
}

// shows is a model that shows what it would send.
type shows struct{ provider }

func (shows) Show(req *llm.Request) ([]byte, error) { return json.Marshal(req) }

// TestPayloadIsWhatIsSent: what is shown beforehand is what the next request sends.
func TestPayloadIsWhatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := llmtest.NewScript(llmtest.Call("wait", map[string]any{"ms": 30_000}))
		model := route.Client(shows{provider{script, haiku}}, route.ClientOptions{})
		e, _, stop := start(t, &plant{}, engine.Options{Model: model})
		defer stop()
		time.Sleep(14 * time.Minute)
		before := len(script.Asked())
		body, err := e.PayloadBytes("plant")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute) // the heartbeat
		asked := script.Asked()
		if len(asked) != before+1 {
			t.Fatalf("%d requests, then %d", before, len(asked))
		}
		var shown llm.Request
		if err := json.Unmarshal(body, &shown); err != nil {
			t.Fatal(err)
		}
		sent := asked[before]
		for i := range sent.Messages {
			// The reason of a run is part of its input, and is told beforehand as that of a finding.
			got := strings.Replace(shown.Messages[i].Text, `"reason":"finding"`, `"reason":"wait is over"`, 1)
			if got != sent.Messages[i].Text {
				t.Errorf("message %d is shown as %q, and sent as %q", i, got, sent.Messages[i].Text)
			}
		}
		if shown.System != sent.System || len(shown.Tools) != len(sent.Tools) || shown.ToolMode != sent.ToolMode || shown.CacheTTL != sent.CacheTTL {
			t.Error("the prefix is shown otherwise than it is sent")
		}
		if _, err := e.PayloadBytes("coordinator"); err != nil {
			t.Error(err)
		}
		if _, err := e.PayloadBytes("nobody"); err == nil {
			t.Error("an operator that does not exist has a payload")
		}
	})
}
