package goruntime

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Log returns a handler for log/slog that hands everything to next and counts it: by level and by the line that logged. Of warnings and errors it keeps
// the newest. The handler that slog begins with is replaced by one for text: wrapped and made the default it would wait for itself at the first line.
func (p *Probe) Log(next slog.Handler) slog.Handler {
	if next == nil || fmt.Sprintf("%T", next) == "*slog.defaultHandler" {
		next = slog.NewTextHandler(os.Stderr, nil)
	}
	return &counting{p, next}
}

type counting struct {
	probe *Probe
	next  slog.Handler
}

func (c *counting) Enabled(ctx context.Context, l slog.Level) bool { return c.next.Enabled(ctx, l) }

func (c *counting) Handle(ctx context.Context, r slog.Record) error {
	c.probe.log.count(r)
	return c.next.Handle(ctx, r)
}

func (c *counting) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &counting{c.probe, c.next.WithAttrs(attrs)}
}

func (c *counting) WithGroup(name string) slog.Handler {
	return &counting{c.probe, c.next.WithGroup(name)}
}

// CountLog counts a line of another logger than log/slog: skip is how many callers stand between the line that logged and this call. Bridges for such loggers use it.
func (p *Probe) CountLog(level slog.Level, message string, skip int) {
	var pcs [1]uintptr
	runtime.Callers(skip+2, pcs[:])
	p.log.count(slog.NewRecord(time.Now(), level, message, pcs[0]))
}

// logCounts counts lines.
type logCounts struct {
	sites sync.Map // logKey → *logSite
	n     atomic.Int64

	mu   sync.Mutex // guards what follows
	ring []logLine
	next int
}

type logKey struct {
	pc    uintptr
	level slog.Level
}

type logSite struct {
	mu     sync.Mutex // guards what follows
	minute rolling
	total  uint64
	first  time.Time
	last   string
}

// logLine is one that is kept.
type logLine struct {
	At       time.Time         `json:"at"`
	Level    string            `json:"level"`
	Message  string            `json:"message"`
	Function string            `json:"function"`
	Place    string            `json:"place"`
	Attrs    map[string]string `json:"attributes"`
}

// Bounds of what is kept.
const (
	mostLogSites = 4096
	keptLines    = 256
	keptAttrs    = 8
	keptText     = 300
)

func (l *logCounts) count(r slog.Record) {
	k := logKey{r.PC, r.Level}
	v, ok := l.sites.Load(k)
	if !ok {
		if l.n.Load() >= mostLogSites {
			k.pc = 0
		}
		var known bool
		if v, known = l.sites.LoadOrStore(k, &logSite{first: r.Time}); !known {
			l.n.Add(1)
		}
	}
	s := v.(*logSite)
	now := time.Now()
	s.mu.Lock()
	s.minute.add(now)
	s.total++
	if s.total&15 == 1 {
		s.last = cut(r.Message, keptText)
	}
	s.mu.Unlock()
	if r.Level >= slog.LevelWarn {
		l.keep(r)
	}
}

