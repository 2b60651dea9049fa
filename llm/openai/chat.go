package openai

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/wire"
)

// message is one of Chat Completions.
type message struct {
	Role       string `json:"role"`
	Content    any    `json:"content,omitempty"`
	ToolCalls  []call `json:"tool_calls,omitempty"`
	ToolCallID string `json:"tool_call_id,omitempty"`
}

type call struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

func (m *Model) chat(req *llm.Request, turns *wire.Turns) *wire.Object {
	d := m.options.Dialect
	o := &wire.Object{}
	o.Put("model", m.options.Model)
	if len(req.Tools) > 0 {
		list := wire.List{}
		for _, t := range req.Tools {
			f, tool := &wire.Object{}, &wire.Object{}
			f.Put("name", t.Name).Put("description", t.Doc).Put("parameters", wire.Schema(t))
			list = append(list, tool.Put("type", "function").Put("function", f))
		}
		o.Put("tools", list).Put("tool_choice", m.choice(req.ToolMode))
		if d.Single {
			o.Put("parallel_tool_calls", false)
		}
	}
	messages := wire.List{}
	if req.System != "" {
		messages = append(messages, message{Role: "system", Content: req.System})
	}
	for _, msg := range req.Messages {
		messages = append(messages, said(msg, turns)...)
	}
	o.Put("messages", messages)
	if n := cmp.Or(req.MaxTokens, m.options.MaxTokens); n > 0 {
		o.Put(d.MaxTokens, n)
	}
	if effort := m.effort(req); effort != "" {
		o.Put("reasoning_effort", effort)
	}
	if d.CacheKey {
		o.Put("prompt_cache_key", m.cacheKey(req))
	}
	return o
}

// said gives the messages that one of ours is there: each result is one.
func said(msg llm.Message, turns *wire.Turns) []any {
	if native := turns.Native(msg.Native); msg.Role == llm.Assistant && native != nil {
		return []any{native}
	}
	var out []any
	for _, r := range msg.Results {
		out = append(out, message{Role: "tool", ToolCallID: wire.ID(r.CallID), Content: r.Content})
	}
	own := message{Role: "user"}
	if msg.Role == llm.Assistant {
		own.Role = "assistant"
	}
	if strings.TrimSpace(msg.Text) != "" {
		own.Content = msg.Text
	}
	for _, c := range msg.Calls {
		own.ToolCalls = append(own.ToolCalls, call{wire.ID(c.ID), "function", function{c.Name, string(wire.Arguments(c.Args))}})
	}
	if own.Content != nil || len(own.ToolCalls) > 0 {
		out = append(out, own)
	}
	return out
}

var finishes = map[string]llm.StopReason{
	"stop": llm.StopEnd, "tool_calls": llm.StopTool, "function_call": llm.StopTool, "length": llm.StopLength, "content_filter": llm.StopRefusal,
}

// answered is the message of an answer. What some servers think aloud must come back with the calls that followed from it.
type answered struct {
	Content          json.RawMessage `json:"content"`
	Refusal          string          `json:"refusal"`
	ToolCalls        json.RawMessage `json:"tool_calls"`
	ReasoningDetails json.RawMessage `json:"reasoning_details"` // OpenRouter
	ReasoningContent json.RawMessage `json:"reasoning_content"` // DeepSeek, Kimi
}

func (m *Model) completed(answer *wire.Answer, turns *wire.Turns) (*llm.Response, error) {
	var a struct {
		ID      string `json:"id"`
		Model   string `json:"model"`
		Choices []struct {
			Message      *answered       `json:"message"`
			FinishReason string          `json:"finish_reason"`
			Error        json.RawMessage `json:"error"` // OpenRouter, when its provider fails on the way
		} `json:"choices"`
		Usage *usage `json:"usage"`
	}
	if err := answer.Decode(&a); err != nil {
		return nil, err
	}
	if len(a.Choices) == 0 || a.Choices[0].Message == nil {
		return nil, answer.Bad("answered no choice; is base_url the address of Chat Completions?")
	}
	c := a.Choices[0]
	if c.FinishReason == "error" || len(c.Error) > 0 && string(c.Error) != "null" {
		e := answer.Bad("failed on the way to an answer")
		e.Kind = llm.ErrServer
		return nil, e
	}
	r := &llm.Response{ID: a.ID, Model: cmp.Or(a.Model, m.options.Model), RawStop: c.FinishReason, Stop: llm.StopOther, Usage: a.Usage.normal()}
	if stop, ok := finishes[c.FinishReason]; ok {
		r.Stop = stop
	}
	r.Message = llm.Message{Role: llm.Assistant, Text: plain(c.Message.Content)}
	var calls []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"` // a string; an object from some servers
		} `json:"function"`
	}
	_ = json.Unmarshal(c.Message.ToolCalls, &calls) // none there, or of no use
	replayable := len(calls) > 0 || r.Message.Text != ""
	for _, x := range calls {
		args := x.Function.Arguments
		var text string
		if json.Unmarshal(args, &text) == nil {
			args = json.RawMessage(text)
		}
		r.Message.Calls = append(r.Message.Calls, llm.ToolCall{ID: x.ID, Name: x.Function.Name, Args: args})
		replayable = replayable && x.ID != "" && text != "" && wire.Valid(args)
	}
	switch {
	case c.Message.Refusal != "":
		r.Stop = llm.StopRefusal
		r.Message.Text += c.Message.Refusal
	case len(calls) > 0 && r.Stop == llm.StopEnd:
		r.Stop = llm.StopTool // some servers say stop
	}
	if replayable {
		r.Message.Native = turns.Keep(c.Message.turn())
	}
	return r, nil
}

// turn gives what is sent back of a message: what servers add to it besides, they refuse to read.
func (a *answered) turn() json.RawMessage {
	o := &wire.Object{}
	o.Put("role", "assistant")
	for _, part := range []struct {
		name string
		raw  json.RawMessage
	}{{"content", a.Content}, {"reasoning_details", a.ReasoningDetails}, {"reasoning_content", a.ReasoningContent}, {"tool_calls", a.ToolCalls}} {
		if len(part.raw) > 0 && string(part.raw) != "null" {
			o.Put(part.name, part.raw)
		}
	}
	raw, err := o.Bytes(nil)
	if err != nil {
		return nil // unreachable: the parts come out of JSON
	}
	return raw
}

// plain gives the text of a content, which is a string, or a list of parts from some servers.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var list []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(raw, &list) // null, or of no use
	for _, p := range list {
		s += p.Text
	}
	return s
}
