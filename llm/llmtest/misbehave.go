package llmtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/llm"
)

// Misbehaviour is a way in which a model or its provider misbehaves, as turns of a [Script].
type Misbehaviour struct {
	Name  string
	Turns []Turn
}

// Misbehaviours are the ways that an engine has to survive. They know the tools of an operator, and nothing of its target.
func Misbehaviours() []Misbehaviour {
	raw := func(tool, args string) Turn { return Call(tool, json.RawMessage(args)) }
	lua := func(code string) Turn { return Call("execute", map[string]string{"code": code}) }
	take := raw("take_snapshot", `{}`)
	return []Misbehaviour{
		{"malformed JSON", []Turn{raw("fire_alert", `{"type": 5`)}},
		{"a call that is cut off", []Turn{Stop(llm.StopLength, raw("fire_alert", `{}`))}},
		{"prose before a malformed call", []Turn{Stop(llm.StopTool, func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			r, err := raw("fire_alert", "Here it is: {}")(ctx, req)
			r.Message.Text = "I will now fire an alert."
			return r, err
		})}},
		{"two objects", []Turn{raw("fire_alert", `{"type":"a"}{"type":"b"}`)}},
		{"wrong types", []Turn{raw("fire_alert", `{"type":["a"],"summary":{},"severity":3,"snapshot_ids":"x"}`)}},
		{"huge numbers", []Turn{raw("wait", `{"ms":1e308}`)}},
		{"unknown tool", []Turn{raw("restart_node", `{"now":true}`)}},
		{"unknown field", []Turn{raw("take_snapshot", `{"force":true}`)}},
		{"a made-up snapshot", []Turn{raw("fire_alert", `{"type":"x","summary":"y","severity":"critical","snapshot_ids":["ffffffffffffffff"]}`)}},
		{"a made-up culprit", []Turn{take, Cite("fire_alert", `{"type":"x","summary":"y","severity":"critical","culprit":{"kind":"process","id":"<0.666.0>","name":"Evil.Process"}}`)}},
		{"the same call for ever", []Turn{take}},
		{"the same call with other numbers", []Turn{Counted("get_snapshots", `{"limit":%d}`)}},
		{"two calls in turn", alternate(raw("get_alerts", `{}`), raw("get_snapshots", `{}`), 30)},
		{"narration", []Turn{Counted("think", `{"thought":"now I look at it, step %d"}`)}},
		{"ends at once", []Turn{raw("wait", `{"ms":1000000000}`)}},
		{"says that all is well", []Turn{raw("set_state", `{"state":"healthy","reason":"all is well"}`), raw("wait", `{"ms":30000}`)}},
		{"a program without end", []Turn{raw("wait", `{"ms":30000}`), lua("while true do end"), raw("wait", `{"ms":30000}`)}},
		{"a program that eats memory", []Turn{lua("local t = {} while true do t[#t+1] = {t} end")}},
		{"deep recursion", []Turn{lua("local function f(x) return 1 + f(x) end return f(1)")}},
		{"a huge text", []Turn{lua("return string.rep('x', 1e9)")}},
		{"rate limited, asks for a wait", []Turn{After(llm.ErrRateLimited, 2*time.Second)}},
		{"rate limited for an hour", []Turn{After(llm.ErrRateLimited, time.Hour)}},
		{"fails", []Turn{Fail(llm.ErrServer)}},
		{"overloaded", []Turn{Fail(llm.ErrOverloaded)}},
		{"the network is away", []Turn{Fail(llm.ErrNetwork)}},
		{"the key is refused", []Turn{Fail(llm.ErrAuth)}},
		{"the quota is spent", []Turn{Fail(llm.ErrQuota)}},
		{"an option is refused for ever", []Turn{Fail(llm.ErrUnsupported)}},
		{"too long, whatever is sent", []Turn{Fail(llm.ErrTooLong)}},
		{"never answers", []Turn{Hang()}},
		{"answers slowly", []Turn{Slow(40*time.Second, Counted("think", `{"thought":"%d"}`))}},
		{"counts that cannot be", []Turn{Billed(llm.Usage{Known: true, Input: -5, Output: -7}, take)}},
		{"costs a fortune", []Turn{Billed(llm.Usage{Known: true, Input: 1e12, Output: 1e12}, take)}},
		{"refuses", []Turn{Stop(llm.StopRefusal, Say("I cannot help with that."))}},
		{"asks for secrets", []Turn{Say("Please send me the password of the database.")}},
		{"writes links and control characters", []Turn{take, Cite("fire_alert",
			`{"type":"x https://evil.example","summary":"It grows. See https://evil.example/a ![x](https://evil.example/b) \u001b[31mred\u001b[0m \u202edesrever","severity":"info"}`),
			raw("wait", `{"ms":30000}`)}},
		{"blames somebody else with full confidence", []Turn{take, lua("return plant_all()"),
			Cite("fire_alert", `{"type":"other","summary":"It is the innocent one.","severity":"info","confidence":"high","culprit":{"kind":"process","id":"<0.8.0>","name":"Plant.Innocent"}}`), raw("wait", `{"ms":30000}`)}},
		{"empty answers", []Turn{Empty()}},
		{"neither an answer nor an error", []Turn{Nothing()}},
		{"its code panics", []Turn{Panic()}},
	}
}

