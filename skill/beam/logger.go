package beam

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Logger is the skill "logger": what the node logs, by level, module and template.
func Logger(c Caller) *skill.Skill {
	l := &logs{caller: c}
	return &skill.Skill{
		ID: "logger", Title: "logs", Summary: "Log rates by level, errors by module, templates with counts, crash and supervisor reports.",
		Prompt:   text("prompt/logger.md"),
		Snapshot: l.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("logger_stats", "Lines of the last minute by level, and the modules that log errors.", "logger_stats()", l.stats).Costs(skill.Cheap),
			skill.Func("logger_recent", "The last lines, newest first.", `logger_recent(5, "error")`, l.recent).Costs(skill.Cheap),
			skill.Func("logger_errors", "The last lines of level error and above, newest first.", "logger_errors(5)", l.errors).Costs(skill.Cheap),
			skill.Func("logger_search", "The last lines that match a pattern (RE2), newest first.", `logger_search("time.?out", 5)`, l.search).Costs(skill.Cheap),
			skill.Func("logger_by_module", "The last lines of a module, newest first.", `logger_by_module("supervisor", 5)`, l.byModule).Costs(skill.Cheap),
			skill.Func("logger_templates", "Messages with their variables taken out, the most frequent first.", "logger_templates(5)", l.templatesOf).Costs(skill.Cheap),
			skill.Func("logger_crashes", "The last reports of processes that ended with an error, and of supervisors, newest first.", "logger_crashes(5)", l.crashes).Costs(skill.Cheap),
		},
		Metrics: loggerMetrics,
		Rules:   loggerRules,
		Edges: []beamlens.Edge{
			{From: "exception.exceptions_1m", To: "logger.error_count_1m", Why: "a process that ends with an error is logged"},
			{From: "beam.message_queue_max", To: "logger.error_count_1m", Why: "who calls a process that is behind gives up waiting, and says so"},
			{From: "sup.restarts_1m", To: "logger.error_count_1m", Why: "a supervisor logs each child that ends"},
			{From: "logger.total_logs_1m", To: "beam.run_queue_per_scheduler", Why: "formatting log lines takes the schedulers"},
			{From: "logger.total_logs_1m", To: "beam.message_queue_max", Why: "handlers of logs have mailboxes"},
		},
		Playbooks: []skill.Playbook{
			playbook("log_errors", "what the errors say, and which module logs them", "error_count_1m", "total_logs_1m", "warning_count_1m", "error_rate_pct"),
		},
	}
}

