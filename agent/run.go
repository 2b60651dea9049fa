package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/llm"
)

// Journal keeps what happened in a run. Append writes entry n of a run; ok is false if that place is taken.
type Journal interface {
	Append(ctx context.Context, run string, n int, entry []byte) (ok bool, err error)
	Entries(ctx context.Context, run string) ([][]byte, error)
}

// Options of a run. Zero values mean the defaults.
type Options struct {
	Model    llm.Model
	Fallback llm.Model // takes over when Model fails or misbehaves; may be nil
	System   string
	Tools    []Tool
	Name     string // who runs: the operator's name, or "coordinator"
	RunID    string
	Journal  Journal    // nil: nothing is kept
	Sizes    *llm.Sizes // how large a text is in tokens; nil: estimated without learning

	Patience    time.Duration // with Model in one run; then Fallback takes over; default 2 min
	CacheTTL    time.Duration // how long a provider should keep the prefix; default 1 h, so that a heartbeat finds it
	TurnTimeout time.Duration // of one answer; default 60 s
	ToolTimeout time.Duration // of one tool; default 30 s
	MaxTurns    int           // of the model; default 25. The fallback has as many again
	ResultBytes int           // of one tool result as the model sees it; default 32 KiB

	Compaction Compaction
	Now        func() time.Time // default: the machine's

	// Unmet, which may be nil, says what is left undone when Model ends a run with a tool that gave this; "" if nothing is. Fallback does
	// what is left, in the same run.
	Unmet func(content any) string
	// Saw, which may be nil, is told what was read: the input, and what tools gave that do not echo.
	Saw func(text string)
	// Observe is told what happens: "llm.start", "llm.stop", "llm.exception", "tool.start", "tool.stop", "tool.exception",
	// "agent.takeover", "compaction.start", "compaction.stop", "journal.failed".
	Observe func(name string, fields map[string]any)
}

// Bounds of patience with a model within one run. After them the fallback takes over.
const (
	maxMalformed = 3 // answers in a row that are no valid call
	maxFailed    = 6 // calls in a row that fail
	warnEqual    = 3 // equal calls: the model is told
	maxEqual     = 5
	warnNear     = 6 // calls that differ in numbers alone
	maxNear      = 10
	warnIdle     = 4 // calls in a row that do nothing
	maxIdle      = 7
)

// Outcome says how a run ended.
type Outcome struct {
	Ended    bool   // by a tool that ends it; else Reason says why it did not
	Tool     string // the last tool
	Content  any    // its result
	Turns    int
	TookOver string // why the fallback took over, "" if it did not
	Reason   string
}

// Transcript is the conversation. It lasts over several runs of one operator.
type Transcript struct {
	Messages []llm.Message
}

// ErrFenced means that the run's journal has been written by somebody else.
var ErrFenced = errors.New("another engine has taken over this run")

type runner struct {
	Options
	transcript *Transcript
	input      int // where the input of this run is in the transcript
	n          int // next journal entry
	outcome    Outcome

	malformed, failed int
	equal, near       map[string]int // calls by their arguments, and by those without their numbers
	idle              int            // calls in a row that do nothing
	until             time.Time      // when patience with the model ends
}

