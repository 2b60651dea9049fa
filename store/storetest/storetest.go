// Package storetest is the contract of a store, run against every implementation.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/store"
)

// Run runs the contract. open returns an empty store; reopen, which may be nil, returns what is there after a restart.
func Run(t *testing.T, open func(t *testing.T) (s store.Store, reopen func() store.Store)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"alert round trip", alertRoundTrip},
		{"unknown ids", unknownIDs},
		{"filters", filters},
		{"cursor follows writes", cursorFollows},
		{"updates do not overwrite each other", concurrentUpdates},
		{"journal takes the next entry only", journalFences},
		{"runs are listed", runs},
		{"calls", calls},
		{"snapshots", snapshots},
		{"insights", insights},
		{"cursors", cursors},
		{"baselines", baselines},
		{"prune keeps what is young", pruneKeeps},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := open(t)
			c.test(t, s)
		})
	}
	t.Run("restart", func(t *testing.T) {
		s, reopen := open(t)
		if reopen == nil {
			t.Skip("this store does not outlive its program")
		}
		restart(t, s, reopen)
	})
}

var target = beamlens.Target{Kind: "beam", Name: "shop@host"}

// alert returns an alert with every field set.
func alert(n int) beamlens.Alert {
	at := time.Date(2026, 1, 2, 3, 4, n, 5000, time.UTC)
	return beamlens.Alert{
		ID: fmt.Sprintf("%016x", n), Target: target, Node: "shop@host", Operator: "beam", AnomalyType: "mailbox_flood", Severity: beamlens.SeverityWarning,
		Status: beamlens.Unread, Summary: "many messages \x00 <b>ü", Context: "c", Observation: "o", Hypothesis: "h",
		Culprit:   &beamlens.Culprit{Kind: "process", ID: "<0.1.0>", Name: "Shop.Mailer", Facts: map[string]any{"message_queue": 1e6}},
		Snapshots: []beamlens.Snapshot{{ID: fmt.Sprintf("%016x", n+1000), Skill: "beam", Target: target, CapturedAt: at, Data: map[string]any{"x": 1.5, "name": "a"}}},
		Findings:  []beamlens.Finding{{ID: "f", Target: target, Skill: "beam", Metric: "message_queue_max", Kind: beamlens.FindingRule, Tier: beamlens.TierAlert, Value: 1, At: at, Onset: at, Uncertainty: time.Second}},
		Evidence:  []beamlens.Evidence{{Title: "beam_top_processes(5)", At: at, Data: []any{"a"}}},
		TraceID:   "t", Onset: at, DetectedAt: at, UpdatedAt: at, Count: 1,
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func alertRoundTrip(t *testing.T, s store.Store) {
	ctx := t.Context()
	a := alert(1)
	must(t, s.PutAlert(ctx, a))
	got, err := s.Alert(ctx, a.ID)
	must(t, err)
	if !reflect.DeepEqual(got, a) {
		t.Errorf("got %+v\nwant %+v", got, a)
	}
	a.Summary = "changed"
	must(t, s.PutAlert(ctx, a))
	if got, err = s.Alert(ctx, a.ID); err != nil || got.Summary != "changed" {
		t.Errorf("after a second put: %q, %v", got.Summary, err)
	}
}

func unknownIDs(t *testing.T, s store.Store) {
	ctx := t.Context()
	if _, err := s.Alert(ctx, "none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Alert: %v", err)
	}
	if _, err := s.Snapshot(ctx, "none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Snapshot: %v", err)
	}
	if _, err := s.UpdateAlert(ctx, "none", func(*beamlens.Alert) { t.Error("called") }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("UpdateAlert: %v", err)
	}
	if entries, err := s.Entries(ctx, "none"); err != nil || len(entries) != 0 {
		t.Errorf("Entries: %v, %v", entries, err)
	}
}

