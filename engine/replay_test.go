package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/recording"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/store"
)

// verdicts gives the alerts and insights of a store, as JSON.
func verdicts(t *testing.T, s store.Store) (alerts []beamlens.Alert, insights []beamlens.Insight, raw string) {
	t.Helper()
	alerts, err := s.Alerts(t.Context(), beamlens.AlertFilter{})
	if err != nil {
		t.Fatal(err)
	}
	insights, err = s.Insights(t.Context(), 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"alerts": alerts, "insights": insights})
	if err != nil {
		t.Fatal(err)
	}
	return alerts, insights, string(text)
}

// TestAReplaySaysWhatTheEngineSaid: an incident is recorded while an engine watches it; the replay comes to the same verdict, every time to the byte.
func TestAReplaySaysWhatTheEngineSaid(t *testing.T) {
	var file bytes.Buffer
	live := store.NewMemory()
	synctest.Test(t, func(t *testing.T) {
		p := &plant{}
		declared := []*skill.Skill{p.skill()}
		w, err := recording.NewWriter(&file, recording.Header{Target: target, Skills: []string{"plant"}, Began: time.Now()}, true)
		if err != nil {
			t.Fatal(err)
		}
		e, err := engine.New(engine.Options{Target: target, Skills: w.Wrap(declared), Store: live, OnSample: w.Sample})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = e.Serve(ctx)
		}()
		time.Sleep(time.Minute)
		p.set(func(p *plant) { p.filler = 5000 })
		time.Sleep(time.Minute)
		p.set(func(p *plant) { p.filler, p.queue = 0, 0 })
		time.Sleep(time.Minute)
		cancel()
		<-done
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
	rec, err := recording.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for i := range 3 {
		again := store.NewMemory()
		if _, err := engine.Replay(t.Context(), rec, engine.Options{Skills: []*skill.Skill{(&plant{}).skill()}, Store: again}); err != nil {
			t.Fatal(err)
		}
		alerts, insights, raw := verdicts(t, again)
		if i == 0 {
			first = raw
			was, saw, _ := verdicts(t, live)
			if len(was) != 2 || len(saw) != 1 {
				t.Fatalf("the engine itself had %d alerts and %d insights", len(was), len(saw))
			}
			if len(alerts) != len(was) || len(insights) != len(saw) {
				t.Fatalf("the replay has %d alerts and %d insights, the engine had %d and %d", len(alerts), len(insights), len(was), len(saw))
			}
			for j := range was {
				if a, b := was[j], alerts[j]; a.Summary != b.Summary || a.Severity != b.Severity || a.Open() != b.Open() || a.Onset.Sub(b.Onset).Abs() > time.Second {
					t.Errorf("engine %+v\nreplay %+v", a, b)
				}
			}
			if saw[0].Summary != insights[0].Summary || saw[0].Confidence != insights[0].Confidence {
				t.Errorf("engine %+v\nreplay %+v", saw[0], insights[0])
			}
		}
		if raw != first {
			t.Errorf("replay %d gives\n%s\nthe first gave\n%s", i, raw, first)
		}
	}
}

func TestAReplayOfNothing(t *testing.T) {
	if _, err := engine.Replay(t.Context(), &recording.Recording{}, engine.Options{}); err == nil {
		t.Error("no error")
	}
}
