// Package google speaks generateContent of Gemini, as a [llm.Model]: of AI Studio with a key, or of Vertex with the token of a project.
//
//	model := google.New(google.Options{Model: "gemini-2.5-flash", Key: key})
//	vertex := google.New(google.Options{Model: "gemini-2.5-pro", Project: "p", Location: "europe-west1", HTTP: wire.HTTP{Authorize: gcp}})
//
// One turn is one request. Gemini signs its calls; they are sent back as they came. A call of another model, which is not signed, is marked
// as one that has no signature, because Gemini 3 refuses it otherwise.
package google

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/wire"
)

const (
	studio   = "https://generativelanguage.googleapis.com"
	vertex   = "https://aiplatform.googleapis.com"
	location = "global"

	// unsigned is what Google has callers write where a call comes from elsewhere.
	unsigned = "skip_thought_signature_validator"
)

// Options of a [Model]. Zero values mean the defaults.
type Options struct {
	Model     string // required
	Key       string // of AI Studio, or of Vertex
	Vertex    bool   // Vertex with a key; a project says so too
	Project   string // of Vertex
	Location  string // of Vertex; default global
	MaxTokens int    // of an answer whose request names no limit; default: the model's own
	Effort    string // the level of thinking: low, high, …; default: the model's own
	HTTP      wire.HTTP
}

// Model is a model of Google.
type Model struct {
	options Options
	path    string
	about   llm.About
}

var (
	_ llm.Model     = (*Model)(nil)
	_ llm.Described = (*Model)(nil)
	_ llm.Shown     = (*Model)(nil)
)

// New returns the model. Nothing is sent until it is asked.
func New(o Options) *Model {
	m := &Model{options: o, about: llm.About{Provider: "gcp.gemini", Model: o.Model, ForcedTool: true, Context: 1 << 20}}
	if o.HTTP.Authorize == nil {
		m.options.HTTP.Authorize = wire.Header("X-Goog-Api-Key", o.Key)
	}
	name := "/models/" + url.PathEscape(o.Model) + ":generateContent"
	if o.Project == "" && !o.Vertex {
		m.options.HTTP.Base, m.path = cmp.Or(o.HTTP.Base, studio), "/v1beta"+name
		return m
	}
	m.about.Provider = "gcp.vertex_ai"
	where, own := cmp.Or(o.Location, location), vertex
	if where != location {
		own = "https://" + where + "-aiplatform.googleapis.com"
	}
	m.options.HTTP.Base, m.path = cmp.Or(o.HTTP.Base, own), "/v1beta1/publishers/google"+name
	if o.Project != "" {
		m.path = "/v1beta1/projects/" + url.PathEscape(o.Project) + "/locations/" + url.PathEscape(where) + "/publishers/google" + name
	}
	return m
}

// Describe tells what the model is.
func (m *Model) Describe() llm.About { return m.about }

// Show gives what a turn would send.
func (m *Model) Show(req *llm.Request) ([]byte, error) {
	return m.options.HTTP.Show(m.request(req, wire.NewTurns("google", m.options.Model, false)))
}

// Turn makes one attempt.
func (m *Model) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	turns := wire.NewTurns("google", m.options.Model, false)
	answer, err := m.options.HTTP.Post(ctx, m.path, m.request(req, turns))
	if err != nil {
		return nil, err
	}
	return m.response(answer, turns)
}

// part is a part of a content.
type part struct {
	Text             string          `json:"text,omitempty"`
	Thought          bool            `json:"thought,omitempty"`
	ThoughtSignature string          `json:"thoughtSignature,omitempty"`
	FunctionCall     *functionCall   `json:"functionCall,omitempty"`
	FunctionResponse *functionResult `json:"functionResponse,omitempty"`
}

type functionCall struct {
	ID   string          `json:"id,omitempty"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args,omitempty"`
}

type functionResult struct {
	ID       string         `json:"id,omitempty"`
	Name     string         `json:"name"`
	Response map[string]any `json:"response"`
}

func (m *Model) request(req *llm.Request, turns *wire.Turns) *wire.Object {
	type text struct {
		Parts []part `json:"parts"`
	}
	o := &wire.Object{}
	if req.System != "" {
		o.Put("systemInstruction", text{[]part{{Text: req.System}}})
	}
	if len(req.Tools) > 0 {
		list := wire.List{}
		for _, t := range req.Tools {
			f := &wire.Object{}
			list = append(list, f.Put("name", t.Name).Put("description", t.Doc).Put("parametersJsonSchema", wire.Schema(t)))
		}
		tools := &wire.Object{}
		o.Put("tools", wire.List{tools.Put("functionDeclarations", list)})
		mode := map[llm.ToolMode]string{llm.ToolAny: "ANY", llm.ToolNone: "NONE"}[req.ToolMode]
		o.Put("toolConfig", map[string]any{"functionCallingConfig": map[string]string{"mode": cmp.Or(mode, "AUTO")}})
	}
	o.Put("contents", m.contents(req.Messages, turns))
	config := map[string]any{}
	if n := cmp.Or(req.MaxTokens, m.options.MaxTokens); n > 0 {
		config["maxOutputTokens"] = n
	}
	if m.options.Effort != "" {
		config["thinkingConfig"] = map[string]string{"thinkingLevel": m.options.Effort}
	}
	if len(config) > 0 {
		o.Put("generationConfig", config)
	}
	return o
}

