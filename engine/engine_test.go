package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/llmtest"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/store"
)

var target = beamlens.Target{Kind: "test", Name: "plant"}

// plant is a target made of numbers: a queue that fills, and memory that follows it.
type plant struct {
	mu     sync.Mutex
	queue  float64
	memory float64
	away   error
	filler float64 // messages a second
}

func (p *plant) set(f func(*plant)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *plant) snapshot(context.Context) (map[string]any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away != nil {
		return nil, p.away
	}
	p.queue += p.filler
	p.memory = 20 + p.queue/1000
	return map[string]any{"queue": p.queue, "memory": p.memory}, nil
}

type who struct {
	Pid    string  `json:"pid"`
	Name   string  `json:"name"`
	Memory float64 `json:"memory_mb"`
}

func (p *plant) skill() *skill.Skill {
	book := func(metric, kind string) skill.Playbook {
		return skill.Playbook{ID: kind, Metrics: []string{metric}, Doc: "who it is", Lua: `local w = plant_who()
			return {type = "` + kind + `", summary = w.name .. " did it", observation = "seen", culprit = {kind = "process", id = w.pid, name = w.name, facts = {memory_mb = w.memory_mb}}}`}
	}
	return &skill.Skill{
		ID: "plant", Title: "a plant", Summary: "queue and memory", Prompt: "You know plants.", Snapshot: p.snapshot,
		Callbacks: []skill.Callback{skill.Func("plant_who", "Who it is.", "plant_who()", func(context.Context, struct{}) (who, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return who{"<0.7.0>", "Plant.Mailer", p.memory}, nil
		}), skill.Func("plant_all", "All of them.", "plant_all()", func(context.Context, struct{}) ([]who, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return []who{{"<0.7.0>", "Plant.Mailer", p.memory}, {"<0.8.0>", "Plant.Innocent", 1}}, nil
		})},
		Metrics: []skill.Metric{{Name: "queue", Kind: skill.Gauge, Quiet: true, Unit: "messages"}, {Name: "memory", Kind: skill.Gauge, Quiet: true, Unit: "MB"}},
		Rules: []skill.Rule{
			{Metric: "queue", Above: 10_000, Severity: beamlens.SeverityWarning},
			{Metric: "memory", Growth: &skill.Growth{Factor: 1.5, Min: 20, Over: time.Minute}, Severity: beamlens.SeverityWarning},
		},
		Edges:     []beamlens.Edge{{From: "plant.queue", To: "plant.memory", Why: "what waits is kept", Fact: "memory_mb"}},
		Playbooks: []skill.Playbook{book("queue", "mailbox_flood"), book("memory", "memory_growth")},
	}
}

// log keeps events.
type log struct {
	mu     sync.Mutex
	events []beamlens.Event
}

func (l *log) add(e beamlens.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *log) named(name string) []beamlens.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []beamlens.Event
	for _, e := range l.events {
		if e.Name == name {
			out = append(out, e)
		}
	}
	return out
}

func (l *log) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range l.events {
		seen[e.Name] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// start runs an engine in the bubble until the returned function is called.
func start(t *testing.T, p *plant, o engine.Options) (*engine.Engine, *log, func()) {
	t.Helper()
	l := &log{}
	o.Target, o.Skills, o.OnEvent = target, []*skill.Skill{p.skill()}, l.add
	e, err := engine.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Serve(ctx)
	}()
	return e, l, func() {
		cancel()
		<-done
	}
}

func alertTypes(events []beamlens.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.Alert.AnomalyType)
	}
	slices.Sort(out)
	return out
}

func TestFromFaultToInsightToClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plant{}
		s := store.NewMemory()
		e, l, stop := start(t, p, engine.Options{Store: s})
		defer stop()
		time.Sleep(2 * time.Minute)
		if got := l.named(beamlens.EventAlertFired); len(got) != 0 {
			t.Fatalf("alerts while healthy: %v", alertTypes(got))
		}
		p.set(func(p *plant) { p.filler = 3000 })
		time.Sleep(30 * time.Second)
		fired := l.named(beamlens.EventAlertFired)
		if want := []string{"mailbox_flood", "memory_growth"}; !slices.Equal(alertTypes(fired), want) {
			t.Fatalf("alerts %v, want %v\nevents %v", alertTypes(fired), want, l.names())
		}
		for _, ev := range fired {
			a := ev.Alert
			if a.Culprit == nil || a.Culprit.Name != "Plant.Mailer" || len(a.Snapshots) == 0 || len(a.Findings) == 0 || len(a.Evidence) == 0 {
				t.Errorf("alert %+v", a)
			}
		}
		insights := l.named(beamlens.EventInsightProduced)
		if len(insights) != 1 {
			t.Fatalf("%d insights; events %v", len(insights), l.names())
		}
		i := insights[0].Insight
		if i.CorrelationType != beamlens.Causal || i.Confidence != beamlens.High || i.Culprit.Name != "Plant.Mailer" || !slices.Equal(i.Path, []string{"plant.queue", "plant.memory"}) {
			t.Errorf("insight %+v", i)
		}
		if st := e.Operators()[0].State; st != beamlens.Warning {
			t.Errorf("state %s", st)
		}
		// What is stored is what was told, and the run can be read again.
		stored, err := s.Alerts(t.Context(), beamlens.AlertFilter{Open: true})
		if err != nil || len(stored) != 2 || stored[0].Status != beamlens.Resolved {
			t.Errorf("stored %d, %v", len(stored), err)
		}
		entries, err := s.Entries(t.Context(), fired[0].TraceID)
		if err != nil || len(entries) < 5 {
			t.Errorf("%d journal entries, %v", len(entries), err)
		}

		p.set(func(p *plant) { p.filler, p.queue = 0, 0 })
		time.Sleep(2 * time.Minute)
		if got := l.named(beamlens.EventAlertCleared); len(got) != 2 {
			t.Errorf("cleared %v", alertTypes(got))
		}
		if st := e.Operators()[0].State; st != beamlens.Healthy {
			t.Errorf("state after all: %s", st)
		}
		if got := l.named(beamlens.EventAlertFired); len(got) != 2 {
			t.Errorf("alerts were fired again: %v", alertTypes(got))
		}
		// The cause has gone and its effect after it: the insight is borne out.
		followed := l.named(beamlens.EventInsightFollowed)
		if len(followed) != 1 || followed[0].Insight.Outcome.Verdict != beamlens.Confirmed || followed[0].Insight.ID != i.ID {
			t.Errorf("followed %+v", followed)
		}
	})
}

func TestHealthyCostsNoModelCallsButTheHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := llmtest.NewScript(llmtest.Call("wait", map[string]any{"ms": 1000}))
		_, _, stop := start(t, &plant{}, engine.Options{Model: m, Heartbeat: 15 * time.Minute})
		time.Sleep(2*time.Hour + time.Minute)
		stop()
		if n := len(m.Asked()); n != 9 {
			t.Errorf("%d calls in two healthy hours, want one at the start and eight heartbeats", n)
		}
	})
}

// TestMisbehavingModels: whatever the model does, the culprit is named, by the analyst if need be.
func TestMisbehavingModels(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns []llmtest.Turn
	}{
		{"malformed arguments", []llmtest.Turn{llmtest.Call("fire_alert", json.RawMessage(`{"type": 5`))}},
		{"unknown tool", []llmtest.Turn{llmtest.Call("restart_node", nil)}},
		{"unknown ids", []llmtest.Turn{llmtest.Call("fire_alert", map[string]any{"type": "x", "summary": "y", "severity": "critical", "snapshot_ids": []string{"ffffffffffffffff"}})}},
		{"a made-up culprit", []llmtest.Turn{llmtest.Call("take_snapshot", nil), invented("take_snapshot")}},
		{"endless equal calls", []llmtest.Turn{llmtest.Call("take_snapshot", nil)}},
		{"endless thoughts", []llmtest.Turn{llmtest.Call("think", map[string]any{"thought": "hmm"})}},
		{"no answer", []llmtest.Turn{llmtest.Hang()}},
		{"prose", []llmtest.Turn{llmtest.Say("Everything is fine.")}},
		{"panic", []llmtest.Turn{llmtest.Panic()}},
		{"overloaded", []llmtest.Turn{llmtest.Fail(llm.ErrOverloaded)}},
		{"wrong Lua", []llmtest.Turn{llmtest.Call("execute", map[string]any{"code": "return plant_reboot()"})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &plant{}
				_, l, stop := start(t, p, engine.Options{Model: llmtest.NewScript(c.turns...)})
				defer stop()
				time.Sleep(2 * time.Minute)
				p.set(func(p *plant) { p.filler = 3000 })
				// Two turns' time limit and a little: the slowest is the model that never answers, which may be asked when the fault comes.
				time.Sleep(3 * time.Minute)
				types := alertTypes(l.named(beamlens.EventAlertFired))
				if !slices.Contains(types, "mailbox_flood") {
					t.Fatalf("alerts %v; events %v", types, l.names())
				}
				for _, ev := range l.named(beamlens.EventAlertFired) {
					if ev.Alert.Culprit == nil || ev.Alert.Culprit.Name != "Plant.Mailer" {
						t.Errorf("culprit %v", ev.Alert.Culprit)
					}
				}
				if len(l.named(beamlens.EventInsightProduced)) == 0 {
					t.Errorf("no insight; events %v", l.names())
				}
			})
		})
	}
}

