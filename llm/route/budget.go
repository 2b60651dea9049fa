package route

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/price"
)

// Limits are what may be spent: in one run, in any sixty minutes, and in any 24 hours.
type Limits struct {
	Run  Amount `json:"run"`
	Hour Amount `json:"hour"`
	Day  Amount `json:"day"`
}

// BudgetOptions of a [Budget]. Zero values mean the defaults.
type BudgetOptions struct {
	Limits Limits
	Prices *price.Table // default: the table that comes with the program
	Ledger Ledger       // nil: what is spent is forgotten at the end of the program

	// MaxOutput is how many tokens a model may answer with when a request does not say; default 8192. Without such a bound no call
	// could be reserved.
	MaxOutput int
}

// Budget bounds calls, tokens and money of all models that it limits. It is shared by all who ask: operators, coordinator, summaries.
//
// Before a call the most that it can take is reserved: every byte of the request as a token, all tokens of the answer, at the dearest of
// the model's prices. After it, what the provider counted takes its place. So no single call leads over a limit, whatever it turns out to
// be, and two calls at once do not lead over it together. The reservation is in the ledger before the call is made: after a kill it counts in
// full, because it may have been billed.
//
// With a limit in money, a model whose price is not known is not asked. A provider that counts more than could be
// reserved is believed: that call leads over the limit, and is the last.
type Budget struct {
	options BudgetOptions

	mu    sync.Mutex // guards what follows
	all   window
	by    map[string]*window // by operator
	runs  map[string]runSpent
	watch []func(Call, Totals)
}

// runSpent is what one run has spent.
type runSpent struct {
	spent Amount
	last  time.Time
}

// Totals is what has been spent when a call is over.
type Totals struct {
	Run      Amount // in the run of the call
	Operator Amount // by its operator, in the last 24 hours
	Hour     Amount // by all, in the last hour
	Day      Amount // by all, in the last 24 hours
}

// Bounds of what a budget keeps in memory.
const (
	maxRuns      = 1000
	maxOperators = 1000
)

// NewBudget returns a budget that knows what was spent in the last 24 hours, as far as the ledger does. A ledger that cannot be read is
// an error, because the limits could not be kept.
func NewBudget(ctx context.Context, o BudgetOptions) (*Budget, error) {
	if o.Prices == nil {
		o.Prices = price.Default()
	}
	if o.MaxOutput <= 0 {
		o.MaxOutput = 8192
	}
	b := &Budget{options: o, by: map[string]*window{}, runs: map[string]runSpent{}}
	if o.Ledger == nil {
		return b, nil
	}
	calls, err := ReadCalls(ctx, o.Ledger, time.Now().Add(-kept))
	if err != nil {
		return nil, fmt.Errorf("budget: what was spent before: %w", err)
	}
	for _, c := range calls {
		b.count(c, c.amount())
	}
	return b, nil
}

// ReadCalls gives the calls of a ledger, the oldest first.
func ReadCalls(ctx context.Context, l Ledger, since time.Time) ([]Call, error) {
	raw, err := l.CallsSince(ctx, since)
	if err != nil {
		return nil, err
	}
	calls := make([]Call, len(raw))
	for i, r := range raw {
		if err := json.Unmarshal(r, &calls[i]); err != nil {
			return nil, fmt.Errorf("decode call: %w", err)
		}
	}
	slices.SortStableFunc(calls, func(a, b Call) int { return a.At.Compare(b.At) })
	return calls, nil
}

// Watch has f told each call when it is over, with what has been spent by then. It must be called before the first turn, and f must
// return soon.
func (b *Budget) Watch(f func(Call, Totals)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watch = append(b.watch, f)
}

// Limits gives the limits.
func (b *Budget) Limits() Limits { return b.options.Limits }

// Spent is what has been spent in the last hour and the last 24 hours.
func (b *Budget) Spent() (hour, day Amount) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	return b.all.sum(now, time.Hour), b.all.sum(now, kept)
}

// Limit returns the model within the budget.
func (b *Budget) Limit(m llm.Model) llm.Model { return &limited{m, b} }

type limited struct {
	model  llm.Model
	budget *Budget
}

var _ llm.Described = (*limited)(nil)

// Describe tells what the wrapped model is.
func (l *limited) Describe() llm.About { return describe(l.model) }

