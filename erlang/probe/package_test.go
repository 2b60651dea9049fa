package probe_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
)

// TestAPackageIsUsedAndStays: a node that has the probe's modules from a package, compiled there, keeps them when an engine attaches over
// distribution, and when it leaves.
func TestAPackageIsUsedAndStays(t *testing.T) {
	erlangtest.Erl(t)
	dir := t.TempDir()
	sources, err := filepath.Glob("beamlens_probe*.erl")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		text, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		// Another compiler makes other code of the same source.
		other := strings.Replace(string(text), "-export([", "-export([compiled_elsewhere/0]).\n-export([", 1) + "\ncompiled_elsewhere() -> true.\n"
		if err := os.WriteFile(filepath.Join(dir, s), []byte(other), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("erlc", "-o", dir, filepath.Join(dir, s)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	n := erlangtest.StartNode(t, "-pa", dir)
	theirs := func() bool {
		return n.Eval(t, "{code:which(beamlens_probe), beamlens_probe:compiled_elsewhere()}.") == `{"`+dir+`/beamlens_probe.beam",true}`
	}
	p, stop := serve(t, n.Name, nil)
	ask(t, p, "snapshot")
	ask(t, p, "ets:tables", "memory", 5)
	if !theirs() || n.Eval(t, "beamlens_probe_ets:compiled_elsewhere().") != "true" {
		t.Error("the modules of the package were replaced")
	}
	stop()
	erlangtest.Eventually(t, "the resident process ends", func() bool { return n.Eval(t, "whereis(beamlens_probe).") == "undefined" })
	if !theirs() || n.Eval(t, "erlang:module_loaded(beamlens_probe_ets).") != "true" {
		t.Error("the modules of the package were removed")
	}
}
