package probe

import (
	"context"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// plainProcesses is how many processes are looked at: the evaluator is slow.
const plainProcesses = 20_000

type ranked struct {
	pid   etf.Pid
	value int64
}

// scanText gives the largest by one item: {how many processes, their sum, [{Value, Pid}]}. It is evaluated in the node.
const scanText = `All = [{V, P} || P <- erlang:processes(), {_, V} <- [erlang:process_info(P, %s)]],
	{erlang:length(All), lists:sum([V || {V, _} <- All]), lists:sublist(lists:reverse(lists:sort(All)), 60)}.`

type scanned struct {
	total, sum int64
	rows       []ranked
}

// plainScan reads one item of all processes, in one call.
func plainScan(ctx context.Context, conn erlang.Conn, item string) (scanned, error) {
	c := &caller{ctx: ctx, conn: conn}
	if n, _ := c.info("process_count").(int64); n > plainProcesses {
		return scanned{}, fmt.Errorf("%d processes are too many to be read without the probe", n)
	}
	t, ok := c.eval(fmt.Sprintf(scanText, item)).(etf.Tuple)
	if c.err != nil {
		return scanned{}, c.err
	}
	if !ok || len(t) != 3 {
		return scanned{}, fmt.Errorf("the scan gave %s", etf.Format(t))
	}
	var out scanned
	out.total, _ = t[0].(int64)
	out.sum, _ = t[1].(int64)
	list, _ := t[2].(etf.List)
	for _, x := range list {
		if p, ok := x.(etf.Tuple); ok && len(p) == 2 {
			v, _ := p[0].(int64)
			if pid, ok := p[1].(etf.Pid); ok {
				out.rows = append(out.rows, ranked{pid, v})
			}
		}
	}
	return out, nil
}

// eval evaluates a text of ours in the node. It is a constant: it makes no atoms that the node does not have.
func (c *caller) eval(text string) etf.Term {
	chars := make(etf.List, 0, len(text))
	for _, ch := range text {
		chars = append(chars, int64(ch))
	}
	tokens, _ := c.call("erl_scan", "string", chars).(etf.Tuple)
	if c.err != nil || len(tokens) < 2 {
		return nil
	}
	exprs, _ := c.call("erl_parse", "parse_exprs", tokens[1]).(etf.Tuple)
	if c.err != nil || len(exprs) < 2 {
		return nil
	}
	value, _ := c.call("erl_eval", "exprs", exprs[1], etf.List{}).(etf.Tuple)
	if c.err != nil || len(value) < 2 {
		return nil
	}
	return value[1]
}
