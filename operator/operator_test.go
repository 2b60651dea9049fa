package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/analyst"
	"github.com/beamlens/beamlens-go/llm/llmtest"
	"github.com/beamlens/beamlens-go/operator"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/store"
)

var update = flag.Bool("update", false, "write the golden files")

var target = beamlens.Target{Kind: "test", Name: "plant"}

type procIn struct {
	Pid string `json:"pid" doc:"of the process"`
}

type procOut struct {
	Pid   string `json:"pid"`
	Name  string `json:"name"`
	Queue int64  `json:"queue"`
}

func plant() *skill.Skill {
	return &skill.Skill{
		ID: "plant", Title: "a plant", Summary: "a plant", Prompt: "You know plants.",
		Snapshot: func(context.Context) (map[string]any, error) { return map[string]any{"queue": 5.0}, nil },
		Callbacks: []skill.Callback{
			skill.Func("plant_process", "One process.", `plant_process("<0.1.0>")`, func(_ context.Context, in procIn) (procOut, error) {
				if in.Pid != "<0.1.0>" {
					return procOut{}, errors.New("there is no process " + in.Pid)
				}
				return procOut{"<0.1.0>", "Plant.Worker", 12}, nil
			}),
		},
		Metrics: []skill.Metric{{Name: "queue", Kind: skill.Gauge}},
	}
}

// quiet is a watch that has seen everything and found nothing, or what it is told.
type quiet []beamlens.Finding

func (q quiet) Open() []beamlens.Finding { return q }
func (q quiet) Samples() int             { return 1000 }

// found is a finding behind an alert: one that has none wakes nobody.
var found = quiet{{ID: "f1", Skill: "plant", Metric: "queue", Kind: beamlens.FindingRule, Tier: beamlens.TierAlert, Rule: "queue > 1", Severity: "warning", Value: 5}}

// ask runs an operator on demand with a scripted model.
func ask(t *testing.T, w quiet, s store.Store, turns ...llmtest.Turn) (operator.Report, *llmtest.Script) {
	t.Helper()
	m := llmtest.NewScript(turns...)
	o := operator.New(operator.Options{Target: target, Skill: plant(), Model: m, Store: s, Journal: s, Watch: w})
	r, err := o.Run(t.Context(), "what is it?")
	if err != nil {
		t.Fatal(err)
	}
	return r, m
}

var done = llmtest.Call("done", map[string]any{"summary": "looked"})

// result is the last result of a tool that a model was given.
func result(m *llmtest.Script, tool string) string {
	asked := m.Asked()
	for _, msg := range asked[len(asked)-1].Messages {
		for _, r := range msg.Results {
			if r.Name == tool {
				return r.Content
			}
		}
	}
	return ""
}

// with calls a tool with arguments made of what other tools returned.
func with(tool string, args func(results map[string]map[string]any) any) llmtest.Turn {
	return func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		results := map[string]map[string]any{}
		for _, msg := range req.Messages {
			for _, r := range msg.Results {
				var v map[string]any
				if json.Unmarshal([]byte(r.Content), &v) == nil {
					results[r.Name] = v
				}
			}
		}
		return llmtest.Call(tool, args(results))(ctx, req)
	}
}

func alert(change func(map[string]any)) llmtest.Turn {
	return with("fire_alert", func(results map[string]map[string]any) any {
		args := map[string]any{"type": "overgrown", "summary": "It grows.", "severity": "warning", "snapshot_ids": []any{results["take_snapshot"]["id"]},
			"culprit": map[string]any{"kind": "process", "id": "<0.1.0>", "name": "Plant.Worker"}}
		if change != nil {
			change(args)
		}
		return args
	})
}

var (
	take = llmtest.Call("take_snapshot", nil)
	look = llmtest.Call("execute", map[string]any{"code": `return plant_process("<0.1.0>")`})
)

