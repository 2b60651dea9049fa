// Package llm is the one view that BeamLens has of language models: a [Model] answers a [Request] with a [Response].
//
// A Model makes one turn. It never loops and never runs a tool. Whatever is specific to a vendor stays in the package of
// its wire; what wraps models (retries, budgets, fallbacks) is a Model itself. The deterministic analyst is one too.
package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Model answers one request. It is safe for concurrent use and ends when ctx does.
type Model interface {
	Turn(ctx context.Context, req *Request) (*Response, error)
}

// Func is a function as a Model.
type Func func(ctx context.Context, req *Request) (*Response, error)

// Turn calls the function.
func (f Func) Turn(ctx context.Context, req *Request) (*Response, error) { return f(ctx, req) }

// Request is all that a model gets to see.
type Request struct {
	System    string
	Messages  []Message
	Tools     []Tool // in a stable order: they are part of what providers cache
	MaxTokens int    // of the answer; 0: the model's own
	ToolMode  ToolMode
	CacheTTL  time.Duration // how long a provider should keep the prefix that does not change; 0: as it likes

	// Whose turn it is, for budgets and policies. It is sent to nobody.
	Operator string
	Run      string
}

// ToolMode says whether a model must call a tool.
type ToolMode string

// The modes. With ToolAny the wire forces a call where its model allows it; what came is checked by the caller all the same.
const (
	ToolAuto ToolMode = ""
	ToolAny  ToolMode = "any"
	ToolNone ToolMode = "none"
)

// Described is what a Model may also be: it tells what it is.
type Described interface{ Describe() About }

// About is what is known of a model.
type About struct {
	Provider   string // as OpenTelemetry names it: anthropic, openai, aws.bedrock, gcp.gemini, …
	Model      string
	Context    int  // tokens that fit; 0: not known
	ForcedTool bool // the API can force a tool call
	Local      bool // runs in the user's own house: nothing leaves it and nothing is billed
}

// Shown is what a Model may also be: it shows what a turn would send, byte for byte, without sending it. Models that wrap Models hand it on.
type Shown interface {
	Show(req *Request) ([]byte, error)
}

// Show gives the bytes that a turn of the model would send. A model that sends nothing, or does not say, is an error.
func Show(m Model, req *Request) ([]byte, error) {
	if s, ok := m.(Shown); ok {
		return s.Show(req)
	}
	return nil, &Error{Kind: ErrUnsupported, Msg: "this model does not show what it would send"}
}

// Role says whose message it is.
type Role string

// The roles. Tool results are messages of the user.
const (
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is one message: text, calls of tools, or results of them.
type Message struct {
	Role    Role         `json:"role"`
	Text    string       `json:"text,omitempty"`
	Calls   []ToolCall   `json:"calls,omitempty"`
	Results []ToolResult `json:"results,omitempty"`
	Native  *Native      `json:"native,omitempty"`
}

// Native is a turn as the wire gave it. It is replayed byte for byte to the same wire and model, and left out for others. Some
// providers bind a turn to all that was before it; Prefix is then the hash of that, and after anything else the turn is left out too.
type Native struct {
	Wire   string          `json:"wire"`
	Model  string          `json:"model"`
	Prefix string          `json:"prefix,omitempty"`
	Turn   json.RawMessage `json:"turn"`
}

// Tool is what a model may call.
type Tool struct {
	Name   string
	Doc    string
	Schema json.RawMessage // JSON Schema of the arguments, an object
}

// ToolCall is a model's wish to call a tool. Args is what it gave, which need not be valid.
type ToolCall struct {
	ID   string          `json:"id"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

// ToolResult answers a call.
type ToolResult struct {
	CallID  string `json:"call_id"`
	Name    string `json:"name"`
	Content string `json:"content"` // JSON
	Failed  bool   `json:"failed,omitempty"`
}

// StopReason is why a model stopped.
type StopReason string

// The reasons.
const (
	StopTool    StopReason = "tool"
	StopEnd     StopReason = "end"
	StopLength  StopReason = "length"
	StopRefusal StopReason = "refusal"
	StopOther   StopReason = "other"
)

// Response is one answer.
type Response struct {
	ID      string // the provider's, "" if it gives none
	Model   string
	Message Message // of the assistant
	Stop    StopReason
	RawStop string // the provider's own word for it
	Usage   Usage
	Spent   Spent
}

// Spent is what a turn cost in all: a turn of a Model that repeats or repairs is several calls. A wire leaves it empty.
type Spent struct {
	Calls int      // 0: nobody counted
	USD   *float64 // nil: not known, or a part of it is not
}

// Add adds what another call of the same turn cost. What is not known stays so.
func (s Spent) Add(t Spent) Spent {
	if s.Calls == 0 {
		return t
	}
	if t.Calls == 0 {
		return s
	}
	sum := Spent{Calls: s.Calls + t.Calls}
	if s.USD != nil && t.USD != nil {
		usd := *s.USD + *t.USD
		sum.USD = &usd
	}
	return sum
}

// Usage counts tokens the same way for all providers: Input includes what was cached, CacheRead and CacheWrite are parts of
// it, Reasoning is a part of Output.
type Usage struct {
	Input, Output         int64
	CacheRead, CacheWrite int64
	Reasoning             int64
	Known                 bool
	CostUSD               *float64 `json:",omitempty"` // only if the provider reported it; what a table says is not kept here
}

// ErrorKind is what kind of failure a turn met.
type ErrorKind string

// The kinds.
const (
	ErrAuth        ErrorKind = "auth"
	ErrQuota       ErrorKind = "quota"
	ErrRateLimited ErrorKind = "rate_limited"
	ErrOverloaded  ErrorKind = "overloaded"
	ErrServer      ErrorKind = "server"
	ErrTimeout     ErrorKind = "timeout"
	ErrNetwork     ErrorKind = "network"
	ErrTooLong     ErrorKind = "context_too_long"
	ErrBadRequest  ErrorKind = "bad_request"
	ErrUnsupported ErrorKind = "unsupported" // the model refuses an option, such as forced tool calls
	ErrBudget      ErrorKind = "budget"      // our own: the user's limit is reached
	ErrBadAnswer   ErrorKind = "bad_answer"
)

// Error is a failed turn. It never holds headers, bodies or keys.
type Error struct {
	Kind       ErrorKind
	Status     int    // of HTTP; 0: there was no answer
	Code       string // the provider's own, "" if it gives none
	Msg        string
	RequestID  string // the provider's, to ask its support with
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string {
	s := string(e.Kind)
	if e.Msg != "" {
		s += ": " + e.Msg
	}
	if e.Err != nil {
		s += fmt.Sprintf(": %v", e.Err)
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }
