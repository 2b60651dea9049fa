package agent

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/llmtest"
)

type echoIn struct {
	Text  string `json:"text"`
	Level string `json:"level,omitempty" enum:"low,high"`
}

func tools() []Tool {
	return []Tool{
		NewTool("echo", "Echo", "Gives back.", func(_ context.Context, in echoIn) (Result, error) {
			return Result{Content: map[string]any{"text": in.Text}}, nil
		}),
		NewTool("fail", "Fail", "Fails.", func(context.Context, struct{}) (Result, error) { return Result{}, errors.New("no luck") }),
		NewTool("panic", "Panic", "Panics.", func(context.Context, struct{}) (Result, error) { panic("oh") }),
		NewTool("hang", "Hang", "Hangs until its time is over.", func(ctx context.Context, _ struct{}) (Result, error) {
			<-ctx.Done()
			return Result{}, ctx.Err()
		}),
		NewTool("big", "Big", "Gives much.", func(context.Context, struct{}) (Result, error) {
			return Result{Content: strings.Repeat("x", 100_000)}, nil
		}),
		NewTool("end", "End", "Ends.", func(context.Context, struct{}) (Result, error) { return Result{Content: "ended", End: true}, nil }),
	}
}

func end() llm.Model { return llmtest.NewScript(llmtest.Call("end", struct{}{})) }

func run(t *testing.T, o Options, input string) (Outcome, *Transcript) {
	t.Helper()
	o.Tools = tools()
	var tr Transcript
	out, err := Run(t.Context(), o, &tr, input)
	if err != nil {
		t.Fatal(err)
	}
	return out, &tr
}

func lastResult(tr *Transcript) string {
	for i := len(tr.Messages) - 1; i >= 0; i-- {
		for _, r := range tr.Messages[i].Results {
			if r.Name != "end" {
				return r.Content
			}
		}
	}
	return ""
}

func TestRunCallsToolsUntilOneEndsIt(t *testing.T) {
	m := llmtest.NewScript(llmtest.Call("echo", echoIn{Text: "hello"}), llmtest.Call("end", struct{}{}))
	out, tr := run(t, Options{Model: m}, "input")
	if !out.Ended || out.Tool != "end" || out.Content != "ended" || out.Turns != 2 || out.TookOver != "" {
		t.Errorf("%+v", out)
	}
	if got := lastResult(tr); got != `{"text":"hello"}` {
		t.Errorf("result %s", got)
	}
	if asked := m.Asked(); len(asked) != 2 || asked[0].Messages[0].Text != "input" || len(asked[0].Tools) != len(tools()) {
		t.Errorf("asked %+v", asked)
	}
}