// Run appends the input to the transcript and asks until a tool ends the run. The error is ctx's or [ErrFenced]; everything else
// that can go wrong is in the outcome.
func Run(ctx context.Context, o Options, t *Transcript, input string) (Outcome, error) {
	r := &runner{Options: o.withDefaults(), transcript: t, input: len(t.Messages), equal: map[string]int{}, near: map[string]int{}}
	if err := r.append(ctx, llm.Message{Role: llm.User, Text: input}, nil); err != nil {
		return r.outcome, err
	}
	r.Saw(input)
	model, limit := r.Model, r.MaxTurns
	if model == nil {
		model = r.Fallback
	}
	if model != r.Fallback && r.Fallback != nil {
		r.until = time.Now().Add(r.Patience)
	}
	for {
		if err := ctx.Err(); err != nil {
			return r.outcome, err
		}
		why := ""
		switch {
		case r.outcome.Turns >= limit:
			why = fmt.Sprintf("no end after %d turns", r.outcome.Turns)
		case !r.until.IsZero() && !time.Now().Before(r.until):
			why = fmt.Sprintf("no end within %s", r.Patience)
		default:
			end, trouble, err := r.turn(ctx, model)
			if err != nil {
				return r.outcome, err
			}
			if end {
				if trouble = r.unmet(model); trouble == "" {
					return r.outcome, nil
				}
			}
			why = trouble
		}
		if why == "" {
			continue
		}
		if r.Fallback == nil || r.outcome.TookOver != "" || model == r.Fallback {
			r.outcome.Reason = why
			return r.outcome, nil
		}
		r.outcome.TookOver = why
		r.Observe("agent.takeover", map[string]any{"reason": why})
		model, limit = r.Fallback, r.outcome.Turns+r.MaxTurns
		r.malformed, r.failed, r.idle, r.equal, r.near, r.until = 0, 0, 0, map[string]int{}, map[string]int{}, time.Time{}
	}
}

// unmet says what a model that has ended the run has left undone.
func (r *runner) unmet(model llm.Model) string {
	if r.Unmet == nil || model == r.Fallback || r.Fallback == nil {
		return ""
	}
	why := r.Unmet(r.outcome.Content)
	if why != "" {
		r.outcome.Ended = false
	}
	return why
}

