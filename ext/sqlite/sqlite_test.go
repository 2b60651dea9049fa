package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/ext/sqlite"
	"github.com/beamlens/beamlens-go/store"
	"github.com/beamlens/beamlens-go/store/storetest"
)

func open(t *testing.T, path string) *store.SQL {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) (store.Store, func() store.Store) {
		path := filepath.Join(t.TempDir(), "a b?#%.db")
		s := open(t, path)
		return s, func() store.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, path)
		}
	})
}

// TestKill writes from a process that is killed, and finds everything that it had been told was written.
func TestKill(t *testing.T) {
	path := os.Getenv("BEAMLENS_TEST_WRITE")
	if path != "" {
		writeForever(path)
	}
	path = filepath.Join(t.TempDir(), "beamlens.db")
	const kills = 200
	for round := range kills {
		acknowledged := writeAndKill(t, path, round)
		s := open(t, path)
		for _, id := range acknowledged {
			if _, err := s.Alert(t.Context(), id); err != nil {
				t.Errorf("round %d: acknowledged and lost: %v", round, err)
			}
		}
		insights, err := s.Insights(t.Context(), len(acknowledged)+1, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range acknowledged {
			if !slices.ContainsFunc(insights, func(i beamlens.Insight) bool { return i.ID == id }) {
				t.Errorf("round %d: the insight %s was acknowledged and is lost", round, id)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func writeForever(path string) {
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		panic(err)
	}
	for {
		id := beamlens.NewID()
		if err := s.PutAlert(context.Background(), beamlens.Alert{ID: id}); err != nil {
			panic(err)
		}
		if err := s.PutInsight(context.Background(), beamlens.Insight{ID: id, CreatedAt: time.Now()}); err != nil {
			panic(err)
		}
		fmt.Println(id)
	}
}

func writeAndKill(t *testing.T, path string, round int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "BEAMLENS_TEST_WRITE="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	lines := bufio.NewScanner(out)
	for len(ids) < 1+round%17 && lines.Scan() {
		ids = append(ids, lines.Text())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// What it had told before it died, and nobody had read yet, was acknowledged too.
	for lines.Scan() {
		ids = append(ids, lines.Text())
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	if len(ids) == 0 {
		t.Fatal("the writer wrote nothing")
	}
	return ids
}

func TestNewerSchemaIsRefusedAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "beamlens.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO schema_version (version) VALUES (99)`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	_, err = sqlite.Open(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), "newer BeamLens") {
		t.Errorf("got %v", err)
	}
}

func TestPruneRemovesTheOldAndTheTooMuch(t *testing.T) {
	ctx := t.Context()
	s := open(t, filepath.Join(t.TempDir(), "beamlens.db"))
	old := time.Now().Add(-1000 * 24 * time.Hour)
	put := func(id string, at time.Time) {
		t.Helper()
		if err := s.PutSnapshot(ctx, beamlens.Snapshot{ID: id, CapturedAt: at, Data: map[string]any{"x": strings.Repeat("x", 1000)}}); err != nil {
			t.Fatal(err)
		}
	}
	put("old", old)
	put("young", time.Now())
	lasting := beamlens.Alert{ID: "lasting", UpdatedAt: old}
	cleared := beamlens.Alert{ID: "cleared", UpdatedAt: old, ClearedAt: &old}
	for _, a := range []beamlens.Alert{lasting, cleared} {
		if err := s.PutAlert(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Prune(ctx, store.Retention{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Snapshot(ctx, "old"); err == nil {
		t.Error("an old snapshot is still there")
	}
	if _, err := s.Snapshot(ctx, "young"); err != nil {
		t.Error(err)
	}
	if _, err := s.Alert(ctx, "cleared"); err == nil {
		t.Error("an old cleared alert is still there")
	}
	if _, err := s.Alert(ctx, "lasting"); err != nil {
		t.Error("an alert that lasts was removed")
	}
	for n := range 3000 {
		put(fmt.Sprint(n), time.Now())
	}
	if err := s.Prune(ctx, store.Retention{Bytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Snapshot(ctx, "0"); err == nil {
		t.Error("the store is over its size and still has its oldest snapshot")
	}
	if _, err := s.Snapshot(ctx, "2999"); err != nil {
		t.Error("the newest snapshot was removed")
	}
}

// TestOldFilesOpen: a file of each schema that was ever released opens, is brought up to date and keeps what is in it.
func TestOldFilesOpen(t *testing.T) {
	steps, err := filepath.Glob("../../store/schema/*.sql")
	if err != nil || len(steps) < 3 {
		t.Fatalf("%d schema steps, %v", len(steps), err)
	}
	for version := 1; version <= len(steps); version++ {
		path := filepath.Join(t.TempDir(), "beamlens.db")
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		exec := func(statement string, args ...any) {
			t.Helper()
			if _, err := db.Exec(statement, args...); err != nil {
				t.Fatalf("version %d: %v", version, err)
			}
		}
		exec(`CREATE TABLE schema_version (version INTEGER NOT NULL)`)
		for n, step := range steps[:version] {
			text, err := os.ReadFile(step)
			if err != nil {
				t.Fatal(err)
			}
			exec(string(text))
			exec(`INSERT INTO schema_version (version) VALUES (?)`, n+1)
		}
		exec(`INSERT INTO alerts (id, seq, target, operator, status, severity, detected_at, updated_at, body) VALUES ('a1', 1, 'beam x', 'beam', 'unread', 'warning', 1, 1, '{"id":"a1","summary":"old"}')`)
		exec(`UPDATE sequence SET n = 1`)
		exec(`INSERT INTO journal (run, n, at, body) VALUES ('r1', 0, 1, '{}')`)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		s := open(t, path)
		if a, err := s.Alert(t.Context(), "a1"); err != nil || a.Summary != "old" {
			t.Errorf("version %d: %+v, %v", version, a, err)
		}
		if runs, err := s.Runs(t.Context(), "", 10); err != nil || len(runs) != 1 {
			t.Errorf("version %d: %v, %v", version, runs, err)
		}
		if err := s.PutBaselines(t.Context(), "s", map[string][]byte{"m": {1}}); err != nil {
			t.Errorf("version %d: what came later is missing: %v", version, err)
		}
		if err := s.PutCall(t.Context(), "c", time.Now(), []byte(`{}`)); err != nil {
			t.Errorf("version %d: what came later is missing: %v", version, err)
		}
	}
}
