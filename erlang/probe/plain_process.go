package probe

import (
	"context"
	"errors"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

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

func plainProcess(ctx context.Context, conn erlang.Conn, args []etf.Term) (etf.Term, error) {
	text := fmt.Sprint(etf.Plain(arg(args, 0)))
	c := &caller{ctx: ctx, conn: conn}
	pid, ok := c.find(text)
	if c.err != nil {
		return nil, c.err
	}
	unknown := etf.Map{pair("error", "there is no process "+text)}
	if !ok {
		return unknown, nil
	}
	row, err := plainRow(ctx, conn, pid)
	if err != nil || row == nil {
		return unknown, err
	}
	detail := row.(etf.Map)
	items := etf.List{etf.A("current_stacktrace"), etf.A("links"), etf.A("monitors"), etf.A("monitored_by"), etf.A("priority"), etf.A("trap_exit"),
		etf.A("message_queue_data"), etf.A("total_heap_size"), etf.A("parent")}
	list, _ := c.call("erlang", "process_info", pid, items).(etf.List)
	if c.err != nil || len(list) != len(items) {
		return detail, c.err
	}
	value := func(i int) etf.Term { return nth(list[i], 1) }
	count := func(i int) etf.Pair {
		l, _ := value(i).(etf.List)
		return pair(items[i].(etf.Atom).String(), int64(len(l)))
	}
	words, _ := value(7).(int64)
	return append(detail, pair("answers", true), pair("stacktrace", frames(value(0))), count(1), pair("linked", pids(value(1), 10)), count(2), count(3),
		pair("priority", value(4)), pair("trap_exit", value(5)), pair("message_queue_data", value(6)), pair("total_heap_kb", words*8/1024),
		pair("parent", parentOf(value(8)))), nil
}

// find is the process with that pid or registered name. A name is compared with the names that there are: to ask for it would make an
// atom of it, which stays in the node for ever.
func (c *caller) find(text string) (etf.Pid, bool) {
	var id, serial uint32
	if n, err := fmt.Sscanf(text, "<0.%d.%d>", &id, &serial); n == 2 && err == nil && text == fmt.Sprintf("<0.%d.%d>", id, serial) {
		chars := etf.List{}
		for _, ch := range text {
			chars = append(chars, int64(ch))
		}
		pid, ok := c.call("erlang", "list_to_pid", chars).(etf.Pid)
		if badarg(c.err) {
			c.err = nil
		}
		return pid, ok
	}
	names, _ := c.call("erlang", "registered").(etf.List)
	for _, name := range names {
		if a, ok := name.(etf.Atom); ok && trim(a.String()) == trim(text) {
			pid, ok := c.call("erlang", "whereis", a).(etf.Pid)
			return pid, ok
		}
	}
	return etf.Pid{}, false
}

func badarg(err error) bool {
	var remote *erlang.RemoteError
	return errors.As(err, &remote) && remote.Reason == etf.A("badarg")
}

// frames writes a stacktrace, at most twelve frames of it.
func frames(t etf.Term) etf.List {
	out := etf.List{}
	list, _ := t.(etf.List)
	for _, f := range list[:min(len(list), 12)] {
		x, ok := f.(etf.Tuple)
		if !ok || len(x) != 4 {
			continue
		}
		text := fmt.Sprint(mfa(x[:3]))
		if where, ok := x[3].(etf.List); ok && len(where) >= 2 {
			text = fmt.Sprintf("%s (%s:%v)", text, charlist(nth(where[0], 1)), nth(where[1], 1))
		}
		out = append(out, text)
	}
	return out
}

func pids(t etf.Term, limit int) etf.List {
	out := etf.List{}
	list, _ := t.(etf.List)
	for _, x := range list {
		if pid, ok := x.(etf.Pid); ok && len(out) < limit {
			out = append(out, pidText(pid))
		}
	}
	return out
}

func parentOf(t etf.Term) etf.Term {
	if pid, ok := t.(etf.Pid); ok {
		return etf.Map{pair("pid", pidText(pid)), pair("name", etf.A("null"))}
	}
	return etf.A("null")
}
