package skill

import (
	"context"
	"reflect"
	"testing"
)

func TestCapturesAreTheCallsThatDependOnNothing(t *testing.T) {
	callback := func(name, cost string) Callback {
		return Callback{Name: name, Cost: cost, Call: func(context.Context, []any) (any, error) { return nil, nil }}
	}
	s := &Skill{
		Callbacks: []Callback{callback("beam_top", Scan), callback("beam_one", Cheap), callback("beam_dear", Costly), callback("beam_all", "")},
		Playbooks: []Playbook{
			{ID: "a", Metrics: []string{"queue"}, Lua: `local top = beam_top(5, "queue")
				local d = beam_one(top[1].pid) or beam_one("x", nil, true, 1.5)
				local e = beam_dear(1)
				for _, r in ipairs(beam_all().rows) do print(beam_all(), other_skill(1)) end
				return {summary = string.format("%d", 1)}`},
			{ID: "b", Metrics: []string{"memory"}, Lua: `return beam_all()`},
		},
	}
	type call struct {
		text string
		args []any
	}
	var got []call
	for _, c := range s.Captures("queue") {
		got = append(got, call{c.Text, c.Args})
	}
	want := []call{{`beam_top(5, "queue")`, []any{int64(5), "queue"}}, {`beam_one("x", nil, true, 1.5)`, []any{"x", nil, true, 1.5}}, {"beam_all()", nil}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if n := len(s.Captures("nothing")); n != 0 {
		t.Errorf("%d captures of a metric without a playbook", n)
	}
}
