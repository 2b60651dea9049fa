package llmtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/anthropic"
	"github.com/beamlens/beamlens-go/llm/bedrock"
	"github.com/beamlens/beamlens-go/llm/google"
	"github.com/beamlens/beamlens-go/llm/llmtest"
	"github.com/beamlens/beamlens-go/llm/ollama"
	"github.com/beamlens/beamlens-go/llm/openai"
	"github.com/beamlens/beamlens-go/llm/route"
	"github.com/beamlens/beamlens-go/llm/wire"
)

const key = "test-key-do-not-tell-0123456789"

// wires make a model of each wire. Their addresses are the real ones; the client reaches a fake in memory.
var wires = map[llmtest.Wire]func(model string, h wire.HTTP) llm.Model{
	llmtest.Anthropic: func(model string, h wire.HTTP) llm.Model {
		return anthropic.New(anthropic.Options{Model: model, Key: key, HTTP: h})
	},
	llmtest.Responses: func(model string, h wire.HTTP) llm.Model {
		return openai.New(openai.Options{Model: or(model, "gpt-5.4-mini"), Key: key, HTTP: h})
	},
	llmtest.Chat: func(model string, h wire.HTTP) llm.Model {
		return openai.New(openai.Options{Model: or(model, "gpt-4o-mini"), Key: key, API: openai.Chat, Dialect: openai.Dialects["openai"], HTTP: h})
	},
	llmtest.Gemini: func(model string, h wire.HTTP) llm.Model {
		return google.New(google.Options{Model: or(model, "gemini-3-flash-preview"), Key: key, HTTP: h})
	},
	llmtest.Ollama: func(model string, h wire.HTTP) llm.Model {
		return ollama.New(ollama.Options{Model: or(model, "qwen3:8b"), Key: key, HTTP: h})
	},
	llmtest.Bedrock: func(model string, h wire.HTTP) llm.Model {
		return bedrock.New(bedrock.Options{Model: or(model, "eu.anthropic.claude-haiku-4-5-20251001-v1:0"), Token: key, HTTP: h})
	},
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// request is a turn as an operator makes it.
func request() *llm.Request {
	return &llm.Request{
		System: "You watch a system. <nonce> & more.", ToolMode: llm.ToolAny, MaxTokens: 500,
		Tools: []llm.Tool{
			{Name: "get_snapshots", Doc: "Newest first.", Schema: json.RawMessage(`{"type":"object","properties":{"limit":{"type":"integer"}},"additionalProperties":false}`)},
			{Name: "wait", Doc: "Waits.", Schema: json.RawMessage(`{"type":"object","properties":{"ms":{"type":"integer"}},"required":["ms"],"additionalProperties":false}`)},
		},
		Messages: []llm.Message{{Role: llm.User, Text: "Current state: healthy; the host is called db-7.internal.example, its log says: disk is full"}},
	}
}

// row says what becomes of a fault: in one attempt; with what goes around a wire, when the next answer is good; and when none ever is.
type row struct {
	fault llmtest.Fault
	one   llm.ErrorKind // "" if the wire answers

	asked int           // how often, until the good answer
	waits time.Duration // at least, before it

	last  llm.ErrorKind // when it is never mended; "" if it needs no mending
	tries int           // until it is given up
}

// The waits of route.Retry before the second and third attempt are at least half of 500 ms and 1 s; an attempt may take 45 s.
const (
	backoff = 250 * time.Millisecond
	attempt = 45 * time.Second
)

var rows = []row{
	{llmtest.OK, "", 1, 0, "", 1},
	{llmtest.LimitedSeconds, llm.ErrRateLimited, 2, 2 * time.Second, llm.ErrRateLimited, 3},
	{llmtest.LimitedDate, llm.ErrRateLimited, 2, 2 * time.Second, llm.ErrRateLimited, 3},
	{llmtest.LimitedMillis, llm.ErrRateLimited, 2, 2 * time.Second, llm.ErrRateLimited, 3},
	{llmtest.LimitedLong, llm.ErrRateLimited, 1, 0, llm.ErrRateLimited, 1},
	{llmtest.Quota, llm.ErrQuota, 1, 0, llm.ErrQuota, 1},
	{llmtest.Overloaded, llm.ErrOverloaded, 2, backoff, llm.ErrOverloaded, 3},
	{llmtest.ServerError, llm.ErrServer, 2, backoff, llm.ErrServer, 3},
	{llmtest.GatewayPage, llm.ErrServer, 2, backoff, llm.ErrServer, 3},
	{llmtest.BadKey, llm.ErrAuth, 1, 0, llm.ErrAuth, 1},
	{llmtest.TooLong, llm.ErrTooLong, 1, 0, llm.ErrTooLong, 1},
	{llmtest.NoForcing, llm.ErrUnsupported, 2, 0, "", 2},
	{llmtest.HangBefore, llm.ErrTimeout, 2, attempt + backoff, llm.ErrTimeout, 3},
	{llmtest.HangWithin, llm.ErrTimeout, 2, attempt + backoff, llm.ErrTimeout, 3},
	{llmtest.CutBody, llm.ErrNetwork, 2, backoff, llm.ErrNetwork, 3},
	{llmtest.Reset, llm.ErrNetwork, 2, backoff, llm.ErrNetwork, 3},
	{llmtest.MalformedArgs, "", 2, 0, llm.ErrBadAnswer, 3},
	{llmtest.WrongTypes, "", 2, 0, llm.ErrBadAnswer, 3},
	{llmtest.UnknownTool, "", 2, 0, llm.ErrBadAnswer, 3},
	{llmtest.TwoCalls, "", 1, 0, "", 1},
	{llmtest.Truncated, "", 2, 0, llm.ErrBadAnswer, 3},
	{llmtest.ErrorInside, llm.ErrServer, 2, backoff, llm.ErrServer, 3},
	{llmtest.WebPage, llm.ErrBadAnswer, 1, 0, llm.ErrBadAnswer, 1},
	{llmtest.UnknownBlock, "", 1, 0, "", 1},
	{llmtest.Refusal, "", 2, 0, llm.ErrBadAnswer, 3},
	{llmtest.EmptyAnswer, "", 2, 0, llm.ErrBadAnswer, 3},
	{llmtest.QuotesTheRequest, llm.ErrBadRequest, 1, 0, llm.ErrBadRequest, 1},
}

// but says what is otherwise on one wire.
func but(w llmtest.Wire, r row) row {
	switch {
	case w == llmtest.Ollama && r.fault == llmtest.NoForcing:
		// It is forced by a grammar, which is no choice that a model could refuse.
		return row{fault: r.fault, asked: 1, tries: 1}
	case w == llmtest.Ollama && r.fault == llmtest.TwoCalls:
		return row{fault: r.fault, asked: 1, tries: 1}
	}
	return r
}

func TestRowsAreComplete(t *testing.T) {
	seen := map[llmtest.Fault]bool{}
	for _, r := range rows {
		seen[r.fault] = true
	}
	for _, f := range llmtest.Faults {
		if !seen[f] {
			t.Errorf("no row for %q", f)
		}
	}
}

// each runs a test of each wire and fault in a bubble, in which time costs nothing.
func each(t *testing.T, run func(t *testing.T, w llmtest.Wire, r row)) {
	for _, w := range llmtest.Wires {
		for _, r := range rows {
			t.Run(fmt.Sprintf("%s/%s", w, or(string(r.fault), "all is well")), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { run(t, w, but(w, r)) })
			})
		}
	}
}