// TestMisbehaviour is the promise of the package: whatever a model does, the run ends, by the fallback if it must.
func TestMisbehaviour(t *testing.T) {
	valid := llmtest.Call("echo", echoIn{Text: "x"})
	think := func(n int) llmtest.Turn { return llmtest.Call("echo", echoIn{Text: strings.Repeat("x", n)}) }
	many := make([]llmtest.Turn, 60)
	for i := range many {
		many[i] = think(i)
	}
	for _, c := range []struct {
		name  string
		turns []llmtest.Turn
		why   string // the fallback took over for; "" if it need not
		says  string // what the model is told
	}{
		{"text for a call, then mends", []llmtest.Turn{llmtest.Say("I think…"), llmtest.Call("end", struct{}{})}, "", "exactly one"},
		{"text for ever", []llmtest.Turn{llmtest.Say("I think…")}, "calls no tool", ""},
		{"empty answers", []llmtest.Turn{llmtest.Empty()}, "calls no tool", ""},
		{"neither answer nor error", []llmtest.Turn{llmtest.Nothing()}, "neither an answer", ""},
		{"panic", []llmtest.Turn{llmtest.Panic()}, "panicked", ""},
		{"provider's error", []llmtest.Turn{llmtest.Fail(llm.ErrOverloaded)}, "overloaded", ""},
		{"unknown tool, then mends", []llmtest.Turn{llmtest.Call("reboot", nil), llmtest.Call("end", struct{}{})}, "", "the tools are echo"},
		{"unknown tools for ever", []llmtest.Turn{llmtest.Call("reboot", nil)}, "do not exist", ""},
		{"malformed arguments, then mends", []llmtest.Turn{llmtest.Call("echo", json.RawMessage(`{"text":`)), llmtest.Call("end", struct{}{})}, "", "not one JSON object"},
		{"missing argument", []llmtest.Turn{llmtest.Call("echo", json.RawMessage(`{}`)), llmtest.Call("end", struct{}{})}, "", `\"text\" is missing; expected {text, level?: low | high}`},
		{"wrong type", []llmtest.Turn{llmtest.Call("echo", json.RawMessage(`{"text":5}`)), llmtest.Call("end", struct{}{})}, "", `\"text\" must be string`},
		{"unknown field", []llmtest.Turn{llmtest.Call("echo", json.RawMessage(`{"text":"a","loud":true}`)), llmtest.Call("end", struct{}{})}, "", `unknown field`},
		{"not in the enum", []llmtest.Turn{llmtest.Call("echo", json.RawMessage(`{"text":"a","level":"max"}`)), llmtest.Call("end", struct{}{})}, "", "one of low, high"},
		{"two objects", []llmtest.Turn{llmtest.Call("echo", json.RawMessage(`{"text":"a"}{"text":"b"}`)), llmtest.Call("end", struct{}{})}, "", "not one JSON object"},
		{"a failing tool for ever", []llmtest.Turn{llmtest.Call("fail", json.RawMessage(`{}`)), llmtest.Call("fail", json.RawMessage(`{"a":1}`)), llmtest.Call("fail", json.RawMessage(`{"a":2}`)),
			llmtest.Call("fail", json.RawMessage(`{"a":3}`)), llmtest.Call("fail", json.RawMessage(`{"a":4}`)), llmtest.Call("fail", json.RawMessage(`{"a":5}`))}, "keep failing", ""},
		{"a panicking tool", []llmtest.Turn{llmtest.Call("panic", nil), llmtest.Call("end", struct{}{})}, "", "itself failed"},
		{"equal calls for ever", []llmtest.Turn{valid}, "repeats one call", ""},
		{"equal calls in other words", []llmtest.Turn{llmtest.Call("echo", json.RawMessage(`{"text":"x"}`)), llmtest.Call("echo", json.RawMessage(` { "text" : "x" } `)), valid, valid, valid}, "repeats one call", ""},
		{"alternating calls for ever", []llmtest.Turn{think(1), think(2), think(1), think(2), think(1), think(2), think(1), think(2), think(1), think(2)}, "repeats one call", ""},
		{"other calls without end", many, "no end after", ""},
		{"several calls at once", []llmtest.Turn{llmtest.Many(valid, llmtest.Call("end", struct{}{})), llmtest.Call("end", struct{}{})}, "", "one tool a turn"},
		{"a huge result", []llmtest.Turn{llmtest.Call("big", nil), llmtest.Call("end", struct{}{})}, "", "truncated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fallback := llmtest.NewScript(llmtest.Call("end", struct{}{}))
			out, tr := run(t, Options{Model: llmtest.NewScript(c.turns...), Fallback: fallback, Journal: &memory{taken: -1}}, "input")
			if !out.Ended {
				t.Fatalf("the run did not end: %+v", out)
			}
			if (c.why == "") != (out.TookOver == "") || !strings.Contains(out.TookOver, c.why) {
				t.Errorf("took over: %q, want %q", out.TookOver, c.why)
			}
			all := render(tr.Messages)
			if !strings.Contains(all, c.says) {
				t.Errorf("nobody says %q in\n%s", c.says, all)
			}
			if asked := fallback.Asked(); c.why != "" && len(asked[0].Messages) == 0 {
				t.Error("the fallback did not see the messages")
			}
		})
	}
}

func TestNoAnswerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		deaf := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
			<-stuck // whatever its context says
			return nil, nil
		})
		for name, m := range map[string]llm.Model{"hangs": llmtest.NewScript(llmtest.Hang()), "is deaf to its context": deaf} {
			began := time.Now()
			out, err := Run(t.Context(), Options{Model: m, Fallback: end(), Tools: tools(), TurnTimeout: 10 * time.Second}, &Transcript{}, "input")
			if err != nil || !out.Ended || !strings.Contains(out.TookOver, "timeout") {
				t.Errorf("a model that %s: %+v, %v", name, out, err)
			}
			if d := time.Since(began); d != 10*time.Second {
				t.Errorf("a model that %s held the run for %s", name, d)
			}
		}
		close(stuck)
	})
}

func TestToolTimeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := llmtest.NewScript(llmtest.Call("hang", nil), llmtest.Call("end", struct{}{}))
		began := time.Now()
		out, err := Run(t.Context(), Options{Model: m, Tools: tools(), ToolTimeout: 5 * time.Second}, &Transcript{}, "input")
		if err != nil || !out.Ended || time.Since(began) != 5*time.Second {
			t.Errorf("%+v, %v after %s", out, err, time.Since(began))
		}
	})
}

func TestCancelEndsARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := Run(ctx, Options{Model: llmtest.NewScript(llmtest.Hang()), Fallback: end(), Tools: tools()}, &Transcript{}, "input")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestWithoutFallbackTheOutcomeSaysWhy(t *testing.T) {
	out, _ := run(t, Options{Model: llmtest.NewScript(llmtest.Fail(llm.ErrQuota))}, "input")
	if out.Ended || !strings.Contains(out.Reason, "quota") {
		t.Errorf("%+v", out)
	}
}

// memory is a journal.
type memory struct {
	entries [][]byte
	taken   int // this place is taken by somebody else; -1 none
	err     error
}

func (m *memory) Append(_ context.Context, _ string, n int, entry []byte) (bool, error) {
	if m.err != nil {
		return false, m.err
	}
	if n == m.taken || n != len(m.entries) {
		return false, nil
	}
	m.entries = append(m.entries, entry)
	return true, nil
}

func (m *memory) Entries(context.Context, string) ([][]byte, error) { return m.entries, nil }

func TestJournalHasEverything(t *testing.T) {
	j := &memory{taken: -1}
	m := llmtest.NewScript(llmtest.Call("echo", echoIn{Text: "hello"}), llmtest.Call("end", struct{}{}))
	_, tr := run(t, Options{Model: m, Journal: j}, "input")
	if len(j.entries) != len(tr.Messages) || len(j.entries) != 5 {
		t.Fatalf("%d entries for %d messages", len(j.entries), len(tr.Messages))
	}
	var e Entry
	if err := json.Unmarshal(j.entries[2], &e); err != nil || e.Message.Results[0].Content != `{"text":"hello"}` {
		t.Errorf("entry 2: %s, %v", j.entries[2], err)
	}
}

func TestAZombieIsFenced(t *testing.T) {
	m := llmtest.NewScript(llmtest.Call("echo", echoIn{Text: "hello"}))
	_, err := Run(t.Context(), Options{Model: m, Tools: tools(), Journal: &memory{taken: 2}}, &Transcript{}, "input")
	if !errors.Is(err, ErrFenced) {
		t.Errorf("got %v", err)
	}
}

func TestAFullDiskStopsNoRun(t *testing.T) {
	told := false
	out, _ := run(t, Options{Model: end(), Journal: &memory{err: errors.New("no space left")}, Observe: func(name string, _ map[string]any) {
		told = told || name == "journal.failed"
	}}, "input")
	if !out.Ended || !told {
		t.Errorf("%+v, told %v", out, told)
	}
}

func long() *Transcript {
	t := &Transcript{}
	for range 40 {
		t.Messages = append(t.Messages,
			llm.Message{Role: llm.User, Text: strings.Repeat("input ", 100)},
			llm.Message{Role: llm.Assistant, Calls: []llm.ToolCall{{ID: "c", Name: "echo", Args: json.RawMessage(`{}`)}}},
			llm.Message{Role: llm.User, Results: []llm.ToolResult{{CallID: "c", Name: "echo", Content: `{"id":"00112233aabbccdd"}`}}})
	}
	return t
}

// talkative calls echo with a long text each time, and ends after twelve. It sums nothing up.
type talkative struct{ turns int }

func (m *talkative) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	if len(req.Tools) == 0 {
		return nil, &llm.Error{Kind: llm.ErrServer}
	}
	m.turns++
	turn := llmtest.Call("echo", echoIn{Text: strings.Repeat(string(rune('a'+m.turns)), 8000)})
	if m.turns > 12 {
		turn = llmtest.Call("end", struct{}{})
	}
	return llmtest.NewScript(turn).Turn(ctx, req)
}