func runs(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i, run := range []string{"aa1", "ab2", "ab3"} {
		for n := range i + 1 {
			ok, err := s.Append(ctx, run, n, []byte(`{}`))
			if err != nil || !ok {
				t.Fatalf("append: %v, %v", ok, err)
			}
		}
	}
	for _, c := range []struct {
		prefix string
		limit  int
		want   string
	}{{"", 10, "ab3/3 ab2/2 aa1/1"}, {"ab", 10, "ab3/3 ab2/2"}, {"ab2", 10, "ab2/2"}, {"", 1, "ab3/3"}, {"x", 10, ""}, {"%", 10, ""}} {
		list, err := s.Runs(ctx, c.prefix, c.limit)
		must(t, err)
		var got []string
		for _, r := range list {
			got = append(got, fmt.Sprintf("%s/%d", r.ID, r.Entries))
			if d := time.Since(r.Began); d < 0 || d > time.Minute {
				t.Errorf("run %s began %s ago", r.ID, d)
			}
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("prefix %q: %q, want %q", c.prefix, g, c.want)
		}
	}
}

func calls(t *testing.T, s store.Store) {
	ctx := t.Context()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	must(t, s.PutCall(ctx, "b", at.Add(time.Hour), []byte(`{"n":2}`)))
	must(t, s.PutCall(ctx, "a", at, []byte(`{"n":1}`)))
	must(t, s.PutCall(ctx, "b", at.Add(time.Hour), []byte(`{"n":3}`)))
	for _, c := range []struct {
		since time.Time
		want  string
	}{{time.Time{}, `{"n":1} {"n":3}`}, {at, `{"n":1} {"n":3}`}, {at.Add(time.Second), `{"n":3}`}, {at.Add(2 * time.Hour), ""}} {
		list, err := s.CallsSince(ctx, c.since)
		must(t, err)
		if got := string(bytes.Join(list, []byte(" "))); got != c.want {
			t.Errorf("since %s: %s, want %s", c.since, got, c.want)
		}
	}
}

func ids(alerts []beamlens.Alert) []string {
	out := []string{}
	for _, a := range alerts {
		out = append(out, a.ID)
	}
	return out
}

