package probe_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
	"github.com/beamlens/beamlens-go/erlang/probe"
)

// serve runs a probe of the node until the test ends, and waits until it is up.
func serve(t *testing.T, node string, o *probe.Options) (*probe.Probe, func()) {
	t.Helper()
	if o == nil {
		o = &probe.Options{}
	}
	up := make(chan probe.State, 100)
	told := o.OnState
	o.OnState = func(s probe.State) {
		if told != nil {
			told(s)
		}
		select {
		case up <- s:
		default:
		}
	}
	o.MinBackoff, o.MaxBackoff = 20*time.Millisecond, 50*time.Millisecond
	own := erlangtest.Unique() + "@localhost"
	p := probe.New(node, func(ctx context.Context) (erlang.Conn, error) {
		return erlang.Dial(ctx, node, &erlang.Options{Cookie: erlangtest.Cookie, Name: own})
	}, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Serve(ctx)
	}()
	stop := func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	if s := <-up; !s.Up {
		t.Fatal(s.Err)
	}
	return p, stop
}

func ask(t *testing.T, p *probe.Probe, function string, args ...etf.Term) map[string]any {
	t.Helper()
	part, name, ok := strings.Cut(function, ":")
	if !ok {
		part, name = "vm", function
	}
	v, err := p.Call(t.Context(), etf.A(part), etf.A(name), args...)
	if err != nil {
		t.Fatalf("%s: %v", function, err)
	}
	m, ok := etf.Plain(v).(map[string]any)
	if !ok {
		t.Fatalf("%s gave %s", function, etf.Format(v))
	}
	return m
}

func rows(m map[string]any, key string) []map[string]any {
	var out []map[string]any
	for _, r := range m[key].([]any) {
		out = append(out, r.(map[string]any))
	}
	return out
}

// Faults, as they happen on a real node. Each expression gives the pid of the culprit.
const (
	flooded = `P = spawn(fun() -> register(flooded, self()), receive stop -> ok end end), [P ! {message, N} || N <- lists:seq(1, 50000)], list_to_binary(pid_to_list(P)).`
	bigHeap = `P = spawn(fun() -> L = lists:seq(1, 1000000), receive stop -> L end end), timer:sleep(200), list_to_binary(pid_to_list(P)).`
	spinner = `P = spawn(fun() -> F = fun F() -> F() end, F() end), list_to_binary(pid_to_list(P)).`
	leak    = `P = spawn(fun() -> register(leaker, self()), [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, 3000)], receive stop -> ok end end), timer:sleep(100), list_to_binary(pid_to_list(P)).`
	table   = `T = ets:new(big_table, [named_table, public]), [ets:insert(T, {N, lists:seq(1, 20)}) || N <- lists:seq(1, 20000)], ok.`
)

func fault(t *testing.T, n *erlangtest.Node, text string) string {
	t.Helper()
	return strings.Trim(strings.TrimPrefix(n.Eval(t, text), "<<"), `">`) + ">"
}

func TestSnapshot(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	s := ask(t, p, "snapshot")
	for _, field := range []string{"uptime_ms", "process_count", "process_limit", "port_count", "port_limit", "atom_count", "atom_limit", "run_queue",
		"schedulers_online", "reductions", "io_in", "gcs", "memory", "persistent_term", "scan", "ets_count"} {
		if s[field] == nil {
			t.Errorf("%s is missing", field)
		}
	}
	if s["memory"].(map[string]any)["processes"].(int64) < 100_000 {
		t.Errorf("memory %v", s["memory"])
	}
	if scan := s["scan"].(map[string]any); scan["complete"] != true || scan["processes"].(int64) < 20 {
		t.Errorf("scan %v", scan)
	}
}

func TestFloodIsSeenAndItsGrowth(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	pid := fault(t, n, flooded)
	scan := ask(t, p, "snapshot")["scan"].(map[string]any)
	if scan["message_queue_max"].(int64) < 50_000 || scan["message_queue_max_pid"] != pid || scan["message_queue_max_name"] != "flooded" {
		t.Errorf("scan %v, want pid %s", scan, pid)
	}
	top := rows(ask(t, p, "processes:top", "message_queue", 3, 0), "processes")
	if len(top) == 0 || top[0]["pid"] != pid || top[0]["name"] != "flooded" || top[0]["message_queue"].(int64) != 50_000 {
		t.Errorf("top %v", top)
	}
	n.Eval(t, `spawn(fun() -> F = fun F() -> flooded ! x, receive after 1 -> F() end end, F() end), ok.`)
	erlangtest.Eventually(t, "growth is told", func() bool {
		scan := ask(t, p, "snapshot")["scan"].(map[string]any)
		g, ok := scan["message_queue_max_growth_per_s"].(int64)
		return ok && g > 50 && g < 5000
	})
	d := ask(t, p, "processes:process", "flooded")
	if d["pid"] != pid || d["message_queue_growth_per_s"] == nil || d["memory_kb"].(int64) < 1000 {
		t.Errorf("process %v", d)
	}
}

