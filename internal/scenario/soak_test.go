package scenario_test

import (
	"bytes"
	"os"
	"strconv"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/internal/scenario"
	"github.com/beamlens/beamlens-go/recording"
	"github.com/beamlens/beamlens-go/skill/beam"
)

// TestHours: a healthy shop under the curve of a day is left in peace for as many minutes as BEAMLENS_SOAK_MINUTES says (make soak: 60), and then, over the
// recording of them, again and again, for eight hours with every detector as it is, and until the day is over on which statistics do not alarm yet. The
// hours are compressed by repeating, not by thinning: every second of them is sampled.
func TestHours(t *testing.T) {
	minutes, err := strconv.Atoi(os.Getenv("BEAMLENS_SOAK_MINUTES"))
	if err != nil {
		t.Skip("BEAMLENS_SOAK_MINUTES says for how long; make soak does")
	}
	var file bytes.Buffer
	sc := scenario.Truth{ID: "hours", Subject: "shop", Group: "control", Load: "day", RecordS: float64(60 * minutes), Healthy: true}
	result, wrong := scenario.Record(t.Context(), scenario.Shop(project(t)), sc, &file)
	t.Logf("%d minutes, %d alerts, %d KB recorded", minutes, len(result.Alerts), file.Len()>>10)
	if path := os.Getenv("BEAMLENS_SOAK_FILE"); path != "" {
		if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
			t.Error(err)
		}
	}
	if wrong != nil {
		t.Fatal(wrong)
	}
	rec, err := recording.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	quiet(t, rec, 8*time.Hour)
	quiet(t, rec, 30*time.Hour)
}

// quiet replays a recording for so long; any alert is an error.
func quiet(t *testing.T, rec *recording.Recording, long time.Duration) {
	t.Helper()
	began := time.Now()
	n := 0
	_, err := engine.Replay(t.Context(), rec.Repeat(long), engine.Options{Skills: beam.All(nil), OnEvent: func(ev beamlens.Event) {
		if ev.Name == beamlens.EventAlertFired {
			n++
			t.Errorf("%s after %s: a false alarm of %s: %s", long, ev.At.Sub(rec.Began), ev.Alert.Operator, ev.Alert.Summary)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, replayed in %s: %d alerts", long, time.Since(began).Round(time.Second), n)
}
