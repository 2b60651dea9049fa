package route

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/llmtest"
)

// ledger is a ledger in memory.
type ledger struct {
	mu    sync.Mutex
	calls map[string][]byte
	at    map[string]time.Time
	err   error
}

func (l *ledger) PutCall(_ context.Context, id string, at time.Time, call []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	if l.calls == nil {
		l.calls, l.at = map[string][]byte{}, map[string]time.Time{}
	}
	l.calls[id], l.at[id] = append([]byte(nil), call...), at
	return nil
}

func (l *ledger) CallsSince(_ context.Context, since time.Time) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out [][]byte
	for id, c := range l.calls {
		if !l.at[id].Before(since) {
			out = append(out, c)
		}
	}
	return out, l.err
}

func (l *ledger) all(t *testing.T) []Call {
	t.Helper()
	calls, err := ReadCalls(t.Context(), l, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

// billed answers and says what it took.
func billed(u llm.Usage) llmtest.Turn {
	return func(context.Context, *llm.Request) (*llm.Response, error) {
		return &llm.Response{Message: llm.Message{Text: "fine"}, Usage: u}, nil
	}
}

var haiku = llm.About{Provider: "anthropic", Model: "claude-haiku-4-5"} // 1 $ and 5 $ a million

func budget(t *testing.T, o BudgetOptions) *Budget {
	t.Helper()
	b, err := NewBudget(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBudgetCounts(t *testing.T) {
	usd := 0.5
	for _, c := range []struct {
		name   string
		about  llm.About
		turn   llmtest.Turn
		state  string
		tokens int64 // < 0: as reserved
		usd    float64
	}{
		{"what the provider counted", haiku, billed(llm.Usage{Known: true, Input: 1000, Output: 200}), CallDone, 1200, 0.002},
		{"what the provider charges, if it says", haiku, billed(llm.Usage{Known: true, Input: 1000, Output: 200, CostUSD: &usd}), CallDone, 1200, 0.5},
		{"nobody counted", haiku, billed(llm.Usage{Input: 7}), CallAssumed, -1, -1},
		{"counts that cannot be", haiku, billed(llm.Usage{Known: true, Input: -1000, Output: 3}), CallAssumed, -1, -1},
		{"counts of nothing", haiku, billed(llm.Usage{Known: true}), CallAssumed, -1, -1},
		{"a timeout may be billed", haiku, llmtest.Fail(llm.ErrTimeout), CallAssumed, -1, -1},
		{"so may a broken answer", haiku, llmtest.Fail(llm.ErrNetwork), CallAssumed, -1, -1},
		{"a refusal is not", haiku, llmtest.Fail(llm.ErrRateLimited), CallRefused, 0, 0},
		{"a local model costs nothing", llm.About{Provider: "ollama", Model: "x", Local: true}, billed(llm.Usage{Known: true, Input: 1000, Output: 200}), CallDone, 1200, 0},
	} {
		l := &ledger{}
		b := budget(t, BudgetOptions{Ledger: l})
		var told Totals
		b.Watch(func(_ Call, x Totals) { told = x })
		_, _ = b.Limit(described{llmtest.NewScript(c.turn), c.about}).Turn(t.Context(), &llm.Request{System: strings.Repeat("x", 500), MaxTokens: 300, Run: "r", Operator: "beam"})
		call := l.all(t)[0]
		_, day := b.Spent()
		want, money := c.tokens, c.usd
		if want < 0 {
			want, money = 500+wordsOfRequest+300, (500+wordsOfRequest)*2/1e6+300*5/1e6
		}
		if call.State != c.state || day.Calls != 1 || day.Tokens != want || fmt.Sprintf("%.9f", day.USD) != fmt.Sprintf("%.9f", money) {
			t.Errorf("%s: %+v, day %+v, want %d tokens and %g $", c.name, call, day, want, money)
		}
		if told.Run != day || told.Operator != day || told.Hour != day {
			t.Errorf("%s: told %+v, spent %+v", c.name, told, day)
		}
	}
}

func TestBudgetRefuses(t *testing.T) {
	one := billed(llm.Usage{Known: true, Input: 4000, Output: 1000}) // 0.009 $
	for _, c := range []struct {
		name   string
		limits Limits
		about  llm.About
		turns  int // that are answered
		says   string
	}{
		{"calls", Limits{Run: Amount{Calls: 3}}, haiku, 3, "3 calls a run are spent"},
		{"tokens: as much as the next may take must be left", Limits{Hour: Amount{Tokens: 20_000}}, haiku, 3, "of 20000 tokens an hour 15000 are spent, and this call may take"},
		{"money", Limits{Day: Amount{USD: 0.05}}, haiku, 4, "of 0.05 $ a day"},
		{"money for a model whose price is not known", Limits{Day: Amount{USD: 1}}, llm.About{Provider: "x", Model: "y"}, 0, "the price of x y is not known"},
		{"tokens for it", Limits{Day: Amount{Tokens: 20_000}}, llm.About{Provider: "x", Model: "y"}, 3, "tokens a day"},
		{"no limits", Limits{}, llm.About{}, 10, ""},
	} {
		s := llmtest.NewScript(one)
		m := budget(t, BudgetOptions{Limits: c.limits}).Limit(described{s, c.about})
		var err error
		for range 10 {
			if _, err = m.Turn(t.Context(), &llm.Request{System: strings.Repeat("x", 4000), MaxTokens: 1000, Run: "r"}); err != nil {
				break
			}
		}
		if n := len(s.Asked()); n != c.turns || c.says != "" && (kind(err) != llm.ErrBudget || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %d turns, then %v", c.name, n, err)
		}
	}
}

func TestBudgetOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := llmtest.NewScript(billed(llm.Usage{Known: true, Input: 10, Output: 10}))
		b := budget(t, BudgetOptions{Limits: Limits{Run: Amount{Calls: 4}, Hour: Amount{Calls: 5}, Day: Amount{Calls: 12}}})
		m := b.Limit(s)
		// As many calls as are let through, each in a run of its own but for the first.
		pass := func(run string) int {
			n := 0
			for ; n < 100; n++ {
				r := run
				if r == "" {
					r = fmt.Sprint(rand.Int())
				}
				if _, err := m.Turn(t.Context(), &llm.Request{Run: r}); err != nil {
					break
				}
			}
			return n
		}
		for _, c := range []struct {
			wait time.Duration
			run  string
			want int
			what string
		}{
			{0, "one", 4, "one run"},
			{0, "", 1, "the rest of the hour"},
			{50 * time.Minute, "", 0, "within the hour"},
			{12 * time.Minute, "one", 0, "a run that had spent its own"},
			{0, "", 5, "the next hour"},
			{2 * time.Hour, "", 2, "the rest of the day"},
			{2 * time.Hour, "", 0, "within the day"},
			{20 * time.Hour, "", 5, "the next day"},
		} {
			time.Sleep(c.wait)
			if got := pass(c.run); got != c.want {
				t.Errorf("%s: %d calls, want %d", c.what, got, c.want)
			}
		}
	})
}

// TestBudgetHoldsForAllAtOnce: operators share it, whatever they ask at once and whatever it turns out to take; and a program that is killed at
// any point leaves a ledger by which the next one keeps the limits.
func TestBudgetHoldsForAllAtOnce(t *testing.T) {
	limits := Limits{Day: Amount{Tokens: 100_000, USD: 0.3, Calls: 1000}}
	l := &ledger{}
	for life := range 5 {
		synctest.Test(t, func(t *testing.T) {
			b := budget(t, BudgetOptions{Limits: limits, Ledger: l})
			m := b.Limit(described{llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
				time.Sleep(time.Duration(300+rand.IntN(700)) * time.Millisecond)
				switch rand.IntN(5) {
				case 0:
					return nil, &llm.Error{Kind: llm.ErrTimeout}
				case 1:
					return nil, &llm.Error{Kind: llm.ErrRateLimited}
				}
				// Anything up to what can be: each byte a token, and the whole answer.
				return &llm.Response{Usage: llm.Usage{Known: true, Input: 1 + rand.Int64N(bound(req)), Output: rand.Int64N(int64(req.MaxTokens) + 1)}}, nil
			}), haiku})
			ctx, kill := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for o := range 8 {
				wg.Go(func() {
					for ctx.Err() == nil {
						size := rand.IntN(8000)
						_, err := m.Turn(ctx, &llm.Request{System: strings.Repeat("x", size), MaxTokens: 500, Run: fmt.Sprint(life, o), Operator: fmt.Sprint(o)})
						if kind(err) == llm.ErrBudget {
							time.Sleep(time.Minute)
						}
						if _, day := b.Spent(); day.Tokens > limits.Day.Tokens || day.USD > limits.Day.USD {
							t.Errorf("spent %+v of %+v", day, limits.Day)
						}
					}
				})
			}
			// The kill: what the ledger has now is all that is left, calls that are on their way included.
			time.Sleep(time.Duration(1+life*rand.IntN(1000)) * time.Millisecond) // in the first life all are on their way
			l.mu.Lock()
			left := &ledger{calls: map[string][]byte{}, at: map[string]time.Time{}}
			for id, c := range l.calls {
				left.calls[id], left.at[id] = c, l.at[id]
			}
			l.mu.Unlock()
			kill()
			wg.Wait()
			l = left
		})
		var sum Amount
		for _, c := range l.all(t) {
			sum = sum.add(c.amount())
		}
		if sum.Tokens > limits.Day.Tokens || sum.USD > limits.Day.USD {
			t.Fatalf("after life %d the ledger has %+v, over %+v", life, sum, limits.Day)
		}
	}
	reserved := 0
	for _, c := range l.all(t) {
		if c.State == CallReserved {
			reserved++
		}
	}
	if reserved == 0 {
		t.Error("no call was on its way at any kill: this test has shown nothing")
	}
}

