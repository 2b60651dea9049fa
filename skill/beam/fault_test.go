package beam_test

import (
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill"
)

// fault is something that goes wrong on a node, and what a skill must make of it.
type fault struct {
	name    string
	erl     string // what makes it
	metric  string // of the snapshot, which must get over the value
	over    float64
	finding string // what the playbook's program is told, besides the metric
	kind    string // what the playbook must conclude: type, culprit by name or the beginning of its id, a part of the summary
	culprit string
	says    string
}

// induce makes the fault on the node, waits until the snapshot shows it, and runs the playbook until it claims what it must.
func (f fault) induce(t *testing.T, s *skill.Skill, n *erlangtest.Node) {
	t.Helper()
	long(t)
	// What needs a reading from before has one.
	if _, err := s.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.Eval(t, f.erl)
	f.shows(t, s)
	f.explains(t, s)
}

func (f fault) shows(t *testing.T, s *skill.Skill) {
	t.Helper()
	var last map[string]any
	var err error
	defer func() {
		if t.Failed() {
			t.Logf("snapshot %v, error %v", last, err)
		}
	}()
	erlangtest.Eventually(t, f.metric+" shows it", func() bool {
		last, err = s.Snapshot(t.Context())
		x, ok := number(last[f.metric])
		return ok && x > f.over
	})
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func (f fault) explains(t *testing.T, s *skill.Skill) {
	t.Helper()
	var v map[string]any
	var wrong string
	deadline := time.Now().Add(10 * time.Second)
	for {
		v = playbook(t, s, f.metric, f.finding)
		if wrong = f.judge(v); wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			break
		}
		// Rates are known from the second reading on.
		if _, err := s.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("%s: %v", wrong, v)
}

func (f fault) judge(v map[string]any) string {
	if v["type"] != f.kind {
		return "type is not " + f.kind
	}
	culprit, _ := v["culprit"].(map[string]any)
	id, _ := culprit["id"].(string)
	if culprit["name"] != f.culprit && !strings.HasPrefix(id, f.culprit) {
		return "the culprit is not " + f.culprit
	}
	if text, _ := v["summary"].(string); !strings.Contains(text, f.says) {
		return "the summary does not say " + f.says
	}
	return ""
}

// long leaves a test out that waits until a fault shows, where only short ones are wanted: the race detector looks at Go, and there is little of it here.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it waits for a fault to show")
	}
}
