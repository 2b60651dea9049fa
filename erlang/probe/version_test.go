package probe_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
)

// otherVersion compiles the probe with another version number, and returns the folder of the object.
func otherVersion(t *testing.T, vsn string) string {
	t.Helper()
	source, err := os.ReadFile("beamlens_probe.erl")
	if err != nil {
		t.Fatal(err)
	}
	const define = "-define(VSN, 3)."
	if !strings.Contains(string(source), define) {
		t.Fatalf("the version in beamlens_probe.erl is not %s, which load.go and this test expect", define)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "beamlens_probe.erl")
	if err := os.WriteFile(file, []byte(strings.Replace(string(source), define, "-define(VSN, "+vsn+").", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	erlangtest.Erl(t)
	if out, err := exec.Command("erlc", "-o", dir, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func TestTheOwnersOfAnOlderVersionAreKept(t *testing.T) {
	n := erlangtest.StartNode(t, "-pa", otherVersion(t, "1"))
	n.Eval(t, "beamlens_probe:attach(node()).")
	p, stop := serve(t, n.Name, nil)
	if got := n.Eval(t, "beamlens_probe:vsn()."); got != "3" {
		t.Errorf("the node has version %s", got)
	}
	if own := ask(t, p, "snapshot")["probe"].(map[string]any); own["owners"].(int64) != 2 {
		t.Errorf("the probe has %v owners, want 2", own["owners"])
	}
	stop()
	if gone(t, n) {
		t.Error("the probe left while it had an owner")
	}
	n.Eval(t, "beamlens_probe:detach(node()).")
	erlangtest.Eventually(t, "the module is gone", func() bool { return gone(t, n) })
}

func TestANewerVersionStays(t *testing.T) {
	n := erlangtest.StartNode(t, "-pa", otherVersion(t, "99"))
	n.Eval(t, "code:ensure_loaded(beamlens_probe).")
	p, _ := serve(t, n.Name, nil)
	ask(t, p, "snapshot")
	if got := n.Eval(t, "beamlens_probe:vsn()."); got != "99" {
		t.Errorf("the node has version %s", got)
	}
}

func TestHello(t *testing.T) {
	n := erlangtest.StartNode(t)
	states := make(chan map[string]any, 1)
	serve(t, n.Name, optionsFor(states))
	hello := <-states
	for _, field := range []string{"version", "vsn", "node", "otp_release", "erts", "uptime_ms", "os", "schedulers_online", "wordsize", "caps"} {
		if hello[field] == nil {
			t.Errorf("%s is missing in %v", field, hello)
		}
	}
	if hello["node"] != n.Name {
		t.Errorf("node %v, want %s", hello["node"], n.Name)
	}
}
