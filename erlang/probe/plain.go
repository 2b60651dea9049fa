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
	"snapshot": plainSnapshot,
	"system":   plainSystem,
	"top":      plainTop,
	"process":  plainProcess,
}

// missing is what plain calls cannot tell.
var missing = []string{
	"groups of processes by origin", "ETS tables by memory", "growth of mailboxes", "reductions per second", "the longest mailbox of nodes with more than 20,000 processes",
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

func pair(key string, value etf.Term) etf.Pair { return etf.Pair{Key: etf.A(key), Value: value} }

func plainSnapshot(ctx context.Context, conn erlang.Conn, _ []etf.Term) (etf.Term, error) {
	c := &caller{ctx: ctx, conn: conn}
	var out etf.Map
	for _, item := range []string{"process_count", "process_limit", "port_count", "port_limit", "atom_count", "atom_limit", "ets_count", "ets_limit",
		"schedulers", "schedulers_online", "dirty_cpu_schedulers_online", "dirty_io_schedulers"} {
		out = append(out, pair(item, c.info(item)))
	}
	out = append(out,
		pair("run_queue", c.call("erlang", "statistics", etf.A("total_run_queue_lengths"))),
		pair("reductions", first(c.call("erlang", "statistics", etf.A("reductions")))),
		pair("context_switches", first(c.call("erlang", "statistics", etf.A("context_switches")))),
		pair("gcs", first(c.call("erlang", "statistics", etf.A("garbage_collection")))),
		pair("uptime_ms", first(c.call("erlang", "statistics", etf.A("wall_clock")))),
		pair("memory", toTermMap(c.call("erlang", "memory"))),
		pair("persistent_term", c.call("persistent_term", "info")),
		pair("scan", etf.A("null")),
	)
	if c.err != nil {
		return nil, c.err
	}
	if n, ok := out.Get(etf.A("process_count")); ok && n.(int64) <= plainProcesses {
		rows, err := plainScan(ctx, conn, "message_queue_len")
		if err != nil {
			return nil, err
		}
		out[len(out)-1].Value = plainQueues(rows)
	}
	return out, nil
}

func plainQueues(s scanned) etf.Term {
	rows := s.rows
	scan := etf.Map{pair("complete", true), pair("processes", s.total), pair("message_queue_total", s.sum),
		pair("message_queue_max", int64(0)), pair("message_queue_max_pid", etf.A("null")), pair("message_queue_max_name", etf.A("null"))}
	if len(rows) > 0 && rows[0].value > 0 {
		scan[3].Value, scan[4].Value = rows[0].value, pidText(rows[0].pid)
	}
	return scan
}

// toTermMap turns a property list into a map.
func toTermMap(t etf.Term) etf.Term {
	list, ok := t.(etf.List)
	if !ok {
		return t
	}
	var out etf.Map
	for _, x := range list {
		if p, ok := x.(etf.Tuple); ok && len(p) == 2 {
			out = append(out, etf.Pair{Key: p[0], Value: p[1]})
		}
	}
	return out
}

func plainSystem(ctx context.Context, conn erlang.Conn, _ []etf.Term) (etf.Term, error) {
	c := &caller{ctx: ctx, conn: conn}
	uptime, _ := first(c.call("erlang", "statistics", etf.A("wall_clock"))).(int64)
	out := etf.Map{
		pair("node", etf.Format(c.call("erlang", "node"))), pair("otp_release", charlist(c.info("otp_release"))), pair("erts", charlist(c.info("version"))),
		pair("uptime_seconds", uptime/1000), pair("schedulers_online", c.info("schedulers_online")), pair("elixir_version", etf.A("null")),
	}
	if v, ok := c.call("application", "get_key", etf.A("elixir"), etf.A("vsn")).(etf.Tuple); ok && len(v) == 2 {
		out[5].Value = charlist(v[1])
	}
	return out, c.err
}

func charlist(t etf.Term) etf.Term {
	list, ok := t.(etf.List)
	if !ok {
		return etf.Format(t)
	}
	s := make([]byte, 0, len(list))
	for _, c := range list {
		if n, ok := c.(int64); ok && n < 128 {
			s = append(s, byte(n))
		}
	}
	return s
}

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

// plainItems maps what can be sorted by to the item that is free to read.
var plainItems = map[string]string{"message_queue": "message_queue_len", "memory": "heap_size", "reductions": "reductions"}

func plainTop(ctx context.Context, conn erlang.Conn, args []etf.Term) (etf.Term, error) {
	sortBy := fmt.Sprint(etf.Plain(arg(args, 0)))
	item, ok := plainItems[sortBy]
	if !ok {
		return nil, &MissingError{"top by " + sortBy}
	}
	limit, offset := number(arg(args, 1)), number(arg(args, 2))
	scan, err := plainScan(ctx, conn, item)
	if err != nil {
		return nil, err
	}
	rows := scan.rows
	shown := etf.List{}
	for i := offset; i < len(rows) && len(shown) < limit; i++ {
		row, err := plainRow(ctx, conn, rows[i].pid)
		if err != nil {
			return nil, err
		}
		if row != nil {
			shown = append(shown, row)
		}
	}
	return etf.Map{pair("total_processes", scan.total), pair("showing", int64(len(shown))), pair("offset", int64(offset)), pair("limit", int64(limit)),
		pair("sort_by", sortBy), pair("processes", shown)}, nil
}

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

func plainRow(ctx context.Context, conn erlang.Conn, pid etf.Pid) (etf.Term, error) {
	c := &caller{ctx: ctx, conn: conn}
	items := etf.List{etf.A("message_queue_len"), etf.A("reductions"), etf.A("status"), etf.A("memory"), etf.A("current_function"), etf.A("registered_name")}
	t := c.call("erlang", "process_info", pid, items)
	list, ok := t.(etf.List)
	if c.err != nil || !ok || len(list) != len(items) {
		return nil, c.err
	}
	value := func(i int) etf.Term {
		if p, ok := list[i].(etf.Tuple); ok && len(p) == 2 {
			return p[1]
		}
		return nil
	}
	memory, _ := value(3).(int64)
	row := etf.Map{pair("pid", pidText(pid)), pair("name", etf.A("null")), pair("label", etf.A("null")), pair("memory_kb", memory/1024),
		pair("message_queue", value(0)), pair("reductions", value(1)), pair("status", value(2)), pair("current_function", mfa(value(4))),
		pair("message_queue_growth_per_s", etf.A("null")), pair("reductions_per_s", etf.A("null"))}
	if name, ok := value(5).(etf.Atom); ok {
		row[1].Value = trim(name.String())
	}
	return row, nil
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

func plainProcess(ctx context.Context, conn erlang.Conn, args []etf.Term) (etf.Term, error) {
	text := fmt.Sprint(etf.Plain(arg(args, 0)))
	var pid etf.Pid
	c := &caller{ctx: ctx, conn: conn}
	if _, err := fmt.Sscanf(text, "<0.%d.%d>", &pid.ID, &pid.Serial); err == nil {
		list := etf.List{}
		for _, ch := range text {
			list = append(list, int64(ch))
		}
		pid, _ = c.call("erlang", "list_to_pid", list).(etf.Pid)
	} else {
		// Names are not looked up: that would need an atom made of text, which stays in the node for ever.
		return nil, &MissingError{"looking up a process by name"}
	}
	if c.err != nil {
		return nil, c.err
	}
	row, err := plainRow(ctx, conn, pid)
	if err != nil || row == nil {
		return etf.Map{pair("error", "there is no process "+text)}, err
	}
	return append(row.(etf.Map), pair("answers", true)), nil
}
