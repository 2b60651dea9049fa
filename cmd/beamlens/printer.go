package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/llm/redact"
)

// printer shows events: for people, or as JSON lines.
type printer struct {
	mu      sync.Mutex // one event at a time
	out     io.Writer
	json    bool
	verbose bool
	colour  bool
	down    string // the reason that was told last
	wasUp   bool
}

func newPrinter(out io.Writer, json, verbose bool) *printer {
	return &printer{out: out, json: json, verbose: verbose, colour: !json && isTerminal(out) && os.Getenv("NO_COLOR") == ""}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// The colours of a terminal.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (p *printer) paint(code, s string) string {
	if !p.colour || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// note prints a line for people.
func (p *printer) note(format string, args ...any) {
	if p.json {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.out, p.paint(dim, fmt.Sprintf(format, args...)))
}

// left says that we have gone.
func (p *printer) left(node string) {
	p.mu.Lock()
	up := p.wasUp
	p.mu.Unlock()
	if up {
		p.note("Left %s. Nothing of BeamLens stays there.", node)
	}
}

// shown are the events that people see, and those that JSON has without --verbose.
var shown = map[string]func(*printer, beamlens.Event){
	beamlens.EventTargetUp:        (*printer).up,
	beamlens.EventTargetDown:      (*printer).downed,
	beamlens.EventStateChange:     (*printer).state,
	beamlens.EventAlertFired:      (*printer).alert,
	beamlens.EventAlertUpdated:    (*printer).updated,
	beamlens.EventAlertCleared:    (*printer).cleared,
	beamlens.EventInsightProduced: (*printer).insight,
	beamlens.EventInsightFollowed: (*printer).followed,
	"operator.run_failed":         (*printer).trouble,
	"operator.store_failed":       (*printer).trouble,
	"coordinator.run_failed":      (*printer).trouble,
	"coordinator.store_failed":    (*printer).trouble,
	"recording.failed":            (*printer).trouble,
	"dashboard.failed":            (*printer).trouble,
	"agent.takeover":              (*printer).trouble,
	"engine.panic":                (*printer).trouble,
	"engine.backoff":              (*printer).trouble,
}

func (p *printer) event(ev beamlens.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	show := shown[ev.Name]
	switch {
	case p.json && (show != nil || p.verbose):
		if raw, err := json.Marshal(ev); err == nil {
			fmt.Fprintf(p.out, "%s\n", raw)
		}
	case p.json:
	case show != nil:
		show(p, ev)
	case p.verbose:
		p.line(ev, dim, "·", fmt.Sprintf("%s %s %s", ev.Subject, ev.Name, fields(ev.Fields)))
	}
}

func fields(m map[string]any) string {
	raw, err := json.Marshal(m)
	if err != nil || len(m) == 0 {
		return ""
	}
	return clean(string(raw), 200)
}

// clean keeps what comes from a system from moving the cursor, and cuts it.
func clean(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return '·'
		}
		return r
	}, s)
	s = redact.Visible(s)
	if runes := []rune(s); len(runes) > n {
		s = string(runes[:n-1]) + "…"
	}
	return s
}

func (p *printer) line(ev beamlens.Event, colour, mark, text string) {
	fmt.Fprintf(p.out, "%s %s %s\n", p.paint(dim, ev.At.Local().Format(time.TimeOnly)), p.paint(colour, mark), text)
}

// more prints an indented line under the one before.
func (p *printer) more(label, text string) {
	if text == "" {
		return
	}
	const width = 100
	words := strings.Fields(clean(text, 1000))
	row, first := "", true
	flush := func() {
		if first {
			fmt.Fprintf(p.out, "           %s %s\n", p.paint(dim, fmt.Sprintf("%-11s", label)), row)
		} else {
			fmt.Fprintf(p.out, "           %-11s %s\n", "", row)
		}
		first, row = false, ""
	}
	for _, w := range words {
		if row != "" && len(row)+1+len(w) > width {
			flush()
		}
		if row != "" {
			row += " "
		}
		row += w
	}
	flush()
}

func (p *printer) up(ev beamlens.Event) {
	p.down, p.wasUp = "", true
	text := fmt.Sprintf("%s is up: OTP %v", p.paint(bold, ev.Target.Name), ev.Fields["otp_release"])
	if v, ok := ev.Fields["elixir_version"].(string); ok {
		text += ", Elixir " + v
	}
	text += fmt.Sprintf(", %v schedulers", ev.Fields["schedulers_online"])
	p.line(ev, green, "●", text)
	if missing, ok := ev.Fields["missing"].([]string); ok {
		p.more("without", "Without the probe these are missing: "+strings.Join(missing, ", ")+".")
	}
}

