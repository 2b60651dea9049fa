// Package ollama speaks the API of Ollama itself, as a [llm.Model].
//
//	model := ollama.New(ollama.Options{Model: "qwen3:8b"})
//
// Ollama takes no choice of tools, there or in the API it copies from OpenAI: it is ignored. What it has is a grammar, which a model cannot
// leave. So a turn that needs a call is asked for as {"tool": …, "args": …}, with the tools told in the system prompt and a grammar made of
// their schemas; that also works with models which have no tools. Other turns use the tools of the API.
//
// A prompt that does not fit is refused, not cut; [Options.Context] is how much fits.
package ollama

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"strings"
	"text/template"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/wire"
)

const (
	base           = "http://localhost:11434"
	defaultContext = 16384
)

//go:embed prompt/tools.md
var toolsText string

//go:embed prompt/result.md
var resultText string

var (
	toolsPrompt  = template.Must(template.New("tools").Parse(toolsText))
	resultPrompt = template.Must(template.New("result").Parse(strings.TrimSpace(resultText)))
)

// Options of a [Model]. Zero values mean the defaults.
type Options struct {
	Model     string // required
	Key       string // of a server that wants one
	Context   int    // tokens that fit, for which the server sets memory aside; default 16384
	MaxTokens int    // of an answer whose request names no limit; default: the model's own
	// Think lets a model think first that can. It is off, because a call of a tool is short and thoughts are slow on one's own machine.
	Think bool
	HTTP  wire.HTTP
}

// Model is a model of an Ollama.
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
	o.HTTP.Base, o.Context = cmp.Or(o.HTTP.Base, base), cmp.Or(o.Context, defaultContext)
	if o.HTTP.Authorize == nil {
		o.HTTP.Authorize = wire.Bearer(o.Key)
	}
	// A model in Ollama's cloud is called through the local server too, and everything leaves for it.
	own := wire.Local(o.HTTP.Base) && !strings.HasSuffix(o.Model, "-cloud") && !strings.HasSuffix(o.Model, ":cloud")
	return &Model{o, llm.About{Provider: "ollama", Model: o.Model, Context: o.Context, ForcedTool: true, Local: own}}
}

// Describe tells what the model is.
func (m *Model) Describe() llm.About { return m.about }

// message is one of the API.
type message struct {
	Role      string `json:"role"`
	Content   string `json:"content"`
	ToolCalls []call `json:"tool_calls,omitempty"`
	ToolName  string `json:"tool_name,omitempty"`
}