func (o Options) withDefaults() Options {
	if o.Patience <= 0 {
		o.Patience = 2 * time.Minute
	}
	if o.CacheTTL <= 0 {
		o.CacheTTL = time.Hour
	}
	if o.TurnTimeout <= 0 {
		o.TurnTimeout = 60 * time.Second
	}
	if o.ToolTimeout <= 0 {
		o.ToolTimeout = 30 * time.Second
	}
	if o.MaxTurns <= 0 {
		o.MaxTurns = 25
	}
	if o.ResultBytes <= 0 {
		o.ResultBytes = 32 << 10
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Saw == nil {
		o.Saw = func(string) {}
	}
	if o.Observe == nil {
		o.Observe = func(string, map[string]any) {}
	}
	o.Compaction = o.Compaction.withDefaults()
	return o
}

// turn asks once and runs what is picked. trouble says why the model should not be asked again in this run.
func (r *runner) turn(ctx context.Context, model llm.Model) (end bool, trouble string, err error) {
	// In the middle of a run the fallback is not made to forget what has been done: it costs nothing, and knows what it sees.
	if model != r.Fallback || r.outcome.Turns == 0 {
		r.compact(ctx, model, false)
	}
	r.outcome.Turns++
	response, err := r.ask(ctx, model)
	if tooLong(err) && r.compact(ctx, model, true) {
		response, err = r.ask(ctx, model)
	}
	if err != nil {
		if ctx.Err() != nil {
			return false, "", ctx.Err()
		}
		return false, err.Error(), nil
	}
	answer := response.Message
	answer.Role = llm.Assistant
	if len(answer.Calls) == 0 {
		if answer.Text != "" {
			if err := r.append(ctx, answer, response); err != nil {
				return false, "", err
			}
		}
		r.malformed++
		if r.malformed >= maxMalformed {
			return false, "the model calls no tool", nil
		}
		ask := "Call exactly one of the tools: " + strings.Join(r.names(), ", ") + "."
		return false, "", r.append(ctx, llm.Message{Role: llm.User, Text: ask}, nil)
	}
	for i := range answer.Calls {
		if answer.Calls[i].ID == "" {
			answer.Calls[i].ID = fmt.Sprintf("call_%d_%d", len(r.transcript.Messages), i)
		}
		if args := answer.Calls[i].Args; len(args) > 0 && !json.Valid(args) {
			// What is no JSON is kept as text: the journal has to hold it, and providers get it again.
			quoted, err := json.Marshal(string(args))
			if err != nil {
				return false, "", err
			}
			answer.Calls[i].Args = quoted
		}
	}
	if err := r.append(ctx, answer, response); err != nil {
		return false, "", err
	}
	result, trouble := r.pick(ctx, answer.Calls[0])
	if ctx.Err() != nil {
		return false, "", ctx.Err()
	}
	reply := llm.Message{Role: llm.User, Results: []llm.ToolResult{r.encode(answer.Calls[0], result)}}
	for _, c := range answer.Calls[1:] {
		reply.Results = append(reply.Results, llm.ToolResult{CallID: c.ID, Name: c.Name, Failed: true,
			Content: `{"error":"not run: one tool a turn, and only the first call of an answer is run"}`})
	}
	if err := r.append(ctx, reply, nil); err != nil {
		return false, "", err
	}
	if result.err == nil && !result.echo {
		r.Saw(reply.Results[0].Content)
	}
	if result.err == nil && result.End {
		r.outcome.Ended, r.outcome.Tool, r.outcome.Content = true, answer.Calls[0].Name, result.Content
		return true, "", nil
	}
	return false, trouble, nil
}

type picked struct {
	Result
	echo bool
	err  error
}

// pick runs the tool of a call, if it may be run.
func (r *runner) pick(ctx context.Context, call llm.ToolCall) (picked, string) {
	var tool *Tool
	for i := range r.Tools {
		if r.Tools[i].Name == call.Name {
			tool = &r.Tools[i]
		}
	}
	if tool == nil {
		r.malformed++
		err := fmt.Errorf("there is no tool %.60q; the tools are %s", call.Name, strings.Join(r.names(), ", "))
		return picked{err: err}, patience(r.malformed, maxMalformed, "the model calls tools that do not exist")
	}
	if why, err := r.loops(call, tool); err != nil {
		return picked{err: err}, why
	}
	began := time.Now()
	r.Observe("tool.start", map[string]any{"tool_name": call.Name})
	result, err := r.runTool(ctx, tool, call.Args)
	fields := map[string]any{"tool_name": call.Name, "duration": time.Since(began)}
	if err != nil {
		fields["reason"] = err.Error()
		r.Observe("tool.exception", fields)
		r.failed++
		return picked{err: err}, patience(r.failed, maxFailed, "the model's calls keep failing")
	}
	r.Observe("tool.stop", fields)
	r.malformed, r.failed = 0, 0
	return picked{Result: result, echo: tool.Echo}, ""
}

var digits = regexp.MustCompile(`[0-9]+`)

// loops refuses a call that has been made too often: the same one, the same but for its numbers, or one that does nothing. It counts over the
// whole run, whatever of the transcript is compacted.
func (r *runner) loops(call llm.ToolCall, tool *Tool) (why string, err error) {
	args := canonical(call.Args)
	key, near := call.Name+" "+args, call.Name+" "+digits.ReplaceAllString(args, "#")
	r.equal[key]++
	if near != key {
		r.near[near]++
	}
	if r.idle++; !tool.Idle {
		r.idle = 0
	}
	switch {
	case r.equal[key] > warnEqual:
		return patience(r.equal[key], maxEqual, "the model repeats one call"),
			fmt.Errorf("the same call was made %d times in this run and will give the same; use what you have, or call wait or done", r.equal[key])
	case r.near[near] > warnNear:
		return patience(r.near[near], maxNear, "the model repeats one call with other numbers"),
			fmt.Errorf("%d calls of %s differ in numbers alone; use what you have, or call wait or done", r.near[near], call.Name)
	case r.idle > warnIdle:
		return patience(r.idle, maxIdle, "the model does nothing"), fmt.Errorf("%d calls in a row did nothing; act, or call wait or done", r.idle)
	}
	return "", nil
}

func patience(n, limit int, why string) string {
	if n >= limit {
		return why
	}
	return ""
}

// canonical gives equal texts for equal arguments, whatever their spacing and the order of their keys.
func canonical(args json.RawMessage) string {
	var v any
	if json.Unmarshal(args, &v) != nil {
		return string(args)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return string(args)
	}
	return string(raw)
}

func (r *runner) names() []string {
	names := make([]string, len(r.Tools))
	for i, t := range r.Tools {
		names[i] = t.Name
	}
	return names
}

// runTool runs a tool within its time; a panic is its error.
func (r *runner) runTool(ctx context.Context, t *Tool, args json.RawMessage) (result Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.ToolTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the tool %s itself failed: %v", t.Name, p)
		}
	}()
	return t.Run(ctx, args)
}

