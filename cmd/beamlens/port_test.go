package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// peer is the VM's end of a port, in memory.
type peer struct {
	t   *testing.T
	in  *io.PipeReader
	out *io.PipeWriter
}

func (p peer) say(m etf.Tuple) {
	p.t.Helper()
	b, err := etf.Encode(m)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.out.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
		p.t.Error(err)
	}
}

func (p peer) hear() (etf.Tuple, bool) {
	var head [4]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return nil, false
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(p.in, b); err != nil {
		return nil, false
	}
	m, _, err := etf.Decode(b, nil)
	if err != nil {
		p.t.Error(err)
		return nil, false
	}
	return m.(etf.Tuple), true
}

// life is a port that runs, and what it has said.
type life struct {
	peer
	seen      map[string]int
	answers   map[int64]string // by id: "ok", or the error
	alerts    map[string]bool  // by operator
	operators []string         // that it said it has, at last
	asked     map[string]bool  // skills, as they are called in the VM
	stopped   []string
}

// until serves the port until the condition holds.
func (l *life) until(what string, done func() bool) {
	l.t.Helper()
	for !done() {
		m, ok := l.hear()
		if !ok {
			l.t.Fatalf("it ended before %s; it had said %v, %v, %v", what, l.seen, l.answers, l.operators)
		}
		kind := m[0].(etf.Atom).String()
		l.seen[kind]++
		switch kind {
		case "call": // the probe
			l.say(etf.Tuple{etf.A("reply"), m[1], etf.Map{}})
		case "skill":
			l.asked[string(m[2].([]byte))] = true
			l.say(etf.Tuple{etf.A("reply"), m[1], wire(map[string]any{"clients": 300, "role": "primary"})})
		case "notify":
			var ev struct {
				Name    string `json:"name"`
				Subject string `json:"subject"`
				Alert   struct {
					Operator string `json:"operator"`
					Severity string `json:"severity"`
				} `json:"alert"`
			}
			if err := decodeTerm(m[1], &ev); err != nil {
				l.t.Fatal(err)
			}
			switch ev.Name {
			case "operator.alert_fired":
				l.alerts[ev.Alert.Operator] = true
				if ev.Alert.Severity != "critical" {
					l.t.Errorf("%+v", ev)
				}
			case "operator.stopped":
				l.stopped = append(l.stopped, ev.Subject)
			}
		case "answer":
			var answer []any
			if err := decodeTerm(m[2], &answer); err != nil {
				l.t.Fatal(err)
			}
			text := answer[0].(string)
			if text == "error" {
				text = answer[1].(string)
			}
			l.answers[m[1].(int64)] = text
		case "status":
			var status struct {
				Operators []struct {
					Operator string `json:"operator"`
				} `json:"operators"`
			}
			if err := decodeTerm(m[1], &status); err != nil {
				l.t.Fatal(err)
			}
			l.operators = nil
			for _, o := range status.Operators {
				l.operators = append(l.operators, o.Operator)
			}
		}
	}
}

// TestPort is the life of an engine with skills of the application: it greets, reads them, fires alerts by their rules, says what it would
// send to a model, takes operators in and out while it runs, and leaves a record when the VM is gone.
func TestPort(t *testing.T) {
	fromUs, toVM := io.Pipe()
	toUs, fromVM := io.Pipe()
	l := &life{peer: peer{t, fromUs, fromVM}, seen: map[string]int{}, answers: map[int64]string{}, alerts: map[string]bool{}, asked: map[string]bool{}}
	done := make(chan error, 1)
	go func() { done <- servePort(t.Context(), erlang.NewStdio(toUs, toVM, nil)) }()
	file := filepath.Join(t.TempDir(), "store.db")
	operator := func(name, module string) map[string]any {
		return map[string]any{"name": name, "skill": "redis", "module": module, "custom": map[string]any{
			"title": "Redis", "description": "clients of Redis", "system_prompt": "You watch Redis.", "callback_docs": "",
			"callbacks": []any{map[string]any{"name": "slowLog", "arity": 1}}, "metrics": []any{},
			"rules": []any{map[string]any{"metric": "clients", "above": 100, "severity": "critical"}},
		}}
	}
	l.until("it greets", func() bool { return l.seen["hello"] > 0 })
	l.say(etf.Tuple{etf.A("hello"), 1, wire(map[string]any{
		"node": "shop@host", "app": "shop", "store": file, "interval_ms": 20,
		"operators": []any{operator("cache", "Redis"), map[string]any{"name": "x", "skill": "unknown"}},
	})})
	l.until("an alert", func() bool { return l.alerts["cache"] })
	if l.seen["log"] == 0 {
		t.Error("nothing was said of the unknown skill")
	}
	l.say(etf.Tuple{etf.A("payload"), 1, "cache"})

	for id, m := range []etf.Tuple{
		{etf.A("add"), 0, wire(operator("twin", "Redis"))},  // of the same skill
		{etf.A("add"), 0, wire(operator("twin", "Redis"))},  // again
		{etf.A("add"), 0, wire(operator("other", "Other"))}, // of another skill with the same id
		{etf.A("add"), 0, wire(map[string]any{"name": "y", "skill": "unknown"})},
		{etf.A("add"), 0, 5},
		{etf.A("remove"), 0, "nobody"},
		{etf.A("remove"), 0, "cache"}, // whose skill stays, with the twin
	} {
		m[1] = 10 + id
		l.say(m)
	}
	want := map[int64]string{1: "ok", 10: "ok", 11: "ok", 12: "ok", 13: "this engine has no skill unknown", 15: "ok", 16: "ok"}
	l.until("its answers", func() bool { return len(l.answers) == len(want)+1 })
	for id, text := range want {
		if l.answers[id] != text {
			t.Errorf("answer %d is %q, want %q", id, l.answers[id], text)
		}
	}
	if !strings.Contains(l.answers[14], "operator: ") {
		t.Errorf("the answer to nonsense is %q", l.answers[14])
	}
	l.until("the others' alerts", func() bool { return l.alerts["twin"] && l.alerts["other"] })
	l.until("its status", func() bool { return slices.Equal(l.operators, []string{"twin", "other"}) })
	if !slices.Equal(l.stopped, []string{"cache"}) || !l.asked["Redis"] || !l.asked["Other"] || len(l.asked) != 2 {
		t.Errorf("stopped %v, asked %v", l.stopped, l.asked)
	}

	l.out.Close() // the VM is gone
	go func() {
		for ok := true; ok; _, ok = l.hear() {
		}
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
	raw, err := os.ReadFile(file + ".last.json")
	if err != nil {
		t.Fatal(err)
	}
	var last lastRecord
	if err := json.Unmarshal(raw, &last); err != nil {
		t.Fatal(err)
	}
	if len(last.Alerts) != 3 || len(last.Findings) != 2 || len(last.Snapshots) != 2 || last.App != "shop" {
		t.Errorf("the record is %s", raw)
	}
}
