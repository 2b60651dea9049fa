package probe_test

import (
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// TestPartsComeWhenAskedForAndGo: the module of a part is loaded by its first call, and goes with the rest.
func TestPartsComeWhenAskedForAndGo(t *testing.T) {
	n := erlangtest.StartNode(t)
	n.Eval(t, "{erl_eval:module_info(), erl_scan:module_info(), erl_parse:module_info()}, ok.")
	p, stop := serve(t, n.Name, nil)
	ask(t, p, "snapshot")
	if got := n.Eval(t, "code:is_loaded(beamlens_probe_ets)."); got != "false" {
		t.Errorf("loaded before it was asked for: %s", got)
	}
	ask(t, p, "ets:snapshot")
	if got := ask(t, p, "snapshot")["probe"].(map[string]any)["parts"]; got != int64(1) {
		t.Errorf("%v parts", got)
	}
	stop()
	erlangtest.Eventually(t, "nothing is left", func() bool { return gone(t, n) })
}

func TestAPartIsLoadedAgainWhenSomebodyRemovesIt(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	ask(t, p, "ets:snapshot")
	n.Eval(t, "code:purge(beamlens_probe_ets), code:delete(beamlens_probe_ets), code:purge(beamlens_probe_ets).")
	if s := ask(t, p, "ets:snapshot"); s["table_count"] == nil {
		t.Errorf("snapshot %v", s)
	}
	n.Eval(t, "exit(whereis(beamlens_probe), kill).")
	if s := ask(t, p, "ets:snapshot"); s["table_count"] == nil {
		t.Errorf("snapshot %v", s)
	}
}

// TestAPartThatFailsHarmsNobody: the next question begins it anew, and the others go on.
func TestAPartThatFailsHarmsNobody(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	ask(t, p, "ets:snapshot")
	ask(t, p, "snapshot")
	resident := n.Eval(t, "whereis(beamlens_probe).")
	n.Eval(t, "beamlens_probe ! {{part, beamlens_probe_ets, nonsense}, self(), make_ref()}, ok.")
	if s := ask(t, p, "ets:snapshot"); s["table_count"] == nil {
		t.Errorf("snapshot %v", s)
	}
	if now := n.Eval(t, "whereis(beamlens_probe)."); now != resident {
		t.Errorf("the resident process died: %s, now %s", resident, now)
	}
}

func TestAnUnknownPart(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	if _, err := p.Call(t.Context(), etf.A("nonsense"), etf.A("snapshot")); err == nil || !strings.Contains(err.Error(), "no part nonsense") {
		t.Errorf("%v", err)
	}
}
