package cluster_test

import (
	"errors"
	"os"
	"testing"

	"github.com/beamlens/beamlens-go/ext/postgres/cluster"
	"github.com/beamlens/beamlens-go/internal/scenario"
)

// TestScenarios runs those whose subject is a database: all of them when everything is run, else one.
func TestScenarios(t *testing.T) {
	truths, err := scenario.All()
	if err != nil {
		t.Fatal(err)
	}
	all := os.Getenv("BEAMLENS_SOAK") != ""
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	for _, sc := range truths {
		if sc.Subject != "postgres" || !sc.Quick && !all {
			continue
		}
		t.Run(sc.ID, func(t *testing.T) {
			result, err := scenario.Run(t.Context(), cluster.Subject, sc, &scenario.Options{Early: !all})
			if errors.Is(err, cluster.ErrNotInstalled) && os.Getenv("BEAMLENS_NEED_ERLANG") == "" {
				t.Skip(err)
			}
			for _, a := range result.Alerts {
				t.Logf("%6.1f s %s %s: %s; culprit %s", a.UpdatedAt.Sub(result.Settled).Seconds(), a.Operator, a.AnomalyType, a.Summary, a.Culprit)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range result.Named {
				t.Logf("named after %s", n.Took)
			}
		})
	}
}