func TestTopMemory(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	big := fault(t, n, bigHeap)
	top := rows(ask(t, p, "processes:top", "memory", 3, 0), "processes")
	if top[0]["pid"] != big || top[0]["memory_kb"].(int64) < 10_000 {
		t.Errorf("top %v, want %s", top, big)
	}
	// A mailbox is memory too, though no part of the heap yet.
	pid := fault(t, n, `P9 = spawn(fun() -> receive stop -> ok end end), [P9 ! lists:seq(1, 100) || _ <- lists:seq(1, 50000)], list_to_binary(pid_to_list(P9)).`)
	// The first is the test's own evaluator, which made them.
	if top = rows(ask(t, p, "processes:top", "memory", 3, 0), "processes"); top[0]["pid"] != pid && top[1]["pid"] != pid {
		t.Errorf("top %v, want %s", top, pid)
	}
	if d := ask(t, p, "processes:process", pid); d["memory_kb"].(int64) < 50_000 {
		t.Errorf("process %v", d)
	}
}

func TestSpinner(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	pid := fault(t, n, spinner)
	erlangtest.Eventually(t, "the spinner is on top", func() bool {
		ask(t, p, "snapshot")
		top := rows(ask(t, p, "processes:top", "reductions_rate", 3, 0), "processes")
		return len(top) > 0 && top[0]["pid"] == pid && top[0]["reductions_per_s"].(int64) > 100_000
	})
}

func TestLeakIsTracedToItsParent(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	pid := fault(t, n, leak)
	g := rows(ask(t, p, "processes:groups", 3), "groups")[0]
	if g["count"].(int64) != 3000 || g["parent_pid"] != pid || g["parent_name"] != "leaker" || g["parent_alive"] != true {
		t.Errorf("group %v, want 3000 of %s", g, pid)
	}
}

func TestTables(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	n.Eval(t, table)
	for _, by := range []string{"memory", "size"} {
		top := rows(ask(t, p, "ets:tables", by, 3), "tables")
		if top[0]["name"] != "big_table" || top[0]["size"].(int64) != 20_000 || top[0]["memory_kb"].(int64) < 1000 {
			t.Errorf("by %s: %v", by, top)
		}
	}
}

func TestProcessThatIsNotThere(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	ask(t, p, "processes:process", "init") // loads what it needs
	ask(t, p, "processes:process", "<nonsense")
	n.Eval(t, "erlang:system_info(atom_count).") // and so does the evaluator
	atoms := n.Eval(t, "erlang:system_info(atom_count).")
	for _, name := range []string{"<0.99999.0>", "<1.2.3>", "<nonsense", "no_such_name_anywhere", ""} {
		if d := ask(t, p, "processes:process", name); d["error"] == nil {
			t.Errorf("%q: %v", name, d)
		}
	}
	if now := n.Eval(t, "erlang:system_info(atom_count)."); now != atoms {
		t.Errorf("looking up names made atoms: %s, before %s", now, atoms)
	}
}

func TestABusyProcessHoldsNobodyUp(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	// A suspended process answers no request that needs it.
	pid := fault(t, n, `P = spawn(fun() -> receive stop -> ok end end), erlang:suspend_process(P), [P ! x || _ <- lists:seq(1, 1000)], list_to_binary(pid_to_list(P)).`)
	began := time.Now()
	top := rows(ask(t, p, "processes:top", "message_queue", 2, 0), "processes")
	if top[0]["pid"] != pid {
		t.Errorf("top %v", top)
	}
	ask(t, p, "processes:process", pid)
	if d := time.Since(began); d > 4*time.Second {
		t.Errorf("took %s", d)
	}
}

// gone says whether nothing of the probe is left in the node.
func gone(t *testing.T, n *erlangtest.Node) bool {
	return n.Eval(t, `{whereis(beamlens_probe), erlang:check_old_code(beamlens_probe), [M || {M, _} <- code:all_loaded(), lists:prefix("beamlens_probe", atom_to_list(M))]}.`) == "{undefined,false,[]}"
}