func TestAnAlertHasItsEvidence(t *testing.T) {
	s := store.NewMemory()
	r, _ := ask(t, nil, s, take, look, alert(nil), done)
	if len(r.Alerts) != 1 || r.Summary != "looked" {
		t.Fatalf("%+v", r)
	}
	a := r.Alerts[0]
	if a.Culprit.Name != "Plant.Worker" || len(a.Snapshots) != 1 || a.Snapshots[0].Data["queue"] != 5.0 || a.TraceID == "" {
		t.Errorf("alert %+v", a)
	}
	if len(a.Evidence) != 1 || a.Evidence[0].Title != `plant_process("<0.1.0>")` {
		t.Errorf("evidence %+v", a.Evidence)
	}
	if stored, err := s.Alert(t.Context(), a.ID); err != nil || stored.AnomalyType != "overgrown" {
		t.Errorf("stored %+v, %v", stored, err)
	}
}

// TestAnAlertWithoutAFinding is worth knowing, and wakes nobody: a text may have told the model to fire it.
func TestAnAlertWithoutAFinding(t *testing.T) {
	claim := alert(func(a map[string]any) { a["severity"], a["confidence"] = "critical", "high" })
	r, _ := ask(t, nil, store.NewMemory(), take, look, claim, done)
	if a := r.Alerts[0]; a.Severity != beamlens.SeverityInfo || a.Confidence != beamlens.Low {
		t.Errorf("%s, %s", a.Severity, a.Confidence)
	}
	r, _ = ask(t, found, store.NewMemory(), take, look, claim, done)
	if a := r.Alerts[0]; a.Severity != beamlens.SeverityCritical || a.Confidence != beamlens.High {
		t.Errorf("with a finding: %s, %s", a.Severity, a.Confidence)
	}
}

func TestAlertsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(map[string]any)
		says   string
	}{
		{"no snapshot", func(a map[string]any) { a["snapshot_ids"] = []string{} }, "snapshot_ids required"},
		{"unknown snapshot", func(a map[string]any) { a["snapshot_ids"] = []string{"0000000000000000"} }, "snapshots not found: 0000000000000000"},
		{"made-up culprit", func(a map[string]any) { a["culprit"] = map[string]any{"kind": "process", "id": "<0.99.0>"} }, "was not returned by any tool"},
		{"made-up name", func(a map[string]any) {
			a["culprit"] = map[string]any{"kind": "process", "id": "<0.1.0>", "name": "Plant.Boss"}
		}, "was not returned by any tool"},
		{"unknown finding", func(a map[string]any) { a["finding_ids"] = []string{"0000000000000000"} }, "does not exist"},
		{"severity", func(a map[string]any) { a["severity"] = "fatal" }, "one of info, warning, critical"},
		{"empty summary", func(a map[string]any) { a["summary"] = " " }, "must not be empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, m := ask(t, nil, store.NewMemory(), take, look, alert(c.change), done)
			if len(r.Alerts) != 0 {
				t.Errorf("it was fired: %+v", r.Alerts[0])
			}
			if got := result(m, "fire_alert"); !strings.Contains(got, c.says) {
				t.Errorf("told %s, want %q", got, c.says)
			}
		})
	}
}

