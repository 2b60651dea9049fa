package agent

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/beamlens/beamlens-go/llm"
)

// Compaction keeps a transcript from growing without end: when its size passes MaxTokens, all but the last KeepLast messages
// are replaced by a summary. The input of the run that is on stays in any case.
type Compaction struct {
	MaxTokens int    // default 50,000
	KeepLast  int    // default 5
	Prompt    string // asks for the summary

	// KnownID says whether an id of 16 hexadecimal digits exists. A summary that names one which does not is not used.
	KnownID func(id string) bool
}

func (c Compaction) withDefaults() Compaction {
	if c.MaxTokens <= 0 {
		c.MaxTokens = 50_000
	}
	if c.KeepLast <= 0 {
		c.KeepLast = 5
	}
	if c.Prompt == "" {
		c.Prompt = "Summarize this session. Keep ids exactly."
	}
	return c
}

// Size is how many bytes of text a transcript holds.
func (t *Transcript) Size() int {
	n := 0
	for _, m := range t.Messages {
		n += m.Size()
	}
	return n
}

// tokens estimates the tokens of so many bytes, as the model that was asked last counts them.
func (r *runner) tokens(bytes int) int { return r.Sizes.Tokens("", bytes) }

// worthwhile is which part of MaxTokens the older messages must have to be replaced by a summary: when what is kept verbatim is too large
// alone, a summary of a summary at every turn would help nothing.
const worthwhile = 0.25

// compact replaces older messages by a summary when the transcript is too large, or, when a provider says so, must is set. It says
// whether it has.
func (r *runner) compact(ctx context.Context, model llm.Model, must bool) bool {
	c, t := r.Compaction, r.transcript
	size := r.tokens(t.Size())
	if size <= c.MaxTokens && !must {
		return false
	}
	// The part that is kept must not begin with the result of a call that is gone, and must have something before it.
	cut := len(t.Messages) - c.KeepLast
	for cut > 0 && len(t.Messages[cut].Results) > 0 {
		cut--
	}
	if cut <= 0 {
		return false
	}
	old := t.Messages[:cut]
	if part := r.tokens((&Transcript{old}).Size()); !must && float64(part) < worthwhile*float64(c.MaxTokens) {
		return false
	}
	r.Observe("compaction.start", map[string]any{"message_count": len(t.Messages), "tokens": size, "config": map[string]any{"max_tokens": c.MaxTokens, "keep_last": c.KeepLast}})
	fields := map[string]any{"strategy": "model"}
	summary := r.summary(ctx, model, old, fields)
	if summary == "" {
		summary, fields["strategy"] = digest(old), "digest"
	}
	kept := []llm.Message{{Role: llm.User, Text: summaryMark + summary}}
	// What this run is about stays as it is, however long it becomes.
	if r.input < cut {
		kept = append(kept, t.Messages[r.input])
		r.input = len(kept) - 1
	} else {
		r.input += len(kept) - cut
	}
	for _, m := range t.Messages[cut:] {
		m.Native = nil // providers refuse a native turn whose prefix has changed
		kept = append(kept, m)
	}
	t.Messages = kept
	fields["message_count"], fields["tokens"] = len(kept), r.tokens(t.Size())
	r.Observe("compaction.stop", fields)
	return true
}

// summaryMark begins a summary. The analyst reads no input from a message that begins with it.
const summaryMark = "[Conversation Summary]\n\n"

var id = regexp.MustCompile(`\b[0-9a-f]{16}\b`)

// summary asks the model for one; "" if it gives none that can be used. What it took, or why there is none, is added to the fields.
func (r *runner) summary(ctx context.Context, model llm.Model, old []llm.Message, fields map[string]any) string {
	ctx, cancel := context.WithTimeout(ctx, r.TurnTimeout)
	defer cancel()
	response, err := Ask(ctx, model, &llm.Request{
		System:   r.Compaction.Prompt,
		Messages: []llm.Message{{Role: llm.User, Text: render(old)}},
		ToolMode: llm.ToolNone, Operator: r.Name, Run: r.RunID,
	})
	if err != nil {
		fields["reason"] = err.Error()
		return ""
	}
	spent(fields, response)
	text := response.Message.Text
	switch {
	case text == "":
		fields["reason"] = "the summary is empty"
		return ""
	case r.tokens(len(text)) > r.Compaction.MaxTokens/2:
		fields["reason"] = "the summary is no shorter"
		return ""
	}
	if r.Compaction.KnownID != nil {
		for _, found := range id.FindAllString(text, -1) {
			if !r.Compaction.KnownID(found) {
				fields["reason"] = "the summary names the id " + found + ", which does not exist"
				return ""
			}
		}
	}
	return text
}

func render(messages []llm.Message) string {
	var b strings.Builder
	for _, m := range messages {
		if m.Text != "" {
			fmt.Fprintf(&b, "%s: %s\n\n", m.Role, m.Text)
		}
		for _, c := range m.Calls {
			fmt.Fprintf(&b, "%s calls %s %s\n\n", m.Role, c.Name, c.Args)
		}
		for _, res := range m.Results {
			fmt.Fprintf(&b, "result of %s: %s\n\n", res.Name, res.Content)
		}
	}
	return b.String()
}

// digest is the summary that needs no model: what was called, and the beginning of what it gave.
func digest(old []llm.Message) string {
	var lines []string
	for _, m := range old {
		if rest, ok := strings.CutPrefix(m.Text, summaryMark); ok {
			lines = append(lines, strings.Split(rest, "\n")...)
			continue
		}
		if m.Role == llm.User && m.Text != "" {
			lines = append(lines, "input: "+short(m.Text, 120))
		}
		for _, c := range m.Calls {
			lines = append(lines, "called "+c.Name+" "+short(string(c.Args), 120))
		}
		for _, res := range m.Results {
			lines = append(lines, "  gave "+short(res.Content, 160))
		}
	}
	const most = 60
	if len(lines) > most {
		lines = append([]string{fmt.Sprintf("(%d older lines left out)", len(lines)-most)}, lines[len(lines)-most:]...)
	}
	return strings.Join(lines, "\n")
}

func short(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}
