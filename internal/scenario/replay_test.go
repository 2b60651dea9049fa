package scenario_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/internal/scenario"
	"github.com/beamlens/beamlens-go/recording"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/store"
)

var update = flag.Bool("update", false, "write the golden verdicts anew")

// TestSameRecordingSameVerdict replays every recorded scenario twice.
func TestSameRecordingSameVerdict(t *testing.T) {
	if testing.Short() {
		t.Skip("TestScorecard goes through the same code once; under the race detector that is enough")
	}
	n := 0
	for _, sc := range truths(t) {
		rec, err := scenario.Recorded(sc.ID)
		if errors.Is(err, scenario.ErrNotRecorded) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
		if sc.Subject == "shop" {
			verdict(t, rec)
		}
		var first []byte
		for i := range 2 {
			result, _ := scenario.Replay(t.Context(), sc, rec, nil)
			raw, err := json.Marshal(result)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = raw
			} else if !bytes.Equal(raw, first) {
				t.Errorf("%s: two verdicts of one recording:\n%.2000s\n%.2000s", sc.ID, first, raw)
			}
		}
	}
	if n == 0 {
		t.Error("there are no recordings")
	}
}

// TestRecordedIncidents replays what lies in testdata, and compares with what was said then. A recording becomes a test by being put there:
// go test ./internal/scenario -run TestRecordedIncidents -update
func TestRecordedIncidents(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jsonl.gz")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings in testdata", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rec, err := recording.Read(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			got := verdict(t, rec)
			golden := strings.TrimSuffix(file, ".jsonl.gz") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("it says now\n%s\nit said\n%s", got, want)
			}
		})
	}
}

// verdict is what an engine says of a recording, for people who compare.
// grounded fails when a sentence is dropped: what the analyst says passes the check of claims as it is.
func grounded(t *testing.T) func(beamlens.Event) {
	return func(ev beamlens.Event) {
		if ev.Name == beamlens.EventUngrounded {
			t.Errorf("the analyst said what was not read: %v", ev.Fields)
		}
	}
}

func verdict(t *testing.T, rec *recording.Recording) string {
	t.Helper()
	kept := store.NewMemory()
	e, err := engine.Replay(t.Context(), rec, engine.Options{Skills: beam.All(nil), Store: kept, OnEvent: grounded(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Ask(t.Context(), "why is it slow?"); err != nil {
		t.Error(err)
	}
	alerts, err := kept.Alerts(t.Context(), beamlens.AlertFilter{})
	if err != nil {
		t.Fatal(err)
	}
	insights, err := kept.Insights(t.Context(), 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := len(alerts) - 1; i >= 0; i-- {
		a := alerts[i]
		fmt.Fprintf(&b, "%s %s %s %s, onset %s, %s\n  %s\n", a.DetectedAt.Format(time.TimeOnly), a.Operator, a.AnomalyType, a.Severity, a.Onset.Format(time.TimeOnly), a.Culprit, a.Summary)
	}
	for i := len(insights) - 1; i >= 0; i-- {
		n := insights[i]
		fmt.Fprintf(&b, "%s insight %s %.2f, %s\n  %s\n", n.CreatedAt.Format(time.TimeOnly), n.CorrelationType, n.Probability, n.Culprit, n.Summary)
		for _, l := range n.Evidence {
			fmt.Fprintf(&b, "  because %s\n", l)
		}
	}
	return b.String()
}

// TestScorecard: over the recordings, the analyst keeps what is promised.
func TestScorecard(t *testing.T) {
	var scores []scenario.Score
	for _, sc := range truths(t) {
		rec, err := scenario.Recorded(sc.ID)
		if errors.Is(err, scenario.ErrNotRecorded) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		result, wrong := scenario.Replay(t.Context(), sc, rec, nil)
		scores = append(scores, sc.Score(&result, wrong))
	}
	if len(scores) < 40 {
		t.Skipf("only %d scenarios are recorded", len(scores))
	}
	card := scenario.Sum("the analyst", scores, 0, 0)
	var text strings.Builder
	card.Print(&text)
	t.Log("\n" + text.String())
	for _, c := range []struct {
		what string
		ok   bool
	}{
		{"95 % of the faults are found in time", card.Detected >= 0.95},
		{"half of the hard ones within 10 s", card.Hard <= 10},
		{"the culprit is first in 85 %", card.Top1 >= 0.85},
		{"and among the first three in 95 %", card.Top3 >= 0.95},
		{"the path is true in 80 %", card.Grounded >= 0.8},
		{"nothing is invented on a control", card.Invented == 0},
		{"no false alarm", card.FalseAlarms == 0},
		{"at most 2 % are confidently wrong", card.ConfidentlyWrong <= 0.02},
	} {
		if !c.ok {
			t.Errorf("not so: %s", c.what)
		}
	}
}
