package goruntime

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"runtime/trace"
	"strings"
	"sync"
	"time"
)

// An execution trace of some hundred milliseconds is the cheapest dump of all goroutines with their ids that the runtime has: it stops the world once,
// for less than a hundred microseconds, however many there are. This file reads what is needed of one: which goroutines did nothing, and
// who made which system calls. The format is that of internal/trace/tracev2 since Go 1.23.

// The events that are looked at.
const (
	evEventBatch        = 1
	evStacks            = 2
	evStack             = 3
	evStrings           = 4
	evString            = 5
	evGoCreate          = 14
	evGoStart           = 16
	evGoDestroy         = 17
	evGoStop            = 19
	evGoBlock           = 20
	evGoUnblock         = 21
	evGoSyscallBegin    = 22
	evGoStatus          = 25
	evGoSwitch          = 45
	evGoSwitchDestroy   = 46
	evGoStatusStack     = 48
	evExperimentalBatch = 49
	evEndOfGeneration   = 52
)

// evArgs is how many arguments the events of a batch have, by type; -1 ends the batch: it is none of events.
var evArgs = [...]int{
	-1, -1, -1, -1, -1, -1, -1, -1, -1, 3, 3, 1, 4, 3, 4, 2, 3, 1, 1, 3, 3, 4, 3, 1, 1, 4, 3, 1, 2, 3, 2, 2, 2, 3, 2, 2, 1, 2, 2, 2, 5, 3, 4, 4, 5, 3, 3, 4, 5, -1, -1, 4, -1,
}

const statusWaiting = 4

// Bounds of a trace that is read.
const (
	mostTrace  = 64 << 20
	mostFrames = 128
)

// traced is what a trace showed.
type traced struct {
	idle     map[uint64]string // goroutines that waited all the time, by id: their stack
	moved    map[uint64]bool
	stacks   map[string][]site // by text; the innermost first
	syscalls map[string]int    // by the text of the stack
}

// traceMu: one trace at a time is ours.
var traceMu sync.Mutex

var errTracing = errors.New("an execution trace is running already: the program's own, or another investigation's; try again when it has ended")

// takeTrace traces for a while.
func takeTrace(ctx context.Context, window time.Duration) ([]byte, error) {
	if !traceMu.TryLock() {
		return nil, errTracing
	}
	defer traceMu.Unlock()
	var b limitedBuffer
	if err := trace.Start(&b); err != nil {
		return nil, fmt.Errorf("%w (%v)", errTracing, err)
	}
	pause(ctx, window)
	trace.Stop()
	if b.full {
		return nil, fmt.Errorf("the trace is larger than %d MB; ask for a shorter one", mostTrace>>20)
	}
	return b.Bytes(), ctx.Err()
}

