package probe

import (
	"context"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// MissingError says that a function needs the probe.
type MissingError struct{ Function string }

func (e *MissingError) Error() string {
	return e.Function + " is not available without the probe (--no-probe)"
}

// plain answers functions of the probe with calls of what every VM has.
var plain = map[string]func(context.Context, erlang.Conn, []etf.Term) (etf.Term, error){
	"vm:snapshot":       plainSnapshot,
	"vm:system":         plainSystem,
	"processes:top":     plainTop,
	"processes:process": plainProcess,
	"ets:tables":        plainTables,
}

// missing is what plain calls cannot tell.
var missing = []string{
	"processes grouped by what they are and who started them", "growth of mailboxes", "reductions per second",
	"memory of a process that is in its mailbox, its old heap or its binaries", "processes that do not answer",
	"what unnamed processes were started as", "tables with decentralized counters",
	"the worst processes of nodes with more than 20,000",
}

// Missing says what cannot be told the way this probe works.
func (p *Probe) Missing() []string {
	if p.options.Plain {
		return missing
	}
	return nil
}

// caller keeps the first error of many calls.
type caller struct {
	ctx  context.Context
	conn erlang.Conn
	err  error
}

func (c *caller) call(m, f string, args ...etf.Term) etf.Term {
	if c.err != nil {
		return nil
	}
	t, err := c.conn.Call(c.ctx, etf.A(m), etf.A(f), args...)
	c.err = err
	return t
}

func (c *caller) info(item string) etf.Term { return c.call("erlang", "system_info", etf.A(item)) }

// first is the first number of a tuple, as statistics gives them.
func first(t etf.Term) etf.Term {
	if x, ok := t.(etf.Tuple); ok && len(x) > 0 {
		return x[0]
	}
	return t
}

// nth is an element of a tuple, or nil.
func nth(t etf.Term, i int) etf.Term {
	if x, ok := t.(etf.Tuple); ok && i < len(x) {
		return x[i]
	}
	return nil
}

func pair(key string, value etf.Term) etf.Pair { return etf.Pair{Key: etf.A(key), Value: value} }

func arg(args []etf.Term, i int) etf.Term {
	if i < len(args) {
		return args[i]
	}
	return nil
}

func number(t etf.Term) int {
	n, _ := etf.Plain(t).(int64)
	return int(max(0, min(n, 1000)))
}

func trim(name string) string {
	const elixir = "Elixir."
	if len(name) > len(elixir) && name[:len(elixir)] == elixir {
		return name[len(elixir):]
	}
	return name
}

func mfa(t etf.Term) etf.Term {
	x, ok := t.(etf.Tuple)
	if !ok || len(x) != 3 {
		return etf.A("null")
	}
	m, f := fmt.Sprint(x[0]), fmt.Sprint(x[1])
	if short := trim(m); short != m {
		return fmt.Sprintf("%s.%s/%v", short, f, x[2])
	}
	return fmt.Sprintf("%s:%s/%v", m, f, x[2])
}

func pidText(p etf.Pid) string { return fmt.Sprintf("<0.%d.%d>", p.ID, p.Serial) }