func TestNothingStays(t *testing.T) {
	n := erlangtest.StartNode(t)
	n.Eval(t, "{erl_eval:module_info(), erl_scan:module_info(), erl_parse:module_info()}, ok.")
	_, stop := serve(t, n.Name, nil)
	stop()
	erlangtest.Eventually(t, "the module is gone", func() bool { return gone(t, n) })
	processes := n.Eval(t, "length(processes()).")
	tables := n.Eval(t, "length(ets:all()).")
	for range 3 {
		p, stop := serve(t, n.Name, nil)
		ask(t, p, "snapshot")
		stop()
		erlangtest.Eventually(t, "the module is gone", func() bool { return gone(t, n) })
	}
	erlangtest.Eventually(t, "its processes are gone", func() bool { return n.Eval(t, "length(processes()).") == processes })
	if now := n.Eval(t, "length(ets:all())."); now != tables {
		t.Errorf("%s tables, before %s", now, tables)
	}
}

func TestNothingStaysWhenTheLinkDrops(t *testing.T) {
	n := erlangtest.StartNode(t)
	var conn erlang.Conn
	dropped := make(chan struct{})
	own := erlangtest.Unique() + "@localhost"
	p := probe.New(n.Name, func(ctx context.Context) (c erlang.Conn, err error) {
		if conn != nil {
			return nil, errors.New("once is enough")
		}
		conn, err = erlang.Dial(ctx, n.Name, &erlang.Options{Cookie: erlangtest.Cookie, Name: own})
		return conn, err
	}, &probe.Options{OnState: func(s probe.State) {
		if s.Up {
			conn.Close() // without a word to the probe
			close(dropped)
		}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go p.Serve(ctx)
	<-dropped
	erlangtest.Eventually(t, "the module is gone", func() bool { return gone(t, n) })
}

func TestTwoEngines(t *testing.T) {
	n := erlangtest.StartNode(t)
	_, stop1 := serve(t, n.Name, nil)
	p2, stop2 := serve(t, n.Name, nil)
	stop1()
	ask(t, p2, "snapshot")
	if gone(t, n) {
		t.Error("the first engine took the module from the second")
	}
	stop2()
	erlangtest.Eventually(t, "the module is gone", func() bool { return gone(t, n) })
}

func TestAnOlderVersionIsReplaced(t *testing.T) {
	n := erlangtest.StartNode(t)
	n.Eval(t, `{ok, M, B} = compile:forms([{attribute,1,module,beamlens_probe},{attribute,1,export,[{attach,1},{loop,0}]},{function,1,attach,1,[{clause,1,[{var,1,'_'}],[],[{atom,1,old}]}]},{function,2,loop,0,[{clause,2,[],[],[{'receive',2,[{clause,2,[{atom,2,stop}],[],[{atom,2,ok}]}]}]}]}]), code:load_binary(M, "old", B), register(beamlens_probe, spawn(beamlens_probe, loop, [])), ok.`)
	p, _ := serve(t, n.Name, nil)
	ask(t, p, "snapshot")
}

func TestARemovedModuleIsLoadedAgain(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	n.Eval(t, "code:purge(beamlens_probe), code:delete(beamlens_probe), code:purge(beamlens_probe), ok.")
	ask(t, p, "snapshot")
}

func TestRestartedNode(t *testing.T) {
	n := erlangtest.StartNode(t)
	states := make(chan probe.State, 1000)
	p, _ := serve(t, n.Name, &probe.Options{OnState: func(s probe.State) { states <- s }})
	if s := <-states; !s.Up {
		t.Fatal("not up")
	}
	n.Kill()
	if s := <-states; s.Up || s.Err == nil {
		t.Fatalf("after a kill: %+v", s)
	}
	if _, err := p.Call(t.Context(), etf.A("vm"), etf.A("snapshot")); !errors.Is(err, probe.ErrNotConnected) || !strings.Contains(err.Error(), n.Name) {
		t.Errorf("a call while the node is away: %v", err)
	}
	n.Restart(t)
	for s := range states {
		if s.Up {
			break
		}
	}
	ask(t, p, "snapshot")
}

func TestNoAtomsAreMade(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	look := func() {
		ask(t, p, "snapshot")
		ask(t, p, "processes:top", "memory", 5, 0)
		ask(t, p, "processes:groups", 5)
		ask(t, p, "ets:tables", "memory", 5)
		ask(t, p, "processes:process", "init")
		ask(t, p, "system")
	}
	look()
	n.Eval(t, "erlang:system_info(atom_count).") // which loads what evaluates and prints
	before := n.Eval(t, "erlang:system_info(atom_count).")
	for range 170 { // 1,020 calls
		look()
	}
	if after := n.Eval(t, "erlang:system_info(atom_count)."); after != before {
		t.Errorf("atoms %s, before %s", after, before)
	}
}

func TestPlain(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, &probe.Options{Plain: true})
	pid := fault(t, n, flooded)
	s := ask(t, p, "snapshot")
	if scan := s["scan"].(map[string]any); scan["message_queue_max"].(int64) != 50_000 || scan["message_queue_max_pid"] != pid {
		t.Errorf("scan %v, want %s", scan, pid)
	}
	if s["memory"].(map[string]any)["processes"] == nil || s["process_limit"] == nil {
		t.Errorf("snapshot %v", s)
	}
	top := rows(ask(t, p, "processes:top", "message_queue", 3, 0), "processes")
	if top[0]["pid"] != pid || top[0]["name"] != "flooded" {
		t.Errorf("top %v", top)
	}
	if d := ask(t, p, "processes:process", pid); d["message_queue"].(int64) != 50_000 {
		t.Errorf("process %v", d)
	}
	ask(t, p, "system")
	var missing *probe.MissingError
	if _, err := p.Call(t.Context(), etf.A("processes"), etf.A("groups"), 3); !errors.As(err, &missing) || len(p.Missing()) == 0 {
		t.Errorf("groups: %v", err)
	}
	if !gone(t, n) {
		t.Error("something was loaded")
	}
}

func TestObjectIsWhatTheSourceCompilesTo(t *testing.T) {
	erlc, err := exec.LookPath("erlc")
	if err != nil {
		t.Skip("erlc is not installed")
	}
	if out, err := exec.Command("erl", "-noshell", "-eval", `io:put_chars(erlang:system_info(otp_release)), halt().`).Output(); err != nil || string(out) != "25" {
		t.Skipf("the object is built with OTP 25; this is %s", out)
	}
	dir := t.TempDir()
	sources, err := filepath.Glob("beamlens_probe*.erl")
	if err != nil || len(sources) == 0 {
		t.Fatal("no sources")
	}
	md5 := func(file string) string {
		out, err := exec.Command("erl", "-noshell", "-eval", fmt.Sprintf(`{ok, {_, M}} = beam_lib:md5(%q), io:format("~w", [M]), halt().`, file)).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	for _, source := range sources {
		if out, err := exec.Command(erlc, "+deterministic", "+no_debug_info", "-Werror", "-o", dir, source).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		object := strings.TrimSuffix(source, ".erl") + ".beam"
		if md5(filepath.Join(dir, object)) != md5(object) {
			t.Errorf("%s is not what %s compiles to: run erlang/probe/build.sh", object, source)
		}
	}
}

func TestBinariesOutsideOfTheHeapAreMemory(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	pid := fault(t, n, `Me = self(), PB = spawn(fun() -> B = binary:copy(<<0:80000>>, 5000), Me ! ready, receive stop -> B end end), receive ready -> ok end, list_to_binary(pid_to_list(PB)).`)
	top := rows(ask(t, p, "processes:top", "memory", 3, 0), "processes")
	if top[0]["pid"] != pid || top[0]["binary_kb"].(int64) < 40_000 || top[0]["memory_kb"].(int64) > 1000 {
		t.Errorf("top %v, want %s", top, pid)
	}
}

func TestGroupsTellTheirGrowth(t *testing.T) {
	n := erlangtest.StartNode(t)
	p, _ := serve(t, n.Name, nil)
	fault(t, n, leak)
	ask(t, p, "processes:groups", 1)
	pid := fault(t, n, `L2 = spawn(fun() -> F = fun F() -> receive {more, K} -> [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, K)], F() end end, F() end), L2 ! {more, 4000}, timer:sleep(100), list_to_binary(pid_to_list(L2)).`)
	ask(t, p, "processes:groups", 1)
	n.Eval(t, `L2 ! {more, 4000}, ok.`)
	erlangtest.Eventually(t, "growth is told", func() bool {
		g := rows(ask(t, p, "processes:groups", 1), "groups")[0]
		growth, ok := g["growth_per_s"].(int64)
		return ok && g["parent_pid"] == pid && growth > 0
	})
}
