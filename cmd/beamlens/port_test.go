package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
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

// TestPort is the life of an engine with one skill of the application: it greets, reads the skill, fires an alert by its rule, says what
// it would send to a model, and leaves a record when the VM is gone.
func TestPort(t *testing.T) {
	fromUs, toVM := io.Pipe()
	toUs, fromVM := io.Pipe()
	p := peer{t, fromUs, fromVM}
	done := make(chan error, 1)
	go func() { done <- servePort(t.Context(), erlang.NewStdio(toUs, toVM, nil)) }()
	file := filepath.Join(t.TempDir(), "store.db")
	custom := map[string]any{
		"title": "Redis", "description": "clients of Redis", "system_prompt": "You watch Redis.", "callback_docs": "",
		"callbacks": []any{map[string]any{"name": "slowLog", "arity": 1}}, "metrics": []any{},
		"rules": []any{map[string]any{"metric": "clients", "above": 100, "severity": "critical"}},
	}
	seen := map[string]int{}
	for alerted, asked := false, false; !alerted || !asked; {
		m, ok := p.hear()
		if !ok {
			t.Fatalf("it ended early; it had said %v", seen)
		}
		kind := m[0].(etf.Atom).String()
		seen[kind]++
		switch kind {
		case "hello":
			p.say(etf.Tuple{etf.A("hello"), 1, wire(map[string]any{
				"node": "shop@host", "app": "shop", "store": file, "interval_ms": 20,
				"operators": []any{map[string]any{"name": "cache", "skill": "redis", "custom": custom}, map[string]any{"name": "x", "skill": "unknown"}},
			})})
		case "call": // the probe
			p.say(etf.Tuple{etf.A("reply"), m[1], etf.Map{}})
		case "skill":
			if name := string(m[2].([]byte)); name != "cache" {
				t.Errorf("skill %s is asked", name)
			}
			p.say(etf.Tuple{etf.A("reply"), m[1], wire(map[string]any{"clients": 300, "role": "primary"})})
			if seen["skill"] == 1 {
				p.say(etf.Tuple{etf.A("payload"), 7, "cache"})
			}
		case "notify":
			var ev struct {
				Name  string `json:"name"`
				Alert struct {
					Operator string `json:"operator"`
					Severity string `json:"severity"`
				} `json:"alert"`
			}
			if err := decodeTerm(m[1], &ev); err != nil {
				t.Fatal(err)
			}
			if ev.Name == "operator.alert_fired" {
				if alerted = true; ev.Alert.Operator != "cache" || ev.Alert.Severity != "critical" {
					t.Errorf("%+v", ev)
				}
			}
		case "answer":
			var answer []any
			if asked = true; decodeTerm(m[2], &answer) != nil || answer[0] != "ok" {
				t.Errorf("the payload is %s", etf.Format(m[2]))
			}
		}
	}
	if seen["log"] == 0 {
		t.Error("nothing was said of the unknown skill")
	}
	p.out.Close() // the VM is gone
	go func() {
		for ok := true; ok; _, ok = p.hear() {
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
	if len(last.Alerts) != 1 || len(last.Findings) != 1 || len(last.Snapshots) != 1 || last.App != "shop" {
		t.Errorf("the record is %s", raw)
	}
}
