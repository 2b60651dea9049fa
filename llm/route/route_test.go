package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/llmtest"
)

// fail fails with an error that asks for a wait.
func fail(k llm.ErrorKind, after time.Duration) llmtest.Turn {
	return func(context.Context, *llm.Request) (*llm.Response, error) {
		return nil, &llm.Error{Kind: k, Msg: "scripted", RetryAfter: after}
	}
}

func ok() llmtest.Turn { return llmtest.Say("fine") }

func TestRetry(t *testing.T) {
	const second = time.Second
	for _, c := range []struct {
		name     string
		turns    []llmtest.Turn
		deadline time.Duration // of the caller; 0: none
		options  RetryOptions
		asked    int
		kind     llm.ErrorKind // "": it succeeds
		min, max time.Duration // that it takes
	}{
		{"at once", []llmtest.Turn{ok()}, 0, RetryOptions{}, 1, "", 0, 0},
		{"overloaded once", []llmtest.Turn{llmtest.Fail(llm.ErrOverloaded), ok()}, 0, RetryOptions{}, 2, "", 250 * time.Millisecond, 500 * time.Millisecond},
		{"overloaded for ever", []llmtest.Turn{llmtest.Fail(llm.ErrOverloaded)}, 0, RetryOptions{}, 3, llm.ErrOverloaded, 750 * time.Millisecond, 1500 * time.Millisecond},
		{"asks for 2 s", []llmtest.Turn{fail(llm.ErrRateLimited, 2*second), ok()}, 0, RetryOptions{}, 2, "", 2 * second, 2200 * time.Millisecond},
		{"asks for two minutes", []llmtest.Turn{fail(llm.ErrRateLimited, 120*second), ok()}, 0, RetryOptions{}, 1, llm.ErrRateLimited, 0, 0},
		{"asks for longer than there is time", []llmtest.Turn{fail(llm.ErrRateLimited, 5*second), ok()}, 4 * second, RetryOptions{}, 1, llm.ErrRateLimited, 0, 0},
		{"quota", []llmtest.Turn{llmtest.Fail(llm.ErrQuota), ok()}, 0, RetryOptions{}, 1, llm.ErrQuota, 0, 0},
		{"key", []llmtest.Turn{llmtest.Fail(llm.ErrAuth), ok()}, 0, RetryOptions{}, 1, llm.ErrAuth, 0, 0},
		{"wrong request", []llmtest.Turn{llmtest.Fail(llm.ErrBadRequest), ok()}, 0, RetryOptions{}, 1, llm.ErrBadRequest, 0, 0},
		{"too long", []llmtest.Turn{llmtest.Fail(llm.ErrTooLong), ok()}, 0, RetryOptions{}, 1, llm.ErrTooLong, 0, 0},
		{"budget", []llmtest.Turn{llmtest.Fail(llm.ErrBudget), ok()}, 0, RetryOptions{}, 1, llm.ErrBudget, 0, 0},
		{"an attempt hangs", []llmtest.Turn{llmtest.Hang(), ok()}, 0, RetryOptions{}, 2, "", 45 * second, 46 * second},
		{"an attempt hangs that is not ours to type", []llmtest.Turn{func(ctx context.Context, _ *llm.Request) (*llm.Response, error) { <-ctx.Done(); return nil, ctx.Err() }, ok()}, 0,
			RetryOptions{AttemptTimeout: second}, 2, "", second, 2 * second},
		{"all hang, and the caller has little time", []llmtest.Turn{llmtest.Hang()}, 60 * second, RetryOptions{}, 2, llm.ErrTimeout, 60 * second, 60 * second},
		{"nothing is answered", []llmtest.Turn{llmtest.Nothing(), ok()}, 0, RetryOptions{}, 1, llm.ErrBadAnswer, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				s := llmtest.NewScript(c.turns...)
				began := time.Now()
				_, err := NewRetry(s, c.options).Turn(ctx, &llm.Request{})
				took := time.Since(began)
				if kind(err) != c.kind || (err == nil) != (c.kind == "") {
					t.Errorf("error %v, want kind %q", err, c.kind)
				}
				if n := len(s.Asked()); n != c.asked {
					t.Errorf("asked %d times, want %d", n, c.asked)
				}
				if took < c.min || took > c.max {
					t.Errorf("took %s, want %s to %s", took, c.min, c.max)
				}
			})
		})
	}
}

func TestRetryEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		s := llmtest.NewScript(fail(llm.ErrOverloaded, 20*time.Second), ok())
		began := time.Now()
		_, err := NewRetry(s, RetryOptions{}).Turn(ctx, &llm.Request{})
		if kind(err) != llm.ErrOverloaded || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// named is a model that says who answered.
func named(name string, turns ...llmtest.Turn) llm.Model {
	s := llmtest.NewScript(turns...)
	return described{llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		r, err := s.Turn(ctx, req)
		if r != nil {
			r.Model = name
		}
		return r, err
	}), llm.About{Provider: "test", Model: name}}
}

type described struct {
	llm.Model
	about llm.About
}

func (d described) Describe() llm.About { return d.about }

func TestFallback(t *testing.T) {
	for _, c := range []struct {
		name   string
		models []llm.Model
		want   string        // who answers
		kind   llm.ErrorKind // or the failure
		took   time.Duration
	}{
		{"the first", []llm.Model{named("a", ok()), named("b", ok())}, "a", "", 0},
		{"the second", []llm.Model{named("a", llmtest.Fail(llm.ErrQuota)), named("b", ok())}, "b", "", 0},
		{"the first is silent: the second has its part of the time", []llm.Model{named("a", llmtest.Hang()), named("b", ok())}, "b", "", 30 * time.Second},
		{"none: the failure of the one that was chosen", []llm.Model{named("a", llmtest.Fail(llm.ErrQuota)), named("b", llmtest.Fail(llm.ErrServer))}, "", llm.ErrQuota, 0},
		{"all are silent", []llm.Model{named("a", llmtest.Hang()), named("b", llmtest.Hang())}, "", llm.ErrTimeout, time.Minute},
		{"one says nothing", []llm.Model{named("a", llmtest.Nothing()), named("b", ok())}, "b", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				r, err := NewFallback(nil, c.models...).Turn(ctx, &llm.Request{})
				if kind(err) != c.kind || c.want != "" && (r == nil || r.Model != c.want) {
					t.Errorf("%+v, %v", r, err)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("took %s, want %s", took, c.took)
				}
			})
		})
	}
}

func TestFallbackEndsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	second := llmtest.NewScript(ok())
	first := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
		cancel()
		return nil, &llm.Error{Kind: llm.ErrTimeout}
	})
	if _, err := NewFallback(nil, first, second).Turn(ctx, &llm.Request{}); kind(err) != llm.ErrTimeout || len(second.Asked()) != 0 {
		t.Errorf("%v; the second was asked %d times for nobody", err, len(second.Asked()))
	}
}