func TestBudgetWithoutItsLedger(t *testing.T) {
	l := &ledger{}
	b := budget(t, BudgetOptions{Ledger: l})
	s := llmtest.NewScript(ok())
	l.err = errDisk
	_, err := b.Limit(s).Turn(t.Context(), &llm.Request{})
	if kind(err) != llm.ErrBudget || !strings.Contains(err.Error(), "no space left") || len(s.Asked()) != 0 {
		t.Errorf("%v, asked %d times: a call that no restart would know of", err, len(s.Asked()))
	}
	if _, day := b.Spent(); day != (Amount{}) {
		t.Errorf("what was not reserved counts: %+v", day)
	}
	if _, err := NewBudget(t.Context(), BudgetOptions{Ledger: l}); err == nil {
		t.Error("a ledger that cannot be read is taken for an empty one")
	}
	l.err = nil
	l.calls, l.at = map[string][]byte{"x": []byte("{")}, map[string]time.Time{"x": time.Now()}
	if _, err := NewBudget(t.Context(), BudgetOptions{Ledger: l}); err == nil {
		t.Error("a ledger that is broken is taken for an empty one")
	}
}

func TestEveryCallHasABoundForItsAnswer(t *testing.T) {
	s := llmtest.NewScript(ok())
	m := budget(t, BudgetOptions{}).Limit(s)
	for range 2 {
		_, _ = m.Turn(t.Context(), &llm.Request{})
	}
	_, _ = m.Turn(t.Context(), &llm.Request{MaxTokens: 50})
	for i, want := range []int{8192, 8192, 50} {
		if got := s.Asked()[i].MaxTokens; got != want {
			t.Errorf("turn %d: at most %d tokens, want %d", i, got, want)
		}
	}
}

// TestBoundCountsAll: what a wire may send is counted, so that the reservation is an upper bound.
func TestBoundCountsAll(t *testing.T) {
	raw := json.RawMessage(`{"thinking":"` + strings.Repeat("x", 1000) + `"}`)
	r := &llm.Request{Messages: []llm.Message{{Role: llm.Assistant, Native: &llm.Native{Turn: raw}}}}
	if got := bound(r); got < int64(len(raw)) {
		t.Errorf("%d tokens for %d bytes of a native turn", got, len(raw))
	}
}
