package goruntime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
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
	group   string
	read    time.Time // the newest reading by place that is in the record; of the goroutine that serves
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
	return &BlackBox{probe: p, options: o, began: time.Now().UTC(), group: memoryGroup(), skills: []*skill.Skill{p.Runtime(), p.Heap(), p.GC(), p.Descriptors(), p.Requests(), p.Logger(), p.Exceptions()}}
}

// The files of a black box.
const (
	recordPrefix = "beamlens-record-"
	crashPrefix  = "beamlens-crash-"
	reportPrefix = "beamlens-death-"
	recordEvery  = time.Second
	recordLines  = 300 // of a file; with the one before it these are five to ten minutes
	recordStale  = 5 * time.Second
	keptSites    = 3
	keptReports  = 10
	mostCrash    = 4 << 20
)

// recordHead is the first line of a record.
type recordHead struct {
	PID    int       `json:"pid"`
	Began  time.Time `json:"began"`
	Module string    `json:"module"`
	Group  string    `json:"group,omitempty"` // the directory of its control group's memory
}

// recordLine is a second of one.
type recordLine struct {
	At      time.Time          `json:"at"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
	OOM     float64            `json:"oom_kills,omitempty"` // of the control group, so far
	Grew    []grownSite        `json:"grew,omitempty"`      // where memory grew, now and then
	Places  []grownSite        `json:"places,omitempty"`    // where most goroutines are, now and then
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
	return f, put(f, recordHead{os.Getpid(), b.began, module, b.group})
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
	line := recordLine{At: time.Now().UTC(), Metrics: map[string]float64{}, OOM: oomKills(b.group)}
	if at := b.probe.read(); at.After(b.read) {
		b.read = at
		line.Grew, line.Places = b.probe.grew(keptSites), b.probe.crowded(keptSites)
	}
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

// Dir is the directory of its files.
func (b *BlackBox) Dir() string { return b.options.Dir }

// LastDeath is how the process before this one ended; nil: it was told to, or there was none.
func (b *BlackBox) LastDeath() (*Death, error) {
	b.before()
	return b.last, b.failed
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

// grownSite is a place in the program, and how much it has.
type grownSite struct {
	Function string  `json:"function"`
	At       string  `json:"at"`
	Has      float64 `json:"has"`       // MB in use, or goroutines
	Grew     float64 `json:"grew"`      // since the oldest reading that is kept
	Share    float64 `json:"share_pct"` // of what all places grew
}

// read is when goroutines or memory were last read by place.
func (p *Probe) read() time.Time {
	var at time.Time
	if counts := p.census.counts(); len(counts) > 0 {
		at = counts[len(counts)-1].at
	}
	if readings := p.heap.all(); len(readings) > 0 && readings[len(readings)-1].at.After(at) {
		at = readings[len(readings)-1].at
	}
	return at
}

// grew are the places whose memory grew most over the readings that the skill heap keeps. Nothing is read anew.
func (p *Probe) grew(most int) []grownSite {
	readings := p.heap.all()
	if len(readings) < 2 {
		return nil
	}
	rows := (&heap{probe: p}).compare(readings)
	total := 0.0
	for _, r := range rows {
		total += max(r.Growth, 0)
	}
	var out []grownSite
	for _, r := range rows {
		if len(out) == most || r.Growth < 1 {
			break // the largest come first
		}
		out = append(out, grownSite{r.Function, r.At, r.InUse, r.Growth, round(100*r.Growth/total, 0)})
	}
	return out
}

// crowded are the places at which most goroutines are, by the newest counting that the skill leaks keeps.
func (p *Probe) crowded(most int) []grownSite {
	counts := p.census.counts()
	if len(counts) == 0 {
		return nil
	}
	var out []grownSite
	for _, r := range p.census.groups(counts[len(counts)-1], nil) {
		if len(out) == most {
			break
		}
		out = append(out, grownSite{r.Function, r.At, float64(r.Count), float64(r.Growth), 0})
	}
	return out
}