// TestOneAttempt: a wire asks once, whatever comes, and says what came.
func TestOneAttempt(t *testing.T) {
	each(t, func(t *testing.T, w llmtest.Wire, r row) {
		p := llmtest.NewProvider(w, llmtest.Reply{Fault: r.fault, Args: `{"limit":3}`})
		client, stop := p.Client()
		defer stop()
		ctx, cancel := context.WithTimeout(t.Context(), attempt)
		defer cancel()
		req := request()
		model := wires[w]("", wire.HTTP{Client: client, Extra: map[string]any{"metadata": map[string]string{"a": "<b>"}, "nothing": nil}})
		if w != llmtest.Anthropic && w != llmtest.Responses && w != llmtest.Chat { // the others have no such field, and refuse it
			model = wires[w]("", wire.HTTP{Client: client})
		}
		shown, err := llm.Show(model, req)
		if err != nil {
			t.Fatal(err)
		}
		response, err := model.Turn(ctx, req)
		sent := p.Requests()
		if len(sent) != 1 {
			t.Fatalf("asked %d times", len(sent))
		}
		if !bytes.Equal(shown, sent[0].Body) {
			t.Errorf("shown %s, sent %s", shown, sent[0].Body)
		}
		if r.one != "" {
			checkError(t, w, r, req, err)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		checkAnswer(t, w, r.fault, response)
	})
}

func checkError(t *testing.T, w llmtest.Wire, r row, req *llm.Request, err error) {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) || e.Kind != r.one {
		t.Fatalf("got %v, want %s", err, r.one)
	}
	if e.Msg == "" {
		t.Error("it does not say what happened")
	}
	for _, secret := range []string{key, "db-7.internal", "disk is full", req.System} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, *e), secret) {
			t.Errorf("the error tells %q: %v", secret, err)
		}
	}
	wait := time.Duration(0)
	switch r.fault {
	case llmtest.LimitedSeconds, llmtest.LimitedDate, llmtest.LimitedMillis:
		wait = 2 * time.Second
	case llmtest.LimitedLong:
		wait = 2 * time.Minute
	}
	if e.RetryAfter != wait {
		t.Errorf("retry after %s, want %s", e.RetryAfter, wait)
	}
	switch r.fault {
	case llmtest.Quota, llmtest.BadKey, llmtest.Overloaded:
		if e.Status == 0 || w != llmtest.Ollama && (e.Code == "" || e.RequestID == "") && w != llmtest.Gemini {
			t.Errorf("status %d, code %q, request %q: its provider said more", e.Status, e.Code, e.RequestID)
		}
	}
}

