package beam_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

func TestPorts(t *testing.T) {
	p, n := link(t)
	n.Eval(t, listening)
	skilltest.Run(t, beam.Ports(p))
}

// listening makes a connection of each kind, with the far end on the same node.
const listening = `{ok, L} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]), {ok, Port} = inet:port(L),
	{ok, C} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]), {ok, A} = gen_tcp:accept(L),
	{ok, S} = gen_tcp:connect({127, 0, 0, 1}, Port, [{inet_backend, socket}, binary, {active, false}]), {ok, _} = gen_tcp:accept(L), ok.`

func TestPortsFaults(t *testing.T) {
	for _, f := range []fault{
		{"ports that nobody closes", `spawn(fun() -> register(opener, self()), X = [open_port({spawn, "/bin/cat"}, []) || _ <- lists:seq(1, 100)], receive stop -> X end end), ok.`,
			"port_count", 100, "value = 105, ordinary = 5", "port_leak", "opener", "100 open of the kind /bin/cat"},
		{"sockets that are ports", `spawn(fun() -> register(opener, self()), X = [gen_udp:open(0) || _ <- lists:seq(1, 200)], receive stop -> X end end), ok.`,
			"port_count", 200, "value = 205, ordinary = 5", "port_leak", "opener", "200 open of the kind udp_inet"},
		{"sockets that are none", `spawn(fun() -> register(opener, self()), X = [gen_tcp:listen(0, [{inet_backend, socket}]) || _ <- lists:seq(1, 200)], receive stop -> X end end), ok.`,
			"socket_count", 199, "value = 200, ordinary = 0", "port_leak", "opener", "200 open of the kind socket tcp"},
		{"a process for each socket", `spawn(fun() -> register(acceptor, self()), [spawn(fun() -> {ok, X} = gen_udp:open(0), receive stop -> X end end) || _ <- lists:seq(1, 200)], receive stop -> ok end end), ok.`,
			"port_count", 200, "value = 205, ordinary = 5", "port_leak", "acceptor", "started the processes that have 200"},
		{"a reader that stalls", listening[:len(listening)-4] + `ok = inet:setopts(C, [{high_watermark, 4000000}]),
			spawn(fun() -> register(writer, self()), gen_tcp:controlling_process(C, self()), F = fun F() -> gen_tcp:send(C, binary:copy(<<"x">>, 100000)), F() end, F() end), ok.`,
			"queue_max_mb", 1, "value = 3, ordinary = 0", "port_queue", "#Port<", "MB wait to be written in port #Port<"},
	} {
		t.Run(f.name, func(t *testing.T) {
			p, n := link(t)
			f.induce(t, beam.Ports(p), n)
		})
	}
}

// TestPortsNameTheWriter: a process that writes to a port whose reader has stalled is suspended, and is told.
func TestPortsNameTheWriter(t *testing.T) {
	p, n := link(t)
	s := beam.Ports(p)
	n.Eval(t, listening[:len(listening)-4]+`
		W = spawn(fun() -> register(writer, self()), receive go -> ok end, F = fun F() -> gen_tcp:send(C, binary:copy(<<"x">>, 100000)), F() end, F() end), ok = gen_tcp:controlling_process(C, W), W ! go, ok.`)
	erlangtest.Eventually(t, "the writer is suspended", func() bool {
		v := skilltest.Lua(t, s, `local p = ports_suspended_processes(5).processes[1] return p and p.name`)
		return v == "writer"
	})
	v := skilltest.Lua(t, s, `local c = ports_list_inet(1, "queue").connections[1] return {c.kind, c.queue_size > 0, c.remote:sub(1, 9), c.backend}`)
	if fmt.Sprint(v) != "[tcp true loopback: inet]" {
		t.Errorf("the connection with the queue: %v", v)
	}
}

func TestPortsSeeBothKindsOfSockets(t *testing.T) {
	p, n := link(t)
	s := beam.Ports(p)
	n.Eval(t, listening)
	n.Eval(t, `ok = gen_tcp:send(S, binary:copy(<<"x">>, 5000)).`)
	v := skilltest.Lua(t, s, `local kinds = {none = 0} for _, c in ipairs(ports_list_inet(20, "output").connections) do kinds[c.backend] = (kinds[c.backend] or 0) + 1 kinds[c.backend .. "_sent"] = math.max(kinds[c.backend .. "_sent"] or 0, c.send_bytes) end return kinds`).(map[string]any)
	if v["socket"] != int64(1) || v["socket_sent"] != int64(5000) {
		t.Errorf("sockets of the newer kind: %v", v)
	}
	if x, _ := number(v["inet"]); x < 4 {
		t.Errorf("inet ports: %v", v)
	}
	if text := fmt.Sprint(skilltest.Lua(t, s, `return ports_list_inet(50, "queue")`)); strings.Contains(text, "127.0.0.1") {
		t.Errorf("an address is told: %s", text)
	}
}

// TestFileDescriptorsNearTheLimit: a node that may have 256 of them.
func TestFileDescriptorsNearTheLimit(t *testing.T) {
	limited := filepath.Join(t.TempDir(), "erl")
	if err := os.WriteFile(limited, []byte("#!/bin/sh\nulimit -n 256\nexec \""+erlangtest.Erl(t)+"\" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BEAMLENS_ERL", limited)
	p, n := link(t)
	s := beam.Ports(p)
	f := fault{"descriptors", `spawn(fun() -> register(opener, self()), X = [gen_udp:open(0) || _ <- lists:seq(1, 210)], receive stop -> X end end), ok.`,
		"fd_utilization_pct", 80, "value = 88, ordinary = 10", "port_leak", "opener", "210 open of the kind udp_inet"}
	f.induce(t, s, n)
	data, err := s.Snapshot(t.Context())
	if err != nil || data["fd_limit"] != int64(256) {
		t.Errorf("limit %v, error %v", data["fd_limit"], err)
	}
}

func TestPortsBusy(t *testing.T) {
	p, _ := link(t)
	s := beam.Ports(p)
	for _, f := range []string{"ports_busy_events", "ports_busy_dist_events"} {
		if v, ok := skilltest.Lua(t, s, "return "+f+"(5)").(map[string]any); !ok || v["events"] == nil || v["available"] == nil {
			t.Errorf("%s gave %v", f, v)
		}
	}
}
