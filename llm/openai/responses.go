package openai

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/wire"
)

// item is a part of a conversation in Responses.
type item struct {
	Type      string `json:"type"`
	Role      string `json:"role,omitempty"`
	Content   string `json:"content,omitempty"`
	CallID    string `json:"call_id,omitempty"`
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments,omitempty"`
}

// output answers a call. Its text may be empty and must be there.
type output struct {
	Type   string `json:"type"`
	CallID string `json:"call_id"`
	Output string `json:"output"`
}

func (m *Model) respond(req *llm.Request, turns *wire.Turns) *wire.Object {
	o := &wire.Object{}
	o.Put("model", m.options.Model)
	if req.System != "" {
		o.Put("instructions", req.System)
	}
	if len(req.Tools) > 0 {
		list := wire.List{}
		for _, t := range req.Tools {
			tool := &wire.Object{}
			// Left out, strict would be true here, and refuse arguments that are optional.
			list = append(list, tool.Put("type", "function").Put("name", t.Name).Put("description", t.Doc).Put("parameters", wire.Schema(t)).Put("strict", false))
		}
		o.Put("tools", list).Put("tool_choice", m.choice(req.ToolMode)).Put("parallel_tool_calls", false)
	}
	input := wire.List{}
	for _, msg := range req.Messages {
		input = append(input, items(msg, turns)...)
	}
	o.Put("input", input)
	if n := cmp.Or(req.MaxTokens, m.options.MaxTokens); n > 0 {
		o.Put("max_output_tokens", n)
	}
	o.Put("store", false)
	if m.thinks {
		o.Put("include", []string{"reasoning.encrypted_content"})
	}
	if m.options.Effort != "" {
		o.Put("reasoning", map[string]string{"effort": m.options.Effort})
	}
	if m.options.Dialect.CacheKey {
		o.Put("prompt_cache_key", m.cacheKey(req))
	}
	return o
}

// items are the parts of one message.
func items(msg llm.Message, turns *wire.Turns) []any {
	var native []json.RawMessage
	if raw := turns.Native(msg.Native); msg.Role == llm.Assistant && raw != nil && json.Unmarshal(raw, &native) == nil {
		out := make([]any, len(native))
		for i, raw := range native {
			out[i] = raw
		}
		return out
	}
	var out []any
	for _, r := range msg.Results {
		out = append(out, output{"function_call_output", wire.ID(r.CallID), r.Content})
	}
	if strings.TrimSpace(msg.Text) != "" {
		role := "user"
		if msg.Role == llm.Assistant {
			role = "assistant"
		}
		out = append(out, item{Type: "message", Role: role, Content: msg.Text})
	}
	for _, c := range msg.Calls {
		out = append(out, item{Type: "function_call", CallID: wire.ID(c.ID), Name: c.Name, Arguments: string(wire.Arguments(c.Args))})
	}
	return out
}

func (m *Model) responded(answer *wire.Answer, turns *wire.Turns) (*llm.Response, error) {
	var a struct {
		ID         string          `json:"id"`
		Object     string          `json:"object"`
		Model      string          `json:"model"`
		Status     string          `json:"status"`
		Output     json.RawMessage `json:"output"`
		Incomplete *struct {
			Reason string `json:"reason"`
		} `json:"incomplete_details"`
		Usage *usage `json:"usage"`
	}
	if err := answer.Decode(&a); err != nil {
		return nil, err
	}
	var output []json.RawMessage
	if a.Object != "response" || json.Unmarshal(a.Output, &output) != nil {
		return nil, answer.Bad("answered no response of its API; does it have Responses, or Chat Completions only?")
	}
	r := &llm.Response{ID: a.ID, Model: cmp.Or(a.Model, m.options.Model), RawStop: a.Status, Stop: llm.StopEnd, Usage: a.Usage.normal()}
	r.Message.Role = llm.Assistant
	replayable, refused := len(output) > 0, false
	for _, raw := range output {
		var o struct {
			Type      string `json:"type"`
			CallID    string `json:"call_id"`
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
			Encrypted string `json:"encrypted_content"`
			Content   []struct {
				Type    string `json:"type"`
				Text    string `json:"text"`
				Refusal string `json:"refusal"`
			} `json:"content"`
		}
		_ = json.Unmarshal(raw, &o) // an item of a kind that we do not know may have these otherwise; it is kept in the native turn
		switch o.Type {
		case "message":
			for _, c := range o.Content {
				r.Message.Text += c.Text + c.Refusal
				refused = refused || c.Type == "refusal"
			}
		case "function_call":
			r.Message.Calls = append(r.Message.Calls, llm.ToolCall{ID: o.CallID, Name: o.Name, Args: json.RawMessage(o.Arguments)})
			replayable = replayable && wire.Valid(json.RawMessage(o.Arguments))
		case "reasoning":
			// A thought that is only named is looked for in what the server has stored, which is nothing.
			replayable = replayable && o.Encrypted != ""
		}
	}
	if len(r.Message.Calls) > 0 {
		r.Stop = llm.StopTool
	}
	switch {
	case refused:
		r.Stop = llm.StopRefusal
	case a.Incomplete != nil && a.Incomplete.Reason == "content_filter":
		r.Stop, r.RawStop = llm.StopRefusal, a.Incomplete.Reason
	case a.Incomplete != nil && a.Incomplete.Reason != "":
		r.Stop, r.RawStop = llm.StopLength, a.Incomplete.Reason
	case a.Status != "" && a.Status != "completed":
		r.Stop = llm.StopOther
	}
	if replayable {
		r.Message.Native = turns.Keep(a.Output)
	}
	return r, nil
}