func checkAnswer(t *testing.T, w llmtest.Wire, fault llmtest.Fault, r *llm.Response) {
	t.Helper()
	want := llm.Usage{Input: llmtest.UsedFresh + llmtest.UsedRead + llmtest.UsedWritten, Output: llmtest.UsedOutput, CacheRead: llmtest.UsedRead,
		CacheWrite: llmtest.UsedWritten, Reasoning: llmtest.UsedThought, Known: true}
	switch w { // what an API does not tell
	case llmtest.Gemini:
		want.CacheWrite = 0
	case llmtest.Ollama:
		want.CacheRead, want.CacheWrite, want.Reasoning = 0, 0, 0
	case llmtest.Bedrock:
		want.Reasoning = 0
	}
	if r.Usage != want {
		t.Errorf("used %+v, want %+v", r.Usage, want)
	}
	if r.Model == "" || r.Message.Role != llm.Assistant {
		t.Errorf("%+v", r)
	}
	calls, stop, args := 1, llm.StopTool, `{"limit":3}`
	switch fault {
	case llmtest.MalformedArgs:
		args = `{"limit": 3`
	case llmtest.WrongTypes:
		args = `{"limit":"many"}`
	case llmtest.TwoCalls:
		calls = 2
		if w == llmtest.Ollama {
			calls = 1 // a grammar has room for one
		}
	case llmtest.Truncated:
		stop, args = llm.StopLength, `{}`
	case llmtest.Refusal:
		calls, stop = 0, llm.StopRefusal
		if w == llmtest.Ollama {
			stop = llm.StopEnd // it has no word for it
		}
	case llmtest.EmptyAnswer:
		calls, stop = 0, llm.StopEnd
	}
	if len(r.Message.Calls) != calls || r.Stop != stop {
		t.Fatalf("%d calls, stop %s (%s); want %d, %s", len(r.Message.Calls), r.Stop, r.RawStop, calls, stop)
	}
	if calls > 0 {
		got := string(r.Message.Calls[0].Args)
		var quoted string
		if json.Unmarshal([]byte(got), &quoted) == nil {
			got = quoted // as APIs give it whose calls hold JSON
		}
		if got != args || r.Message.Calls[0].Name == "" {
			t.Errorf("call %s %s, want %s", r.Message.Calls[0].Name, got, args)
		}
	}
	if fault == llmtest.UnknownBlock && w != llmtest.Ollama && w != llmtest.Chat && (r.Message.Native == nil || !bytes.Contains(r.Message.Native.Turn, []byte("hologram"))) {
		t.Errorf("the unknown block is not in the native turn: %s", r.Message.Native)
	}
}