func (p *printer) downed(ev beamlens.Event) {
	reason := fmt.Sprint(ev.Fields["reason"])
	if reason == p.down {
		return // told already; it goes on trying
	}
	p.down = reason
	p.line(ev, red, "○", clean(reason, 600))
	p.more("", fmt.Sprintf("Trying again in %v, and until it is back.", time.Duration(number(ev.Fields["retry_ms"]))*time.Millisecond))
}

func number(v any) int64 {
	n, _ := v.(int64)
	return n
}

var stateColours = map[string]string{"healthy": green, "observing": cyan, "warning": yellow, "critical": red}

func (p *printer) state(ev beamlens.Event) {
	from, to := fmt.Sprint(ev.Fields["from"]), fmt.Sprint(ev.Fields["to"])
	p.line(ev, stateColours[to], "●", fmt.Sprintf("%s: %s → %s  %s", ev.Subject, from, p.paint(stateColours[to], to), p.paint(dim, clean(fmt.Sprint(ev.Fields["reason"]), 160))))
}

func severityColour(s beamlens.Severity) string {
	return map[beamlens.Severity]string{beamlens.SeverityCritical: red, beamlens.SeverityWarning: yellow, beamlens.SeverityInfo: cyan}[s]
}

func (p *printer) alert(ev beamlens.Event) {
	a := ev.Alert
	p.line(ev, severityColour(a.Severity), "▲", fmt.Sprintf("%s %s", p.paint(severityColour(a.Severity), strings.ToUpper(string(a.Severity))), p.paint(bold, clean(a.AnomalyType, 60))))
	p.more("", a.Summary)
	if a.Culprit != nil {
		p.more("culprit", a.Culprit.Kind+" "+a.Culprit.String())
	}
	p.more("observed", a.Observation)
	p.more("context", a.Context)
	p.more("perhaps", a.Hypothesis)
	p.more("since", fmt.Sprintf("%s; %d snapshots, %d readings attached; alert %s", a.Onset.Local().Format(time.TimeOnly), len(a.Snapshots), len(a.Evidence), a.ID))
}

func (p *printer) updated(ev beamlens.Event) {
	a := ev.Alert
	p.line(ev, severityColour(a.Severity), "△", fmt.Sprintf("%s  %s", clean(a.AnomalyType, 60), clean(a.Summary, 300)))
}

func (p *printer) cleared(ev beamlens.Event) {
	a := ev.Alert
	lasted := ""
	if a.ClearedAt != nil {
		lasted = ", after " + a.ClearedAt.Sub(a.Onset).Round(time.Second).String()
	}
	who := ""
	if a.Culprit != nil {
		who = " of " + clean(a.Culprit.String(), 100)
	}
	p.line(ev, green, "✓", fmt.Sprintf("cleared: %s%s%s", p.paint(bold, clean(a.AnomalyType, 60)), who, lasted))
}

func (p *printer) insight(ev beamlens.Event) {
	i := ev.Insight
	p.line(ev, cyan, "◆", fmt.Sprintf("%s %s, confidence %s (%.0f %%)", p.paint(cyan, "INSIGHT"), p.paint(bold, string(i.CorrelationType)), i.Confidence, 100*i.Probability))
	p.more("", i.Summary)
	if i.Culprit != nil {
		p.more("culprit", i.Culprit.Kind+" "+i.Culprit.String())
	}
	p.more("path", strings.Join(i.Path, " → "))
	p.more("root cause", i.RootCauseHypothesis)
	for _, e := range i.Evidence {
		p.more("because", e)
	}
	for _, a := range i.Alternatives {
		p.more("ruled out", a)
	}
	for _, g := range i.Gaps {
		p.more("not known", g)
	}
	for _, w := range i.WouldChange {
		p.more("but", w)
	}
}

// followed says what became of an insight.
func (p *printer) followed(ev beamlens.Event) {
	i := ev.Insight
	code, sign := green, "✔"
	if i.Outcome.Verdict == beamlens.Withdrawn {
		code, sign = yellow, "✘"
	}
	p.line(ev, code, sign, fmt.Sprintf("insight %s: %s", i.Outcome.Verdict, i.Outcome.Why))
	p.more("", i.Summary)
}

func (p *printer) trouble(ev beamlens.Event) {
	p.line(ev, yellow, "!", fmt.Sprintf("%s: %s: %s", ev.Subject, ev.Name, clean(fmt.Sprint(ev.Fields["reason"]), 300)))
}
