// Package skilltest runs a skill against a target: every declared metric, every callback's example, every playbook.
package skilltest

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/beamlens/beamlens-go/sandbox"
	"github.com/beamlens/beamlens-go/skill"
)

// Run checks that the skill's declarations hold, that a snapshot has every metric, as a number or null, that every callback's example runs
// as the Lua program a model would write, and that every playbook runs and concludes something.
func Run(t *testing.T, s *skill.Skill) {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	t.Run("snapshot", func(t *testing.T) {
		data, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(data); err != nil {
			t.Errorf("the snapshot is not JSON-safe: %v", err)
		}
		for _, m := range s.Metrics {
			v, there := data[m.Name]
			switch v.(type) {
			case int64, float64, int:
			case nil:
				// Null says that this system does not tell it.
				if !there {
					t.Errorf("metric %s is not in the snapshot", m.Name)
				}
			default:
				t.Errorf("metric %s is %v in the snapshot, no number", m.Name, v)
			}
		}
	})
	for _, c := range s.Callbacks {
		t.Run(c.Name, func(t *testing.T) {
			if v := Lua(t, s, "return "+c.Example); v == nil {
				t.Errorf("%s gave nothing", c.Example)
			}
		})
	}
	for _, p := range s.Playbooks {
		t.Run("playbook "+p.ID, func(t *testing.T) {
			program := `local finding = {metric = "` + p.Metrics[0] + `", kind = "rule", value = 100, ordinary = 1, rate = 5, limit = 10, unit = ""}` + "\n" + p.Lua
			v, ok := Lua(t, s, program).(map[string]any)
			if !ok {
				t.Fatalf("it returned no table")
			}
			if v["nothing"] != true && (v["type"] == nil || v["summary"] == nil) {
				t.Errorf("it concluded nothing: %v", v)
			}
		})
	}
}

// Lua runs a program with the skill's callbacks.
func Lua(t *testing.T, s *skill.Skill, program string) any {
	t.Helper()
	functions := map[string]sandbox.Function{}
	for _, c := range s.Callbacks {
		functions[c.Name] = func(ctx context.Context, args []any) (any, error) { return c.Call(ctx, args) }
	}
	r, err := sandbox.Run(t.Context(), program, functions, sandbox.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Value
}
