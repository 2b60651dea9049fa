package probe

import (
	"context"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

func plainSnapshot(ctx context.Context, conn erlang.Conn, _ []etf.Term) (etf.Term, error) {
	c := &caller{ctx: ctx, conn: conn}
	var out etf.Map
	for _, item := range []string{"process_count", "process_limit", "port_count", "port_limit", "atom_count", "atom_limit", "ets_count", "ets_limit",
		"schedulers", "schedulers_online", "dirty_cpu_schedulers_online", "dirty_io_schedulers"} {
		out = append(out, pair(item, c.info(item)))
	}
	io, collected := c.call("erlang", "statistics", etf.A("io")), c.call("erlang", "statistics", etf.A("garbage_collection"))
	out = append(out,
		pair("run_queue", c.call("erlang", "statistics", etf.A("total_run_queue_lengths"))),
		pair("reductions", first(c.call("erlang", "statistics", etf.A("reductions")))),
		pair("context_switches", first(c.call("erlang", "statistics", etf.A("context_switches")))),
		pair("gcs", first(collected)), pair("gc_words_reclaimed", nth(collected, 1)),
		pair("io_in", nth(nth(io, 0), 1)), pair("io_out", nth(nth(io, 1), 1)),
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
		pair("node", fmt.Sprint(c.call("erlang", "node"))), pair("otp_release", charlist(c.info("otp_release"))), pair("erts", charlist(c.info("version"))),
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