// contents gives the conversation. Results must be in the content that follows their calls, so neighbours of one role are one content.
func (m *Model) contents(messages []llm.Message, turns *wire.Turns) wire.List {
	list, known := wire.List{}, map[string]bool{}
	var own []part
	flush := func() {
		if len(own) > 0 {
			o := &wire.Object{}
			list = append(list, o.Put("role", "user").Put("parts", own))
			own = nil
		}
	}
	for _, msg := range messages {
		if msg.Role != llm.Assistant {
			own = append(own, userParts(msg, known)...)
			continue
		}
		flush()
		if native := turns.Native(msg.Native); native != nil {
			for _, c := range msg.Calls {
				known[c.ID] = c.ID != "" && strings.Contains(string(native), `"`+c.ID+`"`)
			}
			list = append(list, native)
		} else if parts := m.modelParts(msg); len(parts) > 0 {
			o := &wire.Object{}
			list = append(list, o.Put("role", "model").Put("parts", parts))
		}
	}
	flush()
	return list
}

// userParts are the parts of what is told to the model. A result names the id of its call if the call came with one.
func userParts(msg llm.Message, known map[string]bool) []part {
	var out []part
	for _, r := range msg.Results {
		f := &functionResult{Name: r.Name}
		if known[r.CallID] {
			f.ID = r.CallID
		}
		var content any = r.Content
		if json.Valid([]byte(r.Content)) {
			content = json.RawMessage(r.Content)
		}
		f.Response = map[string]any{"output": content}
		if r.Failed {
			f.Response = map[string]any{"error": content}
		}
		out = append(out, part{FunctionResponse: f})
	}
	if strings.TrimSpace(msg.Text) != "" {
		out = append(out, part{Text: msg.Text})
	}
	return out
}

// old are the models that take calls without a signature.
var old = regexp.MustCompile(`^gemini-[12]\b`)

func (m *Model) modelParts(msg llm.Message) []part {
	var out []part
	if strings.TrimSpace(msg.Text) != "" {
		out = append(out, part{Text: msg.Text})
	}
	for i, c := range msg.Calls {
		p := part{FunctionCall: &functionCall{Name: c.Name, Args: wire.Arguments(c.Args)}}
		if i == 0 && !old.MatchString(m.options.Model) {
			p.ThoughtSignature = unsigned
		}
		out = append(out, p)
	}
	return out
}

var finishes = map[string]llm.StopReason{
	"STOP": llm.StopEnd, "MAX_TOKENS": llm.StopLength, "SAFETY": llm.StopRefusal, "RECITATION": llm.StopRefusal, "BLOCKLIST": llm.StopRefusal,
	"PROHIBITED_CONTENT": llm.StopRefusal, "SPII": llm.StopRefusal,
}

func (m *Model) response(answer *wire.Answer, turns *wire.Turns) (*llm.Response, error) {
	var a struct {
		ID         string `json:"responseId"`
		Model      string `json:"modelVersion"`
		Candidates []struct {
			Content      json.RawMessage `json:"content"`
			FinishReason string          `json:"finishReason"`
		} `json:"candidates"`
		Feedback *struct {
			BlockReason string `json:"blockReason"`
		} `json:"promptFeedback"`
		Usage *struct {
			Prompt     int64 `json:"promptTokenCount"` // with what is cached
			Tools      int64 `json:"toolUsePromptTokenCount"`
			Cached     int64 `json:"cachedContentTokenCount"`
			Candidates int64 `json:"candidatesTokenCount"` // without thoughts
			Thoughts   int64 `json:"thoughtsTokenCount"`
		} `json:"usageMetadata"`
	}
	if err := answer.Decode(&a); err != nil {
		return nil, err
	}
	r := &llm.Response{ID: a.ID, Model: cmp.Or(a.Model, m.options.Model), Stop: llm.StopOther, Message: llm.Message{Role: llm.Assistant}}
	if u := a.Usage; u != nil {
		r.Usage = llm.Usage{Input: u.Prompt + u.Tools, Output: u.Candidates + u.Thoughts, CacheRead: u.Cached, Reasoning: u.Thoughts, Known: true}
	}
	if len(a.Candidates) == 0 {
		if a.Feedback == nil || a.Feedback.BlockReason == "" {
			return nil, answer.Bad("answered no candidate; is base_url the address of Gemini?")
		}
		r.Stop, r.RawStop = llm.StopRefusal, a.Feedback.BlockReason
		return r, nil
	}
	c := a.Candidates[0]
	r.RawStop = c.FinishReason
	if stop, ok := finishes[c.FinishReason]; ok {
		r.Stop = stop
	}
	var content struct {
		Role  string            `json:"role"`
		Parts []json.RawMessage `json:"parts"`
	}
	_ = json.Unmarshal(c.Content, &content) // a candidate may have none
	replayable := len(content.Parts) > 0 && content.Role == "model"
	for _, raw := range content.Parts {
		var p part
		_ = json.Unmarshal(raw, &p) // a part of a kind that we do not know may have these otherwise; it is kept in the native turn
		if p.Text != "" && !p.Thought {
			r.Message.Text += p.Text
		}
		if f := p.FunctionCall; f != nil {
			args := f.Args
			if len(args) == 0 {
				args = json.RawMessage("{}")
			}
			r.Message.Calls = append(r.Message.Calls, llm.ToolCall{ID: f.ID, Name: f.Name, Args: args})
			replayable = replayable && wire.Valid(args)
		}
	}
	if len(r.Message.Calls) > 0 && r.Stop == llm.StopEnd {
		r.Stop = llm.StopTool
	}
	if replayable {
		r.Message.Native = turns.Keep(c.Content)
	}
	return r, nil
}