// TestTheInputOutlivesCompaction: a run that outgrows the limit by itself still says what it is about, once.
func TestTheInputOutlivesCompaction(t *testing.T) {
	tr := long()
	_, err := Run(t.Context(), Options{Model: &talkative{}, Tools: tools(), Compaction: Compaction{MaxTokens: 9000}}, tr, "new input")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i, m := range tr.Messages {
		if m.Text == "new input" {
			found++
			if i != 1 {
				t.Errorf("the input is message %d of %d", i, len(tr.Messages))
			}
		}
	}
	if found != 1 {
		t.Errorf("the input is there %d times", found)
	}
}

func TestCompaction(t *testing.T) {
	for _, c := range []struct {
		name    string
		summary llmtest.Turn
		want    string
	}{
		{"the model's", llmtest.Say("All was well; alert 00112233aabbccdd was fired."), "All was well"},
		{"one that names an id that does not exist", llmtest.Say("Alert ffffffffffffffff was fired."), "called echo"},
		{"none", llmtest.Fail(llm.ErrServer), "called echo"},
		{"one that is no shorter", llmtest.Say(strings.Repeat("blah ", 10_000)), "called echo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := long()
			var names []string
			out, err := Run(t.Context(), Options{
				Model: llmtest.NewScript(c.summary, llmtest.Call("end", struct{}{})), Tools: tools(),
				Compaction: Compaction{MaxTokens: 5000, KnownID: func(id string) bool { return id == "00112233aabbccdd" }},
				Observe:    func(name string, _ map[string]any) { names = append(names, name) },
			}, tr, "new input")
			if err != nil || !out.Ended {
				t.Fatalf("%+v, %v", out, err)
			}
			first := tr.Messages[0].Text
			if !strings.HasPrefix(first, "[Conversation Summary]") || !strings.Contains(first, c.want) {
				t.Errorf("summary %.200s", first)
			}
			if n := (*llm.Sizes)(nil).Tokens("", tr.Size()); n > 5000 {
				t.Errorf("still %d tokens", n)
			}
			if len(tr.Messages[1].Results) > 0 {
				t.Error("what was kept begins with the result of a call that is gone")
			}
			if !strings.Contains(strings.Join(names, " "), "compaction.start compaction.stop") {
				t.Errorf("events %v", names)
			}
			var text string
			for _, m := range tr.Messages {
				text += m.Text
			}
			if !strings.Contains(text, "new input") {
				t.Error("the input itself was compacted away")
			}
		})
	}
}

// TestCompactionPays: when what is kept is too large alone, no summary of the summary is asked for at every turn.
func TestCompactionPays(t *testing.T) {
	tr := &Transcript{Messages: []llm.Message{{Role: llm.User, Text: "[Conversation Summary]\n\nAll was well."}}}
	for range 6 {
		tr.Messages = append(tr.Messages, llm.Message{Role: llm.User, Text: strings.Repeat("large ", 2000)})
	}
	m := llmtest.NewScript(llmtest.Call("end", struct{}{}))
	if out, err := Run(t.Context(), Options{Model: m, Tools: tools(), Compaction: Compaction{MaxTokens: 20_000, KeepLast: 7}}, tr, "input"); err != nil || !out.Ended {
		t.Fatalf("%+v, %v", out, err)
	}
	for _, r := range m.Asked() {
		if len(r.Tools) == 0 {
			t.Errorf("a summary was asked for of %d bytes", r.Size())
		}
	}
}

// TestAProviderThatSaysTooLongIsBelieved, whatever was estimated.
func TestAProviderThatSaysTooLongIsBelieved(t *testing.T) {
	asked := 0
	m := llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		switch asked++; {
		case len(req.Tools) == 0:
			return llmtest.Say("All was well.")(ctx, req)
		case req.Size() > 10_000:
			return nil, &llm.Error{Kind: llm.ErrTooLong}
		}
		return llmtest.Call("end", struct{}{})(ctx, req)
	})
	out, err := Run(t.Context(), Options{Model: m, Fallback: llmtest.NewScript(llmtest.Fail(llm.ErrServer)), Tools: tools()}, long(), "new input")
	if err != nil || !out.Ended || out.TookOver != "" || asked != 3 {
		t.Errorf("%+v, %v, asked %d times", out, err, asked)
	}
}

