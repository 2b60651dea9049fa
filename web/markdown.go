package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// markdown gives an incident as Markdown, to be put into a ticket or a chat.
func (d *Dashboard) markdown(w http.ResponseWriter, r *http.Request) {
	req := &request{Request: r, dashboard: d, target: r.URL.Query().Get("target")}
	i, _, err := req.find(r.Context(), r.PathValue("id"))
	if err != nil {
		d.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(visible([]byte(markdownOf(i)))) // who has gone needs nothing
}

// plain makes a text that means nothing in Markdown or HTML.
var plain = strings.NewReplacer("\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "<", "&lt;", ">", "&gt;", "&", "&amp;", "#", "\\#", "|", "\\|", "!", "\\!",
	"://", ":\\//", "www.", "www\\.", "~", "\\~", "@", "\\@", "\r", " ", "\n", " ")

func markdownOf(i incident) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		for n, a := range args {
			if s, ok := a.(string); ok {
				args[n] = plain.Replace(cut(2000, s))
			}
		}
		fmt.Fprintf(&b, format+"\n", args...)
	}
	list := func(head string, items []string) {
		if len(items) == 0 {
			return
		}
		line("\n### %s\n", head)
		for _, s := range items {
			line("- %s", s)
		}
	}
	line("## %s\n", title(i))
	line("%s\n", i.Summary())
	line("| | |\n|---|---|")
	line("| Where | %s |", i.Target.String())
	if i.Open {
		line("| State | lasts since %s UTC |", i.Onset.UTC().Format(time.DateTime))
	} else {
		line("| State | ended; it lasted from %s UTC for %s |", i.Onset.UTC().Format(time.DateTime), span(ended(i).Sub(i.Onset)))
	}
	line("| Severity | %s |", string(i.Severity))
	if c := i.Culprit(); c != nil {
		line("| To blame | %s |", c.Kind+" "+c.String())
	}
	if w := i.Where(); w != "" {
		line("| In the code | %s |", w)
	}
	if s := i.Sure(); s.P > 0 {
		line("| How sure | %s, %s %s |", s.Word, num(100*s.P)+" %", s.Of)
	}
	if e := i.Effects(); len(e) > 0 {
		line("| %s | %s |", i.LedTo(), strings.Join(e, ", "))
	}
	if n := i.Insight; n != nil {
		if len(n.Path) > 0 {
			line("| Path | %s |", strings.Join(n.Path, " → "))
		}
		if n.Outcome != nil {
			line("| Outcome | %s: %s |", string(n.Outcome.Verdict), n.Outcome.Why)
		}
		line("\n%s", n.Summary)
		list("On what this rests", n.Evidence)
		list("Ruled out", n.Alternatives)
		list("Not known", n.Gaps)
		list("What would change it", n.WouldChange)
	}
	line("\n### What happened\n")
	for _, m := range timeline(i) {
		line("- %s UTC, %s: %s", m.At.UTC().Format(time.DateTime), m.Who, m.Text)
	}
	line("\nBeamLens, incident %s", i.ID)
	return b.String()
}

func ended(i incident) time.Time {
	if i.Ended != nil {
		return *i.Ended
	}
	return i.Detected
}
