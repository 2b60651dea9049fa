package recording_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/recording"
	"github.com/beamlens/beamlens-go/skill"
)

var (
	began  = time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	target = beamlens.Target{Kind: "beam", Name: "shop@host"}
	header = recording.Header{Target: target, Skills: []string{"beam"}, Began: began}
)

func at(s float64) time.Time { return began.Add(time.Duration(s * float64(time.Second))) }

func written(t *testing.T, compress bool, write func(*recording.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := recording.NewWriter(&b, header, compress)
	if err != nil {
		t.Fatal(err)
	}
	write(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	first := map[string]any{"n": int64(5), "f": 5.0, "small": 1e-9, "text": "<0.1.0> \x1b[31m\"", "none": nil, "yes": true, "rows": []any{map[string]any{"a": int64(1 << 60)}}}
	second := map[string]any{"n": int64(6), "f": 5.0, "new": int64(1)}
	for _, compress := range []bool{false, true} {
		raw := written(t, compress, func(w *recording.Writer) {
			w.Sample(beamlens.Snapshot{Skill: "beam", CapturedAt: at(1), Data: first})
			w.Mark(at(1.5), "on mailbox")
			w.Call(at(1.6), "beam_top", []any{int64(5), 5.0, nil}, map[string]any{"x": math.NaN(), "y": 2.0}, nil)
			w.Call(at(1.7), "beam_top", nil, nil, errors.New("gone"))
			w.Sample(beamlens.Snapshot{Skill: "beam", CapturedAt: at(2), Data: second})
		})
		rec, err := recording.Read(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if len(rec.Samples) != 2 || !reflect.DeepEqual(rec.Samples[0].Data, first) || !reflect.DeepEqual(rec.Samples[1].Data, second) {
			t.Errorf("samples %#v", rec.Samples)
		}
		if !rec.Samples[1].CapturedAt.Equal(at(2)) || rec.Samples[0].Target != target {
			t.Errorf("sample %+v", rec.Samples[1])
		}
		want := []recording.Call{
			{At: at(1.6), Name: "beam_top", Args: "[5,5.0,null]", Result: map[string]any{"x": nil, "y": 2.0}},
			{At: at(1.7), Name: "beam_top", Args: "[]", Err: "gone"},
		}
		if !reflect.DeepEqual(rec.Calls, want) {
			t.Errorf("calls %#v", rec.Calls)
		}
		if len(rec.Marks) != 1 || rec.Marks[0].Text != "on mailbox" {
			t.Errorf("marks %+v", rec.Marks)
		}
	}
}

func TestAnswersAreThoseNearestInTime(t *testing.T) {
	raw := written(t, false, func(w *recording.Writer) {
		for i := range 3 {
			s := float64(10 * i)
			w.Sample(beamlens.Snapshot{Skill: "beam", CapturedAt: at(s), Data: map[string]any{"n": int64(i)}})
			w.Call(at(s), "beam_who", []any{int64(1)}, []any{int64(i)}, nil)
		}
		w.Call(at(30), "beam_gone", nil, nil, errors.New("it has ended"))
	})
	rec, err := recording.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	callback := func(name string) skill.Callback { return skill.Callback{Name: name, Doc: "d", Example: name + "(1)"} }
	now := at(0)
	skills := rec.Answering([]*skill.Skill{{ID: "other"}, {ID: "beam", Callbacks: []skill.Callback{callback("beam_who"), callback("beam_gone"), callback("beam_never")}}}, func() time.Time { return now })
	if len(skills) != 1 || skills[0].ID != "beam" {
		t.Fatalf("skills %+v", skills)
	}
	call := func(i int, args ...any) (any, error) { return skills[0].Callbacks[i].Call(t.Context(), args) }
	for _, c := range []struct {
		at       float64
		snapshot int64
		who      int64
	}{{0, 0, 0}, {4, 0, 0}, {6, 0, 1}, {12, 1, 1}, {99, 2, 2}} {
		now = at(c.at)
		data, err := skills[0].Snapshot(t.Context())
		if err != nil || data["n"] != c.snapshot {
			t.Errorf("at %g: snapshot %v %v", c.at, data, err)
		}
		got, err := call(0, int64(1))
		if err != nil || !reflect.DeepEqual(got, []any{c.who}) {
			t.Errorf("at %g: %v %v", c.at, got, err)
		}
		got.([]any)[0] = "spoilt" // by a program: the recording stays as it is
	}
	for name, says := range map[string]func() (any, error){
		"no answer of beam_who to these arguments, but 3": func() (any, error) { return call(0, int64(2)) },
		"it has ended":             func() (any, error) { return call(1) },
		"no answer of beam_never":  func() (any, error) { return call(2) },
		"no snapshot of beam befo": func() (any, error) { now = at(-1); return skills[0].Snapshot(t.Context()) },
	} {
		if _, err := says(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}

func TestWrapRecordsCalls(t *testing.T) {
	raw := written(t, false, func(w *recording.Writer) {
		s := w.Wrap([]*skill.Skill{{ID: "beam", Callbacks: []skill.Callback{{Name: "beam_x", Call: func(_ context.Context, args []any) (any, error) { return args, nil }}}}})[0]
		if _, err := s.Callbacks[0].Call(t.Context(), []any{"a"}); err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = s.Callbacks[0].Call(gone, []any{"b"}) // nobody waited for it: it is no answer
	})
	rec, err := recording.Read(bytes.NewReader(raw))
	if err != nil || len(rec.Calls) != 1 || rec.Calls[0].Args != `["a"]` {
		t.Errorf("%+v %v", rec, err)
	}
}

func TestAWriterStopsAtItsLimit(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	raw := written(t, true, func(w *recording.Writer) {
		for i := range 100 {
			w.Sample(beamlens.Snapshot{Skill: "beam", CapturedAt: at(float64(i)), Data: map[string]any{"text": large + string(rune('a'+i%2))}})
		}
	})
	rec, err := recording.Read(bytes.NewReader(raw))
	if err != nil || len(rec.Samples) >= 64 || len(rec.Marks) != 1 || !strings.Contains(rec.Marks[0].Text, "full") {
		t.Errorf("%d samples, marks %v, %v", len(rec.Samples), rec.Marks, err)
	}
}

func TestWhatIsNoRecording(t *testing.T) {
	head := `{"beamlens_recording":1,"began":"2026-11-25T03:00:00Z"}` + "\n"
	for text, says := range map[string]string{
		"":                                  "empty",
		"hello":                             "no header",
		`{"a":1}`:                           "no header",
		`{"beamlens_recording":99}`:         "format 99",
		head + "{":                          "line 2",
		head + `{"t":1,"s":"beam","d":[1]}`: "line 2: the data of a sample must be an object",
		head + "\n" + `{"t":1}`:             "line 2",
		"\x1f\x8bxx":                        "recording: ",
	} {
		if _, err := recording.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: got %v, want %q", text, err, says)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"beamlens_recording":1}` + "\n" + `{"t":1,"s":"beam","d":{"a":1.5}}` + "\n" + `{"t":1e99,"c":"x","a":[1],"r":{"b":[1,2.0]}}` + "\n" + `{"t":3,"m":"x"}`))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rec, err := recording.Read(bytes.NewReader(raw))
		if err != nil {
			return
		}
		for _, s := range rec.Answering([]*skill.Skill{{ID: "beam"}}, func() time.Time { return began }) {
			_, _ = s.Snapshot(t.Context()) // it answers, or says that it has none
		}
	})
}
