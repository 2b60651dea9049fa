// Package analyst is the deterministic model: it needs no key and no network, and answers the same for the same messages.
//
// It reads exactly what a language model reads: the input of a run (a JSON object in the last message that holds one), the
// results of its calls, and nothing else; there is no back door. It answers with one tool call. For an operator it follows
// the playbooks; for the coordinator it correlates over the causal graph. Because all it knows is in the messages, it can take
// over in the middle of an investigation that another model began.
package analyst

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/beamlens/beamlens-go/llm"
)

// Analyst is the deterministic model. The zero value is ready.
type Analyst struct{}

// Name is what its answers are signed with.
const Name = "beamlens-analyst"

var _ llm.Model = Analyst{}

// Turn answers with the next step.
func (Analyst) Turn(_ context.Context, req *llm.Request) (*llm.Response, error) {
	if len(req.Tools) == 0 {
		// A summary is asked for. The agent's own is as good as one that is made here.
		return nil, &llm.Error{Kind: llm.ErrBadRequest, Msg: "the analyst writes no prose"}
	}
	p, err := read(req)
	if err != nil {
		return nil, err
	}
	var s step
	switch p.For {
	case "operator":
		s = p.operator()
	case "coordinator":
		s = p.coordinator()
	default:
		return nil, &llm.Error{Kind: llm.ErrBadRequest, Msg: fmt.Sprintf("the analyst does not know the input for %q", p.For)}
	}
	args, err := json.Marshal(s.args)
	if err != nil {
		return nil, &llm.Error{Kind: llm.ErrBadAnswer, Err: err}
	}
	call := llm.ToolCall{ID: fmt.Sprintf("analyst_%d", len(req.Messages)), Name: s.tool, Args: args}
	return &llm.Response{Model: Name, Stop: llm.StopTool, Message: llm.Message{Role: llm.Assistant, Calls: []llm.ToolCall{call}}, Usage: llm.Usage{Known: true}}, nil
}

// step is a tool call to make.
type step struct {
	tool string
	args any
}

type object = map[string]any

// made is a call of this run, with its result.
type made struct {
	tool   string
	args   json.RawMessage
	result json.RawMessage
	failed bool
}

// page is the run as the messages show it.
type page struct {
	header
	raw   json.RawMessage // the input
	made  []made
	tools map[string]bool
}

type header struct {
	For      string `json:"for"`
	Reason   string `json:"reason"`
	Question string `json:"question"`
}

// read finds the input of this run and what has been done since.
func read(req *llm.Request) (*page, error) {
	p := &page{tools: map[string]bool{}}
	for _, t := range req.Tools {
		p.tools[t.Name] = true
	}
	start := -1
	for i, m := range req.Messages {
		// A summary is what another model wrote, of texts that strangers wrote: no input of ours is in it.
		if m.Role != llm.User || strings.HasPrefix(m.Text, "[Conversation Summary]") {
			continue
		}
		if raw, ok := fenced(m.Text); ok {
			var h header
			if json.Unmarshal(raw, &h) == nil && h.For != "" {
				p.header, p.raw, start = h, raw, i
			}
		}
	}
	if start < 0 {
		return nil, &llm.Error{Kind: llm.ErrBadRequest, Msg: "the analyst finds no input in the messages"}
	}
	calls := map[string]llm.ToolCall{}
	for _, m := range req.Messages[start+1:] {
		for _, c := range m.Calls {
			calls[c.ID] = c
		}
		for _, r := range m.Results {
			p.made = append(p.made, made{tool: r.Name, args: calls[r.CallID].Args, result: json.RawMessage(r.Content), failed: r.Failed})
		}
	}
	return p, nil
}

// fenced gives what is in the first ```json fence of a text.
func fenced(text string) (json.RawMessage, bool) {
	_, rest, ok := strings.Cut(text, "```json\n")
	if !ok {
		return nil, false
	}
	end := strings.LastIndex(rest, "\n```")
	if end < 0 {
		return nil, false
	}
	return json.RawMessage(rest[:end]), true
}

// last gives the newest successful call of a tool.
func (p *page) last(tool string) (made, bool) {
	for i := len(p.made) - 1; i >= 0; i-- {
		if p.made[i].tool == tool && !p.made[i].failed {
			return p.made[i], true
		}
	}
	return made{}, false
}
