package goruntime

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"time"
)

// profileMu: one profile of the CPU at a time is ours.
var profileMu sync.Mutex

var errProfiling = errors.New("a profile of the CPU is running already: the program's own, or another investigation's; try again when it has ended")

// takeCPU profiles for a while.
func takeCPU(ctx context.Context, window time.Duration) ([]byte, error) {
	if !profileMu.TryLock() {
		return nil, errProfiling
	}
	defer profileMu.Unlock()
	var b limitedBuffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		return nil, fmt.Errorf("%w (%v)", errProfiling, err)
	}
	pause(ctx, window)
	pprof.StopCPUProfile()
	return b.Bytes(), ctx.Err()
}

// profiled is a stack of a profile, and how many samples it has.
type profiled struct {
	frames []site
	value  int64
}

const mostProfile = 64 << 20

// readProfile understands a profile in the format of pprof (profile.proto): its first value by stack.
func readProfile(packed []byte) ([]profiled, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(z, mostProfile))
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	type line struct{ function, number uint64 }
	type function struct{ name, file uint64 }
	locations := map[uint64][]line{}
	functions := map[uint64]function{}
	var texts []string
	type sample struct{ locations, values []uint64 }
	var samples []sample
	err = fields(raw, func(field, _ uint64, body []byte) error {
		switch field {
		case 2: // sample
			var s sample
			err := fields(body, func(field, x uint64, body []byte) error {
				switch field {
				case 1:
					s.locations = append(s.locations, packedInts(x, body)...)
				case 2:
					s.values = append(s.values, packedInts(x, body)...)
				}
				return nil
			})
			samples = append(samples, s)
			return err
		case 4: // location
			var id uint64
			var lines []line
			err := fields(body, func(field, x uint64, body []byte) error {
				switch field {
				case 1:
					id = x
				case 4:
					var l line
					err := fields(body, func(field, x uint64, _ []byte) error {
						switch field {
						case 1:
							l.function = x
						case 2:
							l.number = x
						}
						return nil
					})
					lines = append(lines, l)
					return err
				}
				return nil
			})
			locations[id] = lines
			return err
		case 5: // function
			var id uint64
			var f function
			err := fields(body, func(field, x uint64, _ []byte) error {
				switch field {
				case 1:
					id = x
				case 2:
					f.name = x
				case 4:
					f.file = x
				}
				return nil
			})
			functions[id] = f
			return err
		case 6:
			texts = append(texts, string(body))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	text := func(i uint64) string {
		if i < uint64(len(texts)) {
			return texts[i]
		}
		return ""
	}
	out := make([]profiled, 0, len(samples))
	for _, s := range samples {
		var p profiled
		if len(s.values) > 0 {
			p.value = int64(s.values[0])
		}
		for _, l := range s.locations {
			for _, line := range locations[l] {
				f := functions[line.function]
				at := siteOf(runtime.Frame{Function: text(f.name), File: text(f.file), Line: int(line.number)})
				at.full = text(f.name)
				p.frames = append(p.frames, at)
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// fields reads the fields of a message of protocol buffers.
func fields(raw []byte, each func(field, x uint64, body []byte) error) error {
	r := &varints{in: raw}
	for !r.done() {
		tag := r.uint()
		var x uint64
		var body []byte
		switch tag & 7 {
		case 0:
			x = r.uint()
		case 1:
			r.bytes(8)
		case 2:
			body = r.bytes(r.uint())
		case 5:
			r.bytes(4)
		default:
			return fmt.Errorf("wire type %d", tag&7)
		}
		if r.err != nil {
			return r.err
		}
		if err := each(tag>>3, x, body); err != nil {
			return err
		}
	}
	return r.err
}

// packedInts are the numbers of a repeated field, packed or one by one.
func packedInts(x uint64, body []byte) []uint64 {
	if body == nil {
		return []uint64{x}
	}
	var out []uint64
	r := &varints{in: body}
	for !r.done() {
		out = append(out, r.uint())
	}
	return out
}

// cpuRow is a place where the CPU is.
type cpuRow struct {
	Function string   `json:"function"`
	At       string   `json:"at"`
	Pct      float64  `json:"share_pct"`
	Samples  int64    `json:"samples"`
	Leaf     string   `json:"innermost"`
	Stack    []string `json:"stack"`
}

// hottest joins the samples of a profile by the program's own function and line in them.
func hottest(samples []profiled, limit int) (rows []cpuRow, total int64) {
	by := map[string]*cpuRow{}
	most := map[string]int64{}
	rows = []cpuRow{}
	for _, s := range samples {
		total += s.value
		p := placeOfSites(s.frames)
		if len(s.frames) == 0 || p.own {
			continue
		}
		r := by[p.Function]
		if r == nil {
			r = &cpuRow{Function: p.Function}
			by[p.Function] = r
		}
		r.Samples += s.value
		if s.value > most[p.Function] {
			most[p.Function] = s.value
			r.At, r.Leaf, r.Stack = p.At, s.frames[0].Function, p.frames
		}
	}
	for _, r := range by {
		r.Pct = round(100*float64(r.Samples)/float64(max(total, 1)), 1)
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b cpuRow) int { return cmp.Or(cmp.Compare(b.Samples, a.Samples), cmp.Compare(a.At, b.At)) })
	return rows[:min(len(rows), limit)], total
}