// invented fires an alert that cites a real snapshot and blames a process that nobody has seen.
func invented(tool string) llmtest.Turn {
	return func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		id := ""
		for _, m := range req.Messages {
			for _, r := range m.Results {
				var s struct{ ID string }
				if r.Name == tool && json.Unmarshal(llmtest.Unfenced(r.Content), &s) == nil && s.ID != "" {
					id = s.ID
				}
			}
		}
		return llmtest.Call("fire_alert", map[string]any{"type": "x", "summary": "y", "severity": "critical", "snapshot_ids": []string{id},
			"culprit": map[string]any{"kind": "process", "id": "<0.666.0>"}})(ctx, req)
	}
}

func TestTargetAwayAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plant{}
		_, l, stop := start(t, p, engine.Options{})
		defer stop()
		time.Sleep(time.Minute)
		p.set(func(p *plant) { p.away = errors.New("not connected") })
		time.Sleep(5 * time.Minute)
		if n := len(l.named("watch.snapshot_failed")); n != 1 {
			t.Errorf("told %d times that it is away", n)
		}
		p.set(func(p *plant) { p.away = nil })
		time.Sleep(time.Minute)
		if n := len(l.named("watch.snapshot_recovered")); n != 1 {
			t.Errorf("told %d times that it is back", n)
		}
		if got := l.named(beamlens.EventAlertFired); len(got) != 0 {
			t.Errorf("alerts %v", alertTypes(got))
		}
		p.set(func(p *plant) { p.filler = 3000 })
		time.Sleep(30 * time.Second)
		if got := l.named(beamlens.EventAlertFired); len(got) != 2 {
			t.Errorf("after it was away: alerts %v", alertTypes(got))
		}
	})
}

// TestKilledEngine: a new engine on the same store goes on where the old one was, and says nothing twice.
func TestKilledEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store.NewMemory()
		p := &plant{filler: 3000}
		_, l, stop := start(t, p, engine.Options{Store: s})
		time.Sleep(time.Minute)
		stop()
		if len(l.named(beamlens.EventAlertFired)) != 2 || len(l.named(beamlens.EventInsightProduced)) != 1 {
			t.Fatalf("before: alerts %v", alertTypes(l.named(beamlens.EventAlertFired)))
		}
		_, l, stop = start(t, p, engine.Options{Store: s})
		time.Sleep(time.Minute)
		if got := l.named(beamlens.EventAlertFired); len(got) != 0 {
			t.Errorf("fired again after a restart: %v", alertTypes(got))
		}
		if got := l.named(beamlens.EventInsightProduced); len(got) != 0 {
			t.Errorf("the same insight after a restart: %+v", got[0].Insight)
		}
		stop()
		p.set(func(p *plant) { p.filler, p.queue = 0, 0 })
		_, l, stop = start(t, p, engine.Options{Store: s})
		defer stop()
		time.Sleep(2 * time.Minute)
		if got := l.named(beamlens.EventAlertCleared); len(got) != 2 {
			t.Errorf("what ended while no engine ran: cleared %v", alertTypes(got))
		}
	})
}

// broken is a store that fails when it is told to.
type broken struct {
	store.Store
	mu  sync.Mutex
	err error
}

func (b *broken) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *broken) PutAlert(ctx context.Context, a beamlens.Alert) error {
	b.mu.Lock()
	err := b.err
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return b.Store.PutAlert(ctx, a)
}

func TestAFullDiskIsSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broken{Store: store.NewMemory()}
		b.fail(errors.New("no space left on device"))
		p := &plant{}
		_, l, stop := start(t, p, engine.Options{Store: b})
		defer stop()
		time.Sleep(time.Minute)
		p.set(func(p *plant) { p.filler = 3000 })
		time.Sleep(30 * time.Second)
		failed := l.named(beamlens.EventAlertFailed)
		if len(failed) == 0 || !strings.Contains(failed[0].Fields["reason"].(string), "no space left") {
			t.Fatalf("events %v", l.names())
		}
		b.fail(nil)
		time.Sleep(time.Minute)
		if got := alertTypes(l.named(beamlens.EventAlertFired)); !slices.Contains(got, "mailbox_flood") {
			t.Errorf("once there was room: alerts %v", got)
		}
	})
}

func TestAskAndInvoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, stop := start(t, &plant{}, engine.Options{})
		defer stop()
		time.Sleep(10 * time.Second)
		answer, err := e.Ask(t.Context(), "why is it slow?")
		if err != nil || !strings.Contains(answer, "Nothing is wrong") || !strings.Contains(answer, "plant") {
			t.Errorf("%q, %v", answer, err)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	s := (&plant{}).skill()
	for _, c := range []struct {
		name string
		o    engine.Options
		says string
	}{
		{"no target", engine.Options{Skills: []*skill.Skill{s}}, "Target"},
		{"twice", engine.Options{Target: target, Skills: []*skill.Skill{s, s}}, "twice"},
		{"bad skill", engine.Options{Target: target, Skills: []*skill.Skill{{ID: "X"}}}, "lower-case"},
	} {
		if _, err := engine.New(c.o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
	}
}
