package skill

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	beamlens "github.com/beamlens/beamlens-go"
)

type topIn struct {
	Limit  int64    `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
	SortBy string   `json:"sort_by" default:"memory" enum:"memory,queue"`
	Factor *float64 `json:"factor"`
}

type topOut struct {
	Total int64 `json:"total"`
	Rows  []struct {
		Pid  string  `json:"pid"`
		Name *string `json:"name"`
	} `json:"rows"`
}

type needIn struct {
	ID string `json:"id"`
}

func TestFuncDocumentsItself(t *testing.T) {
	c := Func("beam_top", "The worst.", "beam_top(5)", func(context.Context, topIn) (topOut, error) { return topOut{}, nil })
	if got, want := c.Signature(), `beam_top(limit = 10, sort_by = "memory" | "queue", factor?)`; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	if want := "{total, rows: [{pid, name}]}"; c.Returns != want {
		t.Errorf("returns %s, want %s", c.Returns, want)
	}
}

func TestFuncChecksArguments(t *testing.T) {
	var got topIn
	top := Func("beam_top", "d", "e", func(_ context.Context, in topIn) (topOut, error) { got = in; return topOut{Total: 3}, nil })
	need := Func("beam_need", "d", "e", func(_ context.Context, in needIn) (string, error) { return in.ID, nil })
	half := 0.5
	for _, c := range []struct {
		name string
		call Callback
		args []any
		want topIn
		err  string
	}{
		{"defaults", top, nil, topIn{10, "memory", nil}, ""},
		{"nil is left out", top, []any{nil, "queue"}, topIn{10, "queue", nil}, ""},
		{"a whole float is an integer", top, []any{5.0}, topIn{5, "memory", nil}, ""},
		{"clamped", top, []any{int64(1000)}, topIn{50, "memory", nil}, ""},
		{"clamped below", top, []any{int64(-1)}, topIn{1, "memory", nil}, ""},
		{"optional", top, []any{nil, nil, 0.5}, topIn{10, "memory", &half}, ""},
		{"fraction", top, []any{1.5}, topIn{}, "whole number"},
		{"text for a number", top, []any{"5"}, topIn{}, `must be a number, got the string "5"`},
		{"not in the enum", top, []any{int64(1), "size"}, topIn{}, "one of memory, queue"},
		{"table", top, []any{map[string]any{}}, topIn{}, "a table"},
		{"too many", top, []any{int64(1), "queue", 1.0, 2.0}, topIn{}, "takes 3 argument(s), got 4"},
		{"missing", need, nil, topIn{}, "argument 1 (id) is missing; call it as beam_need(id)"},
		{"too long", need, []any{strings.Repeat("x", 5000)}, topIn{}, "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.call.Call(t.Context(), c.args)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	out, err := top.Call(t.Context(), nil)
	if want := map[string]any{"total": int64(3), "rows": nil}; err != nil || !reflect.DeepEqual(out, want) {
		t.Errorf("result %#v, %v, want %#v", out, err, want)
	}
}

func TestFuncPassesErrors(t *testing.T) {
	boom := errors.New("boom")
	c := Func("beam_x", "d", "e", func(context.Context, needIn) (any, error) { return nil, boom })
	if _, err := c.Call(t.Context(), []any{"a"}); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}

func good() *Skill {
	return &Skill{
		ID: "beam", Snapshot: func(context.Context) (map[string]any, error) { return nil, nil },
		Metrics:   []Metric{{Name: "queue", Kind: Gauge}},
		Rules:     []Rule{{Metric: "queue", Above: 1}},
		Edges:     []beamlens.Edge{{From: "beam.queue", To: "gc.rate"}},
		Playbooks: []Playbook{{ID: "p", Metrics: []string{"queue"}}},
		Callbacks: []Callback{Func("beam_x", "d", "beam_x()", func(context.Context, struct{}) (int, error) { return 1, nil })},
	}
}

func TestCheck(t *testing.T) {
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		spoil func(*Skill)
		says  string
	}{
		{"id", func(s *Skill) { s.ID = "Beam!" }, "lower-case"},
		{"no snapshot", func(s *Skill) { s.Snapshot = nil }, "Snapshot is missing"},
		{"metric twice", func(s *Skill) { s.Metrics = append(s.Metrics, s.Metrics[0]) }, "twice"},
		{"kind", func(s *Skill) { s.Metrics[0].Kind = "meter" }, "kind"},
		{"rule", func(s *Skill) { s.Rules[0].Metric = "x" }, "not declared"},
		{"a growth while nothing", func(s *Skill) { s.Rules[0].Growth = &Growth{While: "x"} }, "rule of x, which has none"},
		{"edge", func(s *Skill) { s.Edges[0].From = "beam.x" }, "not declared"},
		{"edge's form", func(s *Skill) { s.Edges[0].To = "rate" }, "skill.metric"},
		{"playbook", func(s *Skill) { s.Playbooks[0].Metrics[0] = "x" }, "not declared"},
		{"callback's prefix", func(s *Skill) { s.Callbacks[0].Name = "ets_x" }, "named beam_"},
		{"callback's example", func(s *Skill) { s.Callbacks[0].Example = "" }, "Example"},
	} {
		s := good()
		c.spoil(s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
	}
}

func TestDocsTellWhatCosts(t *testing.T) {
	s := Skill{Callbacks: []Callback{
		Func("beam_need", "Doc.", "beam_need()", func(context.Context, topIn) (topOut, error) { return topOut{}, nil }).Costs(Costly),
	}}
	if docs := s.Docs(); !strings.Contains(docs, "Cost: costly.") {
		t.Errorf("docs %s", docs)
	}
}