func TestTheModelsOwnCountDecidesWhenToCompact(t *testing.T) {
	sizes := &llm.Sizes{}
	sizes.Learn("m", 10_000, llm.Usage{Known: true, Input: 9000}) // lines full of ids
	for _, c := range []struct {
		sizes *llm.Sizes
		want  bool
	}{{nil, false}, {sizes, true}} {
		tr := long() // 25 kB
		m := llmtest.NewScript(llmtest.Say("All was well."), llmtest.Call("end", struct{}{}))
		if !c.want {
			m = llmtest.NewScript(llmtest.Call("end", struct{}{}))
		}
		out, err := Run(t.Context(), Options{Model: m, Sizes: c.sizes, Tools: tools(), Compaction: Compaction{MaxTokens: 15_000}}, tr, "input")
		if err != nil || !out.Ended || strings.HasPrefix(tr.Messages[0].Text, "[Conversation Summary]") != c.want {
			t.Errorf("compacted: %v, want %v; %+v, %v", !c.want, c.want, out, err)
		}
	}
}

func TestPatienceIsBounded(t *testing.T) {
	n := func(tool, args string) llmtest.Turn { return llmtest.Counted(tool, args) }
	for _, c := range []struct {
		name string
		turn llmtest.Turn
		why  string
		took time.Duration // at most
	}{
		{"calls that differ in numbers alone", n("echo", `{"text":"from %d"}`), "other numbers", 0},
		{"calls that do nothing", func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			return llmtest.Call("idle", echoIn{Text: strings.Repeat("hm", len(req.Messages))})(ctx, req)
		}, "does nothing", 0},
		{"each answer in time, and no end", llmtest.Slow(50*time.Second, func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			return llmtest.Call("echo", echoIn{Text: strings.Repeat("x", len(req.Messages))})(ctx, req)
		}), "timeout", 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				idle := NewTool("idle", "", "", func(_ context.Context, in echoIn) (Result, error) { return Result{Content: in}, nil })
				idle.Idle = true
				began := time.Now()
				out, err := Run(t.Context(), Options{Model: llmtest.NewScript(c.turn), Fallback: end(), Tools: append(tools(), idle)}, &Transcript{}, "input")
				if err != nil || !out.Ended || !strings.Contains(out.TookOver, c.why) || time.Since(began) > c.took {
					t.Errorf("%+v, %v after %s", out, err, time.Since(began))
				}
			})
		})
	}
}

// TestWhatIsLeftUndoneIsDone: a model that ends a run before its work is done is taken over from, in the same run.
func TestWhatIsLeftUndoneIsDone(t *testing.T) {
	for _, left := range []string{"", "a finding has no alert"} {
		fallback := llmtest.NewScript(llmtest.Call("end", struct{}{}))
		asked := 0
		out, err := Run(t.Context(), Options{Model: end(), Fallback: fallback, Tools: tools(), Unmet: func(any) string { asked++; return left }}, &Transcript{}, "input")
		if err != nil || !out.Ended || out.TookOver != left || asked != 1 || (len(fallback.Asked()) > 0) != (left != "") {
			t.Errorf("left %q: %+v, %v, asked %d times", left, out, err, asked)
		}
	}
}

// TestWhatWasReadIsHandedOver: the input and what tools gave, but nothing that a tool only repeats, and no errors, which repeat too.
func TestWhatWasReadIsHandedOver(t *testing.T) {
	repeat := NewTool("repeat", "", "", func(_ context.Context, in echoIn) (Result, error) { return Result{Content: in}, nil })
	repeat.Echo = true
	var saw []string
	_, err := Run(t.Context(), Options{Tools: append(tools(), repeat), Saw: func(s string) { saw = append(saw, s) },
		Model: llmtest.NewScript(llmtest.Call("repeat", echoIn{Text: "777"}), llmtest.Call("fail", nil), llmtest.Call("echo", echoIn{Text: "x"}), llmtest.Call("end", struct{}{}))}, &Transcript{}, "input")
	if err != nil || len(saw) < 2 || saw[0] != "input" || saw[1] != `{"text":"x"}` {
		t.Errorf("%v, %q", err, saw)
	}
}

func TestSchema(t *testing.T) {
	want := `{"additionalProperties":false,"properties":{"level":{"enum":["low","high"],"type":"string"},"text":{"type":"string"}},"required":["text"],"type":"object"}`
	if got := string(tools()[0].Schema); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
