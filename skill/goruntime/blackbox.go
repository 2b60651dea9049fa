package goruntime

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// BlackBox keeps the last minutes of this process in files, so that its end can be explained: at the next start, or at once by a monitor. It is work for
// an engine, and has a skill that tells how the process before this one ended:
//
//	box := p.BlackBox(goruntime.BlackBoxOptions{Dir: "/var/lib/shop"})
//	engine.New(engine.Options{…, Skills: append(p.Skills(), box.Skill()), Work: []engine.Work{box}})
//
// A line a second is written, some hundred bytes, which a kill cannot take back; a loss of power can. What the runtime prints when it crashes goes to a file as well as
// to where it went before. The runtime has one place for that: who uses debug.SetCrashOutput himself sets NoCrashOutput.
type BlackBox struct {
	probe   *Probe
	options BlackBoxOptions
	skills  []*skill.Skill
	began   time.Time
	look    sync.Once
	last    *Death
	failed  error
}

// BlackBoxOptions say where, and how.
type BlackBoxOptions struct {
	Dir           string // must be there or can be made; several processes may share it
	NoCrashOutput bool
	// Monitor starts a second process of this program, which waits for the end of this one and writes the report at once. The program must call [RunMonitor] first of all
	// in main. What its packages do in init is done twice.
	Monitor bool
}

// BlackBox returns one. Nothing is written until it is served.
func (p *Probe) BlackBox(o BlackBoxOptions) *BlackBox {
	return &BlackBox{probe: p, options: o, began: time.Now().UTC(), skills: []*skill.Skill{p.Runtime(), p.Heap(), p.GC(), p.Descriptors(), p.Requests(), p.Logger(), p.Exceptions()}}
}

// The files of a black box.
const (
	recordPrefix = "beamlens-record-"
	crashPrefix  = "beamlens-crash-"
	reportPrefix = "beamlens-death-"
	recordEvery  = time.Second
	recordLines  = 300 // of a file; with the one before it these are five to ten minutes
	recordStale  = 5 * time.Second
	keptReports  = 10
	mostCrash    = 4 << 20
)

// recordHead is the first line of a record.
type recordHead struct {
	PID    int       `json:"pid"`
	Began  time.Time `json:"began"`
	Module string    `json:"module"`
}

