package scenario_test

import (
	"os"
	"slices"
	"strings"
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

func truths(t *testing.T) []scenario.Truth {
	t.Helper()
	all, err := scenario.All()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestShop(t *testing.T) {
	p := project(t)
	for _, sc := range truths(t) {
		if sc.Subject != "shop" || !sc.Quick && !all() {
			continue
		}
		t.Run(sc.ID, func(t *testing.T) {
			result, err := scenario.Run(t.Context(), scenario.Shop(p), sc, &scenario.Options{Early: !all()})
			for _, a := range result.Alerts {
				t.Logf("%6.1f s %s %s: %s; culprit %s", a.UpdatedAt.Sub(result.Settled).Seconds(), a.Operator, a.AnomalyType, a.Summary, a.Culprit)
			}
			for _, i := range result.Insights {
				t.Logf("%6.1f s insight %s %s: %s", i.CreatedAt.Sub(result.Settled).Seconds(), i.CorrelationType, i.Confidence, i.Summary)
			}
			for _, f := range result.Failures[:min(10, len(result.Failures))] {
				t.Logf("of %d failures: %s", len(result.Failures), f)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range result.Named {
				t.Logf("named after %s", n.Took.Round(100*time.Millisecond))
			}
		})
	}
}

// TestSuite: there are as many scenarios of each group as are promised, and none of the shop's faults is without.
func TestSuite(t *testing.T) {
	count := map[string]int{}
	broken := map[string]bool{}
	quick := 0
	for _, sc := range truths(t) {
		count[sc.Group]++
		for _, s := range sc.Steps {
			broken[s.On] = broken[s.On] || sc.Group == "fault" || sc.Group == "herring"
			if s.On != "" && sc.Subject == "shop" && !slices.Contains(shop.Faults, s.On) {
				t.Errorf("%s: the shop has no fault %s", sc.ID, s.On)
			}
		}
		if sc.Quick {
			quick++
		}
		if sc.Group == "hostile" && len(sc.ForbiddenWords) == 0 {
			t.Errorf("%s: which words must not be in a verdict?", sc.ID)
		}
	}
	sum := 0
	for group, least := range map[string]int{"fault": 18, "mild": 8, "control": 6, "herring": 6, "hostile": 8, "several": 2} {
		if count[group] < least {
			t.Errorf("%d scenarios of the group %s, %d are promised", count[group], group, least)
		}
		sum += count[group]
	}
	if sum < 45 {
		t.Errorf("%d scenarios, 45 are promised", sum)
	}
	if quick > 6 {
		t.Errorf("%d scenarios are quick: a test takes too long", quick)
	}
	for _, f := range shop.Faults {
		if !broken[f] {
			t.Errorf("no scenario has the fault %s of the shop as it is meant to be", f)
		}
	}
}

func TestParseIsStrict(t *testing.T) {
	const good = `{"id":"x","tell":"t","subject":"shop","group":"fault","load":"steady","steps":[{"at_s":0,"on":"hot"}],"record_s":40,"kind":"hot_process","skills":["beam"],"culprits":["Shop.Search"],"within_s":30}`
	if _, err := scenario.Parse("x", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, says string }{
		{`"tell":"t"`, `"tell":"t","mood":1`, "unknown field"},
		{`"id":"x"`, `"id":"y"`, "name of the file"},
		{`"hot_process"`, `"unhappy"`, "kind"},
		{`"group":"fault"`, `"group":"control"`, "control"},
		{`"record_s":40`, `"record_s":20`, "within_s"},
		{`["Shop.Search"]`, `["/(/"]`, "missing closing"},
		{`["Shop.Search"]`, `[]`, "nothing has to be found"},
		{`"on":"hot"`, `"on":"hot","off":"hot"`, "one of on"},
		{`"within_s":30}`, `"within_s":30,"path":["a → b"]}`, "path"},
		{`"within_s":30}`, `"within_s":30,"healthy":true}`, "healthy"},
		{`"within_s":30}`, `"within_s":30} {}`, "more follows"},
	} {
		if _, err := scenario.Parse("x", []byte(strings.Replace(good, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q in it", c.new, err, c.says)
		}
	}
}