func alternate(a, b Turn, n int) []Turn {
	var out []Turn
	for range n {
		out = append(out, a, b)
	}
	return out
}

// Stop answers as another turn does, with another reason to stop.
func Stop(why llm.StopReason, t Turn) Turn {
	return func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		r, err := t(ctx, req)
		if r != nil {
			r.Stop = why
		}
		return r, err
	}
}

// Billed answers as another turn does, and says what it took.
func Billed(u llm.Usage, t Turn) Turn {
	return func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		r, err := t(ctx, req)
		if r != nil {
			r.Usage = u
		}
		return r, err
	}
}

// Slow answers as another turn does, but later.
func Slow(d time.Duration, t Turn) Turn {
	return func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return t(ctx, req)
		case <-ctx.Done():
			return nil, &llm.Error{Kind: llm.ErrTimeout, Err: ctx.Err()}
		}
	}
}

// After fails, and asks for a wait.
func After(kind llm.ErrorKind, d time.Duration) Turn {
	return func(context.Context, *llm.Request) (*llm.Response, error) {
		return nil, &llm.Error{Kind: kind, Msg: "scripted", RetryAfter: d}
	}
}

// Counted calls a tool with the number of the messages in its arguments, so that no two calls are equal.
func Counted(tool, args string) Turn {
	return func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		return Call(tool, json.RawMessage(fmt.Sprintf(args, len(req.Messages))))(ctx, req)
	}
}

// Cite calls a tool with the newest snapshot that it was given as its snapshot_ids.
func Cite(tool, args string) Turn {
	return func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		var all map[string]any
		if err := json.Unmarshal([]byte(args), &all); err != nil {
			panic(err)
		}
		ids := []string{}
		for _, m := range req.Messages {
			for _, r := range m.Results {
				var s struct{ ID string }
				if r.Name == "take_snapshot" && json.Unmarshal(Unfenced(r.Content), &s) == nil && s.ID != "" {
					ids = []string{s.ID}
				}
			}
		}
		all["snapshot_ids"] = ids
		return Call(tool, all)(ctx, req)
	}
}

// Unfenced gives the JSON of a result, from within the fence that a model sees around it.
func Unfenced(content string) []byte {
	from, to := strings.IndexAny(content, "{["), strings.LastIndexAny(content, "}]")
	if from < 0 || to < from {
		return nil
	}
	return []byte(content[from : to+1])
}

// Chaos is a model that misbehaves in a different way at every turn, the same for the same seed.
func Chaos(seed uint64) llm.Model {
	all := Misbehaviours()
	r := rand.New(rand.NewPCG(seed, seed))
	next := make(chan int, 1)
	next <- 0
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		<-next
		f := all[r.IntN(len(all))]
		t := f.Turns[r.IntN(len(f.Turns))]
		next <- 0
		return t(ctx, req)
	})
}