// Turn reserves, asks, and settles.
func (l *limited) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	about := describe(l.model)
	req = l.bounded(req)
	c, err := l.budget.reserve(ctx, req, about)
	if err != nil {
		return nil, err
	}
	settled := false
	defer func() {
		if !settled { // the model panicked
			c.State, c.Error = CallAssumed, "panic"
			l.budget.settle(ctx, c, c.amount())
		}
	}()
	response, err := l.model.Turn(ctx, req)
	settled = true
	done := l.budget.outcome(c, req, about, response, err)
	l.budget.settle(ctx, done, c.amount())
	if response != nil && err == nil {
		response.Spent = llm.Spent{Calls: 1, USD: done.USD}
	}
	return response, err
}

// Show shows what the wrapped model would send.
func (l *limited) Show(req *llm.Request) ([]byte, error) { return llm.Show(l.model, l.bounded(req)) }

// bounded gives the request with a bound for its answer.
func (l *limited) bounded(req *llm.Request) *llm.Request {
	if req.MaxTokens > 0 {
		return req
	}
	own := *req
	own.MaxTokens = l.budget.options.MaxOutput
	return &own
}

// The provider's own words around ours, in tokens: its instructions for calling tools, and what separates messages and tools.
const (
	wordsOfRequest = 2000
	wordsOfMessage = 64
	wordsOfTool    = 128
)

// bound is the most tokens that a request can be: a tokenizer makes no token of less than a byte.
func bound(req *llm.Request) int64 {
	n := req.Size() + wordsOfRequest + wordsOfMessage*len(req.Messages) + wordsOfTool*len(req.Tools)
	for _, m := range req.Messages {
		if m.Native != nil {
			n += len(m.Native.Turn)
		}
	}
	return int64(n)
}

// reserve counts the most that a call can take, in memory and in the ledger, if there is room for it.
func (b *Budget) reserve(ctx context.Context, req *llm.Request, about llm.About) (Call, error) {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return Call{}, err // unreachable: crypto/rand does not fail
	}
	now := time.Now().UTC()
	c := Call{ID: hex.EncodeToString(id[:]), At: now, Operator: req.Operator, Run: req.Run, Provider: about.Provider, Model: about.Model, State: CallReserved,
		Input: bound(req), Output: int64(req.MaxTokens)}
	if rates, ok := b.options.Prices.Rates(about.Provider, about.Model, now); ok {
		usd := rates.Bound(c.Input, c.Output)
		c.USD = &usd
	} else if about.Local {
		c.USD = new(float64)
	}
	if err := b.take(c); err != nil {
		return c, err
	}
	if err := b.put(ctx, c); err != nil {
		b.mu.Lock()
		b.count(c, Amount{}.sub(c.amount()))
		b.mu.Unlock()
		return c, &llm.Error{Kind: llm.ErrBudget, Msg: "the reservation could not be stored, and without it the limits would not hold over a restart", Err: err}
	}
	return c, nil
}

func (b *Budget) put(ctx context.Context, c Call) error {
	if b.options.Ledger == nil {
		return nil
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode call: %w", err)
	}
	return b.options.Ledger.PutCall(ctx, c.ID, c.At, raw)
}

// take counts a call if each limit has room for it.
func (b *Budget) take(c Call) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, a := c.At, c.amount()
	for _, l := range []struct {
		what         string
		limit, spent Amount
	}{
		{"a run", b.options.Limits.Run, b.runs[c.Run].spent},
		{"an hour", b.options.Limits.Hour, b.all.sum(now, time.Hour)},
		{"a day", b.options.Limits.Day, b.all.sum(now, kept)},
	} {
		if err := over(l.what, l.limit, l.spent, a, c); err != nil {
			return err
		}
	}
	b.count(c, a)
	return nil
}

func over(what string, limit, spent, a Amount, c Call) error {
	var says string
	switch {
	case limit.Calls > 0 && spent.Calls+a.Calls > limit.Calls:
		says = fmt.Sprintf("%d calls %s are spent", limit.Calls, what)
	case limit.Tokens > 0 && spent.Tokens+a.Tokens > limit.Tokens:
		says = fmt.Sprintf("of %d tokens %s %d are spent, and this call may take %d", limit.Tokens, what, spent.Tokens, a.Tokens)
	case limit.USD > 0 && c.USD == nil:
		says = fmt.Sprintf("the price of %s %s is not known, so a limit of %s $ %s cannot be kept; add its price, or limit calls and tokens instead",
			c.Provider, c.Model, dollars(limit.USD), what)
	case limit.USD > 0 && spent.USD+a.USD > limit.USD:
		says = fmt.Sprintf("of %s $ %s %s are spent, and this call may take %s", dollars(limit.USD), what, dollars(spent.USD), dollars(a.USD))
	default:
		return nil
	}
	return &llm.Error{Kind: llm.ErrBudget, Msg: says}
}

func dollars(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }

// count adds an amount to where the call belongs. The caller holds the lock.
func (b *Budget) count(c Call, a Amount) {
	at := c.At
	if now := time.Now(); at.After(now) {
		at = now // a clock that was set back must not keep what was spent for longer
	}
	b.all.add(at, a)
	w := b.by[c.Operator]
	if w == nil && len(b.by) < maxOperators {
		w = &window{}
		b.by[c.Operator] = w
	}
	if w != nil {
		w.add(at, a)
	}
	if c.Run == "" {
		return
	}
	r := b.runs[c.Run]
	r.spent, r.last = r.spent.add(a), time.Now()
	b.runs[c.Run] = r
	if len(b.runs) > maxRuns {
		oldest := c.Run
		for id, other := range b.runs {
			if other.last.Before(b.runs[oldest].last) {
				oldest = id
			}
		}
		delete(b.runs, oldest)
	}
}

// free are the failures for which no provider bills tokens: it answered that it would not.
var free = []llm.ErrorKind{llm.ErrAuth, llm.ErrQuota, llm.ErrRateLimited, llm.ErrOverloaded, llm.ErrTooLong, llm.ErrBadRequest, llm.ErrUnsupported}

// outcome says what a call turned out to be.
func (b *Budget) outcome(c Call, req *llm.Request, about llm.About, response *llm.Response, err error) Call {
	c.Took = time.Since(c.At)
	switch {
	case err != nil:
		c.State, c.Error = CallAssumed, string(kind(err))
		if c.Error == "" {
			c.Error = "unknown"
		}
		if slices.Contains(free, kind(err)) && !errors.Is(err, context.DeadlineExceeded) {
			c.State, c.Input, c.Output, c.USD = CallRefused, 0, 0, new(float64)
		}
		return c
	case response == nil || !response.Usage.Known || !plausible(response.Usage):
		c.State = CallAssumed
		return c
	}
	u := response.Usage
	c.State = CallDone
	c.Input, c.Output, c.CacheRead, c.CacheWrite, c.Reasoning = u.Input, u.Output, u.CacheRead, u.CacheWrite, u.Reasoning
	c.USD = nil
	if u.CostUSD != nil && *u.CostUSD >= 0 {
		usd := *u.CostUSD
		c.USD, c.Reported = &usd, true
	} else if rates, ok := b.options.Prices.Rates(about.Provider, about.Model, c.At); ok {
		usd := rates.Cost(u, req.CacheTTL)
		c.USD = &usd
	} else if about.Local {
		c.USD = new(float64)
	}
	return c
}

// plausible says whether the counts can be what they say.
func plausible(u llm.Usage) bool {
	return u.Input >= 0 && u.Output >= 0 && u.CacheRead >= 0 && u.CacheWrite >= 0 && u.Input+u.Output > 0
}

// settleIn is how long the ledger may take for a call that is over, whatever became of the caller.
const settleIn = 5 * time.Second

// settle puts what a call took in the place of what was reserved. When the ledger fails, the reservation stays there and counts in full.
func (b *Budget) settle(ctx context.Context, c Call, reserved Amount) {
	b.mu.Lock()
	b.count(c, c.amount().sub(reserved))
	now := time.Now()
	t := Totals{Run: b.runs[c.Run].spent, Hour: b.all.sum(now, time.Hour), Day: b.all.sum(now, kept)}
	if w := b.by[c.Operator]; w != nil {
		t.Operator = w.sum(now, kept)
	}
	watch := b.watch
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleIn)
	defer cancel()
	_ = b.put(ctx, c) // the reservation stays, which is the safe side
	for _, f := range watch {
		f(c, t)
	}
}
