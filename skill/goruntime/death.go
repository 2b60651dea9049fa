package goruntime

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Death is how a process ended that was not told to.
type Death struct {
	PID      int                `json:"pid"`
	Module   string             `json:"module"`
	Began    time.Time          `json:"began"`
	Died     time.Time          `json:"died"` // after this, within a second or two
	Kind     string             `json:"kind"` // panic, fatal error, signal, out of memory, killed
	What     string             `json:"what"`
	Function string             `json:"function"`
	At       string             `json:"at"`
	Stack    []string           `json:"stack"`
	Last     map[string]float64 `json:"last"`
	Before   map[string]float64 `json:"before"` // the first line that is kept
	Over     float64            `json:"over_s"` // between the two
	Grew     []grownSite        `json:"grew"`   // where memory grew in the minutes before
	Places   []grownSite        `json:"places"` // where most goroutines were
	Evidence []string           `json:"evidence"`
}

// deathsIn explains every record in a directory whose process is gone, and turns it into a report. Reports that a monitor wrote are taken, too.
func deathsIn(dir string) ([]Death, error) {
	names, err := filepath.Glob(filepath.Join(dir, recordPrefix+"*.jsonl"))
	if err != nil {
		return nil, err
	}
	var out []Death
	var wrong []error
	for _, name := range names {
		d, err := explain(name, false)
		if err != nil {
			wrong = append(wrong, err)
		} else if d != nil {
			out = append(out, *d)
		}
	}
	fresh, err := filepath.Glob(filepath.Join(dir, reportPrefix+"*.new"))
	wrong = append(wrong, err)
	for _, name := range fresh {
		raw, err := os.ReadFile(name)
		var d Death
		if err == nil {
			err = json.Unmarshal(raw, &d)
		}
		if err == nil {
			out = append(out, d)
			err = os.Rename(name, strings.TrimSuffix(name, ".new"))
		}
		wrong = append(wrong, err)
	}
	return out, errors.Join(append(wrong, pruneReports(dir))...)
}

func pruneReports(dir string) error {
	reports, err := filepath.Glob(filepath.Join(dir, reportPrefix+"*.json"))
	if err != nil || len(reports) <= keptReports {
		return err
	}
	slices.SortFunc(reports, func(a, b string) int { return cmp.Compare(modified(a).UnixNano(), modified(b).UnixNano()) })
	for _, r := range reports[:len(reports)-keptReports] {
		err = errors.Join(err, os.Remove(r))
	}
	return err
}

func modified(name string) time.Time {
	info, err := os.Stat(name)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// explain says how the process of a record ended, nil if it lives, unless it is known that it does not. The record becomes a report.
func explain(name string, dead bool) (*Death, error) {
	head, lines, err := readRecord(name)
	if err != nil || len(lines) == 0 {
		return nil, err
	}
	// In a container the next process has the same number.
	if !dead && head.PID != os.Getpid() && lives(head.PID) && time.Since(modified(name)) < recordStale {
		return nil, nil
	}
	// The file before it, if there is one, has what was earlier.
	if _, earlier, err := readRecord(name + ".1"); err == nil {
		lines = append(earlier, lines...)
	}
	first, last := lines[0], lines[len(lines)-1]
	d := &Death{PID: head.PID, Module: head.Module, Began: head.Began, Died: last.At, Last: last.Metrics, Before: first.Metrics, Over: round(last.At.Sub(first.At).Seconds(), 0)}
	for _, l := range lines {
		if l.Places != nil {
			d.Grew, d.Places = l.Grew, l.Places
		}
	}
	crash := strings.Replace(strings.TrimSuffix(name, ".jsonl")+".txt", recordPrefix, crashPrefix, 1)
	text := readSome(crash)
	switch {
	case last.Bye && text == "":
		return nil, errors.Join(os.Remove(name), removeIf(crash))
	case text != "":
		d.crashed(text)
	case oomKills(head.Group) > last.OOM:
		d.Kind, d.What = "out of memory", "the kernel killed a process of its control group for want of memory"
	default:
		d.Kind, d.What = "killed", "it left no word: it was killed, or left with os.Exit, or the machine went down"
	}
	if files, err := filepath.Glob(filepath.Join(filepath.Dir(name), evidencePrefix+"*.[pt][pr][ra]*")); err == nil {
		for _, f := range files {
			if modified(f).After(head.Began) {
				d.Evidence = append(d.Evidence, f)
			}
		}
	}
	report := strings.Replace(strings.TrimSuffix(name, ".jsonl")+".json", recordPrefix, reportPrefix, 1)
	raw, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err // unreachable: it is numbers and texts
	}
	err = os.WriteFile(report, raw, 0o600)
	return d, errors.Join(err, removeIf(name), removeIf(name+".1"), removeIf(crash))
}

