// Package bedrock speaks Converse of Amazon Bedrock, as a [llm.Model].
//
//	model := bedrock.New(bedrock.Options{Model: "eu.anthropic.claude-haiku-4-5-20251001-v1:0", Region: "eu-central-1", Token: token})
//
// It authorizes with a bearer token, or signs with static keys ([Sign]); whatever else AWS has for credentials is in the module ext/aws. One
// turn is one request. What stays the same is marked for caching where the model has that.
package bedrock

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/wire"
)

// DefaultRegion is the region when none is named.
const DefaultRegion = "us-east-1"

// Options of a [Model]. Zero values mean the defaults.
type Options struct {
	Model     string // an id of a model or of an inference profile, or an ARN; required
	Region    string // default [DefaultRegion]
	Token     string // a bearer token; or HTTP.Authorize
	MaxTokens int    // of an answer whose request names no limit; default: the model's own
	HTTP      wire.HTTP
}

// Model is a model in Bedrock.
type Model struct {
	options      Options
	path         string
	about        llm.About
	claude, nova bool
}

var (
	_ llm.Model     = (*Model)(nil)
	_ llm.Described = (*Model)(nil)
	_ llm.Shown     = (*Model)(nil)
)

// New returns the model. Nothing is sent until it is asked.
func New(o Options) *Model {
	o.Region = cmp.Or(o.Region, DefaultRegion)
	domain := ".amazonaws.com"
	if strings.HasPrefix(o.Region, "cn-") {
		domain += ".cn"
	}
	o.HTTP.Base = cmp.Or(o.HTTP.Base, "https://bedrock-runtime."+o.Region+domain)
	if o.HTTP.Authorize == nil {
		o.HTTP.Authorize = wire.Bearer(o.Token)
	}
	m := &Model{options: o, path: "/model/" + escape(o.Model, false) + "/converse"}
	m.about = llm.About{Provider: "aws.bedrock", Model: o.Model}
	m.claude, m.nova = strings.Contains(o.Model, "anthropic.claude"), strings.Contains(o.Model, "amazon.nova")
	switch {
	case m.claude:
		m.about.ForcedTool, m.about.Context = wire.Claude(o.Model)
	case m.nova, strings.Contains(o.Model, "mistral"):
		m.about.ForcedTool = true
	}
	return m
}

// Describe tells what the model is.
func (m *Model) Describe() llm.About { return m.about }

// Show gives what a turn would send.
func (m *Model) Show(req *llm.Request) ([]byte, error) {
	return m.options.HTTP.Show(m.request(req, m.turns()))
}

// Turn makes one attempt.
func (m *Model) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	turns := m.turns()
	answer, err := m.options.HTTP.Post(ctx, m.path, m.request(req, turns))
	if err != nil {
		return nil, err
	}
	return m.response(answer, turns)
}

// turns begins a conversation. Claude's thoughts are signed with what was before them, here as at Anthropic.
func (m *Model) turns() *wire.Turns { return wire.NewTurns("bedrock", m.options.Model, m.claude) }

// block is a part of a message: one of its fields is set.
type block struct {
	Text       string      `json:"text,omitempty"`
	ToolUse    *toolUse    `json:"toolUse,omitempty"`
	ToolResult *toolResult `json:"toolResult,omitempty"`
	CachePoint *cachePoint `json:"cachePoint,omitempty"`
}

