package scenario_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	shopgo "github.com/beamlens/beamlens-go/examples/shop-go"
	"github.com/beamlens/beamlens-go/internal/scenario"
)

// quickGo are the scenarios of the Go shop that run with every test.
var quickGo = []string{"go_coupon"}

func TestShopGo(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes")
	}
	only := os.Getenv("BEAMLENS_GO_SCENARIO")
	for _, sc := range truths(t) {
		if sc.Subject != "shop-go" || !slices.Contains(quickGo, sc.ID) && !all() && only == "" || only != "" && !strings.Contains(only, sc.ID) {
			continue
		}
		t.Run(sc.ID, func(t *testing.T) {
			result, err := scenario.Run(t.Context(), scenario.ShopGo(shopgo.Options{}), sc, &scenario.Options{Early: !all()})
			for _, a := range result.Alerts {
				t.Logf("%6.1f s %s %s: %s; culprit %s", a.UpdatedAt.Sub(result.Settled).Seconds(), a.Operator, a.AnomalyType, a.Summary, a.Culprit)
			}
			for _, i := range result.Insights {
				t.Logf("%6.1f s insight %s %s: %s", i.CreatedAt.Sub(result.Settled).Seconds(), i.CorrelationType, i.Confidence, i.Summary)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range result.Named {
				t.Logf("named after %s", n.Took.Round(100*time.Millisecond))
				// The bank is no line of this program.
				if at := shopgo.Line(strings.TrimPrefix(sc.ID, "go_")); at != "" && n.Alert.Culprit.ID != at {
					t.Errorf("it names %s, the line is %s", n.Alert.Culprit.ID, at)
				}
			}
		})
	}
}
