package recording

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// Recording is a whole recording, in memory.
type Recording struct {
	Header
	Samples []beamlens.Snapshot // in the order of their times; without ids
	Calls   []Call
	Marks   []Mark
}

// Call is the answer that a callback gave.
type Call struct {
	At     time.Time
	Name   string
	Args   string // as JSON
	Result any
	Err    string
}

// Mark is what was noted.
type Mark struct {
	At   time.Time
	Text string
}

// The limits of a recording that is read.
const (
	maxRead = 256 << 20
	maxLine = 8 << 20
)

// Read reads a recording, compressed or not.
func Read(r io.Reader) (*Recording, error) {
	in := bufio.NewReader(r)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		gz, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("recording: %w", err)
		}
		defer gz.Close()
		return read(gz)
	}
	return read(in)
}

func read(r io.Reader) (*Recording, error) {
	limited := &io.LimitedReader{R: r, N: maxRead + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxLine)
	if !lines.Scan() {
		return nil, errors.Join(errors.New("recording: it is empty"), lines.Err())
	}
	out := &Recording{}
	if err := json.Unmarshal(lines.Bytes(), &out.Header); err != nil || out.Version == 0 {
		return nil, errors.New(`recording: the first line is no header; a recording begins with {"beamlens_recording":1,…}`)
	}
	if out.Version != Version {
		return nil, fmt.Errorf("recording: it has format %d, and this program reads %d", out.Version, Version)
	}
	last := map[string]map[string]any{}
	for n := 2; lines.Scan(); n++ {
		if err := out.add(lines.Bytes(), last); err != nil {
			return nil, fmt.Errorf("recording: line %d: %w", n, err)
		}
		if limited.N == 0 {
			return nil, fmt.Errorf("recording: it is larger than %d MB", maxRead>>20)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return out, nil
}

func (r *Recording) add(raw []byte, last map[string]map[string]any) error {
	var l line
	if err := json.Unmarshal(raw, &l); err != nil {
		return err
	}
	at := r.Began.Add(time.Duration(l.T * float64(time.Second))).Round(time.Millisecond).UTC()
	switch {
	case l.S != "":
		changed, err := decode(l.D)
		if err != nil {
			return err
		}
		fields, ok := changed.(map[string]any)
		if !ok {
			return errors.New("the data of a sample must be an object")
		}
		data := maps.Clone(last[l.S])
		if data == nil {
			data = map[string]any{}
		}
		for _, name := range l.Gone {
			delete(data, name)
		}
		maps.Copy(data, fields)
		last[l.S] = data
		r.Samples = append(r.Samples, beamlens.Snapshot{Skill: l.S, Target: r.Target, CapturedAt: at, Data: data})
	case l.C != "":
		result, err := decode(l.R)
		if err != nil {
			return err
		}
		r.Calls = append(r.Calls, Call{at, l.C, string(l.A), result, l.E})
	default:
		r.Marks = append(r.Marks, Mark{at, l.M})
	}
	return nil
}

// decode reads JSON with integers as int64 and other numbers as float64.
func decode(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return numbers(v)
}

func numbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			if n, err := v.Int64(); err == nil {
				return n, nil
			}
		}
		return v.Float64()
	case map[string]any:
		for k := range v {
			if v[k], err = numbers(v[k]); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