// recordLine is a second of one.
type recordLine struct {
	At      time.Time          `json:"at"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
	OOM     float64            `json:"oom_kills,omitempty"` // of the container, so far
	Bye     bool               `json:"bye,omitempty"`       // it ended because it was told to
}

func (b *BlackBox) name(prefix, suffix string) string {
	return filepath.Join(b.options.Dir, fmt.Sprintf("%s%d-%d%s", prefix, os.Getpid(), b.began.UnixMilli(), suffix))
}

// Serve records until ctx ends.
func (b *BlackBox) Serve(ctx context.Context) (err error) {
	if err := os.MkdirAll(b.options.Dir, 0o700); err != nil {
		return fmt.Errorf("black box: %w", err)
	}
	b.before()
	if !b.options.NoCrashOutput {
		stop, err := b.crashes(ctx)
		if err != nil {
			return fmt.Errorf("black box: %w", err)
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	f, err := b.begin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.end(f)) }()
	tick := time.NewTicker(recordEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		if err := b.write(ctx, f); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if n%recordLines == 0 {
			if err := errors.Join(f.Close(), os.Rename(f.Name(), f.Name()+".1")); err != nil {
				return fmt.Errorf("black box: %w", err)
			}
			if f, err = b.begin(); err != nil {
				return err
			}
		}
	}
}

// crashes sends what the runtime says of a crash to a file, or to a monitor that waits for it.
func (b *BlackBox) crashes(ctx context.Context) (stop func() error, err error) {
	if b.options.Monitor {
		return startMonitor(ctx, b.name(recordPrefix, ".jsonl"), b.name(crashPrefix, ".txt"))
	}
	f, err := os.OpenFile(b.name(crashPrefix, ".txt"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	err = debug.SetCrashOutput(f, debug.CrashOptions{}) // it has its own copy of the descriptor
	return func() error {
		return errors.Join(debug.SetCrashOutput(nil, debug.CrashOptions{}), os.Remove(f.Name()))
	}, errors.Join(err, f.Close())
}

func (b *BlackBox) begin() (*os.File, error) {
	f, err := os.OpenFile(b.name(recordPrefix, ".jsonl"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("black box: %w", err)
	}
	module, _ := mainModule()
	return f, put(f, recordHead{os.Getpid(), b.began, module})
}

func put(f *os.File, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err // unreachable: numbers that are none were left out
	}
	if _, err := f.Write(append(raw, '\n')); err != nil {
		return fmt.Errorf("black box: %w", err)
	}
	return nil
}

// write adds what the metrics are now.
func (b *BlackBox) write(ctx context.Context, f *os.File) error {
	line := recordLine{At: time.Now().UTC(), Metrics: map[string]float64{}, OOM: oomKills()}
	for _, s := range b.skills {
		data, err := s.Snapshot(ctx)
		if err != nil {
			continue // what cannot be read is missing
		}
		snapshot := beamlens.Snapshot{Data: data}
		for _, m := range s.Metrics {
			if x, ok := snapshot.Number(m.Name); ok {
				line.Metrics[s.ID+"."+m.Name] = x
			}
		}
	}
	return put(f, line)
}

// end says that the process was told to end, and takes the record away: nothing has to be explained.
func (b *BlackBox) end(f *os.File) error {
	err := errors.Join(put(f, recordLine{At: time.Now().UTC(), Bye: true}), f.Close(), os.Remove(f.Name()))
	if e := os.Remove(f.Name() + ".1"); !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

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
	Evidence []string           `json:"evidence"`
}

// before looks once for a process that died, and keeps its report.
func (b *BlackBox) before() {
	b.look.Do(func() {
		deaths, err := deathsIn(b.options.Dir)
		for _, d := range deaths {
			if b.last == nil || d.Died.After(b.last.Died) {
				b.last = &d
			}
		}
		b.failed = err
	})
}

// LastDeath is how the process before this one ended; nil: it was told to, or there was none.
func (b *BlackBox) LastDeath() (*Death, error) {
	b.before()
	return b.last, b.failed
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
	crash := strings.Replace(strings.TrimSuffix(name, ".jsonl")+".txt", recordPrefix, crashPrefix, 1)
	text := readSome(crash)
	switch {
	case last.Bye && text == "":
		return nil, errors.Join(os.Remove(name), removeIf(crash))
	case text != "":
		d.crashed(text)
	case oomKills() > last.OOM:
		d.Kind, d.What = "out of memory", "the kernel killed a process of its container for want of memory"
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

// told is for how long the end of the process before is told.
const told = 10 * time.Minute

// Skill is the skill "postmortem": how the process before this one ended.
func (b *BlackBox) Skill() *skill.Skill {
	return &skill.Skill{
		ID: "postmortem", Title: "the process before", Summary: "How the process before this one ended, if it was not told to: what, where, and its last minutes.",
		Prompt: text("prompt/postmortem.md"),
		Snapshot: func(context.Context) (map[string]any, error) {
			d, err := b.LastDeath()
			died := 0
			if d != nil && time.Since(b.began) < told {
				died = 1
			}
			return map[string]any{"died": died}, err
		},
		Callbacks: []skill.Callback{
			skill.Func("postmortem_last", "How the process before this one ended, its last metrics, and those of some minutes before. died is false where it was told to end.", "postmortem_last()",
				func(context.Context, none) (lastDeath, error) {
					d, err := b.LastDeath()
					if d == nil {
						return lastDeath{}, err
					}
					return lastDeath{true, *d, d.grown()}, err
				}),
		},
		Metrics: []skill.Metric{{Name: "died", Kind: skill.Gauge, Quiet: true, Doc: "1 for ten minutes after a start when the process before this one was not told to end"}},
		Rules:   []skill.Rule{{Metric: "died", Above: 0.5, Severity: beamlens.SeverityCritical, Doc: "the program died"}},
		Playbooks: []skill.Playbook{
			playbook("postmortem", "what died, where, and what the last minutes looked like", "died"),
		},
	}
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
