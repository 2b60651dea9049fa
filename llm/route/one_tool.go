package route

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/beamlens/beamlens-go/llm"
)

// OneToolOptions of a [OneTool]. Zero values mean the defaults.
type OneToolOptions struct {
	Repairs   int // how often a wrong answer is sent back with what is wrong; default 2, < 0 never
	MaxTokens int // up to which the answer's limit is raised when it was cut off; default 16384

	// OnRepair is told each answer that was wrong, and what was wrong with it.
	OnRepair func(n int, reason string)
	// OnDowngrade is told a model that turned out not to let itself be forced.
	OnDowngrade func(model string)
}

// OneTool makes sure that an answer to a request which needs a tool is a call of one that exists, with arguments that fit its schema. Where
// the model can be forced, it is, by its API or by a grammar of its wire. Where it cannot, it is asked; a model that refuses to be
// forced is remembered and asked from then on. What it answers is checked in any case.
//
// A wrong answer is sent back with the exact error, at most twice; then the turn fails, for the next model or the analyst. Of several calls
// all are passed on, because providers want each of their calls answered; whoever runs them runs the first.
type OneTool struct {
	model   llm.Model
	options OneToolOptions

	mu       sync.Mutex // guards what follows
	unforced map[string]bool
}

// NewOneTool returns the model with checked answers.
func NewOneTool(m llm.Model, o OneToolOptions) *OneTool {
	if o.Repairs == 0 {
		o.Repairs = 2
	}
	if o.MaxTokens <= 0 {
		o.MaxTokens = 16384
	}
	if o.OnRepair == nil {
		o.OnRepair = func(int, string) {}
	}
	if o.OnDowngrade == nil {
		o.OnDowngrade = func(string) {}
	}
	return &OneTool{model: m, options: o, unforced: map[string]bool{}}
}

var (
	_ llm.Model     = (*OneTool)(nil)
	_ llm.Described = (*OneTool)(nil)
)

// Describe tells what the wrapped model is. A model that refused to be forced is no longer said to be.
func (t *OneTool) Describe() llm.About {
	a := describe(t.model)
	t.mu.Lock()
	defer t.mu.Unlock()
	a.ForcedTool = a.ForcedTool && !t.unforced[a.Model]
	return a
}

// please is what a model is asked that cannot be forced. It is part of the system prompt, so that the prefix stays the same.
const please = "\n\nAnswer with exactly one tool call, and with nothing else."

// Turn asks until an answer is right. Requests that need no tool are passed through.
func (t *OneTool) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	if req.ToolMode != llm.ToolAny || len(req.Tools) == 0 {
		return t.model.Turn(ctx, req)
	}
	own := *req
	own.Messages = append([]llm.Message(nil), req.Messages...)
	var spent llm.Spent
	var usage llm.Usage
	for n := 0; ; n++ {
		response, err := t.ask(ctx, own)
		if err != nil {
			return nil, err
		}
		spent, usage = spent.Add(response.Spent), add(usage, response.Usage, n == 0)
		wrong := t.wrong(&own, response)
		if wrong == nil {
			response.Spent, response.Usage = spent, usage
			return response, nil
		}
		if n >= t.options.Repairs {
			return nil, &llm.Error{Kind: llm.ErrBadAnswer, Msg: fmt.Sprintf("no usable tool call after %d answers", n+1), Err: wrong}
		}
		t.options.OnRepair(n+1, wrong.Error())
		own.Messages = append(own.Messages, t.sendBack(response, wrong)...)
	}
}

// add sums what was counted. What one answer does not tell, the sum does not know.
func add(a, b llm.Usage, first bool) llm.Usage {
	if first {
		return b
	}
	sum := llm.Usage{Input: a.Input + b.Input, Output: a.Output + b.Output, CacheRead: a.CacheRead + b.CacheRead, CacheWrite: a.CacheWrite + b.CacheWrite,
		Reasoning: a.Reasoning + b.Reasoning, Known: a.Known && b.Known}
	if a.CostUSD != nil && b.CostUSD != nil {
		usd := *a.CostUSD + *b.CostUSD
		sum.CostUSD = &usd
	}
	return sum
}

