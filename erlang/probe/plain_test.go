package probe_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
	"github.com/beamlens/beamlens-go/erlang/probe"
)

// TestPlainTellsWhatTheProbeTells compares the answers: plain ones have no field that the probe's have not, and the same values.
func TestPlainTellsWhatTheProbeTells(t *testing.T) {
	n := erlangtest.StartNode(t)
	n.Eval(t, flooded)
	n.Eval(t, table)
	full, _ := serve(t, n.Name, nil)
	plain, _ := serve(t, n.Name, &probe.Options{Plain: true})
	for _, c := range []struct {
		function string
		args     []etf.Term
		rows     string // the list whose first row is compared
		same     []string
	}{
		{"snapshot", nil, "", []string{"process_limit", "port_limit", "atom_limit", "schedulers", "ets_limit"}},
		{"system", nil, "", []string{"node", "otp_release", "erts", "elixir_version"}},
		{"processes:top", []etf.Term{"message_queue", 3, 0}, "processes", []string{"pid", "name", "message_queue", "status", "current_function"}},
		{"ets:tables", []etf.Term{"size", 3}, "tables", []string{"id", "name", "size", "memory_kb", "type", "protection", "owner", "owner_name", "compressed"}},
		{"processes:process", []etf.Term{"flooded"}, "", []string{"pid", "name", "message_queue", "links", "priority", "trap_exit", "message_queue_data"}},
	} {
		want, got := ask(t, full, c.function, c.args...), ask(t, plain, c.function, c.args...)
		if c.rows != "" {
			want, got = rows(want, c.rows)[0], rows(got, c.rows)[0]
		}
		for key := range got {
			if _, ok := want[key]; !ok {
				t.Errorf("%s: plain has %s, the probe does not", c.function, key)
			}
		}
		for _, key := range c.same {
			if got[key] != want[key] {
				t.Errorf("%s: %s is %v, with the probe %v", c.function, key, got[key], want[key])
			}
		}
	}
	var missing *probe.MissingError
	for _, by := range []string{"reductions_rate", "message_queue_growth"} {
		if _, err := plain.Call(t.Context(), etf.A("processes"), etf.A("top"), by, 3, 0); !errors.As(err, &missing) {
			t.Errorf("top by %s: %v", by, err)
		}
	}
	if full.Missing() != nil || len(plain.Missing()) < 3 {
		t.Errorf("missing %v and %v", full.Missing(), plain.Missing())
	}
}

func TestPlainProcessThatIsNotThere(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, &probe.Options{Plain: true})
	ask(t, p, "processes:process", "init")
	ask(t, p, "processes:process", "<0.99999.0>")
	n.Eval(t, "erlang:system_info(atom_count).")
	atoms := n.Eval(t, "erlang:system_info(atom_count).")
	for _, name := range []string{"<0.99999.0>", "<1.2.3>", "<nonsense", "no_such_name_anywhere", "", "<0.1.0> and more"} {
		if d := ask(t, p, "processes:process", name); d["error"] == nil {
			t.Errorf("%q: %v", name, d)
		}
	}
	if now := n.Eval(t, "erlang:system_info(atom_count)."); now != atoms {
		t.Errorf("looking up names made atoms: %s, before %s", now, atoms)
	}
}

func TestPlainRefusesLargeNodes(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, &probe.Options{Plain: true})
	n.Eval(t, `[spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 20000)], ok.`)
	if _, err := p.Call(t.Context(), etf.A("processes"), etf.A("top"), "message_queue", 3, 0); err == nil || !strings.Contains(err.Error(), "without the probe") {
		t.Errorf("top: %v", err)
	}
	if s := ask(t, p, "snapshot"); s["scan"] != nil || s["process_count"].(int64) < 20_000 {
		t.Errorf("snapshot %v", s)
	}
}