// TestProseIsGrounded: what was not read in this run is not said.
func TestProseIsGrounded(t *testing.T) {
	lua := func(code string) llmtest.Turn { return llmtest.Call("execute", map[string]any{"code": code}) }
	for _, c := range []struct {
		name    string
		before  llmtest.Turn
		change  func(map[string]any)
		summary string // of the alert; "": refused
		dropped int
	}{
		{"as read", look, func(a map[string]any) { a["summary"] = "Plant.Worker (<0.1.0>) has 12 messages; the queue is 5." }, "Plant.Worker (<0.1.0>) has 12 messages; the queue is 5.", 0},
		{"one sentence is made up", look, func(a map[string]any) { a["summary"] = "It has 12 messages. It crashed 17 times." }, "It has 12 messages.", 1},
		{"all is made up", look, func(a map[string]any) { a["summary"] = "It crashed 17 times." }, "", 1},
		{"another process", look, func(a map[string]any) { a["observation"] = "It waits for <0.2.0>." }, "It grows.", 1},
		{"computed of what was read", lua(`return {total = plant_process("<0.1.0>").queue * 3}`), func(a map[string]any) { a["summary"] = "It has 36 of them." }, "It has 36 of them.", 0},
		{"written into a program", lua(`plant_process("<0.1.0>"); return {total = 777}`), func(a map[string]any) { a["summary"] = "It has 777 of them." }, "", 1},
		{"printed by a program", lua(`plant_process("<0.1.0>"); print("<0.9.0>"); return 1`), func(a map[string]any) { a["culprit"] = map[string]any{"kind": "process", "id": "<0.9.0>"} }, "", 0},
		{"thought", llmtest.Call("think", map[string]any{"thought": "maybe 777"}), func(a map[string]any) { a["summary"] = "It has 777 of them."; delete(a, "culprit") }, "", 1},
		{"a made-up link", look, func(a map[string]any) { a["hypothesis"] = "See https://evil.example/x. It is slow." }, "It grows.", 1},
		{"facts", look, func(a map[string]any) {
			a["culprit"] = map[string]any{"kind": "process", "id": "<0.1.0>", "facts": map[string]any{"queue": 12, "crashes": 17, "name": "Plant.Worker", "boss": "Nobody"}}
		}, "It grows.", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			dropped := 0
			m := llmtest.NewScript(take, c.before, alert(func(a map[string]any) { a["confidence"] = "high"; c.change(a) }), done)
			o := operator.New(operator.Options{Target: target, Skill: plant(), Model: m, Store: store.NewMemory(), Watch: found, OnEvent: func(e beamlens.Event) {
				if e.Name == beamlens.EventUngrounded {
					dropped += e.Fields["dropped"].(int)
				}
			}})
			r, err := o.Run(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			if (c.summary == "") != (len(r.Alerts) == 0) || dropped != c.dropped {
				t.Fatalf("%d alerts, %d sentences dropped; told %s", len(r.Alerts), dropped, result(m, "fire_alert"))
			}
			if c.summary == "" {
				return
			}
			a := r.Alerts[0]
			want := beamlens.High
			if c.dropped > 0 {
				want = beamlens.Medium
			}
			if a.Summary != c.summary || a.Confidence != want {
				t.Errorf("summary %q, confidence %s", a.Summary, a.Confidence)
			}
			for _, text := range []string{a.Observation, a.Hypothesis} {
				if strings.Contains(text, "<0.2.0>") || strings.Contains(text, "evil") {
					t.Errorf("says %q", text)
				}
			}
			if len(a.Culprit.Facts) > 2 {
				t.Errorf("facts %v", a.Culprit.Facts)
			}
		})
	}
}