// ask asks once, forced if the model is not known to refuse that.
func (t *OneTool) ask(ctx context.Context, req llm.Request) (*llm.Response, error) {
	if about, forced := t.forced(); forced {
		response, err := t.model.Turn(ctx, &req)
		var e *llm.Error
		if !errors.As(err, &e) || e.Kind != llm.ErrUnsupported {
			return nonNil(response, err)
		}
		t.mu.Lock()
		t.unforced[about.Model] = true
		t.mu.Unlock()
		t.options.OnDowngrade(about.Model)
	}
	return nonNil(t.model.Turn(ctx, asked(req)))
}

// forced says whether the model is forced to call a tool.
func (t *OneTool) forced() (llm.About, bool) {
	about := describe(t.model)
	_, says := t.model.(llm.Described)
	t.mu.Lock()
	defer t.mu.Unlock()
	return about, !t.unforced[about.Model] && (about.ForcedTool || !says)
}

// asked gives the request for a model that cannot be forced.
func asked(req llm.Request) *llm.Request {
	req.ToolMode = llm.ToolAuto
	req.System += please
	return &req
}

// Show shows what the wrapped model would send.
func (t *OneTool) Show(req *llm.Request) ([]byte, error) {
	if _, forced := t.forced(); req.ToolMode == llm.ToolAny && len(req.Tools) > 0 && !forced {
		req = asked(*req)
	}
	return llm.Show(t.model, req)
}

func nonNil(response *llm.Response, err error) (*llm.Response, error) {
	if err == nil && response == nil {
		err = &llm.Error{Kind: llm.ErrBadAnswer, Msg: "neither an answer nor an error"}
	}
	return response, err
}

// wrong says what is wrong with an answer. Its limit is raised when the answer was cut off.
func (t *OneTool) wrong(req *llm.Request, r *llm.Response) error {
	if r.Stop == llm.StopRefusal {
		return errors.New("you refused; answer with a tool call, of think if there is nothing to do")
	}
	if r.Stop == llm.StopLength {
		// What was cut off may look whole: {} for arguments that had no room.
		if req.MaxTokens > 0 && req.MaxTokens < t.options.MaxTokens {
			req.MaxTokens = min(2*req.MaxTokens, t.options.MaxTokens)
		}
		return errors.New("your answer was cut off because it was too long; answer with a shorter tool call")
	}
	if len(r.Message.Calls) == 0 {
		return fmt.Errorf("you called no tool; call exactly one of %s", names(req.Tools))
	}
	c := r.Message.Calls[0]
	for _, tool := range req.Tools {
		if tool.Name != c.Name {
			continue
		}
		if err := checkArgs(tool.Schema, c.Args); err != nil {
			return fmt.Errorf("the call of %s is wrong: %w; its arguments are %s", c.Name, err, tool.Schema)
		}
		return nil
	}
	return fmt.Errorf("there is no tool %.60q; call exactly one of %s", c.Name, names(req.Tools))
}

func names(tools []llm.Tool) string {
	out := make([]string, len(tools))
	for i, t := range tools {
		out[i] = t.Name
	}
	return strings.Join(out, ", ")
}

// sendBack gives the messages that tell a model what was wrong: its answer, and an error for each call in it.
func (t *OneTool) sendBack(r *llm.Response, wrong error) []llm.Message {
	answer := r.Message
	answer.Role = llm.Assistant
	if len(answer.Calls) == 0 {
		if answer.Text == "" && answer.Native == nil {
			return []llm.Message{{Role: llm.User, Text: wrong.Error()}} // providers refuse empty messages
		}
		return []llm.Message{answer, {Role: llm.User, Text: wrong.Error()}}
	}
	calls := append(answer.Calls[:0:0], answer.Calls...)
	reply := llm.Message{Role: llm.User}
	for i := range calls {
		if calls[i].ID == "" {
			calls[i].ID = fmt.Sprintf("repair_%d", i)
		}
		content := encode(map[string]string{"error": "not run: " + wrong.Error()})
		reply.Results = append(reply.Results, llm.ToolResult{CallID: calls[i].ID, Name: calls[i].Name, Content: content, Failed: true})
		calls[i].Args = replayable(calls[i].Args)
	}
	answer.Calls = calls
	return []llm.Message{answer, reply}
}
