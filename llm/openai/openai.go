// Package openai speaks the two APIs of OpenAI, as a [llm.Model]: Responses, which OpenAI's and Azure's newest models need for tools, and
// Chat Completions, which the rest of the world has copied.
//
//	model := openai.New(openai.Options{Model: "gpt-5.4-mini", Key: key})
//	local := openai.New(openai.Options{Model: "qwen3", API: openai.Chat, HTTP: wire.HTTP{Base: "http://localhost:8000/v1"}})
//
// Copies differ in small things; a [Dialect] says how. One turn is one request. Nothing is stored at OpenAI: thoughts come encrypted and
// are sent back as they came.
package openai

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/wire"
)

const base = "https://api.openai.com/v1"

// API is one of the two.
type API string

// The APIs.
const (
	Responses API = "responses"
	Chat      API = "chat"
)

// Dialect says in what a server of Chat Completions differs. The zero Dialect is the common ground of all.
type Dialect struct {
	Provider  string // as OpenTelemetry names it; "" is openai
	MaxTokens string // the name of the limit; default max_tokens, which OpenAI's own newer models refuse
	Required  string // how a call is forced; default required; "-" if it cannot be
	Single    bool   // takes parallel_tool_calls
	CacheKey  bool   // takes prompt_cache_key
	Own       bool   // runs models itself: at an address in the house, nothing leaves it. A gateway there may pass on what it gets
	// Effortless says that models which think must be told not to, or they take no tools here.
	Effortless bool
}

// Dialects of servers that we know, by the name of the provider.
var Dialects = map[string]Dialect{
	"openai":     {Provider: "openai", MaxTokens: "max_completion_tokens", Single: true, CacheKey: true, Effortless: true},
	"azure":      {Provider: "azure.ai.openai", MaxTokens: "max_completion_tokens", Single: true, CacheKey: true, Effortless: true},
	"openrouter": {Provider: "openrouter", Single: true},
	"vercel":     {Provider: "vercel"},
	"together":   {Provider: "together"},
	"groq":       {Provider: "groq", MaxTokens: "max_completion_tokens", Single: true},
	"mistral":    {Provider: "mistral_ai", Required: "any", Single: true},
	"vllm":       {Provider: "vllm", Single: true, Own: true},
	"lmstudio":   {Provider: "lmstudio", Own: true},
	"llamacpp":   {Provider: "llamacpp", Single: true, Own: true},
	"generic":    {Provider: "openai-generic"},
}

// Options of a [Model]. Zero values mean the defaults.
type Options struct {
	Model     string // required
	Key       string // "" sends none
	API       API    // default Responses
	Dialect   Dialect
	MaxTokens int    // of an answer whose request names no limit; default: the server's
	Effort    string // none, low, medium, high, …; default: the model's own
	CacheKey  string // default: a hash of what stays the same from turn to turn
	// Thinks says whether the model's thoughts can be asked for, encrypted; nil: by its name. Only Responses asks.
	Thinks *bool
	HTTP   wire.HTTP
}

// Model is a model that speaks one of the APIs.
type Model struct {
	options Options
	about   llm.About
	thinks  bool
}

var (
	_ llm.Model     = (*Model)(nil)
	_ llm.Described = (*Model)(nil)
	_ llm.Shown     = (*Model)(nil)
)

// New returns the model. Nothing is sent until it is asked.
func New(o Options) *Model {
	o.API, o.HTTP.Base = cmp.Or(o.API, Responses), cmp.Or(o.HTTP.Base, base)
	if o.API == Responses && o.Dialect == (Dialect{}) {
		o.Dialect = Dialects["openai"]
	}
	o.Dialect.MaxTokens, o.Dialect.Required = cmp.Or(o.Dialect.MaxTokens, "max_tokens"), cmp.Or(o.Dialect.Required, "required")
	if o.HTTP.Authorize == nil {
		o.HTTP.Authorize = wire.Bearer(o.Key)
	}
	m := &Model{options: o, thinks: thinks(o.Model)}
	if o.Thinks != nil {
		m.thinks = *o.Thinks
	}
	forced := o.Dialect.Required != "-"
	if strings.Contains(o.Model, "claude") { // of Anthropic, through a gateway
		claude, _ := wire.Claude(o.Model)
		forced = forced && claude
	}
	m.about = llm.About{Provider: cmp.Or(o.Dialect.Provider, "openai"), Model: o.Model, ForcedTool: forced, Local: o.Dialect.Own && wire.Local(o.HTTP.Base)}
	return m
}

