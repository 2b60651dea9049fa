package scenario_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/examples/shop"
	"github.com/beamlens/beamlens-go/internal/scenario"
)

// all says whether every scenario is to run, and not the quick ones only: make soak.
func all() bool { return os.Getenv("BEAMLENS_SOAK") != "" }

func project(t *testing.T) *shop.Project {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes minutes")
	}
	erlangtest.Erl(t)
	p, err := shop.Compile(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Remove(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestScenarios(t *testing.T) {
	p := project(t)
	for _, sc := range scenario.All {
		if !sc.Quick && !all() {
			continue
		}
		t.Run(sc.Fault, func(t *testing.T) {
			result, err := scenario.Run(t.Context(), p, sc)
			for _, a := range result.Alerts {
				t.Logf("%s %s: %s; culprit %s", a.Operator, a.AnomalyType, a.Summary, a.Culprit)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("named after %s", result.Took.Round(100*time.Millisecond))
		})
	}
}

// TestControl: a healthy shop under load is left in peace.
func TestControl(t *testing.T) {
	d := 20 * time.Second
	if all() {
		d = 5 * time.Minute
	}
	if err := scenario.Control(t.Context(), project(t), d); err != nil {
		t.Fatal(err)
	}
}

func TestEveryFaultOfTheShopHasItsScenario(t *testing.T) {
	var faults []string
	for _, sc := range scenario.All {
		faults = append(faults, sc.Fault)
	}
	if !slices.Equal(faults, shop.Faults) {
		t.Errorf("scenarios for %v, the shop has %v", faults, shop.Faults)
	}
}