func filters(t *testing.T, s store.Store) {
	ctx := t.Context()
	now := time.Now().UTC()
	for n, change := range []func(*beamlens.Alert){
		func(*beamlens.Alert) {},
		func(a *beamlens.Alert) { a.Operator = "ets" },
		func(a *beamlens.Alert) { a.Status = beamlens.Resolved },
		func(a *beamlens.Alert) { a.ClearedAt = &now },
		func(a *beamlens.Alert) { a.Target.Name = "other@host" },
		func(a *beamlens.Alert) { a.UpdatedAt = now },
	} {
		a := alert(n)
		change(&a)
		must(t, s.PutAlert(ctx, a))
	}
	name := func(n ...int) []string {
		out := []string{}
		for _, i := range n {
			out = append(out, alert(i).ID)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		filter beamlens.AlertFilter
		want   []string
	}{
		{"all, newest first", beamlens.AlertFilter{}, name(5, 4, 3, 2, 1, 0)},
		{"operator", beamlens.AlertFilter{Operator: "ets"}, name(1)},
		{"status", beamlens.AlertFilter{Status: beamlens.Resolved}, name(2)},
		{"open", beamlens.AlertFilter{Open: true}, name(5, 4, 2, 1, 0)},
		{"target", beamlens.AlertFilter{Target: target}, name(5, 3, 2, 1, 0)},
		{"since", beamlens.AlertFilter{Since: now.Add(-time.Minute)}, name(5)},
		{"limit and offset", beamlens.AlertFilter{Limit: 2, Offset: 1}, name(4, 3)},
		{"offset past the end", beamlens.AlertFilter{Offset: 9}, name()},
	} {
		got, err := s.Alerts(ctx, c.filter)
		must(t, err)
		if !reflect.DeepEqual(ids(got), c.want) {
			t.Errorf("%s: got %v, want %v", c.name, ids(got), c.want)
		}
	}
}

func cursorFollows(t *testing.T, s store.Store) {
	ctx := t.Context()
	for n := range 3 {
		must(t, s.PutAlert(ctx, alert(n)))
	}
	got, seq, err := s.AlertsAfter(ctx, 0, 2)
	must(t, err)
	if want := []string{alert(0).ID, alert(1).ID}; !reflect.DeepEqual(ids(got), want) {
		t.Fatalf("got %v, want %v", ids(got), want)
	}
	if _, err := s.UpdateAlert(ctx, alert(0).ID, func(a *beamlens.Alert) { a.Count = 2 }); err != nil {
		t.Fatal(err)
	}
	got, last, err := s.AlertsAfter(ctx, seq, 0)
	must(t, err)
	if want := []string{alert(2).ID, alert(0).ID}; !reflect.DeepEqual(ids(got), want) {
		t.Errorf("an updated alert comes again, after what was new: got %v, want %v", ids(got), want)
	}
	got, again, err := s.AlertsAfter(ctx, last, 0)
	must(t, err)
	if len(got) != 0 || again != last {
		t.Errorf("at the end: %v, %d; want nothing and %d", ids(got), again, last)
	}
}

func concurrentUpdates(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, s.PutAlert(ctx, alert(1)))
	const n = 20
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := s.UpdateAlert(ctx, alert(1).ID, func(a *beamlens.Alert) { a.Count++ }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := s.Alert(ctx, alert(1).ID)
	must(t, err)
	if got.Count != n+1 {
		t.Errorf("count %d, want %d", got.Count, n+1)
	}
}

func journalFences(t *testing.T, s store.Store) {
	ctx := t.Context()
	for n := range 3 {
		if ok, err := s.Append(ctx, "run", n, []byte(fmt.Sprintf(`{"n":%d}`, n))); !ok || err != nil {
			t.Fatalf("append %d: %v, %v", n, ok, err)
		}
	}
	for _, n := range []int{0, 2, 4} {
		if ok, err := s.Append(ctx, "run", n, []byte(`{}`)); ok || err != nil {
			t.Errorf("append of %d when 3 is next: %v, %v", n, ok, err)
		}
	}
	entries, err := s.Entries(ctx, "run")
	must(t, err)
	if len(entries) != 3 || string(entries[2]) != `{"n":2}` {
		t.Errorf("entries %q", entries)
	}
	// Of many who want the same place, one gets it.
	won := make(chan bool, 10)
	var wg sync.WaitGroup
	for range cap(won) {
		wg.Go(func() {
			ok, err := s.Append(ctx, "run", 3, []byte(`{}`))
			if err != nil {
				t.Error(err)
			}
			won <- ok
		})
	}
	wg.Wait()
	close(won)
	winners := 0
	for ok := range won {
		if ok {
			winners++
		}
	}
	if winners != 1 {
		t.Errorf("%d appends got place 3", winners)
	}
}

func snapshots(t *testing.T, s store.Store) {
	ctx := t.Context()
	for n := range 3 {
		snap := alert(n).Snapshots[0]
		if n == 2 {
			snap.Skill = "ets"
		}
		must(t, s.PutSnapshot(ctx, snap))
	}
	want := alert(1).Snapshots[0]
	got, err := s.Snapshot(ctx, want.ID)
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	list, err := s.Snapshots(ctx, beamlens.SnapshotFilter{Skill: "beam", Target: target})
	must(t, err)
	if len(list) != 2 || list[0].ID != want.ID {
		t.Errorf("got %d snapshots, newest %s", len(list), list[0].ID)
	}
}

func insights(t *testing.T, s store.Store) {
	ctx := t.Context()
	for n := range 3 {
		must(t, s.PutInsight(ctx, insight(n)))
	}
	got, err := s.Insights(ctx, 2, 0)
	must(t, err)
	if len(got) != 2 || !reflect.DeepEqual(got[0], insight(2)) {
		t.Errorf("got %+v", got)
	}
	known := insight(1)
	known.Outcome = &beamlens.Outcome{Verdict: beamlens.Confirmed, Why: "w", At: known.CreatedAt}
	must(t, s.PutInsight(ctx, known))
	got, err = s.Insights(ctx, 10, 0)
	must(t, err)
	if len(got) != 3 || !reflect.DeepEqual(got[1], known) {
		t.Errorf("an insight that was put again: %+v", got)
	}
	judged := known
	judged.Feedback = &beamlens.Feedback{Right: true, By: "ann", At: known.CreatedAt}
	must(t, s.PutInsight(ctx, judged))
	must(t, s.PutInsight(ctx, known)) // as the coordinator has it, which knows nothing of ann
	if got, err = s.Insights(ctx, 10, 0); err != nil || !reflect.DeepEqual(got[1], judged) {
		t.Errorf("what a person said of an insight is gone: %+v", got[1])
	}
}

func insight(n int) beamlens.Insight {
	return beamlens.Insight{
		ID: fmt.Sprintf("%016x", n), Target: target, AlertIDs: []string{"a", "b"}, CorrelationType: beamlens.Causal, Summary: "s", RootCauseHypothesis: "r",
		Confidence: beamlens.High, CreatedAt: time.Date(2026, 1, 2, 3, 4, n, 0, time.UTC), Culprit: alert(n).Culprit, Path: []string{"a.b", "a.c"},
		Evidence: []string{"e"}, Alternatives: []string{"x"}, Gaps: []string{"g"}, TraceID: "t",
	}
}

func cursors(t *testing.T, s store.Store) {
	ctx := t.Context()
	if pos, err := s.Cursor(ctx, "c"); pos != 0 || err != nil {
		t.Errorf("unset cursor: %d, %v", pos, err)
	}
	must(t, s.SetCursor(ctx, "c", 7))
	must(t, s.SetCursor(ctx, "c", 9))
	if pos, err := s.Cursor(ctx, "c"); pos != 9 || err != nil {
		t.Errorf("cursor: %d, %v", pos, err)
	}
}

func baselines(t *testing.T, s store.Store) {
	ctx := t.Context()
	if got, err := s.Baselines(ctx, "a"); len(got) != 0 || err != nil {
		t.Errorf("before anything was learnt: %v, %v", got, err)
	}
	must(t, s.PutBaselines(ctx, "a", map[string][]byte{"x": {1}, "y": {2, 0, 255}}))
	must(t, s.PutBaselines(ctx, "a", map[string][]byte{"x": {3}}))
	must(t, s.PutBaselines(ctx, "b", map[string][]byte{"x": {4}}))
	got, err := s.Baselines(ctx, "a")
	must(t, err)
	if want := map[string][]byte{"x": {3}, "y": {2, 0, 255}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func pruneKeeps(t *testing.T, s store.Store) {
	ctx := t.Context()
	young := alert(1)
	young.DetectedAt, young.UpdatedAt = time.Now().UTC(), time.Now().UTC()
	must(t, s.PutAlert(ctx, young))
	snap := young.Snapshots[0]
	snap.CapturedAt = time.Now().UTC()
	must(t, s.PutSnapshot(ctx, snap))
	if _, err := s.Append(ctx, "run", 0, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	must(t, s.Prune(ctx, store.Retention{}))
	if _, err := s.Alert(ctx, young.ID); err != nil {
		t.Error(err)
	}
	if _, err := s.Snapshot(ctx, snap.ID); err != nil {
		t.Error(err)
	}
	if e, err := s.Entries(ctx, "run"); err != nil || len(e) != 1 {
		t.Errorf("%d entries, %v", len(e), err)
	}
}

func restart(t *testing.T, s store.Store, reopen func() store.Store) {
	ctx := context.Background()
	must(t, s.PutAlert(ctx, alert(1)))
	must(t, s.SetCursor(ctx, "c", 1))
	if _, err := s.Append(ctx, "run", 0, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	must(t, s.PutCall(ctx, "c", time.Unix(5, 0), []byte(`{}`)))
	s = reopen()
	if got, err := s.CallsSince(ctx, time.Time{}); err != nil || len(got) != 1 {
		t.Errorf("calls after restart: %s, %v", got, err)
	}
	if got, err := s.Alert(ctx, alert(1).ID); err != nil || !reflect.DeepEqual(got, alert(1)) {
		t.Errorf("alert after restart: %+v, %v", got, err)
	}
	if pos, err := s.Cursor(ctx, "c"); pos != 1 || err != nil {
		t.Errorf("cursor after restart: %d, %v", pos, err)
	}
	if ok, err := s.Append(ctx, "run", 0, []byte(`{}`)); ok || err != nil {
		t.Errorf("the journal forgot that place 0 is taken: %v", err)
	}
	must(t, s.PutAlert(ctx, alert(2)))
	got, _, err := s.AlertsAfter(ctx, 1, 0)
	must(t, err)
	if len(got) != 1 || got[0].ID != alert(2).ID {
		t.Errorf("sequence numbers began anew after restart: %v", ids(got))
	}
}
