// Package anthropic speaks the Messages API of Anthropic, as a [llm.Model].
//
//	model := anthropic.New(anthropic.Options{Key: key})
//
// One turn is one request. Tools, system prompt and conversation are marked for caching, in this order, so that a run pays for what is
// new in each turn. Thinking is kept and sent back as it came, as long as nothing before it changes.
package anthropic

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/wire"
)

// DefaultModel is the model when none is named: the smallest of the newest family, which still takes a forced choice of tools.
const DefaultModel = "claude-haiku-5-5"

const (
	base    = "https://api.anthropic.com"
	version = "2023-06-01"
	// Thinking counts as answer, so a call of a tool needs more room than its arguments.
	defaultMaxTokens = 8192
)

// Options of a [Model]. Zero values mean the defaults.
type Options struct {
	Model     string // default [DefaultModel]
	Key       string
	MaxTokens int    // of an answer whose request names no limit; default 8192
	Effort    string // low, medium, high, …; default: the model's own
	HTTP      wire.HTTP
	Provider  string // as it is told in [llm.About]; default anthropic
}

// Model is a model of Anthropic.
type Model struct {
	options Options
	about   llm.About
}

var (
	_ llm.Model     = (*Model)(nil)
	_ llm.Described = (*Model)(nil)
	_ llm.Shown     = (*Model)(nil)
)

// New returns the model. Nothing is sent until it is asked.
func New(o Options) *Model {
	o.Model, o.MaxTokens, o.HTTP.Base = cmp.Or(o.Model, DefaultModel), cmp.Or(o.MaxTokens, defaultMaxTokens), cmp.Or(o.HTTP.Base, base)
	if o.HTTP.Authorize == nil {
		o.HTTP.Authorize = wire.Header("X-Api-Key", o.Key)
	}
	header := o.HTTP.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if header.Get("Anthropic-Version") == "" {
		header.Set("Anthropic-Version", version)
	}
	o.HTTP.Header = header
	forced, size := wire.Claude(o.Model)
	return &Model{o, llm.About{Provider: cmp.Or(o.Provider, "anthropic"), Model: o.Model, Context: size, ForcedTool: forced}}
}

// Describe tells what the model is.
func (m *Model) Describe() llm.About { return m.about }

// Show gives what a turn would send.
func (m *Model) Show(req *llm.Request) ([]byte, error) {
	o, _ := m.request(req)
	return m.options.HTTP.Show(o)
}

// Turn makes one attempt.
func (m *Model) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	o, turns := m.request(req)
	answer, err := m.options.HTTP.Post(ctx, "/v1/messages", o)
	if err != nil {
		return nil, err
	}
	return m.response(answer, turns)
}

// block is a part of a message.
type block struct {
	Type         string          `json:"type"`
	Text         string          `json:"text,omitempty"`
	ID           string          `json:"id,omitempty"`
	Name         string          `json:"name,omitempty"`
	Input        json.RawMessage `json:"input,omitempty"`
	ToolUseID    string          `json:"tool_use_id,omitempty"`
	Content      []block         `json:"content,omitempty"`
	IsError      bool            `json:"is_error,omitempty"`
	CacheControl *mark           `json:"cache_control,omitempty"`
}

// mark ends a prefix that is to be cached. A request may have four; this wire sets three.
type mark struct {
	Type string `json:"type"`
	TTL  string `json:"ttl,omitempty"`
}

func newMark(ttl time.Duration) *mark {
	m := &mark{Type: "ephemeral"}
	if ttl > 5*time.Minute {
		m.TTL = "1h"
	}
	return m
}

// request gives the body, and which turns it could send as they were.
func (m *Model) request(req *llm.Request) (*wire.Object, *wire.Turns) {
	cache := newMark(req.CacheTTL)
	turns := wire.NewTurns("anthropic", m.options.Model, true)
	o := &wire.Object{}
	o.Put("model", m.options.Model).Put("max_tokens", cmp.Or(req.MaxTokens, m.options.MaxTokens))
	if len(req.Tools) > 0 {
		list := wire.List{}
		for i, t := range req.Tools {
			tool := &wire.Object{}
			tool.Put("name", t.Name).Put("description", t.Doc).Put("input_schema", wire.Schema(t))
			turns.Sent(tool)
			if i == len(req.Tools)-1 {
				tool.Put("cache_control", cache)
			}
			list = append(list, tool)
		}
		o.Put("tools", list).Put("tool_choice", m.choice(req.ToolMode))
	}
	if req.System != "" {
		turns.Sent(req.System)
		o.Put("system", []block{{Type: "text", Text: req.System, CacheControl: cache}})
	}
	// The turns of a run follow each other within minutes: to keep them for longer is paid for, and of no use.
	o.Put("messages", m.messages(req.Messages, turns, newMark(0)))
	if m.options.Effort != "" {
		o.Put("output_config", map[string]string{"effort": m.options.Effort})
	}
	return o, turns
}

