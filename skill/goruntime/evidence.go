package goruntime

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beamlens/beamlens-go/skill"
)

// vault keeps what was captured in the moment of a finding as files that go tool pprof and go tool trace open.
type vault struct {
	dir  string // "": nothing is kept
	most int64  // bytes
	mu   sync.Mutex
	last map[string]time.Time // by kind; guarded by mu

	flying sync.Mutex            // guards what follows, also while it writes
	flight *trace.FlightRecorder // nil: it is off
}

// Bounds of what is captured.
const (
	captureRest    = 5 * time.Minute // between two of a kind
	captureWindow  = 300 * time.Millisecond
	mostDump       = 50_000 // goroutines that are dumped
	evidencePrefix = "beamlens."
)

// The kinds of evidence.
const (
	captureCPU        = "cpu"
	captureTrace      = "trace"
	captureHeap       = "heap"
	captureGoroutines = "goroutines"
	captureMutex      = "mutex"
)

// Captured is a file of evidence.
type Captured struct {
	Kind string `json:"kind"`
	File string `json:"file"` // in the directory
	KB   int64  `json:"kb"`
	Open string `json:"open_with"`
}

// CapturedFiles is what a capture gave.
type CapturedFiles struct {
	Dir   string     `json:"directory"`
	Files []Captured `json:"files"`
	Note  string     `json:"note"`
}

// Capture writes evidence of these kinds (cpu, trace, heap, goroutines, mutex) into the directory of the options, at most one of a kind in five minutes. What could not be
// captured is told in the note.
func (p *Probe) Capture(ctx context.Context, why string, kinds ...string) (CapturedFiles, error) {
	v := &p.vault
	out := CapturedFiles{Dir: p.vault.dir, Files: []Captured{}}
	if v.dir == "" {
		out.Note = "no directory for evidence is set (goruntime.Options.Evidence)"
		return out, nil
	}
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return out, fmt.Errorf("make directory for evidence: %w", err)
	}
	var notes []string
	for _, kind := range kinds {
		if !v.due(kind) {
			notes = append(notes, kind+": one was captured within the last five minutes")
			continue
		}
		c, err := v.capture(ctx, why, kind)
		if err != nil {
			notes = append(notes, kind+": "+err.Error())
			continue
		}
		out.Files = append(out.Files, c)
	}
	if err := v.prune(); err != nil {
		notes = append(notes, err.Error())
	}
	out.Note = strings.Join(notes, "; ")
	return out, nil
}

// due says whether a kind may be captured again, and notes that it is.
func (v *vault) due(kind string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if last, ok := v.last[kind]; ok && time.Since(last) < captureRest {
		return false
	}
	if v.last == nil {
		v.last = map[string]time.Time{}
	}
	v.last[kind] = time.Now()
	return true
}

func (v *vault) capture(ctx context.Context, why, kind string) (Captured, error) {
	var raw []byte
	var err error
	suffix, open := ".pprof", "go tool pprof"
	switch kind {
	case captureCPU:
		raw, err = takeCPU(ctx, captureWindow)
	case captureTrace:
		suffix, open = ".trace", "go tool trace"
		raw, err = v.trace(ctx)
	case captureGoroutines:
		if n := runtime.NumGoroutine(); n > mostDump {
			return Captured{}, fmt.Errorf("there are %d goroutines, more than the %d that are dumped; the trace has them", n, mostDump)
		}
		raw, err = lookup("goroutine")
	case captureHeap, captureMutex:
		raw, err = lookup(kind)
	default:
		err = fmt.Errorf("there is no such kind of evidence")
	}
	if err != nil {
		return Captured{}, err
	}
	name := filepath.Join(v.dir, fmt.Sprintf("%s%s.%s.%s%s", evidencePrefix, time.Now().UTC().Format("20060102.150405"), why, kind, suffix))
	// The time is written so that nobody takes it for the number of a card and removes it from the alert.
	// Whole or not at all: what is read afterwards may be what is left of a crash.
	if err := os.WriteFile(name+".part", raw, 0o600); err != nil {
		return Captured{}, err
	}
	if err := os.Rename(name+".part", name); err != nil {
		return Captured{}, err
	}
	return Captured{kind, filepath.Base(name), int64(len(raw)+1023) >> 10, open}, nil
}

func lookup(profile string) ([]byte, error) {
	var b bytes.Buffer
	p := pprof.Lookup(profile)
	if p == nil {
		return nil, errors.New("this program has no such profile") // unreachable: the runtime has those that are asked for
	}
	err := p.WriteTo(&b, 0)
	return b.Bytes(), err
}

// trace is what the flight recorder has of the last seconds, or a short trace from now on.
func (v *vault) trace(ctx context.Context) ([]byte, error) {
	var b limitedBuffer
	if on, err := v.fly(&b); !on {
		return takeTrace(ctx, captureWindow)
	} else if err != nil {
		return nil, err
	}
	if b.full {
		return nil, fmt.Errorf("the flight recorder has more than %d MB", mostTrace>>20)
	}
	return b.Bytes(), nil
}

// fly writes what the flight recorder has, and says whether it is on. It is not stopped meanwhile: that would race with writing.
func (v *vault) fly(b *limitedBuffer) (on bool, err error) {
	v.flying.Lock()
	defer v.flying.Unlock()
	if v.flight == nil {
		return false, nil
	}
	_, err = v.flight.WriteTo(b)
	return true, err
}

// prune removes the oldest files until what is left fits.
func (v *vault) prune() error {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return err
	}
	var kept []fs.FileInfo
	var sum int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), evidencePrefix) && e.Type().IsRegular() {
			kept, sum = append(kept, info), sum+info.Size()
		}
	}
	slices.SortFunc(kept, func(a, b fs.FileInfo) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, f := range kept {
		if sum <= v.most {
			break
		}
		if err := os.Remove(filepath.Join(v.dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove old evidence: %w", err)
		}
		sum -= f.Size()
	}
	return nil
}

// The bounds of the flight recorder.
const (
	flightAge   = 5 * time.Second
	flightBytes = 4 << 20
)

// FlightRecorder keeps the runtime's flight recorder on until ctx ends, so that evidence of kind trace shows what was before the finding. It is work for an engine
// (engine.Options.Work). It costs some per cent of the CPU, and more with very many goroutines; without it a trace of 300 ms is taken in the moment of the finding.
func (p *Probe) FlightRecorder() FlightRecorder { return FlightRecorder{p} }

// FlightRecorder is what [Probe.FlightRecorder] returns.
type FlightRecorder struct{ probe *Probe }

// Serve records until ctx ends.
func (f FlightRecorder) Serve(ctx context.Context) error {
	r := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: flightAge, MaxBytes: flightBytes})
	if err := r.Start(); err != nil {
		return fmt.Errorf("start flight recorder: %w", err)
	}
	v := &f.probe.vault
	v.flying.Lock()
	v.flight = r
	v.flying.Unlock()
	<-ctx.Done()
	v.flying.Lock()
	defer v.flying.Unlock()
	v.flight = nil
	r.Stop()
	return ctx.Err()
}

// captures is the callback by which a skill has evidence captured. It is no costly one, for it is meant to be called in the moment of a finding.
func (p *Probe) captures(id string, kinds ...string) skill.Callback {
	return skill.Func(id+"_capture", "Writes "+strings.Join(kinds, ", ")+" as files that Go's tools open, if a directory for evidence is set; at most one of a kind in five minutes.",
		id+"_capture()", func(ctx context.Context, _ none) (CapturedFiles, error) { return p.Capture(ctx, id, kinds...) }).Costs(skill.Scan)
}
