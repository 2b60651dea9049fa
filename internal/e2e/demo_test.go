package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
)

// TestDemo runs the demo: a real Elixir application, broken and mended, attached to from outside, and with the package inside. All faults of the shop are in internal/scenario.
func TestDemo(t *testing.T) {
	erlangtest.Erl(t)
	if _, err := exec.LookPath("elixir"); err != nil {
		t.Fatal("Elixir is not installed: run scripts/setup")
	}
	path := program(t)
	says := map[string][]string{
		"mailbox":   {"mailbox_flood", "process Shop.Mailer (<0.", "lib/shop/mailer.ex", "INSIGHT causal", "beam.message_queue_max → beam.memory_processes_mb", "cleared: mailbox_flood"},
		"table":     {"table_growth", "table Shop.Carts", "cleared: table_growth"},
		"processes": {"process_leak", "process Shop.Payments (<0.", "cleared: process_leak"},
	}
	for fault, texts := range says {
		args := []string{"demo", "--once", "--fault", fault, "--attach"}
		if fault == "mailbox" {
			t.Run("package", func(t *testing.T) {
				tellsIn(t, path, []string{"demo", "--once", "--package", "../../elixir"}, []string{"{Beamlens, operators: […]}", "mailbox_flood", "process Shop.Mailer (<0.", "lib/shop/mailer.ex", "INSIGHT causal", "cleared: mailbox_flood"})
			})
		}
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			tellsIn(t, path, args, texts)
		})
	}
}

func tellsIn(t *testing.T, path string, args, texts []string) {
	t.Helper()
	out, err := exec.Command(path, args...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range texts {
		if !strings.Contains(string(out), s) {
			t.Errorf("it does not say %q", s)
		}
	}
}
