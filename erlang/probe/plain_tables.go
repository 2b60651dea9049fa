package probe

import (
	"context"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// tablesText gives the largest tables by one item: {how many there are, [{What ets:info tells, name of the owner, id}]}.
const tablesText = `All = ets:all(),
	Sized = [{V, T} || T <- All, ets:info(T, decentralized_counters) =/= true, V <- [ets:info(T, %s)], erlang:is_integer(V)],
	Top = lists:sublist(lists:reverse(lists:sort(Sized)), %d),
	{erlang:length(All), erlang:length(All) - erlang:length(Sized),
	 [{Told, erlang:process_info(proplists:get_value(owner, Told), registered_name), lists:flatten(io_lib:format("~0p", [T]))} || {_, T} <- Top, Told <- [ets:info(T)], erlang:is_list(Told)]}.`

func plainTables(ctx context.Context, conn erlang.Conn, args []etf.Term) (etf.Term, error) {
	sortBy := fmt.Sprint(etf.Plain(arg(args, 0)))
	if sortBy != "memory" && sortBy != "size" {
		return nil, &MissingError{"tables by " + sortBy}
	}
	c := &caller{ctx: ctx, conn: conn}
	t := c.eval(fmt.Sprintf(tablesText, sortBy, max(1, min(number(arg(args, 1)), 50))))
	if c.err != nil {
		return nil, c.err
	}
	rows := etf.List{}
	list, _ := nth(t, 2).(etf.List)
	for _, x := range list {
		rows = append(rows, tableRow(x))
	}
	return etf.Map{pair("table_count", nth(t, 0)), pair("skipped", nth(t, 1)), pair("showing", int64(len(rows))), pair("sort_by", sortBy), pair("tables", rows)}, nil
}

func tableRow(t etf.Term) etf.Map {
	told, _ := toTermMap(nth(t, 0)).(etf.Map)
	get := func(key string) etf.Term {
		if v, ok := told.Get(etf.A(key)); ok {
			return v
		}
		return etf.A("null")
	}
	words, _ := get("memory").(int64)
	name, _ := get("name").(etf.Atom)
	row := etf.Map{pair("id", charlist(nth(t, 2))), pair("name", trim(name.String())), pair("memory_kb", words*8/1024), pair("owner", etf.A("null")), pair("owner_name", etf.A("null"))}
	if pid, ok := get("owner").(etf.Pid); ok {
		row[3].Value = pidText(pid)
	}
	if owner, ok := nth(nth(t, 1), 1).(etf.Atom); ok {
		row[4].Value = trim(owner.String())
	}
	for _, key := range []string{"type", "protection", "size", "compressed", "read_concurrency", "write_concurrency"} {
		row = append(row, pair(key, get(key)))
	}
	return row
}