type call struct {
	ID       string `json:"id,omitempty"`
	Function struct {
		Index     int             `json:"index"`
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`
}

// Show gives what a turn would send.
func (m *Model) Show(req *llm.Request) ([]byte, error) {
	o, err := m.request(req)
	if err != nil {
		return nil, err
	}
	return m.options.HTTP.Show(o)
}

// Turn makes one attempt.
func (m *Model) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	o, err := m.request(req)
	if err != nil {
		return nil, err
	}
	answer, err := m.options.HTTP.Post(ctx, "/api/chat", o)
	if err != nil {
		return nil, err
	}
	return m.response(answer, forced(req))
}

// forced says whether a call must come, by the grammar.
func forced(req *llm.Request) bool { return req.ToolMode == llm.ToolAny && len(req.Tools) > 0 }

func (m *Model) request(req *llm.Request) (*wire.Object, error) {
	forced := forced(req)
	o := &wire.Object{}
	o.Put("model", m.options.Model).Put("stream", false).Put("truncate", false).Put("shift", false).Put("think", m.options.Think)
	options := map[string]any{"num_ctx": m.options.Context}
	if n := cmp.Or(req.MaxTokens, m.options.MaxTokens); n > 0 {
		options["num_predict"] = n
	}
	o.Put("options", options)
	system := req.System
	switch {
	case forced:
		told, err := fill(toolsPrompt, tools(req.Tools))
		if err != nil {
			return nil, &llm.Error{Kind: llm.ErrBadRequest, Msg: "the tools cannot be told", Err: err}
		}
		system += told
		o.Put("format", grammar(req.Tools))
	case len(req.Tools) > 0 && req.ToolMode != llm.ToolNone:
		list := wire.List{}
		for _, t := range req.Tools {
			f, tool := &wire.Object{}, &wire.Object{}
			f.Put("name", t.Name).Put("description", t.Doc).Put("parameters", wire.Schema(t))
			list = append(list, tool.Put("type", "function").Put("function", f))
		}
		o.Put("tools", list)
	}
	messages := []message{}
	if strings.TrimSpace(system) != "" {
		messages = append(messages, message{Role: "system", Content: system})
	}
	for _, msg := range req.Messages {
		said, err := say(msg, forced)
		if err != nil {
			return nil, &llm.Error{Kind: llm.ErrBadRequest, Msg: "a message cannot be told", Err: err}
		}
		messages = append(messages, said...)
	}
	return o.Put("messages", messages), nil
}

func fill(t *template.Template, v any) (string, error) {
	var b bytes.Buffer
	err := t.Execute(&b, v)
	return b.String(), err
}

func tools(list []llm.Tool) []map[string]string {
	out := make([]map[string]string, len(list))
	for i, t := range list {
		out[i] = map[string]string{"Name": t.Name, "Doc": t.Doc, "Schema": string(wire.Schema(t))}
	}
	return out
}

// grammar allows one call of one of the tools.
func grammar(list []llm.Tool) *wire.Object {
	calls := wire.List{}
	for _, t := range list {
		properties, one := &wire.Object{}, &wire.Object{}
		properties.Put("tool", map[string]any{"type": "string", "enum": []string{t.Name}}).Put("args", wire.Schema(t))
		calls = append(calls, one.Put("type", "object").Put("properties", properties).Put("required", []string{"tool", "args"}).Put("additionalProperties", false))
	}
	o := &wire.Object{}
	return o.Put("anyOf", calls)
}

// picked is an answer by the grammar.
type picked struct {
	Tool string          `json:"tool"`
	Args json.RawMessage `json:"args"`
}

// say gives the messages that one of ours is there. By the grammar, calls are what the model wrote, and results are told.
func say(msg llm.Message, forced bool) ([]message, error) {
	var out []message
	for _, r := range msg.Results {
		if !forced {
			out = append(out, message{Role: "tool", Content: r.Content, ToolName: r.Name})
			continue
		}
		text, err := fill(resultPrompt, r)
		if err != nil {
			return nil, err
		}
		out = append(out, message{Role: "user", Content: text})
	}
	own := message{Role: "user", Content: msg.Text}
	if msg.Role == llm.Assistant {
		own.Role = "assistant"
	}
	for i, c := range msg.Calls {
		if !forced {
			var call call
			call.ID, call.Function.Index, call.Function.Name, call.Function.Arguments = c.ID, i, c.Name, wire.Arguments(c.Args)
			own.ToolCalls = append(own.ToolCalls, call)
			continue
		}
		raw, err := json.Marshal(picked{c.Name, wire.Arguments(c.Args)})
		if err != nil {
			return nil, err
		}
		own.Content = string(raw)
	}
	if strings.TrimSpace(own.Content) != "" || len(own.ToolCalls) > 0 {
		out = append(out, own)
	}
	return out, nil
}

func (m *Model) response(answer *wire.Answer, forced bool) (*llm.Response, error) {
	var a struct {
		Model   string `json:"model"`
		Message *struct {
			Content   string `json:"content"`
			ToolCalls []call `json:"tool_calls"`
		} `json:"message"`
		Done       bool   `json:"done"`
		DoneReason string `json:"done_reason"`
		Input      int64  `json:"prompt_eval_count"`
		Output     int64  `json:"eval_count"`
	}
	if err := answer.Decode(&a); err != nil {
		return nil, err
	}
	if a.Message == nil || !a.Done {
		return nil, answer.Bad("answered no finished message; is base_url the address of Ollama itself, without /v1?")
	}
	r := &llm.Response{Model: cmp.Or(a.Model, m.options.Model), RawStop: a.DoneReason, Stop: llm.StopEnd, Message: llm.Message{Role: llm.Assistant}}
	r.Usage = llm.Usage{Input: a.Input, Output: a.Output, Known: a.Input+a.Output > 0}
	if forced {
		r.Message.Text, r.Message.Calls = parse(a.Message.Content)
	} else {
		r.Message.Text = a.Message.Content
		for _, c := range a.Message.ToolCalls {
			r.Message.Calls = append(r.Message.Calls, llm.ToolCall{ID: c.ID, Name: c.Function.Name, Args: c.Function.Arguments})
		}
	}
	switch {
	case a.DoneReason == "length":
		r.Stop = llm.StopLength
	case len(r.Message.Calls) > 0:
		r.Stop = llm.StopTool
	case a.DoneReason != "stop" && a.DoneReason != "":
		r.Stop = llm.StopOther
	}
	return r, nil
}

// parse reads an answer by the grammar. What was cut off is still a call, with what there is of its arguments; what is none, is text.
func parse(content string) (text string, calls []llm.ToolCall) {
	content = strings.TrimSpace(content)
	var p picked
	if json.Unmarshal([]byte(content), &p) == nil && p.Tool != "" {
		return "", []llm.ToolCall{{Name: p.Tool, Args: p.Args}}
	}
	rest, ok := strings.CutPrefix(content, `{"tool":`)
	d := json.NewDecoder(strings.NewReader(rest))
	if ok && d.Decode(&p.Tool) == nil {
		_, args, _ := strings.Cut(rest[d.InputOffset():], ":")
		return "", []llm.ToolCall{{Name: p.Tool, Args: json.RawMessage(strings.TrimSpace(args))}}
	}
	return content, nil
}