// encode gives the result as the model sees it, cut when it is too long.
func (r *runner) encode(call llm.ToolCall, p picked) llm.ToolResult {
	out := llm.ToolResult{CallID: call.ID, Name: call.Name}
	content := p.Content
	if p.err != nil {
		out.Failed, content = true, map[string]any{"error": p.err.Error()}
	}
	raw, err := Encode(content)
	if err != nil {
		out.Failed = true
		raw, _ = Encode(map[string]any{"error": "the result cannot be encoded: " + err.Error()})
	}
	if len(raw) > r.ResultBytes {
		raw, _ = Encode(map[string]any{"truncated": true, "bytes": len(raw), "hint": "ask for fewer rows or fields",
			"beginning": strings.ToValidUTF8(string(raw[:r.ResultBytes]), "")})
	}
	out.Content = string(raw)
	return out
}

// ask makes one turn. The model runs in a goroutine of its own, so that one that ignores its context holds nobody up.
func (r *runner) ask(ctx context.Context, model llm.Model) (*llm.Response, error) {
	limit := r.TurnTimeout
	if !r.until.IsZero() {
		limit = min(limit, time.Until(r.until))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	request := r.Request(r.transcript.Messages)
	began := time.Now()
	r.Observe("llm.start", map[string]any{"context_size": len(request.Messages), "iteration": r.outcome.Turns})
	response, err := Ask(ctx, model, request)
	fields := map[string]any{"duration": time.Since(began), "iteration": r.outcome.Turns}
	if err != nil {
		fields["reason"] = err.Error()
		r.Observe("llm.exception", fields)
		return nil, err
	}
	if len(response.Message.Calls) > 0 {
		fields["tool_selected"] = response.Message.Calls[0].Name
	}
	r.Sizes.Learn(response.Model, request.Size(), response.Usage)
	r.Observe("llm.stop", spent(fields, response))
	return response, nil
}

// Request is what a run with these options asks with these messages.
func (o Options) Request(messages []llm.Message) *llm.Request {
	o = o.withDefaults()
	return &llm.Request{System: o.System, Messages: append([]llm.Message(nil), messages...), Tools: Specs(o.Tools), ToolMode: llm.ToolAny, CacheTTL: o.CacheTTL, Operator: o.Name, Run: o.RunID}
}

// spent adds to an event what a turn took. A cost that is not known is not in it.
func spent(fields map[string]any, response *llm.Response) map[string]any {
	fields["model"], fields["usage"] = response.Model, response.Usage
	if s := response.Spent; s.Calls > 0 {
		fields["calls"] = s.Calls
		if s.USD != nil {
			fields["cost_usd"] = *s.USD
		}
	}
	return fields
}

func tooLong(err error) bool {
	var e *llm.Error
	return errors.As(err, &e) && e.Kind == llm.ErrTooLong
}

// Ask makes one turn of a model that may panic, answer nothing, or ignore its context.
func Ask(ctx context.Context, model llm.Model, request *llm.Request) (*llm.Response, error) {
	type answer struct {
		response *llm.Response
		err      error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- answer{err: &llm.Error{Kind: llm.ErrBadAnswer, Msg: fmt.Sprintf("the model's code panicked: %v", p)}}
			}
		}()
		response, err := model.Turn(ctx, request)
		done <- answer{response, err}
	}()
	select {
	case <-ctx.Done():
		return nil, &llm.Error{Kind: llm.ErrTimeout, Msg: "no answer in time", Err: ctx.Err()}
	case a := <-done:
		if a.err == nil && a.response == nil {
			return nil, &llm.Error{Kind: llm.ErrBadAnswer, Msg: "neither an answer nor an error"}
		}
		return a.response, a.err
	}
}
