package route

import (
	"context"
	"time"
)

// Call is one call of a provider, as a ledger keeps it.
type Call struct {
	ID       string        `json:"id"`
	At       time.Time     `json:"at"`
	Operator string        `json:"operator,omitempty"`
	Run      string        `json:"run,omitempty"`
	Provider string        `json:"provider,omitempty"`
	Model    string        `json:"model,omitempty"`
	State    string        `json:"state"`
	Error    string        `json:"error,omitempty"` // the kind of failure
	Took     time.Duration `json:"took_ns,omitempty"`

	// What it took. As long as the call is reserved, and when the provider did not tell, it is the most that it can have taken.
	Input      int64    `json:"input"`
	Output     int64    `json:"output"`
	CacheRead  int64    `json:"cache_read,omitempty"`
	CacheWrite int64    `json:"cache_write,omitempty"`
	Reasoning  int64    `json:"reasoning,omitempty"`
	USD        *float64 `json:"usd,omitempty"` // nil: the price is not known
	// Reported is set when the provider itself told the cost.
	Reported bool `json:"reported,omitempty"`
}

// The states of a call.
const (
	CallReserved = "reserved" // it was about to be made; when nothing followed, it counts in full
	CallDone     = "done"     // the provider told what it took
	CallAssumed  = "assumed"  // it may have been billed, and nobody told: it counts as it was reserved
	CallRefused  = "refused"  // the provider refused it and bills nothing
)

// amount is what a call counts for in a budget.
func (c Call) amount() Amount {
	a := Amount{Calls: 1, Tokens: c.Input + c.Output}
	if c.State == CallRefused {
		a.Tokens = 0
	} else if c.USD != nil {
		a.USD = *c.USD
	}
	return a
}

// Ledger keeps calls, so that a budget holds over restarts and kills. PutCall replaces the call with that id; when it returns, the
// call survives a kill. The calls that CallsSince returns need no order.
type Ledger interface {
	PutCall(ctx context.Context, id string, at time.Time, call []byte) error
	CallsSince(ctx context.Context, since time.Time) ([][]byte, error)
}

// Amount is a limit, or what counts against one. In a limit 0 means that there is none.
type Amount struct {
	Calls  int     `json:"calls,omitempty"`
	Tokens int64   `json:"tokens,omitempty"` // of input, what is cached included, and of output
	USD    float64 `json:"usd,omitempty"`
}

func (a Amount) add(b Amount) Amount {
	return Amount{a.Calls + b.Calls, a.Tokens + b.Tokens, a.USD + b.USD}
}

func (a Amount) sub(b Amount) Amount {
	return Amount{a.Calls - b.Calls, a.Tokens - b.Tokens, a.USD - b.USD}
}

// window sums what was spent within the last day, by the minute.
type window struct {
	minutes []minute // in order of their time
}

type minute struct {
	at    time.Time
	spent Amount
}

// kept is how far back a window goes.
const kept = 24 * time.Hour

// add counts an amount at a time.
func (w *window) add(at time.Time, a Amount) {
	at = at.Truncate(time.Minute)
	i := len(w.minutes)
	for i > 0 && w.minutes[i-1].at.After(at) {
		i--
	}
	if i > 0 && w.minutes[i-1].at.Equal(at) {
		w.minutes[i-1].spent = w.minutes[i-1].spent.add(a)
		return
	}
	w.minutes = append(w.minutes, minute{})
	copy(w.minutes[i+1:], w.minutes[i:])
	w.minutes[i] = minute{at, a}
}

// sum gives what was spent within d before now. A minute that lies partly within counts.
func (w *window) sum(now time.Time, d time.Duration) Amount {
	for len(w.minutes) > 0 && w.minutes[0].at.Add(time.Minute).Before(now.Add(-kept)) {
		w.minutes = w.minutes[1:]
	}
	var total Amount
	for i := len(w.minutes) - 1; i >= 0 && w.minutes[i].at.Add(time.Minute).After(now.Add(-d)); i-- {
		total = total.add(w.minutes[i].spent)
	}
	return total
}
