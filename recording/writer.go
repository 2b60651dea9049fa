package recording

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Version is that of the format.
const Version = 1

// Header is the first line of a recording.
type Header struct {
	Version int             `json:"beamlens_recording"`
	Target  beamlens.Target `json:"target"`
	Skills  []string        `json:"skills"`
	Began   time.Time       `json:"began"`
	Note    string          `json:"note,omitempty"`
}

// line is an entry as it is written.
type line struct {
	T    float64         `json:"t"`
	S    string          `json:"s,omitempty"`
	D    json.RawMessage `json:"d,omitempty"`
	Gone []string        `json:"gone,omitempty"`
	C    string          `json:"c,omitempty"`
	A    json.RawMessage `json:"a,omitempty"`
	R    json.RawMessage `json:"r,omitempty"`
	E    string          `json:"e,omitempty"`
	M    string          `json:"m,omitempty"`
}

// MaxBytes is how much a writer writes, before compression, if it is not told otherwise.
const MaxBytes = 64 << 20

// Writer writes a recording. It is safe for concurrent use.
type Writer struct {
	mu    sync.Mutex // guards what follows
	out   *bufio.Writer
	gz    *gzip.Writer
	began time.Time
	last  map[string]map[string]any // the newest sample of each skill
	left  int
	full  bool
	err   error
}

// NewWriter begins a recording. With compress it is what a name that ends in .gz promises.
func NewWriter(w io.Writer, h Header, compress bool) (*Writer, error) {
	out := &Writer{began: h.Began, last: map[string]map[string]any{}, left: MaxBytes}
	if compress {
		out.gz = gzip.NewWriter(w)
		w = out.gz
	}
	out.out = bufio.NewWriter(w)
	h.Version = Version
	raw, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	out.put(raw)
	return out, out.err
}

// Sample records a snapshot.
func (w *Writer) Sample(s beamlens.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, changed := w.last[s.Skill], map[string]any{}
	l := line{T: w.at(s.CapturedAt), S: s.Skill}
	for name, value := range s.Data {
		if old, known := before[name]; !known || !reflect.DeepEqual(old, value) {
			changed[name] = value
		}
	}
	for name := range before {
		if _, still := s.Data[name]; !still {
			l.Gone = append(l.Gone, name)
		}
	}
	slices.Sort(l.Gone)
	w.last[s.Skill] = maps.Clone(s.Data)
	l.D = encode(changed)
	w.line(l)
}

// Call records the answer of a callback.
func (w *Writer) Call(at time.Time, name string, args []any, result any, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := line{T: w.at(at), C: name, A: encode(args)}
	if err != nil {
		l.E = err.Error()
	} else {
		l.R = encode(result)
	}
	w.line(l)
}

// Mark records what was done to the target, or anything else that a reader should know.
func (w *Writer) Mark(at time.Time, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line(line{T: w.at(at), M: text})
}

// Close ends the recording; what it was written to is not closed. The error is the first that writing met.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := errors.Join(w.err, w.out.Flush())
	if w.gz != nil {
		err = errors.Join(err, w.gz.Close())
	}
	w.full = true // nothing more
	return err
}

// Wrap returns skills whose callbacks are recorded. Samples are recorded by whoever takes them: see engine.Options.OnSample.
func (w *Writer) Wrap(skills []*skill.Skill) []*skill.Skill {
	out := make([]*skill.Skill, len(skills))
	for i, s := range skills {
		copied := *s
		copied.Callbacks = slices.Clone(s.Callbacks)
		for j, c := range copied.Callbacks {
			copied.Callbacks[j].Call = func(ctx context.Context, args []any) (any, error) {
				result, err := c.Call(ctx, args)
				if ctx.Err() == nil {
					w.Call(time.Now(), c.Name, args, result, err)
				}
				return result, err
			}
		}
		out[i] = &copied
	}
	return out
}

func (w *Writer) at(t time.Time) float64 {
	return math.Round(t.Sub(w.began).Seconds()*1000) / 1000
}

func (w *Writer) line(l line) {
	raw, err := json.Marshal(l)
	if err != nil {
		w.err = errors.Join(w.err, err)
		return
	}
	w.put(raw)
}

func (w *Writer) put(raw []byte) {
	if w.full || w.err != nil {
		return
	}
	if w.left -= len(raw) + 1; w.left < 0 {
		w.full = true
		raw = []byte(fmt.Sprintf(`{"t":0,"m":"the recording is full after %d MB"}`, MaxBytes>>20))
	}
	_, err := w.out.Write(append(raw, '\n'))
	w.err = err
}

// encode gives JSON in which floats stay floats. What cannot be encoded is told as text: a recording never fails for a value.
func encode(v any) json.RawMessage {
	raw, err := json.Marshal(floats(v))
	if err != nil {
		raw, _ = json.Marshal(fmt.Sprint(v)) // a string always encodes
	}
	return raw
}

// floats makes every float one that is read as a float again. NaN and the infinities, which JSON has not, become null.
func floats(v any) any {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return json.Number(text)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = floats(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = floats(x)
		}
		return out
	}
	return v
}
