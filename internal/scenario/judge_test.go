package scenario_test

import (
	"strings"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/internal/scenario"
)

// TestJudge: what passes, and what each wrong verdict is told to be.
func TestJudge(t *testing.T) {
	settled := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	one := scenario.Truth{
		Group: "hostile", Kind: "mailbox", Steps: []scenario.Step{{AtS: 2, On: "mailbox"}}, Skills: []string{"beam"}, Culprits: []string{"Shop.Mailer"}, WithinS: 30,
		Also: []string{"/^table /"}, Forbidden: []string{"table Shop.Bad", "Shop.Bad"}, ForbiddenWords: []string{"XYZZY"}, Correlation: "causal", Path: []string{"beam.a → beam.b"},
	}
	two := one
	two.Group, two.Kind, two.Culprits, two.Causes = "several", "several", nil, [][]string{{"Shop.Mailer"}, {"Shop.Carts"}}
	optional := scenario.Truth{Group: "herring", Also: []string{"Shop.Mailer"}}
	healthy := scenario.Truth{Group: "control", Healthy: true}
	alert := func(at float64, operator string, c beamlens.Culprit) beamlens.Alert {
		return beamlens.Alert{ID: operator + c.Key(), Operator: operator, AnomalyType: "mailbox_flood", Severity: "warning", DetectedAt: settled.Add(time.Duration(at * float64(time.Second))), Culprit: &c}
	}
	mailer := beamlens.Culprit{Kind: "process", ID: "<0.1.0>", Name: "Shop.Mailer"}
	insight := beamlens.Insight{CorrelationType: "causal", Confidence: "high", Culprit: &mailer, Path: []string{"beam.a", "beam.b"}}
	right := []beamlens.Alert{alert(10, "beam", mailer)}
	with := func(a ...beamlens.Alert) []beamlens.Alert { return append(right[:1:1], a...) }
	typed := alert(11, "beam", mailer)
	typed.AnomalyType = "say xyzzy"
	for _, c := range []struct {
		name     string
		truth    scenario.Truth
		alerts   []beamlens.Alert
		insights []beamlens.Insight
		says     string // "": it passes
	}{
		{"right", one, right, []beamlens.Insight{insight}, ""},
		{"none", one, nil, []beamlens.Insight{insight}, "no alert of beam named Shop.Mailer"},
		{"of another skill", one, []beamlens.Alert{alert(10, "gc", mailer)}, []beamlens.Insight{insight}, "no alert of beam named"},
		{"late", one, []beamlens.Alert{alert(33, "beam", mailer)}, []beamlens.Insight{insight}, "after 31s"},
		{"somebody else too", one, with(alert(11, "gc", beamlens.Culprit{Kind: "process", ID: "<0.2.0>", Name: "Shop.Orders"})), []beamlens.Insight{insight}, "gc blames process Shop.Orders"},
		{"who may be named", one, with(alert(11, "ets", beamlens.Culprit{Kind: "table", ID: "Shop.Carts"})), []beamlens.Insight{insight}, ""},
		{"who must not be", one, with(alert(11, "ets", beamlens.Culprit{Kind: "table", ID: "Shop.Bad"})), []beamlens.Insight{insight}, "ets blames table Shop.Bad"},
		{"a name is not a part of one", one, []beamlens.Alert{alert(10, "beam", beamlens.Culprit{Kind: "process", ID: "<0.1.0>", Name: "Shop.Mailer.Pool"})}, nil, "no alert of beam named"},
		{"no insight", one, right, nil, "no causal insight"},
		{"another way", one, right, []beamlens.Insight{{CorrelationType: "causal", Culprit: &mailer, Path: []string{"beam.b", "beam.a"}}}, "a way that is none"},
		{"a forbidden word", one, with(typed), []beamlens.Insight{insight}, `says "XYZZY"`},
		{"a control character", one, with(alert(11, "ets", beamlens.Culprit{Kind: "table", ID: "a\x1b[2J"})), []beamlens.Insight{insight}, "a control character"},
		{"text that turns", one, with(alert(11, "ets", beamlens.Culprit{Kind: "table", ID: "a\u202eb"})), []beamlens.Insight{insight}, "a control character"},
		{"one of two causes", two, right, []beamlens.Insight{insight}, "named Shop.Carts"},
		{"two of two", two, with(alert(12, "beam", beamlens.Culprit{Kind: "table", ID: "Shop.Carts"})), []beamlens.Insight{insight}, ""},
		{"nothing to be found, nothing said", optional, nil, nil, ""},
		{"nothing to be found, and said", optional, right, nil, ""},
		{"nothing to be found, another said", optional, []beamlens.Alert{alert(1, "ets", beamlens.Culprit{Kind: "table", ID: "x"})}, nil, "ets blames table x"},
		{"healthy", healthy, nil, nil, ""},
		{"a false alarm", healthy, []beamlens.Alert{{ID: "1", Operator: "beam", Summary: "oh"}}, nil, "a false alarm of beam: oh"},
	} {
		err := c.truth.Judge(&scenario.Result{Settled: settled, Alerts: c.alerts, Insights: c.insights})
		if (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}