var loggerMetrics = []skill.Metric{
	{Name: "total_logs_1m", Unit: "lines", Kind: skill.Gauge, Doc: "lines logged in the last minute"},
	{Name: "error_count_1m", Unit: "lines", Kind: skill.Gauge, Doc: "of these, of level error and above"},
	{Name: "warning_count_1m", Unit: "lines", Kind: skill.Gauge, Doc: "of these, warnings"},
	{Name: "error_rate_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "errors among all lines"},
	{Name: "unique_error_modules", Unit: "modules", Kind: skill.Gauge, Quiet: true, Doc: "modules that logged errors"},
	{Name: "logs_shed", Unit: "lines", Kind: skill.Counter, Quiet: true, Doc: "lines that were counted and not kept"},
}

var loggerRules = []skill.Rule{
	{Metric: "error_count_1m", Above: 600, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "ten errors a second for a minute: something fails all the time"},
	{Metric: "total_logs_1m", Above: 600_000, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "ten thousand lines a second: logging takes the schedulers and the disk"},
}

const (
	keptLines = 1000
	minute    = time.Minute
)

// line is one record of the probe.
type line struct {
	Seq      int64    `json:"seq"`
	AtUS     int64    `json:"at_us"`
	Level    string   `json:"level"`
	Kind     string   `json:"kind"`
	Message  string   `json:"message"`
	Module   *string  `json:"module"`
	Function *string  `json:"function"`
	Line     *int64   `json:"line"`
	Pid      *string  `json:"pid"`
	Domain   []string `json:"domain"`
}

func (l line) at() time.Time { return time.UnixMicro(l.AtUS) }

func (l line) module() string {
	if l.Module == nil {
		return ""
	}
	return *l.Module
}

func (l line) isError() bool { return severe(l.Level) <= severe("error") }

var levels = []string{"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"}

func severe(level string) int {
	if i := slices.Index(levels, level); i >= 0 {
		return i
	}
	return len(levels)
}

// head is what each answer of the part begins with. The id is of one life of the part: with another, all is new.
type head struct {
	ID        string `json:"id"`
	Installed bool   `json:"installed"`
	NowUS     int64  `json:"now_us"`
	Newest    int64  `json:"newest"`
}

type pulledLogs struct {
	head
	Levels  []int64 `json:"levels"`
	Shed    int64   `json:"shed"`
	Failed  int64   `json:"failed"`
	Records []line  `json:"records"`
}

// logs keeps what was pulled from the node.
type logs struct {
	caller Caller

	mu        sync.Mutex // guards what follows
	id        string
	newest    int64
	now       time.Time // the node's clock
	installed bool
	counts    counted // the levels, and what was shed
	lines     []line  // the oldest first
	templates templates
}

// pull fetches what is new.
func (l *logs) pull(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, err := ask[pulledLogs](ctx, l.caller, "log", "snapshot", l.newest)
	if err != nil {
		return err
	}
	if p.ID != l.id && l.id != "" && l.newest > 0 {
		// Another life: its numbers begin anew, and those of its first second were not asked for.
		if p, err = ask[pulledLogs](ctx, l.caller, "log", "snapshot", int64(0)); err != nil {
			return err
		}
	}
	if p.ID != l.id {
		l.id, l.counts = p.ID, counted{window: minute}
	}
	if len(p.Levels) != len(levels) {
		return fmt.Errorf("log snapshot: %d levels", len(p.Levels))
	}
	l.newest, l.now, l.installed = p.Newest, time.UnixMicro(p.NowUS), p.Installed
	l.counts.add(time.Now(), append(p.Levels, p.Shed)...)
	for _, r := range p.Records {
		l.lines = append(l.lines, r)
		l.templates.add(r.Message, r.Level, r.module(), r.at())
	}
	if n := len(l.lines) - keptLines; n > 0 {
		l.lines = slices.Delete(l.lines, 0, n)
	}
	return nil
}

type loggerStats struct {
	Total      int64            `json:"total_logs_1m"`
	Errors     int64            `json:"error_count_1m"`
	Warnings   int64            `json:"warning_count_1m"`
	ErrorRate  float64          `json:"error_rate_pct"`
	Modules    int64            `json:"unique_error_modules"`
	Levels     map[string]int64 `json:"levels_1m"`
	Shed       int64            `json:"shed_1m"`
	ShedTotal  int64            `json:"shed_total"`
	WindowS    float64          `json:"window_s"`
	Kept       int64            `json:"kept"`
	Installed  bool             `json:"installed"`
	TopModules []moduleErrors   `json:"top_error_modules"`
	Known      string           `json:"known"`
}

type moduleErrors struct {
	Module string `json:"module"`
	Errors int64  `json:"errors"`
}

// stats has counts that are exact; which modules they were of is known of the lines that were kept.
func (l *logs) stats(ctx context.Context, _ none) (loggerStats, error) {
	if err := l.pull(ctx); err != nil {
		return loggerStats{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := loggerStats{Levels: map[string]int64{}, TopModules: []moduleErrors{}, Kept: int64(len(l.lines)), Installed: l.installed, WindowS: math.Round(min(l.counts.since(), minute).Seconds()*10) / 10}
	for i, level := range levels {
		n := l.counts.within(minute, i)
		if n > 0 {
			s.Levels[level] = n
		}
		s.Total += n
		if i <= severe("error") {
			s.Errors += n
		}
	}
	s.Warnings = s.Levels["warning"]
	s.Shed = l.counts.within(minute, len(levels))
	s.ShedTotal = l.counts.last().values[len(levels)]
	if s.Total > 0 {
		s.ErrorRate = pct(s.Errors, s.Total)
	}
	modules := map[string]int64{}
	for _, r := range l.lines {
		if r.isError() && l.now.Sub(r.at()) <= minute {
			modules[r.module()]++
		}
	}
	for m, n := range modules {
		if m == "" {
			m = "unknown"
		}
		s.TopModules = append(s.TopModules, moduleErrors{m, n})
	}
	slices.SortFunc(s.TopModules, func(a, b moduleErrors) int {
		if a.Errors != b.Errors {
			return int(b.Errors - a.Errors)
		}
		return strings.Compare(a.Module, b.Module)
	})
	s.Modules = int64(len(s.TopModules))
	s.TopModules = s.TopModules[:min(10, len(s.TopModules))]
	s.Known = "all lines"
	if s.Shed > 0 {
		s.Known = "counts are of all lines; texts and modules of those that were kept"
	}
	return s, nil
}

func (l *logs) snapshot(ctx context.Context) (map[string]any, error) {
	s, err := l.stats(ctx, none{})
	if err != nil {
		return nil, err
	}
	out := map[string]any{
		"total_logs_1m": s.Total, "error_count_1m": s.Errors, "warning_count_1m": s.Warnings, "error_rate_pct": s.ErrorRate,
		"unique_error_modules": s.Modules, "logs_shed": s.ShedTotal, "handler_installed": s.Installed,
	}
	if len(s.TopModules) > 0 {
		out["top_error_module"] = s.TopModules[0].Module
	}
	return out, nil
}

type linesOut struct {
	Lines   []lineRow `json:"lines"`
	Matched int64     `json:"matched"`
	Kept    int64     `json:"kept"`
}

type lineRow struct {
	Timestamp string   `json:"timestamp"`
	Level     string   `json:"level"`
	Kind      string   `json:"kind"`
	Message   string   `json:"message"`
	Module    *string  `json:"module"`
	Function  *string  `json:"function"`
	Line      *int64   `json:"line"`
	Pid       *string  `json:"pid"`
	Domain    []string `json:"domain"`
}

// matching gives the lines that fit, the newest first.
func (l *logs) matching(ctx context.Context, limit int64, fits func(line) bool) (linesOut, error) {
	if err := l.pull(ctx); err != nil {
		return linesOut{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out := linesOut{Lines: []lineRow{}, Kept: int64(len(l.lines))}
	for _, r := range slices.Backward(l.lines) {
		if !fits(r) {
			continue
		}
		out.Matched++
		if int64(len(out.Lines)) < limit {
			out.Lines = append(out.Lines, lineRow{utc(r.AtUS / 1000), r.Level, r.Kind, r.Message, r.Module, r.Function, r.Line, r.Pid, r.Domain})
		}
	}
	return out, nil
}

type recentIn struct {
	Limit int64   `json:"limit" default:"20" min:"1" max:"50" doc:"how many lines"`
	Level *string `json:"level" enum:"emergency,alert,critical,error,warning,notice,info,debug" doc:"only of this level"`
}

func (l *logs) recent(ctx context.Context, in recentIn) (linesOut, error) {
	return l.matching(ctx, in.Limit, func(r line) bool { return in.Level == nil || r.Level == *in.Level })
}

func (l *logs) errors(ctx context.Context, in limitIn) (linesOut, error) {
	return l.matching(ctx, in.Limit, line.isError)
}

type searchIn struct {
	Pattern string `json:"pattern" doc:"a regular expression of RE2, or plain text"`
	Limit   int64  `json:"limit" default:"20" min:"1" max:"50" doc:"how many rows"`
}

// compile takes what is no regular expression as plain text. RE2 takes time linear in the text, whatever the pattern.
func compile(pattern string) *regexp.Regexp {
	if re, err := regexp.Compile("(?i)" + pattern); err == nil {
		return re
	}
	return regexp.MustCompile("(?i)" + regexp.QuoteMeta(pattern))
}

func (l *logs) search(ctx context.Context, in searchIn) (linesOut, error) {
	re := compile(in.Pattern)
	return l.matching(ctx, in.Limit, func(r line) bool { return re.MatchString(r.Message) })
}

type moduleIn struct {
	Name  string `json:"name" doc:"a module, or the beginning of its name"`
	Limit int64  `json:"limit" default:"20" min:"1" max:"50" doc:"how many lines"`
}

func (l *logs) byModule(ctx context.Context, in moduleIn) (linesOut, error) {
	name := strings.TrimPrefix(in.Name, "Elixir.")
	return l.matching(ctx, in.Limit, func(r line) bool { return strings.HasPrefix(r.module(), name) })
}

func (l *logs) crashes(ctx context.Context, in limitIn) (linesOut, error) {
	return l.matching(ctx, in.Limit, func(r line) bool { return r.Kind != "plain" && r.Kind != "progress" })
}

type templatesOut struct {
	Templates []template `json:"templates"`
	Known     int64      `json:"known"`
}

func (l *logs) templatesOf(ctx context.Context, in limitIn) (templatesOut, error) {
	if err := l.pull(ctx); err != nil {
		return templatesOut{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return templatesOut{l.templates.top(int(in.Limit)), int64(l.templates.count)}, nil
}
