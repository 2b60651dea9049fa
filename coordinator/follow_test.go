package coordinator

import (
	"strings"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// TestWhatBecomesOfAnInsight: it is confirmed when the cause ends and its effects end after it, and withdrawn when they stay or come back without it.
func TestWhatBecomesOfAnInsight(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	alert := func(id, kind string, detected, cleared int) beamlens.Alert {
		a := beamlens.Alert{ID: id, Operator: "beam", AnomalyType: kind, DetectedAt: at(detected)}
		if cleared > 0 {
			c := at(cleared)
			a.ClearedAt = &c
		}
		return a
	}
	confirmed := &beamlens.Outcome{Verdict: beamlens.Confirmed, At: at(130)}
	for _, c := range []struct {
		name          string
		cause, effect int // when they cleared, 0: not
		was           *beamlens.Outcome
		later         []beamlens.Alert
		now           int
		want          beamlens.Verdict
		why           string
	}{
		{"all lasts", 0, 0, nil, nil, 3600, "", ""},
		{"the cause ended, the effect works off its backlog", 100, 0, nil, nil, 400, "", ""},
		{"the cause ended, and the effect after it", 100, 120, nil, nil, 130, beamlens.Confirmed, "mailbox_flood ended, and memory_growth after it, within 20s"},
		{"ended together, noticed in the other order", 100, 95, nil, nil, 130, beamlens.Confirmed, "within 0s"},
		{"the effect ended long before", 200, 100, nil, nil, 300, "", ""},
		{"the effect lasts without the cause", 100, 0, nil, nil, 701, beamlens.Withdrawn, "memory_growth still lasts 10m1s after mailbox_flood has ended"},
		{"confirmed, and quiet since", 100, 120, confirmed, nil, 3600, "", ""},
		{"the effect is back alone", 100, 120, confirmed, []beamlens.Alert{alert("n", "memory_growth", 500, 0)}, 600, beamlens.Withdrawn, "memory_growth is back, and mailbox_flood is not"},
		{"the effect is back, and the cause may follow", 100, 120, confirmed, []beamlens.Alert{alert("n", "memory_growth", 500, 0)}, 530, "", ""},
		{"both are back", 100, 120, confirmed, []beamlens.Alert{alert("n", "memory_growth", 500, 0), alert("o", "mailbox_flood", 510, 0)}, 600, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			alerts := []beamlens.Alert{alert("c", "mailbox_flood", 0, c.cause), alert("e", "memory_growth", 5, c.effect)}
			got := outcomeOf(beamlens.Insight{CauseAlertID: "c", Outcome: c.was}, alerts, append(c.later, alerts...), at(c.now))
			switch {
			case got == nil && c.want == "":
			case got == nil || got.Verdict != c.want || !strings.Contains(got.Why, c.why):
				t.Errorf("got %+v, want %s %q", got, c.want, c.why)
			}
		})
	}
}
