package beam

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Linked tells how the link to the node is, without asking the node.
type Linked interface {
	// Reach says whether there is a link and since when that is so; since when the node has left what it is asked unanswered, zero if it has not;
	// how often it was dialled in vain, and why.
	Reach() (up bool, since, unanswered time.Time, attempts int, why error)
	Node() string
}

// Node is the skill "node": whether the node is there and answers. It reads our side of the link only, so it speaks while the node cannot, and
// remembers what the skill vm read last.
func Node(link Linked, vm *skill.Skill) *skill.Skill {
	n := &node{link: link}
	n.remember(vm)
	return &skill.Skill{
		ID: "node", Title: "the node itself", Summary: "Whether the node is there and answers; what was seen of it last.",
		Prompt:   text("prompt/node.md"),
		Snapshot: n.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("node_link", "How the link is: connected, for how long the node has not answered or has been gone, and why.", "node_link()", n.state),
			skill.Func("node_last", "The newest snapshot of the skill beam, and how old it is.", "node_last()", n.last),
		},
		Metrics: []skill.Metric{
			{Name: "silent_s", Unit: "s", Kind: skill.Gauge, Quiet: true, Doc: "for how long the node has answered nothing, though it is connected"},
			{Name: "gone_s", Unit: "s", Kind: skill.Gauge, Quiet: true, Doc: "for how long there has been no connection"},
		},
		Rules: []skill.Rule{
			// The links of Erlang itself call a node dead that is silent for a minute (net_ticktime); a collection or a slow disk is over in seconds.
			{Metric: "silent_s", Above: 15, Severity: beamlens.SeverityWarning, Doc: "the node answers nothing"},
			{Metric: "silent_s", Above: 60, Severity: beamlens.SeverityCritical, Doc: "the node answers nothing, and other nodes drop their links to it"},
			// A restart takes a few seconds, that of a large system half a minute.
			{Metric: "gone_s", Above: 30, Severity: beamlens.SeverityCritical, Doc: "the node is gone, for longer than a restart takes"},
		},
		Edges: []beamlens.Edge{
			{From: "beam.memory_total_mb", To: "node.gone_s", Why: "a VM that gets no more memory ends, or is ended"},
			{From: "beam.atom_utilization_pct", To: "node.gone_s", Why: "the VM stops when the atom table is full"},
			{From: "system.memory_limit_used_pct", To: "node.gone_s", Why: "the kernel ends whoever exceeds the limit"},
			{From: "sup.restarts_1m", To: "node.gone_s", Why: "when the top supervisor gives up, the application ends, and a permanent one takes the node along"},
			{From: "vm_events.scheduler_blocked_ms_1m", To: "node.silent_s", Why: "a native call keeps the scheduler that the link needs"},
			{From: "beam.run_queue_per_scheduler", To: "node.silent_s", Why: "what answers waits for a scheduler like everybody else"},
			{From: "system.memory_pressure_pct", To: "node.silent_s", Why: "a node that is swapped out does not answer"},
		},
		Playbooks: []skill.Playbook{
			playbook("node_gone", "how the link ended, and what was seen last", "gone_s"),
			playbook("node_silent", "since when nothing is answered, and what was seen last", "silent_s"),
		},
	}
}

type node struct {
	link Linked

	mu     sync.Mutex // guards what follows
	seen   map[string]any
	seenAt time.Time
}

// remember keeps the newest snapshot of a skill.
func (n *node) remember(s *skill.Skill) {
	take := s.Snapshot
	s.Snapshot = func(ctx context.Context) (map[string]any, error) {
		data, err := take(ctx)
		if err == nil {
			n.mu.Lock()
			n.seen, n.seenAt = data, time.Now()
			n.mu.Unlock()
		}
		return data, err
	}
}

type nodeLink struct {
	Node      string  `json:"node"`
	Connected bool    `json:"connected"`
	Since     string  `json:"since"`
	Silent    float64 `json:"silent_s"`
	Gone      float64 `json:"gone_s"`
	Attempts  int     `json:"attempts"`
	Reason    string  `json:"reason,omitempty"`
}

func (n *node) read() (nodeLink, error) {
	if n.link == nil {
		return nodeLink{}, errors.New("there is no link that could be asked")
	}
	up, since, unanswered, attempts, why := n.link.Reach()
	out := nodeLink{Node: n.link.Node(), Connected: up, Since: since.UTC().Format(time.RFC3339), Attempts: attempts}
	switch {
	case !up:
		out.Gone = tenths(time.Since(since))
	case !unanswered.IsZero():
		out.Silent = tenths(time.Since(unanswered))
	}
	if why != nil {
		out.Reason = why.Error()
	}
	return out, nil
}

func tenths(d time.Duration) float64 { return math.Round(max(d, 0).Seconds()*10) / 10 }

func (n *node) snapshot(context.Context) (map[string]any, error) {
	s, err := n.read()
	if err != nil {
		return nil, err
	}
	return map[string]any{"connected": s.Connected, "silent_s": s.Silent, "gone_s": s.Gone, "attempts": s.Attempts, "reason": s.Reason}, nil
}

func (n *node) state(context.Context, struct{}) (nodeLink, error) { return n.read() }

type nodeLast struct {
	Seen bool           `json:"seen"`
	Age  float64        `json:"age_s"`
	Data map[string]any `json:"data"`
}

func (n *node) last(context.Context, struct{}) (nodeLast, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil {
		return nodeLast{Data: map[string]any{}}, nil
	}
	return nodeLast{Seen: true, Age: tenths(time.Since(n.seenAt)), Data: n.seen}, nil
}
