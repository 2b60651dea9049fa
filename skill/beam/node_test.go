package beam_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang/etf"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
)

// reach is a link that is as it is said to be, to a node that does not answer.
type reach struct {
	up               bool
	gone, unanswered time.Duration
}

func (reach) Call(context.Context, etf.Atom, etf.Atom, ...etf.Term) (etf.Term, error) {
	return nil, errors.New("it does not answer")
}

func (reach) Node() string { return "shop@host" }

func (r reach) Reach() (bool, time.Time, time.Time, int, error) {
	now := time.Now()
	if !r.up {
		return false, now.Add(-r.gone), time.Time{}, 7, errors.New("connection refused")
	}
	if r.unanswered == 0 {
		return true, now.Add(-time.Hour), time.Time{}, 0, nil
	}
	return true, now.Add(-time.Hour), now.Add(-r.unanswered), 0, nil
}

// TestNode: what is said of a node that is there, of one that does not answer, and of one that is gone, none of which is asked for it. That the probe tells
// them apart is tested there, with a real node.
func TestNode(t *testing.T) {
	for _, c := range []struct {
		name           string
		link           reach
		metric         string
		kind, severity string // of the verdict; "": there is none
		says           []string
	}{
		{"it is there", reach{up: true}, "silent_s", "", "", nil},
		{"it is silent", reach{up: true, unanswered: 20 * time.Second}, "silent_s", "node_silent", "warning", []string{"shop@host is connected and has answered nothing for 20 s"}},
		{"it is silent for long", reach{up: true, unanswered: 70 * time.Second}, "silent_s", "node_silent", "critical", nil},
		{"it is gone", reach{gone: 45 * time.Second}, "gone_s", "node_gone", "critical", []string{"shop@host has been gone for 45 s: connection refused"}},
		{"it came back", reach{up: true}, "gone_s", "", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := beam.All(c.link)
			s := all[len(all)-1]
			data, err := s.Snapshot(t.Context())
			if err != nil || s.ID != "node" {
				t.Fatal(s.ID, err)
			}
			if silent, gone := data["silent_s"].(float64), data["gone_s"].(float64); silent != c.link.unanswered.Seconds() || gone != c.link.gone.Seconds() {
				t.Errorf("silent for %v s, gone for %v s", silent, gone)
			}
			v := playbook(t, s, c.metric, "kind = 'rule'")
			if c.kind == "" {
				if v["nothing"] != true {
					t.Errorf("verdict %v", v)
				}
				return
			}
			if v["type"] != c.kind || v["severity"] != c.severity {
				t.Errorf("verdict %v", v)
			}
			for _, text := range c.says {
				if !strings.Contains(v["summary"].(string), text) {
					t.Errorf("it does not say %q: %v", text, v["summary"])
				}
			}
		})
	}
}

// TestNodeRemembers: what was seen last is told after the node can be asked no more.
func TestNodeRemembers(t *testing.T) {
	vm := &skill.Skill{ID: "beam", Snapshot: func(context.Context) (map[string]any, error) {
		return map[string]any{"memory_total_mb": 512.0, "message_queue_max": 70000.0, "message_queue_max_name": "Shop.Mailer", "hottest_process_name": "Shop.Backup", "hottest_process_pct": 62.5}, nil
	}}
	s := beam.Node(reach{gone: time.Minute}, vm)
	if v := playbook(t, s, "gone_s", "kind = 'rule'"); !strings.Contains(v["context"].(string), "Nothing of it was ever read") {
		t.Errorf("context %v", v["context"])
	}
	if _, err := vm.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := playbook(t, s, "gone_s", "kind = 'rule'"); !strings.Contains(v["context"].(string), "512 MB") || !strings.Contains(v["context"].(string), "70000 messages in the longest mailbox (Shop.Mailer)") {
		t.Errorf("context %v", v["context"])
	}
	silent := beam.Node(reach{up: true, unanswered: 20 * time.Second}, vm)
	if _, err := vm.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := playbook(t, silent, "silent_s", "kind = 'rule'"); !strings.Contains(v["context"].(string), "(Shop.Mailer). Shop.Backup computed in 62 % of the samples") {
		t.Errorf("context %v", v["context"])
	}
}