// limitedBuffer takes so much and no more.
type limitedBuffer struct {
	bytes.Buffer
	full bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > mostTrace {
		b.full = true
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// readTrace understands a trace.
func readTrace(data []byte) (*traced, error) {
	var version int
	const header = 16
	if len(data) < header {
		return nil, errors.New("read trace: it is empty")
	}
	if _, err := fmt.Sscanf(string(data[:header]), "go 1.%d trace", &version); err != nil || version < 23 {
		return nil, fmt.Errorf("read trace: it begins with %q; go 1.23 or later is expected", data[:header])
	}
	t := &traced{idle: map[uint64]string{}, moved: map[uint64]bool{}, stacks: map[string][]site{}, syscalls: map[string]int{}}
	r := &varints{in: data, at: header}
	var g generation
	for !r.done() {
		switch ev := r.byte(); ev {
		case evEndOfGeneration:
		case evEventBatch, evExperimentalBatch:
			if ev == evExperimentalBatch {
				r.byte()
			}
			gen := r.uint()
			r.uint() // of the thread
			r.uint() // when
			body := r.bytes(r.uint())
			if r.err != nil {
				return nil, fmt.Errorf("read trace: %w", r.err)
			}
			if gen != g.number {
				t.end(&g)
				g = generation{number: gen}
			}
			if ev == evEventBatch {
				g.batches = append(g.batches, body)
			}
		default:
			return nil, fmt.Errorf("read trace: event %d where a batch is expected", ev)
		}
	}
	t.end(&g)
	return t, r.err
}

// generation is a part of a trace that has tables of its own, which come last.
type generation struct {
	number  uint64
	batches [][]byte
}

type rawFrame struct{ function, file, line uint64 }

// end reads a generation.
func (t *traced) end(g *generation) {
	texts := map[uint64]string{}
	stacks := map[uint64][]rawFrame{}
	for _, b := range g.batches {
		r := &varints{in: b}
		switch r.byte() {
		case evStrings:
			for !r.done() && r.byte() == evString {
				id := r.uint()
				texts[id] = string(r.bytes(r.uint()))
			}
		case evStacks:
			for !r.done() && r.byte() == evStack {
				id, n := r.uint(), r.uint()
				var frames []rawFrame
				for range min(n, mostFrames) {
					r.uint() // of the code
					frames = append(frames, rawFrame{r.uint(), r.uint(), r.uint()})
				}
				stacks[id] = frames
			}
		}
	}
	named := map[uint64]string{}
	name := func(id uint64) string {
		if s, ok := named[id]; ok {
			return s
		}
		frames := make([]site, len(stacks[id]))
		lines := make([]string, len(frames))
		for i, f := range stacks[id] {
			frames[i] = siteOf(runtime.Frame{Function: texts[f.function], File: texts[f.file], Line: int(f.line)})
			frames[i].full = texts[f.function]
			lines[i] = frames[i].Function + " " + frames[i].At
		}
		s := strings.Join(lines, "\n")
		named[id], t.stacks[s] = s, frames
		return s
	}
	for _, b := range g.batches {
		t.events(&varints{in: b}, name)
	}
}

// events reads a batch of one thread's events.
func (t *traced) events(r *varints, stack func(uint64) string) {
	var args [5]uint64
	for !r.done() {
		ev := r.byte()
		if int(ev) >= len(evArgs) || evArgs[ev] < 0 {
			return
		}
		for i := range evArgs[ev] {
			args[i] = r.uint()
		}
		if r.err != nil {
			return
		}
		switch ev {
		case evGoStatusStack:
			if args[3] == statusWaiting {
				t.idle[args[1]] = stack(args[4])
			} else {
				t.moved[args[1]] = true
			}
		case evGoStart, evGoUnblock, evGoCreate, evGoSwitch, evGoSwitchDestroy:
			t.moved[args[1]] = true
		case evGoStatus:
			if args[3] != statusWaiting {
				t.moved[args[1]] = true
			}
		case evGoSyscallBegin:
			t.syscalls[stack(args[2])]++
		}
	}
}

// stuck gives the goroutines that did nothing all the time, by their stack.
func (t *traced) stuck() map[string]int {
	out := map[string]int{}
	for id, s := range t.idle {
		if !t.moved[id] {
			out[s]++
		}
	}
	return out
}

// varints reads bytes; it keeps the first error.
type varints struct {
	in  []byte
	at  int
	err error
}

var errShort = errors.New("it ends in the middle")

func (r *varints) done() bool { return r.err != nil || r.at >= len(r.in) }

func (r *varints) byte() byte {
	if r.done() {
		r.err = errShort
		return 0
	}
	r.at++
	return r.in[r.at-1]
}

func (r *varints) uint() uint64 {
	if r.err != nil {
		return 0
	}
	x, n := binary.Uvarint(r.in[r.at:])
	if n <= 0 {
		r.err = errShort
		return 0
	}
	r.at += n
	return x
}

func (r *varints) bytes(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.in)-r.at) {
		r.err = errShort
		return nil
	}
	r.at += int(n)
	return r.in[r.at-int(n) : r.at]
}

// placeOfSites is placeOf for a stack from a trace.
func placeOfSites(frames []site) place {
	var p place
	best := -1
	for _, s := range frames {
		p.takeSite(s, s.full, &best)
	}
	if p.Kind == "" {
		p.Kind = "running"
	}
	return p
}