func (m *Model) choice(mode llm.ToolMode) any {
	type choice struct {
		Type string `json:"type"`
		One  bool   `json:"disable_parallel_tool_use,omitempty"`
	}
	switch {
	case mode == llm.ToolNone:
		return choice{Type: "none"}
	case mode == llm.ToolAny && m.about.ForcedTool:
		return choice{"any", true}
	}
	return choice{"auto", true}
}

func (m *Model) messages(messages []llm.Message, turns *wire.Turns, cache *mark) wire.List {
	list := wire.List{}
	for i, msg := range messages {
		role, content := "user", any(nil)
		if msg.Role == llm.Assistant {
			role = "assistant"
			if native := turns.Native(msg.Native); native != nil {
				content = native
			}
		}
		if content == nil {
			blocks := blocks(msg)
			if len(blocks) == 0 {
				continue // the API refuses empty messages
			}
			turns.Sent(blocks)
			if i == len(messages)-1 {
				blocks[len(blocks)-1].CacheControl = cache
			}
			content = blocks
		} else {
			turns.Sent(content)
		}
		o := &wire.Object{}
		list = append(list, o.Put("role", role).Put("content", content))
	}
	return list
}

// blocks are the parts of a message. Results come first: the API wants it so.
func blocks(msg llm.Message) []block {
	var out []block
	for _, r := range msg.Results {
		b := block{Type: "tool_result", ToolUseID: wire.ID(r.CallID), IsError: r.Failed}
		if r.Content != "" {
			b.Content = []block{{Type: "text", Text: r.Content}}
		}
		out = append(out, b)
	}
	if strings.TrimSpace(msg.Text) != "" {
		out = append(out, block{Type: "text", Text: msg.Text})
	}
	for _, c := range msg.Calls {
		out = append(out, block{Type: "tool_use", ID: wire.ID(c.ID), Name: c.Name, Input: wire.Arguments(c.Args)})
	}
	return out
}

var stops = map[string]llm.StopReason{
	"tool_use": llm.StopTool, "end_turn": llm.StopEnd, "stop_sequence": llm.StopEnd, "refusal": llm.StopRefusal,
	"max_tokens": llm.StopLength, "model_context_window_exceeded": llm.StopLength,
}

func (m *Model) response(answer *wire.Answer, turns *wire.Turns) (*llm.Response, error) {
	var a struct {
		ID         string          `json:"id"`
		Type       string          `json:"type"`
		Model      string          `json:"model"`
		Content    json.RawMessage `json:"content"`
		StopReason string          `json:"stop_reason"`
		Usage      *struct {
			Input   int64 `json:"input_tokens"` // without what is cached
			Output  int64 `json:"output_tokens"`
			Read    int64 `json:"cache_read_input_tokens"`
			Write   int64 `json:"cache_creation_input_tokens"`
			Details struct {
				Thinking int64 `json:"thinking_tokens"`
			} `json:"output_tokens_details"`
		} `json:"usage"`
	}
	if err := answer.Decode(&a); err != nil {
		return nil, err
	}
	var content []json.RawMessage
	if a.Type != "message" || json.Unmarshal(a.Content, &content) != nil {
		return nil, answer.Bad("answered no message of its API")
	}
	r := &llm.Response{ID: a.ID, Model: cmp.Or(a.Model, m.options.Model), RawStop: a.StopReason, Stop: llm.StopOther}
	if stop, ok := stops[a.StopReason]; ok {
		r.Stop = stop
	}
	r.Message.Role = llm.Assistant
	replayable := len(content) > 0
	for _, raw := range content {
		var b struct {
			Type  string          `json:"type"`
			Text  string          `json:"text"`
			ID    string          `json:"id"`
			Name  string          `json:"name"`
			Input json.RawMessage `json:"input"`
		}
		_ = json.Unmarshal(raw, &b) // a block of a kind that we do not know may have these otherwise; it is kept in the native turn
		switch b.Type {
		case "text":
			r.Message.Text += b.Text
		case "tool_use":
			r.Message.Calls = append(r.Message.Calls, llm.ToolCall{ID: b.ID, Name: b.Name, Args: b.Input})
			replayable = replayable && wire.Valid(b.Input)
		}
	}
	if replayable { // arguments that are no object, the API does not take back
		r.Message.Native = turns.Keep(a.Content)
	}
	if u := a.Usage; u != nil {
		r.Usage = llm.Usage{Input: u.Input + u.Read + u.Write, Output: u.Output, CacheRead: u.Read, CacheWrite: u.Write, Reasoning: u.Details.Thinking, Known: true}
	}
	return r, nil
}