// TestClient: with what goes around it, a turn ends well if it can, in time, and never asks more often than it may.
func TestClient(t *testing.T) {
	each(t, func(t *testing.T, w llmtest.Wire, r row) {
		good := llmtest.Reply{Args: `{"limit":3}`}
		bad := llmtest.Reply{Fault: r.fault, Args: good.Args}
		n, took, response, err := turn(t, w, bad, good)
		switch {
		case n != r.asked:
			t.Errorf("once: asked %d times, want %d: %v", n, r.asked, err)
		case r.asked == 1 && r.one != "": // there is nothing to be mended
			if kind(err) != r.last {
				t.Errorf("once: %v, want %s", err, r.last)
			}
		case err != nil:
			t.Errorf("once: %v", err)
		case took < r.waits || took > r.waits+r.waits/8+500*time.Millisecond:
			t.Errorf("once: it took %s, want %s", took, r.waits)
		case string(response.Message.Calls[0].Args) != good.Args:
			t.Errorf("once: got %s", response.Message.Calls[0].Args)
		}
		n, _, _, err = turn(t, w, bad)
		if kind(err) != r.last || n != r.tries {
			t.Errorf("for ever: asked %d times, want %d: %v, want %s", n, r.tries, err, r.last)
		}
	})
}

func kind(err error) llm.ErrorKind {
	var e *llm.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// turn makes a turn with all that goes around a wire, in a bubble that must already be there.
func turn(t *testing.T, w llmtest.Wire, replies ...llmtest.Reply) (asked int, took time.Duration, r *llm.Response, err error) {
	t.Helper()
	p := llmtest.NewProvider(w, replies...)
	client, stop := p.Client()
	defer stop()
	model := route.Client(wires[w]("", wire.HTTP{Client: client}), route.ClientOptions{})
	began := time.Now()
	r, err = model.Turn(t.Context(), request())
	return len(p.Requests()), time.Since(began), r, err
}

// TestNativeTurns: a turn goes back byte for byte to the model that gave it, and in plain parts to any other.
func TestNativeTurns(t *testing.T) {
	for _, w := range llmtest.Wires {
		if w == llmtest.Ollama {
			continue // it signs nothing
		}
		t.Run(string(w), func(t *testing.T) {
			p := llmtest.NewProvider(w, llmtest.Reply{Args: `{"limit":3}`})
			client, stop := p.Client()
			defer stop()
			h := wire.HTTP{Client: client}
			model := wires[w]("", h)
			req := request()
			var natives []string
			for range 3 {
				response, err := model.Turn(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				if response.Message.Native == nil {
					t.Fatal("no native turn")
				}
				natives = append(natives, string(response.Message.Native.Turn))
				// As a journal keeps it.
				raw, err := json.Marshal(response.Message)
				if err != nil {
					t.Fatal(err)
				}
				var kept llm.Message
				if err := json.Unmarshal(raw, &kept); err != nil {
					t.Fatal(err)
				}
				c := response.Message.Calls[0]
				req.Messages = append(req.Messages, response.Message,
					llm.Message{Role: llm.User, Results: []llm.ToolResult{{CallID: c.ID, Name: c.Name, Content: `{"rows":[]}`}}})
				again := *req
				again.Messages = append([]llm.Message(nil), req.Messages...)
				again.Messages[len(again.Messages)-2] = kept
				if _, err := model.Turn(t.Context(), &again); err != nil {
					t.Fatalf("after a restart: %v", err)
				}
			}
			last := func(m llm.Model, req *llm.Request) string {
				if _, err := m.Turn(t.Context(), req); err != nil {
					t.Fatal(err)
				}
				sent := p.Requests()
				return string(sent[len(sent)-1].Body)
			}
			body := last(model, req)
			for _, n := range natives {
				// A turn of Responses is several items of one list.
				if !strings.Contains(body, strings.TrimSuffix(strings.TrimPrefix(n, "["), "]")) {
					t.Errorf("not sent back as it was: %s", n)
				}
			}
			if body := last(wires[w]("another-model", h), req); strings.Contains(body, natives[0]) {
				t.Error("another model gets the turns of this one")
			}
			if w != llmtest.Anthropic && w != llmtest.Bedrock {
				return
			}
			req.System = "Something else."
			if body := last(model, req); strings.Contains(body, "signature") {
				t.Error("a signed turn is sent after something that it was not given after")
			}
		})
	}
}

// TestCacheMarks: what stays the same is marked for as long as is asked for, the turns of a run for as long as one lasts.
func TestCacheMarks(t *testing.T) {
	req := request()
	req.CacheTTL = time.Hour
	for w, want := range map[llmtest.Wire][]string{
		llmtest.Anthropic: {`"cache_control":{"type":"ephemeral","ttl":"1h"}}]`, `"cache_control":{"type":"ephemeral","ttl":"1h"}}],"messages"`, `"cache_control":{"type":"ephemeral"}}]}]`},
		llmtest.Bedrock:   {`{"cachePoint":{"type":"default","ttl":"1h"}}],"toolChoice"`, `{"cachePoint":{"type":"default","ttl":"1h"}}],"messages"`, `{"cachePoint":{"type":"default"}}]}]`},
		llmtest.Responses: {`"prompt_cache_key":"beamlens-`},
		llmtest.Chat:      {`"prompt_cache_key":"beamlens-`},
	} {
		body, err := llm.Show(wires[w]("", wire.HTTP{}), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range want {
			if !bytes.Contains(body, []byte(part)) {
				t.Errorf("%s: %s\nhas not %s", w, body, part)
			}
		}
	}
	// The same beginning has the same key, whatever comes after it.
	key := func(r *llm.Request) string {
		body, err := llm.Show(wires[llmtest.Responses]("", wire.HTTP{}), r)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(body), "prompt_cache_key")
		return after
	}
	other := request()
	other.Messages = append(other.Messages, llm.Message{Role: llm.User, Text: "more"})
	if key(req) != key(other) {
		t.Error("another message has another key")
	}
	if other.System = "x"; key(req) == key(other) {
		t.Error("another prompt has the same key")
	}
}

// answers is a client whose server answers everything with the same.
type answers struct {
	status int
	body   []byte
}

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r}, nil
}

