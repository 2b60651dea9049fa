// Package llmtest has models for tests and for trying things out: a script of turns, and models that misbehave.
package llmtest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/beamlens/beamlens-go/llm"
)

// Turn is one answer of a scripted model.
type Turn func(ctx context.Context, req *llm.Request) (*llm.Response, error)

// Script is a model that answers with its turns in order, and with the last one for ever. It keeps what it was asked.
type Script struct {
	mu    sync.Mutex // guards what follows
	turns []Turn
	asked []llm.Request
}

// NewScript returns a model that answers with the turns.
func NewScript(turns ...Turn) *Script { return &Script{turns: turns} }

// Turn answers with the next turn of the script.
func (s *Script) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	s.mu.Lock()
	kept := *req
	kept.Messages = append([]llm.Message(nil), req.Messages...)
	s.asked = append(s.asked, kept)
	n := min(len(s.asked), len(s.turns)) - 1
	turn := s.turns[n]
	s.mu.Unlock()
	return turn(ctx, req)
}

// Asked returns the requests so far.
func (s *Script) Asked() []llm.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]llm.Request(nil), s.asked...)
}

// Call answers with one call of a tool. The arguments are encoded as JSON, unless they are a json.RawMessage.
func Call(tool string, args any) Turn {
	raw, ok := args.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(args); err != nil {
			panic(err)
		}
	}
	return func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		call := llm.ToolCall{ID: fmt.Sprintf("call_%d", len(req.Messages)), Name: tool, Args: raw}
		return &llm.Response{Model: "script", Stop: llm.StopTool, Message: llm.Message{Role: llm.Assistant, Calls: []llm.ToolCall{call}}}, nil
	}
}

// Say answers with text and no call.
func Say(text string) Turn {
	return func(context.Context, *llm.Request) (*llm.Response, error) {
		return &llm.Response{Model: "script", Stop: llm.StopEnd, Message: llm.Message{Role: llm.Assistant, Text: text}}, nil
	}
}

// Many answers with several calls at once.
func Many(turns ...Turn) Turn {
	return func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		all := &llm.Response{Model: "script", Stop: llm.StopTool, Message: llm.Message{Role: llm.Assistant}}
		for i, t := range turns {
			r, err := t(ctx, req)
			if err != nil {
				return nil, err
			}
			for _, c := range r.Message.Calls {
				c.ID = fmt.Sprintf("%s_%d", c.ID, i)
				all.Message.Calls = append(all.Message.Calls, c)
			}
		}
		return all, nil
	}
}

// Fail fails.
func Fail(kind llm.ErrorKind) Turn {
	return func(context.Context, *llm.Request) (*llm.Response, error) {
		return nil, &llm.Error{Kind: kind, Msg: "scripted"}
	}
}

// Hang answers when ctx ends, with its error.
func Hang() Turn {
	return func(ctx context.Context, _ *llm.Request) (*llm.Response, error) {
		<-ctx.Done()
		return nil, &llm.Error{Kind: llm.ErrTimeout, Err: ctx.Err()}
	}
}

// Empty answers with nothing at all.
func Empty() Turn {
	return func(context.Context, *llm.Request) (*llm.Response, error) { return &llm.Response{}, nil }
}

// Nothing answers with neither a response nor an error, as no model should.
func Nothing() Turn {
	return func(context.Context, *llm.Request) (*llm.Response, error) { return nil, nil }
}

// Panic panics.
func Panic() Turn {
	return func(context.Context, *llm.Request) (*llm.Response, error) { panic("scripted") }
}