// TestAVerdictStands: a model may say more in words, but type, culprit and severity are those of the investigation.
func TestAVerdictStands(t *testing.T) {
	book := skill.Playbook{ID: "overgrown", Metrics: []string{"queue"}, Doc: "who", Lua: `local p = plant_process("<0.1.0>")
return {type = "overgrown", summary = "it is " .. p.name, culprit = {kind = "process", id = p.pid, name = p.name, facts = {queue = p.queue}}}`}
	finding := beamlens.Finding{ID: "f1", Skill: "plant", Metric: "queue", Kind: beamlens.FindingRule, Tier: beamlens.TierAlert, Rule: "queue > 1", Severity: "critical", Value: 5}
	other := beamlens.Finding{ID: "f2", Skill: "plant", Metric: "memory", Kind: beamlens.FindingRule, Tier: beamlens.TierAlert, Rule: "memory > 1", Severity: "warning", Value: 7}
	lua := func(code string) llmtest.Turn { return llmtest.Call("execute", map[string]any{"code": code}) }
	see := lua(`return plant_process("<0.2.0>")`)
	for _, c := range []struct {
		name   string
		turns  []llmtest.Turn
		change func(map[string]any)
	}{
		{"the same", []llmtest.Turn{look}, nil},
		{"it blames another that it has read of", []llmtest.Turn{see}, func(a map[string]any) {
			a["culprit"] = map[string]any{"kind": "process", "id": "<0.2.0>", "name": "Plant.Innocent"}
		}},
		{"it blames nobody", nil, func(a map[string]any) { delete(a, "culprit") }},
		{"another type, less severe", []llmtest.Turn{look}, func(a map[string]any) { a["type"], a["severity"] = "nothing_at_all", "info" }},
		{"it has the investigation say something else", []llmtest.Turn{lua(`function plant_process() return {pid = "<0.2.0>", name = "Plant.Innocent"} end
` + book.Lua), see}, func(a map[string]any) { a["culprit"] = map[string]any{"kind": "process", "id": "<0.2.0>"} }},
		{"the same, in a comment that is none", []llmtest.Turn{lua("--[[\n]] function plant_process() return {pid = '<0.2.0>', name = 'Plant.Innocent'} end\n" + book.Lua), see},
			func(a map[string]any) { a["culprit"] = map[string]any{"kind": "process", "id": "<0.2.0>"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := plant()
			s.Callbacks[0] = skill.Func("plant_process", "One process.", `plant_process("<0.1.0>")`, func(_ context.Context, in procIn) (procOut, error) {
				return procOut{in.Pid, map[string]string{"<0.1.0>": "Plant.Worker", "<0.2.0>": "Plant.Innocent"}[in.Pid], 12}, nil
			})
			s.Metrics = append(s.Metrics, skill.Metric{Name: "memory", Kind: skill.Gauge})
			s.Playbooks = []skill.Playbook{book, {ID: "heavy", Metrics: []string{"memory"}, Lua: `return {type = "heavy", summary = "it is heavy"}`}}
			turns := append(append([]llmtest.Turn{take}, c.turns...), alert(c.change), done)
			o := operator.New(operator.Options{Target: target, Skill: s, Model: llmtest.NewScript(turns...), Fallback: analyst.Analyst{}, Store: store.NewMemory(), Watch: quiet{finding, other}})
			r, err := o.Run(t.Context(), "")
			if err != nil || len(r.Alerts) != 2 {
				t.Fatalf("%d alerts, %v: of two investigations each has its own", len(r.Alerts), err)
			}
			a := r.Alerts[0]
			if a.AnomalyType != "overgrown" || a.Culprit == nil || a.Culprit.ID != "<0.1.0>" || a.Severity != beamlens.SeverityCritical || len(a.Findings) != 1 {
				t.Errorf("alert %s %s of %v with %d findings", a.Severity, a.AnomalyType, a.Culprit, len(a.Findings))
			}
			if b := r.Alerts[1]; b.AnomalyType != "heavy" {
				t.Errorf("the other alert is %s", b.AnomalyType)
			}
		})
	}
}

func TestTheTypeOfAnAlertIsASymbol(t *testing.T) {
	r, _ := ask(t, nil, store.NewMemory(), take, look, alert(func(a map[string]any) { a["type"] = " Mailbox-Flood \u202e<script> https://x" }), done)
	if got := r.Alerts[0].AnomalyType; got != "mailbox_flood_script_https_x" {
		t.Errorf("type %q", got)
	}
}

func TestTheSameAlertAgainUpdatesTheOpenOne(t *testing.T) {
	s := store.NewMemory()
	worse := alert(func(a map[string]any) { a["severity"] = "critical" })
	r, _ := ask(t, found, s, take, look, alert(nil), worse, done)
	if len(r.Alerts) != 2 || r.Alerts[0].ID != r.Alerts[1].ID {
		t.Fatalf("%+v", r.Alerts)
	}
	all, err := s.Alerts(t.Context(), beamlens.AlertFilter{})
	if err != nil || len(all) != 1 || all[0].Count != 2 || all[0].Severity != beamlens.SeverityCritical {
		t.Errorf("stored %+v, %v", all, err)
	}
}

func TestTools(t *testing.T) {
	for _, c := range []struct {
		tool string
		turn llmtest.Turn
		says string
	}{
		{"set_state", llmtest.Call("set_state", map[string]any{"state": "observing", "reason": "r"}), `"state":"observing"`},
		{"take_snapshot", take, `"data":{"queue":5}`},
		{"get_snapshot", with("get_snapshot", func(r map[string]map[string]any) any { return map[string]any{"id": r["take_snapshot"]["id"]} }), `"captured_at"`},
		{"get_snapshots", llmtest.Call("get_snapshots", map[string]any{"limit": 5}), `"queue":5`},
		{"get_alerts", llmtest.Call("get_alerts", nil), `[]`},
		{"execute", look, `"name":"Plant.Worker"`},
		{"execute", llmtest.Call("execute", map[string]any{"code": "local x = 1"}), `returned nothing; end it with return`},
		{"execute", llmtest.Call("execute", map[string]any{"code": `return plant_proces("x")`}), `There is no function plant_proces. Available: plant_process`},
		{"execute", llmtest.Call("execute", map[string]any{"code": `return plant_process("<0.2.0>")`}), `line 1: there is no process <0.2.0>`},
		{"think", llmtest.Call("think", map[string]any{"thought": "hm"}), `"recorded":true`},
		{"wait", llmtest.Call("wait", map[string]any{"ms": -5}), `"waited_ms":0`},
	} {
		_, m := ask(t, nil, store.NewMemory(), take, c.turn, done)
		if got := result(m, c.tool); c.tool != "take_snapshot" && !strings.Contains(got, c.says) {
			t.Errorf("%s gave %s, want %q", c.tool, got, c.says)
		}
	}
	if _, m := ask(t, nil, store.NewMemory(), take, llmtest.Call("get_snapshot", map[string]any{"id": "x"}), done); !strings.Contains(result(m, "get_snapshot"), "snapshot_not_found") {
		t.Errorf("unknown snapshot: %s", result(m, "get_snapshot"))
	}
}

func TestTheModelIsToldWhatIsFound(t *testing.T) {
	onset := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := beamlens.Finding{ID: "00000000000000ff", Skill: "plant", Metric: "queue", Kind: beamlens.FindingRule, Tier: beamlens.TierAlert, Value: 12345.6789, Ordinary: 3,
		Rule: "queue > 100", Severity: "critical", Onset: onset, Uncertainty: time.Second}
	_, m := ask(t, quiet{f}, store.NewMemory(), done)
	input := m.Asked()[0].Messages[0].Text
	for _, want := range []string{`"metric": "queue"`, `"value": 12345.678`, `"rule": "queue > 100"`, `"new": true`, `"onset": "2026-01-02T03:04:05Z"`, `"question": "what is it?"`, "Current state: healthy"} {
		if !strings.Contains(input, want) {
			t.Errorf("the input does not say %s:\n%s", want, input)
		}
	}
}

func TestAnUnexplainedFindingGetsAnHonestAlert(t *testing.T) {
	f := beamlens.Finding{ID: "00000000000000ff", Skill: "plant", Metric: "queue", Kind: beamlens.FindingRule, Tier: beamlens.TierAlert, Value: 500, Ordinary: 3, Rule: "queue > 100", Severity: "critical"}
	s := store.NewMemory()
	o := operator.New(operator.Options{Target: target, Skill: plant(), Fallback: analyst.Analyst{}, Store: s, Journal: s, Watch: quiet{f}})
	r, err := o.Run(t.Context(), "look")
	if err != nil || len(r.Alerts) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	a := r.Alerts[0]
	if a.Culprit != nil || a.Severity != beamlens.SeverityCritical || !strings.Contains(a.Summary, "The cause is not known") || !strings.Contains(a.Observation, "500") {
		t.Errorf("alert %+v", a)
	}
	if r.State != beamlens.Critical {
		t.Errorf("state %s", r.State)
	}
}

// TestPrompt keeps what a model is told from changing unnoticed: go test ./operator -update writes it anew.
func TestPrompt(t *testing.T) {
	_, m := ask(t, nil, store.NewMemory(), done)
	golden(t, "operator.golden", m.Asked()[0].System)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the prompt is not that of %s; if that is meant, run the test with -update\n%s", file, got)
	}
}