type toolUse struct {
	ToolUseID string          `json:"toolUseId"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
}

type toolResult struct {
	ToolUseID string  `json:"toolUseId"`
	Content   []block `json:"content"`
	Status    string  `json:"status"`
}

// cachePoint ends a prefix that is to be cached. A request may have four; this wire sets three.
type cachePoint struct {
	Type string `json:"type"`
	TTL  string `json:"ttl,omitempty"`
}

// point is the mark for this model, nil if it has none.
func (m *Model) point(ttl time.Duration) *cachePoint {
	switch {
	case m.claude && ttl > 5*time.Minute:
		return &cachePoint{"default", "1h"}
	case m.claude, m.nova:
		return &cachePoint{Type: "default"}
	}
	return nil
}

func (m *Model) request(req *llm.Request, turns *wire.Turns) *wire.Object {
	point := m.point(req.CacheTTL)
	o := &wire.Object{}
	if len(req.Tools) > 0 {
		list := wire.List{}
		for _, t := range req.Tools {
			spec, schema, tool := &wire.Object{}, &wire.Object{}, &wire.Object{}
			spec.Put("name", t.Name).Put("description", cmp.Or(t.Doc, t.Name)).Put("inputSchema", schema.Put("json", wire.Schema(t)))
			tool.Put("toolSpec", spec)
			turns.Sent(tool)
			list = append(list, tool)
		}
		if point != nil && m.claude { // Nova caches no tools
			list = append(list, block{CachePoint: point})
		}
		config := &wire.Object{}
		config.Put("tools", list)
		if req.ToolMode == llm.ToolAny && m.about.ForcedTool {
			config.Put("toolChoice", map[string]any{"any": struct{}{}})
		}
		o.Put("toolConfig", config)
	}
	if req.System != "" {
		turns.Sent(req.System)
		system := []block{{Text: req.System}}
		if point != nil {
			system = append(system, block{CachePoint: point})
		}
		o.Put("system", system)
	}
	// The turns of a run follow each other within minutes: to keep them for longer is paid for, and of no use.
	o.Put("messages", m.messages(req.Messages, turns, m.point(0)))
	if n := cmp.Or(req.MaxTokens, m.options.MaxTokens); n > 0 {
		o.Put("inferenceConfig", map[string]int{"maxTokens": n})
	}
	return o
}

// messages gives the conversation. Roles must alternate, so neighbours of one role are one message.
func (m *Model) messages(messages []llm.Message, turns *wire.Turns, point *cachePoint) wire.List {
	list := wire.List{}
	var role string
	var content wire.List
	flush := func(last bool) {
		if len(content) == 0 {
			return
		}
		if last && point != nil && role == "user" {
			content = append(content, block{CachePoint: point})
		}
		o := &wire.Object{}
		list = append(list, o.Put("role", role).Put("content", content))
		content = nil
	}
	for _, msg := range messages {
		own, next := wire.List{}, "user"
		if msg.Role == llm.Assistant {
			next = "assistant"
			var native []json.RawMessage
			if json.Unmarshal(turns.Native(msg.Native), &native) == nil {
				for _, raw := range native {
					own = append(own, raw)
				}
			}
		}
		if len(own) == 0 {
			for _, b := range blocks(msg) {
				own = append(own, b)
			}
		}
		turns.Sent(own)
		if next != role {
			flush(false)
		}
		role = next
		content = append(content, own...)
	}
	flush(true)
	return list
}

func blocks(msg llm.Message) []block {
	var out []block
	for _, r := range msg.Results {
		status := "success"
		if r.Failed {
			status = "error"
		}
		out = append(out, block{ToolResult: &toolResult{wire.ID(r.CallID), []block{{Text: cmp.Or(r.Content, "null")}}, status}})
	}
	if strings.TrimSpace(msg.Text) != "" {
		out = append(out, block{Text: msg.Text})
	}
	for _, c := range msg.Calls {
		out = append(out, block{ToolUse: &toolUse{wire.ID(c.ID), c.Name, wire.Arguments(c.Args)}})
	}
	return out
}

var stops = map[string]llm.StopReason{
	"tool_use": llm.StopTool, "end_turn": llm.StopEnd, "stop_sequence": llm.StopEnd, "max_tokens": llm.StopLength, "model_context_window_exceeded": llm.StopLength,
	"guardrail_intervened": llm.StopRefusal, "content_filtered": llm.StopRefusal, "refusal": llm.StopRefusal,
}

func (m *Model) response(answer *wire.Answer, turns *wire.Turns) (*llm.Response, error) {
	var a struct {
		Output struct {
			Message *struct {
				Content json.RawMessage `json:"content"`
			} `json:"message"`
		} `json:"output"`
		StopReason string `json:"stopReason"`
		Usage      *struct {
			Input  int64 `json:"inputTokens"` // without what is cached
			Output int64 `json:"outputTokens"`
			Read   int64 `json:"cacheReadInputTokens"`
			Write  int64 `json:"cacheWriteInputTokens"`
		} `json:"usage"`
	}
	if err := answer.Decode(&a); err != nil {
		return nil, err
	}
	var content []json.RawMessage
	if a.Output.Message == nil || json.Unmarshal(a.Output.Message.Content, &content) != nil {
		return nil, answer.Bad("answered no message of Converse")
	}
	r := &llm.Response{ID: answer.RequestID, Model: m.options.Model, RawStop: a.StopReason, Stop: llm.StopOther, Message: llm.Message{Role: llm.Assistant}}
	if stop, ok := stops[a.StopReason]; ok {
		r.Stop = stop
	}
	replayable := len(content) > 0
	for _, raw := range content {
		var b block
		_ = json.Unmarshal(raw, &b) // a block of a kind that we do not know may have these otherwise; it is kept in the native turn
		r.Message.Text += b.Text
		if u := b.ToolUse; u != nil {
			r.Message.Calls = append(r.Message.Calls, llm.ToolCall{ID: u.ToolUseID, Name: u.Name, Args: u.Input})
			replayable = replayable && wire.Valid(u.Input)
		}
	}
	if replayable {
		r.Message.Native = turns.Keep(a.Output.Message.Content)
	}
	if u := a.Usage; u != nil {
		r.Usage = llm.Usage{Input: u.Input + u.Read + u.Write, Output: u.Output, CacheRead: u.Read, CacheWrite: u.Write, Known: true}
	}
	return r, nil
}