// Describe tells what the model is.
func (m *Model) Describe() llm.About { return m.about }

// Show gives what a turn would send.
func (m *Model) Show(req *llm.Request) ([]byte, error) {
	if m.options.API == Chat {
		return m.options.HTTP.Show(m.chat(req, m.turns()))
	}
	return m.options.HTTP.Show(m.respond(req, m.turns()))
}

// Turn makes one attempt.
func (m *Model) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	turns := m.turns()
	path, request, response := "/responses", m.respond, m.responded
	if m.options.API == Chat {
		path, request, response = "/chat/completions", m.chat, m.completed
	}
	answer, err := m.options.HTTP.Post(ctx, path, request(req, turns))
	if err != nil {
		return nil, err
	}
	return response(answer, turns)
}

func (m *Model) turns() *wire.Turns {
	return wire.NewTurns("openai-"+string(m.options.API), m.options.Model, false)
}

// choice is the same word in both APIs.
func (m *Model) choice(mode llm.ToolMode) string {
	switch {
	case mode == llm.ToolNone:
		return "none"
	case mode == llm.ToolAny && m.about.ForcedTool:
		return m.options.Dialect.Required
	}
	return "auto"
}

// cacheKey sends requests with the same beginning to where it is cached.
func (m *Model) cacheKey(req *llm.Request) string {
	if m.options.CacheKey != "" {
		return m.options.CacheKey
	}
	h := sha256.New()
	h.Write([]byte(req.System))
	for _, t := range req.Tools {
		h.Write([]byte(t.Name + "\x00" + t.Doc + "\x00"))
		h.Write(t.Schema)
	}
	return "beamlens-" + hex.EncodeToString(h.Sum(nil)[:8])
}

var (
	oSeries   = regexp.MustCompile(`^o[1-9]`)
	gptSeries = regexp.MustCompile(`^gpt-(\d+)(?:\.(\d+))?`)
)

// generation gives the numbers of a gpt model; ok is false for others.
func generation(model string) (major, minor int, ok bool) {
	found := gptSeries.FindStringSubmatch(model)
	if found == nil {
		return 0, 0, false
	}
	major, _ = strconv.Atoi(found[1]) // digits, by the pattern
	minor, _ = strconv.Atoi(found[2]) // or nothing, which is 0
	return major, minor, true
}

// thinks says whether a model of OpenAI thinks. One that does not answers 400 when its thoughts are asked for.
func thinks(model string) bool {
	major, _, ok := generation(model)
	return oSeries.MatchString(model) || ok && major >= 5 && !strings.Contains(model, "chat")
}

// effort is what Chat Completions must be told: from GPT-5.6 on, models take tools there only when they do not think.
func (m *Model) effort(req *llm.Request) string {
	major, minor, ok := generation(m.options.Model)
	if m.options.Effort == "" && m.options.Dialect.Effortless && len(req.Tools) > 0 && ok && (major > 5 || major == 5 && minor >= 6) {
		return "none"
	}
	return m.options.Effort
}

// usage is what both APIs tell, under two sets of names. Input and output include what is cached and thought.
type usage struct {
	Input        int64    `json:"input_tokens"`
	Output       int64    `json:"output_tokens"`
	Prompt       int64    `json:"prompt_tokens"`
	Completion   int64    `json:"completion_tokens"`
	InputParts   parts    `json:"input_tokens_details"`
	OutputParts  parts    `json:"output_tokens_details"`
	PromptParts  parts    `json:"prompt_tokens_details"`
	ComplParts   parts    `json:"completion_tokens_details"`
	DeepSeekHits int64    `json:"prompt_cache_hit_tokens"`
	Cost         *float64 `json:"cost"` // OpenRouter's, in dollars
}

type parts struct {
	Cached    int64 `json:"cached_tokens"`
	Written   int64 `json:"cache_write_tokens"`
	Reasoning int64 `json:"reasoning_tokens"`
}

func (u *usage) normal() llm.Usage {
	if u == nil {
		return llm.Usage{}
	}
	return llm.Usage{Input: u.Input + u.Prompt, Output: u.Output + u.Completion, CacheRead: max(u.InputParts.Cached+u.PromptParts.Cached, u.DeepSeekHits),
		CacheWrite: u.InputParts.Written + u.PromptParts.Written, Reasoning: u.OutputParts.Reasoning + u.ComplParts.Reasoning, Known: true, CostUSD: u.Cost}
}