func TestRoundRobin(t *testing.T) {
	r := NewRoundRobin(nil, named("a", ok()), named("b", llmtest.Fail(llm.ErrServer)), named("c", ok()))
	var got []string
	for range 6 {
		a, err := r.Turn(t.Context(), &llm.Request{})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a.Model)
	}
	if s := strings.Join(got, " "); s != "a c c a c c" {
		t.Errorf("answered by %s, want each in turn, and the next for the one that fails", s)
	}
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := llm.ErrorKind("")
		asked := 0
		m := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
			asked++
			if state != "" {
				return nil, &llm.Error{Kind: state, Msg: "scripted"}
			}
			return &llm.Response{}, nil
		})
		var pauses []time.Duration
		b := NewBreaker(m, BreakerOptions{OnChange: func(d time.Duration, _ error) { pauses = append(pauses, d) }})
		for i, c := range []struct {
			what  string
			wait  time.Duration
			state llm.ErrorKind
			asked bool
			kind  llm.ErrorKind
		}{
			{"healthy", 0, "", true, ""},
			{"one failure", 0, llm.ErrServer, true, llm.ErrServer},
			{"an answer in between", 0, "", true, ""},
			{"failures in a row", 0, llm.ErrServer, true, llm.ErrServer},
			{"", 0, llm.ErrTimeout, true, llm.ErrTimeout},
			{"what is said of one request is no failure", 0, llm.ErrTooLong, true, llm.ErrTooLong},
			{"again", 0, llm.ErrServer, true, llm.ErrServer},
			{"", 0, llm.ErrServer, true, llm.ErrServer},
			{"", 0, llm.ErrServer, true, llm.ErrServer},
			{"open: not asked, and the reason is kept", 0, "", false, llm.ErrServer},
			{"still", 29 * time.Second, "", false, llm.ErrServer},
			{"one tries and fails", time.Second, llm.ErrServer, true, llm.ErrServer},
			{"the pause doubled", 59 * time.Second, "", false, llm.ErrServer},
			{"one tries", time.Second, "", true, ""},
			{"closed", 0, "", true, ""},
			{"a refused key opens at once", 0, llm.ErrAuth, true, llm.ErrAuth},
			{"", 0, "", false, llm.ErrAuth},
		} {
			time.Sleep(c.wait)
			before := asked
			state = c.state
			_, err := b.Turn(t.Context(), &llm.Request{})
			if kind(err) != c.kind || (asked > before) != c.asked {
				t.Errorf("step %d (%s): asked %v, error %v", i, c.what, asked > before, err)
			}
		}
		if got := fmt.Sprint(pauses); got != "[30s 1m0s 0s 30s]" {
			t.Errorf("told pauses %s", got)
		}
	})
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		m := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return &llm.Response{}, nil
		})
		l := NewLimit(m, 3)
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		late := 0
		for range 10 {
			wg.Go(func() {
				if _, err := l.Turn(ctx, &llm.Request{}); kind(err) == llm.ErrTimeout {
					mu.Lock()
					late++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if most != 3 || late != 1 {
			t.Errorf("%d at once and %d without a place, want 3 and 1", most, late)
		}
	})
}

var tools = []llm.Tool{
	{Name: "wait", Schema: json.RawMessage(`{"type":"object","properties":{"ms":{"type":"integer"},"why":{"type":"string","enum":["a","b"]},"ids":{"type":"array","items":{"type":"string"}}},"required":["ms"],"additionalProperties":false}`)},
	{Name: "done", Schema: json.RawMessage(`{"type":"object"}`)},
}

func TestOneTool(t *testing.T) {
	good := llmtest.Call("wait", json.RawMessage(`{"ms":5}`))
	stop := func(r llm.StopReason, turn llmtest.Turn) llmtest.Turn {
		return func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			a, err := turn(ctx, req)
			a.Stop = r
			return a, err
		}
	}
	for _, c := range []struct {
		name  string
		first llmtest.Turn
		says  string // the model is told; "" if it is right at once
	}{
		{"right", good, ""},
		{"several: whoever runs them runs the first", llmtest.Many(good, llmtest.Call("done", nil)), ""},
		{"no arguments for a tool that needs none", llmtest.Call("done", json.RawMessage(``)), ""},
		{"text", llmtest.Say("I think…"), "called no tool; call exactly one of wait, done"},
		{"nothing", llmtest.Empty(), "called no tool"},
		{"unknown tool", llmtest.Call("reboot", nil), `no tool "reboot"`},
		{"cut JSON", llmtest.Call("wait", json.RawMessage(`{"ms":`)), "are not JSON"},
		{"two objects", llmtest.Call("wait", json.RawMessage(`{"ms":1}{"ms":2}`)), "something after"},
		{"no object", llmtest.Call("wait", json.RawMessage(`[1]`)), "not one JSON object"},
		{"missing", llmtest.Call("wait", json.RawMessage(`{}`)), "ms is missing"},
		{"wrong type", llmtest.Call("wait", json.RawMessage(`{"ms":"5"}`)), "ms must be integer, got string"},
		{"a number that is none", llmtest.Call("wait", json.RawMessage(`{"ms":1e400}`)), "are not JSON"},
		{"a fraction", llmtest.Call("wait", json.RawMessage(`{"ms":1.5}`)), "ms must be integer, got number"},
		{"not in the list", llmtest.Call("wait", json.RawMessage(`{"ms":1,"why":"c"}`)), "why must be one of [a b]"},
		{"unknown field", llmtest.Call("wait", json.RawMessage(`{"ms":1,"x":2}`)), "x is not known"},
		{"within a list", llmtest.Call("wait", json.RawMessage(`{"ms":1,"ids":["a",7]}`)), "ids[1] must be string"},
		{"cut off", stop(llm.StopLength, llmtest.Call("done", json.RawMessage(`{}`))), "cut off"},
		{"refused", stop(llm.StopRefusal, llmtest.Say("No.")), "you refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := llmtest.NewScript(c.first, good)
			r, err := NewOneTool(s, OneToolOptions{}).Turn(t.Context(), &llm.Request{Tools: tools, ToolMode: llm.ToolAny, MaxTokens: 100})
			if err != nil || len(r.Message.Calls) == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			asked := s.Asked()
			if c.says == "" {
				if len(asked) != 1 {
					t.Errorf("asked %d times", len(asked))
				}
				return
			}
			if len(asked) != 2 {
				t.Fatalf("asked %d times, want one repair", len(asked))
			}
			raw, _ := json.Marshal(asked[1].Messages)
			var told []llm.Message
			json.Unmarshal(raw, &told)
			text := ""
			for _, m := range told {
				text += m.Text
				for _, res := range m.Results {
					text += res.Content
				}
			}
			if !strings.Contains(strings.ReplaceAll(text, `\"`, `"`), c.says) {
				t.Errorf("the model was told %q, want %q", text, c.says)
			}
			for _, m := range told {
				for _, call := range m.Calls {
					if !json.Valid(call.Args) {
						t.Errorf("arguments that are no JSON are sent again: %s", call.Args)
					}
				}
			}
			if cut := strings.Contains(c.says, "cut off"); cut != (asked[1].MaxTokens == 200) {
				t.Errorf("the answer's limit is %d", asked[1].MaxTokens)
			}
		})
	}
	t.Run("never right", func(t *testing.T) {
		s := llmtest.NewScript(llmtest.Say("Hm."))
		_, err := NewOneTool(s, OneToolOptions{}).Turn(t.Context(), &llm.Request{Tools: tools, ToolMode: llm.ToolAny})
		if kind(err) != llm.ErrBadAnswer || len(s.Asked()) != 3 {
			t.Errorf("%v after %d answers", err, len(s.Asked()))
		}
	})
	t.Run("a summary needs no tool", func(t *testing.T) {
		s := llmtest.NewScript(llmtest.Say("All was well."))
		if r, err := NewOneTool(s, OneToolOptions{}).Turn(t.Context(), &llm.Request{}); err != nil || r.Message.Text != "All was well." {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestAModelThatCannotBeForcedIsAsked(t *testing.T) {
	refuses := func(_ context.Context, req *llm.Request) (*llm.Response, error) {
		if req.ToolMode == llm.ToolAny {
			return nil, &llm.Error{Kind: llm.ErrUnsupported, Msg: "tool_choice"}
		}
		return llmtest.Call("done", json.RawMessage(`{}`))(nil, req)
	}
	for _, c := range []struct {
		name  string
		about *llm.About
		modes string // asked for, in order, in two turns
	}{
		{"it says so", &llm.About{Model: "m"}, "auto auto"},
		{"it turns out", &llm.About{Model: "m", ForcedTool: true}, "any auto auto"},
		{"nothing is known of it", nil, "any auto auto"},
	} {
		s := llmtest.NewScript(refuses)
		m := llm.Model(s)
		if c.about != nil {
			m = described{s, *c.about}
		}
		one := NewOneTool(m, OneToolOptions{})
		for range 2 {
			if _, err := one.Turn(t.Context(), &llm.Request{System: "S", Tools: tools, ToolMode: llm.ToolAny}); err != nil {
				t.Fatal(err)
			}
		}
		var modes []string
		for _, r := range s.Asked() {
			mode := "auto"
			if r.ToolMode == llm.ToolAny {
				mode = "any"
			} else if !strings.Contains(r.System, "exactly one tool call") {
				t.Errorf("%s: the prompt does not ask for a call: %q", c.name, r.System)
			}
			modes = append(modes, mode)
		}
		if got := strings.Join(modes, " "); got != c.modes {
			t.Errorf("%s: %s, want %s", c.name, got, c.modes)
		}
	}
}

// TestClientInItsOrder: a timeout is tried again within one turn, each attempt counts in the budget, and what is spent falls to the next model.
func TestClientInItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := NewBudget(t.Context(), BudgetOptions{Limits: Limits{Run: Amount{Calls: 3}}})
		if err != nil {
			t.Fatal(err)
		}
		good := llmtest.Call("done", json.RawMessage(`{}`))
		first := llmtest.NewScript(llmtest.Fail(llm.ErrServer), llmtest.Say("Hm."), good)
		second := llmtest.NewScript(good)
		m := NewFallback(nil, Client(first, ClientOptions{Budget: b}), Client(second, ClientOptions{}))
		req := &llm.Request{Tools: tools, ToolMode: llm.ToolAny, Run: "r"}
		r, err := m.Turn(t.Context(), req)
		if err != nil || r.Spent.Calls != 3 {
			t.Fatalf("%+v, %v", r, err)
		}
		if _, err := m.Turn(t.Context(), req); err != nil || len(first.Asked()) != 3 || len(second.Asked()) != 1 {
			t.Errorf("%v; the first was asked %d times, the second %d times", err, len(first.Asked()), len(second.Asked()))
		}
	})
}