func removeIf(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func readSome(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, mostCrash)
	n, _ := f.Read(b)
	return string(b[:max(n, 0)])
}

// readRecord reads a record. A last line that was cut off is left out.
func readRecord(name string) (head recordHead, lines []recordLine, err error) {
	f, err := os.Open(name)
	if err != nil {
		return head, nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	if !s.Scan() || json.Unmarshal(s.Bytes(), &head) != nil {
		return head, nil, s.Err()
	}
	for s.Scan() && len(lines) < 2*recordLines {
		var l recordLine
		if json.Unmarshal(s.Bytes(), &l) != nil {
			break
		}
		lines = append(lines, l)
	}
	return head, lines, s.Err()
}

// fatal are deaths of which the runtime's crash output has the stack only (golang/go#76859), by a function in it.
var fatal = []struct{ function, what string }{
	{"internal/runtime/maps.fatal", "a map was written by two goroutines at once, or read while it was written"}, {"runtime.mapaccess", "a map was read while it was written"},
	{"runtime.newstack", "the stack overflowed: a recursion without end"}, {"allocLarge", "the runtime could get no memory"}, {"runtime.sysMap", "the runtime could get no memory"},
	{"runtime.checkdead", "all goroutines were waiting: a deadlock"}, {"runtime.unlock2", "a lock that was not held was unlocked"}, {"sync.fatal", "a lock that was not held was unlocked"},
}

// crashed reads what the runtime printed.
func (d *Death) crashed(text string) {
	d.Kind = "fatal error"
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		for prefix, kind := range map[string]string{"panic: ": "panic", "fatal error: ": "fatal error", "SIG": "signal"} {
			if d.What == "" && strings.HasPrefix(line, prefix) {
				d.Kind, d.What = kind, cut(line, keptText)
			}
		}
	}
	if d.What == "" {
		for _, f := range fatal {
			if d.What == "" && strings.Contains(text, f.function) {
				d.What = f.what
			}
		}
	}
	if d.What == "" {
		d.What = "the runtime ended the program"
	}
	// The goroutine that did it comes first.
	stack := text
	if i := strings.Index(stack, "\ngoroutine "); i >= 0 {
		stack = stack[i+1:]
	}
	if i := strings.Index(stack, "\n\n"); i >= 0 {
		stack = stack[:i]
	}
	at := placeOfText(stack)
	d.Function, d.At, d.Stack = at.Function, at.At, at.frames
}

type lastDeath struct {
	Was bool `json:"died_before"`
	Death
	Grown []grownRow `json:"grown"`
}

// grownRow is a metric that changed much before the end.
type grownRow struct {
	Metric string  `json:"metric"`
	Before float64 `json:"before"`
	Last   float64 `json:"last"`
	Times  float64 `json:"times"`
}

// grown are the metrics that grew most in the last minutes, counters left out.
func (d *Death) grown() []grownRow {
	out := []grownRow{}
	for _, m := range []string{"runtime.goroutines", "runtime.runnable_per_proc", "heap.live_mb", "heap.total_mb", "heap.limit_used_pct", "gc.cpu_pct", "fds.open", "http.in_flight", "http.p99_ms", "http.errors_pct",
		"logger.error_count_1m", "exception.panics_1m"} {
		a, b := d.Before[m], d.Last[m]
		const least = 1.5
		if times := b / max(a, 1); b > 4 && times >= least {
			out = append(out, grownRow{m, round(a, 1), round(b, 1), round(times, 1)})
		}
	}
	slices.SortFunc(out, func(a, b grownRow) int { return cmp.Or(cmp.Compare(b.Times, a.Times), cmp.Compare(a.Metric, b.Metric)) })
	return out
}