func (l *logCounts) keep(r slog.Record) {
	at := pcSite(r.PC)
	line := logLine{At: r.Time.UTC(), Level: r.Level.String(), Message: cut(r.Message, keptText), Function: at.Function, Place: at.At}
	r.Attrs(func(a slog.Attr) bool {
		if line.Attrs == nil {
			line.Attrs = make(map[string]string, min(r.NumAttrs(), keptAttrs))
		}
		// A value that has to be computed is not: it may be dear, or log itself.
		if v := a.Value; v.Kind() != slog.KindLogValuer && v.Kind() != slog.KindAny {
			line.Attrs[a.Key] = cut(v.String(), keptText)
		} else if err, ok := v.Any().(error); ok {
			line.Attrs[a.Key] = cut(err.Error(), keptText)
		}
		return len(line.Attrs) < keptAttrs
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < keptLines {
		l.ring = append(l.ring, line)
		return
	}
	l.ring[l.next] = line
	l.next = (l.next + 1) % keptLines
}

// recent gives the lines that are kept, the newest first.
func (l *logCounts) recent() []logLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := append(append(make([]logLine, 0, len(l.ring)), l.ring[l.next:]...), l.ring[:l.next]...)
	slices.Reverse(out)
	return out
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

func pcSite(pc uintptr) site {
	if pc == 0 {
		return site{Function: "unknown", At: "unknown"}
	}
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return siteOf(f)
}

// Logger is the skill "logger": what the program logs, by the line that logs it.
func (p *Probe) Logger() *skill.Skill {
	l := &logs{&p.log}
	return &skill.Skill{
		ID: "logger", Title: "the log", Summary: "Lines, warnings and errors, by the line of source that logs them.",
		Prompt:   text("prompt/logger.md"),
		Snapshot: l.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("logger_sites", "The lines of source that logged most in the last minute, with an example of what they say. level is that or a graver one.", `logger_sites("ERROR", 5)`, l.sites),
			skill.Func("logger_recent", "The newest warnings and errors, the newest first.", "logger_recent(10)", l.recent),
		},
		Metrics: []skill.Metric{
			{Name: "total_logs_1m", Unit: "lines", Kind: skill.Gauge, Doc: "lines logged in the last minute"},
			{Name: "warning_count_1m", Unit: "lines", Kind: skill.Gauge, Doc: "warnings in the last minute"},
			{Name: "error_count_1m", Unit: "lines", Kind: skill.Gauge, Doc: "errors in the last minute"},
		},
		Rules: []skill.Rule{
			{Metric: "error_count_1m", Above: 600, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "ten errors a second for a minute: something fails all the time"},
			{Metric: "total_logs_1m", Above: 600_000, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "ten thousand lines a second: logging takes the processors and the disk"},
		},
		Edges: []beamlens.Edge{
			{From: "exception.panics_1m", To: "logger.error_count_1m", Why: "a panic that was caught is logged"},
			{From: "sup.restarts_1m", To: "logger.error_count_1m", Why: "a service that fails is logged"},
			{From: "http.errors_pct", To: "logger.error_count_1m", Why: "requests that fail are logged"},
			{From: "logger.total_logs_1m", To: "runtime.cpu_pct", Why: "formatting lines takes CPU"},
		},
		Playbooks: []skill.Playbook{playbook("log_storm", "which line of source logs most", "error_count_1m", "total_logs_1m", "warning_count_1m")},
	}
}

type logs struct{ counts *logCounts }

func (l *logs) snapshot(context.Context) (map[string]any, error) {
	now := time.Now()
	total, warnings, errs := 0, 0, 0
	l.counts.sites.Range(func(k, v any) bool {
		s := v.(*logSite)
		s.mu.Lock()
		n := s.minute.sum(now)
		s.mu.Unlock()
		total += n
		switch level := k.(logKey).level; {
		case level >= slog.LevelError:
			errs += n
		case level >= slog.LevelWarn:
			warnings += n
		}
		return true
	})
	return map[string]any{"total_logs_1m": total, "warning_count_1m": warnings, "error_count_1m": errs}, nil
}

type logSitesIn struct {
	Level string `json:"level" default:"DEBUG" enum:"DEBUG,INFO,WARN,ERROR" doc:"the least"`
	Limit int    `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

type logSitesOut struct {
	Total int          `json:"total_1m"`
	Sites []logSiteRow `json:"sites"`
}

type logSiteRow struct {
	Function string  `json:"function"`
	At       string  `json:"at"`
	Level    string  `json:"level"`
	Count    int     `json:"count_1m"`
	Share    float64 `json:"share_pct"`
	Says     string  `json:"says"`
}

func (l *logs) sites(_ context.Context, in logSitesIn) (logSitesOut, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(in.Level)); err != nil {
		return logSitesOut{}, err // unreachable: the parameter is checked
	}
	out := logSitesOut{Sites: []logSiteRow{}}
	now := time.Now()
	l.counts.sites.Range(func(key, v any) bool {
		k := key.(logKey)
		s := v.(*logSite)
		s.mu.Lock()
		n, says := s.minute.sum(now), s.last
		s.mu.Unlock()
		if k.level < least || n == 0 {
			return true
		}
		at := pcSite(k.pc)
		out.Total += n
		out.Sites = append(out.Sites, logSiteRow{at.Function, at.At, k.level.String(), n, 0, says})
		return true
	})
	slices.SortFunc(out.Sites, func(a, b logSiteRow) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.At, b.At)) })
	for i := range out.Sites {
		out.Sites[i].Share = round(100*float64(out.Sites[i].Count)/float64(out.Total), 0)
	}
	out.Sites = out.Sites[:min(len(out.Sites), in.Limit)]
	return out, nil
}

func (l *logs) recent(_ context.Context, in limitIn) ([]logLine, error) {
	all := l.counts.recent()
	return all[:min(len(all), in.Limit)], nil
}

// lineWriter hands whole writes to a function, and to a writer.
type lineWriter struct {
	next io.Writer
	each func(string)
}

func (w lineWriter) Write(b []byte) (int, error) {
	w.each(string(b))
	return w.next.Write(b)
}
