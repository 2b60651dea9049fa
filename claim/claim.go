// Package claim checks what a model says against what was read: every number in its prose must have been read in the same run, and so must
// every process, address and link that it names. A sentence for which that does not hold is dropped, and counted.
//
// It knows nothing of models and nothing of a system. A [Record] is told what tools returned; [Record.Prose] checks a text.
//
// # What counts as read
//
// A number is read if one that was returned differs from it by at most one per cent, or rounds to it at as many digits. Units may differ by what they
// are multiples of: 12.4 MB is 12400000 bytes, 2 hours are 7200 s, 40 % are a ratio of 0.4. Parts of names are no numbers:
// handle_info/2, HTTP2, p99. Times must have been returned as they are, and so must ids: pids, references, ids of ours, addresses, places in source, links.
//
// What this cannot see: a number that was read of something else, and what is claimed in words. Conclusions are a matter of closed
// vocabularies and of ids, which tools check themselves.
package claim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
)

// Record is what was read in a run. The zero value is ready; it is safe for concurrent use.
type Record struct {
	mu      sync.Mutex // guards what follows
	text    strings.Builder
	numbers []float64 // absolute values
	sorted  bool
}

// Bounds of what a record keeps. What comes after is not known to have been read.
const (
	maxText    = 4 << 20
	maxNumbers = 400_000
)

// Saw takes what a tool returned: JSON, or text. Where JSON holds texts, numbers in them count as a person would read them; how many
// values a list has is read, too.
func (r *Record) Saw(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(text)
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var found []float64
	var lists []int // how many values each open list or object has so far
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil { // it is text, or ends in the middle
			found = append(found, numbersOf(text)...)
			break
		}
		if len(lists) > 0 && t != json.Delim(']') && t != json.Delim('}') {
			lists[len(lists)-1]++
		}
		switch t := t.(type) {
		case json.Number:
			if f, err := t.Float64(); err == nil {
				found = append(found, f)
			}
		case string:
			r.keep(t)
			found = append(found, numbersOf(t)...)
		case json.Delim:
			switch t {
			case '[', '{':
				lists = append(lists, 0)
			case ']':
				found = append(found, float64(lists[len(lists)-1])) // how many there are was read, too
				fallthrough
			case '}':
				lists = lists[:len(lists)-1]
			}
		}
	}
	r.add(found...)
}

// keep keeps a text. The caller holds the lock.
func (r *Record) keep(text string) {
	if r.text.Len()+len(text)+1 <= maxText {
		r.text.WriteString(text)
		r.text.WriteByte('\n')
	}
}

// SawNumbers takes numbers that follow from what was read: how long something lasts, how far it grew.
func (r *Record) SawNumbers(numbers ...float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(numbers...)
}

func (r *Record) add(numbers ...float64) {
	for _, n := range numbers {
		if len(r.numbers) < maxNumbers && !math.IsNaN(n) && !math.IsInf(n, 0) {
			r.numbers = append(r.numbers, math.Abs(n))
			r.sorted = false
		}
	}
}

// SawBut takes what a program returned, without the numbers that stand in the program: those were not read by it but written by whoever
// wrote it.
func (r *Record) SawBut(text, program string) {
	written := map[float64]bool{}
	for _, n := range literals(program) {
		written[math.Abs(n)] = true
	}
	var own Record
	own.Saw(text)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(own.text.String())
	for _, n := range own.numbers {
		if !written[n] {
			r.add(n)
		}
	}
}

// Has says whether a text was read as it is.
func (r *Record) Has(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(r.text.String(), text)
}

// Read says whether an encoded value was read: its numbers, in any unit, and its texts as they are.
func (r *Record) Read(value string) bool {
	d := json.NewDecoder(strings.NewReader(value))
	d.UseNumber()
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			return false
		}
		switch t := t.(type) {
		case json.Number:
			f, err := t.Float64()
			if err != nil || !r.near(f, decimalsOf(t.String()), anyUnit) {
				return false
			}
		case string:
			if !r.Has(t) {
				return false
			}
		}
	}
}

// near says whether a number was read that is this one in one of the units, at so many decimals.
func (r *Record) near(x float64, decimals int, scales []float64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.sorted {
		slices.Sort(r.numbers)
		r.numbers = slices.Compact(r.numbers)
		r.sorted = true
	}
	x = math.Abs(x)
	const within = 0.01
	for _, s := range scales {
		// 0.5 of the last digit, and a little for how numbers are kept.
		slack := max(within*x, 0.5*math.Pow(10, -float64(decimals))) * s * (1 + 1e-9)
		i, _ := slices.BinarySearch(r.numbers, x*s-slack)
		if i < len(r.numbers) && r.numbers[i] <= x*s+slack {
			return true
		}
	}
	return false
}

// Prose gives a text without the sentences that say what was not read, and how many those were. A text that is grounded comes back as
// it is, byte for byte.
func (r *Record) Prose(text string) (kept string, dropped int) {
	var b bytes.Buffer
	for _, s := range sentences(text) {
		if r.Ungrounded(s) != "" {
			dropped++
			continue
		}
		b.WriteString(s)
	}
	if dropped == 0 {
		return text, 0
	}
	return strings.TrimSpace(b.String()), dropped
}

// Ungrounded gives the first thing in a text that was not read; "" if all was.
func (r *Record) Ungrounded(text string) string {
	for _, w := range parse(text) {
		switch {
		case w.verbatim != "" && !r.Has(w.verbatim):
			return w.verbatim
		case w.verbatim == "" && !r.near(w.number, w.decimals, w.scales):
			return w.text
		}
	}
	return ""
}