// shown is a model that shows what it would send.
type shown struct{ described }

func (shown) Show(req *llm.Request) ([]byte, error) { return json.Marshal(req) }

// TestWhatIsShownIsWhatIsSent, through all that a client has around its wire.
func TestWhatIsShownIsWhatIsSent(t *testing.T) {
	for _, about := range []llm.About{{Model: "m", ForcedTool: true}, {Model: "m"}} {
		b := budget(t, BudgetOptions{})
		s := llmtest.NewScript(llmtest.Call("done", json.RawMessage(`{}`)))
		client := Client(shown{described{s, about}}, ClientOptions{Budget: b})
		for name, m := range map[string]llm.Model{"client": client, "fallback": NewFallback(nil, client), "round-robin": NewRoundRobin(nil, client)} {
			req := &llm.Request{System: "S", Tools: tools, ToolMode: llm.ToolAny, Messages: []llm.Message{{Role: llm.User, Text: "x"}}}
			got, err := llm.Show(m, req)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Turn(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			asked := s.Asked()
			if want, _ := json.Marshal(asked[len(asked)-1]); string(got) != string(want) {
				t.Errorf("%s of %+v: shown %s, sent %s", name, about, got, want)
			}
		}
	}
	if _, err := llm.Show(NewRetry(llmtest.NewScript(ok()), RetryOptions{}), &llm.Request{}); kind(err) != llm.ErrUnsupported {
		t.Errorf("a model that shows nothing: %v", err)
	}
}

var errDisk = errors.New("no space left on device")