// FuzzAnswers: whatever a server answers, a wire gives an answer or an *llm.Error, and what it gives can be sent back.
func FuzzAnswers(f *testing.F) {
	for _, w := range llmtest.Wires {
		for _, fault := range []llmtest.Fault{llmtest.OK, llmtest.TwoCalls, llmtest.MalformedArgs, llmtest.Refusal, llmtest.UnknownBlock, llmtest.Quota} {
			p := llmtest.NewProvider(w, llmtest.Reply{Fault: fault})
			client, stop := p.Client()
			kept := &keeper{base: client.Transport}
			_, _ = wires[w]("", wire.HTTP{Client: &http.Client{Transport: kept}}).Turn(context.Background(), request()) // some fail
			stop()
			f.Add(kept.status, kept.body)
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for w, make := range wires {
			m := make("", wire.HTTP{Client: &http.Client{Transport: answers{status, body}}})
			req := request()
			r, err := m.Turn(t.Context(), req)
			var e *llm.Error
			if err != nil {
				if !errors.As(err, &e) || e.Kind == "" {
					t.Errorf("%s: %v", w, err)
				}
				continue
			}
			req.Messages = append(req.Messages, r.Message)
			if _, err := llm.Show(m, req); err != nil {
				t.Errorf("%s: what was answered cannot be sent back: %v", w, err)
			}
		}
	})
}

// keeper keeps what was answered.
type keeper struct {
	base   http.RoundTripper
	status int
	body   []byte
}

func (k *keeper) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := k.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	k.status = response.StatusCode
	if k.body, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}
	return answers{k.status, k.body}.RoundTrip(r)
}
