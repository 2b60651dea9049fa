package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/sandbox"
	lua "github.com/yuin/gopher-lua"
)

// luaPrograms are what BenchmarkLua measures. Each checks its own result.
var luaPrograms = []struct {
	name, text string
	luerl      float64 // how many times faster than luerl we want to be, 0: no goal
	gopher     float64 // than gopher-lua
}{
	{"fib", `local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
assert(fib(27) == 196418)`, 5, 1},
	{"loop", `local t, sum = {}, 0
for i = 1, 200000 do t[i] = i * 2 end
for round = 1, 5 do for i = 1, #t do sum = sum + t[i] % 7 end end
for k, v in pairs(t) do sum = sum + k end
assert(sum > 20000100000)`, 5, 1},
	{"strings", `local s = ""
for i = 1, 5000 do s = s .. i .. "," end
local parts = {}
for i = 1, 10000 do parts[#parts + 1] = "item " .. i end
assert(#s + #table.concat(parts, "; ") > 20000)`, 5, 1},
	{"patterns", `local n = 0
local line = "2024-05-01 12:00:00 [error] <0.123.0> process my_server terminating: badmatch"
for i = 1, 3000 do
  local y, m, d = line:match("(%d+)-(%d+)-(%d+)")
  if line:find("%[error%]") then n = n + tonumber(d) end
  n = n + #line:gsub("%w+", "x")
end
assert(n > 0)`, 5, 1},
	{"callbacks", `local sum = 0
for i = 1, 10000 do
  local rows = rows()
  sum = sum + #rows + rows[1].queue + rows[10].memory
end
assert(sum > 0)`, 3, 2},
	{"start", `return 1`, 0, 2},
}

// luaRows is what the callback gives: ten rows of six fields, as those of a skill.
func luaRows() []any {
	rows := make([]any, 10)
	for i := range rows {
		rows[i] = map[string]any{"pid": fmt.Sprintf("<0.%d.0>", 100+i), "name": "my_server", "queue": int64(i), "memory": int64(123456 + i), "reductions": int64(987654), "state": "waiting"}
	}
	return rows
}

// BenchmarkLua is the sandbox beside gopher-lua without limits, and luerl. They take turns, so that a machine that is busy for a while
// is busy for all.
func BenchmarkLua(b *testing.B) {
	for _, p := range luaPrograms {
		b.Run(p.name, func(b *testing.B) {
			rows := luaRows()
			functions := map[string]sandbox.Function{"rows": func(context.Context, []any) (any, error) { return rows, nil }}
			limits := sandbox.Limits{Time: time.Minute, CallbackTime: time.Minute, Callbacks: 1 << 30}
			ours := func() {
				if _, err := sandbox.Run(b.Context(), p.text, functions, limits); err != nil {
					b.Fatal(err)
				}
			}
			theirs := func() { gopher(b, p.text, rows) }
			ours()
			theirs()
			turn := 1
			if p.name == "start" {
				turn = 1000
			}
			var us, them time.Duration
			n := 0
			for b.Loop() {
				began := time.Now()
				for range turn {
					ours()
				}
				us += time.Since(began)
				b.StopTimer()
				began = time.Now()
				for range turn {
					theirs()
				}
				them += time.Since(began)
				n += turn
				b.StartTimer()
			}
			b.ReportMetric(float64(us.Nanoseconds())/float64(n), "ours-ns")
			b.ReportMetric(float64(them.Nanoseconds())/float64(n), "gopher-ns")
			b.ReportMetric(them.Seconds()/us.Seconds(), "x-gopher")
			if t, ok := luerl(b, p.text); ok {
				b.ReportMetric(float64(t.Nanoseconds()), "luerl-ns")
				x := t.Seconds() / (us.Seconds() / float64(n))
				b.ReportMetric(x, "x-luerl")
				if x < p.luerl {
					b.Errorf("%.2f times as fast as luerl; the goal is %g", x, p.luerl)
				}
			}
			if x := them.Seconds() / us.Seconds(); x < p.gopher {
				b.Errorf("%.2f times as fast as gopher-lua; the goal is %g", x, p.gopher)
			}
		})
	}
}

// BenchmarkLuaMemory is what a run allocates in all, for an empty program with twenty functions.
func BenchmarkLuaMemory(b *testing.B) {
	functions := map[string]sandbox.Function{}
	for i := range 20 {
		functions[fmt.Sprintf("beam_function_%d", i)] = func(context.Context, []any) (any, error) { return nil, nil }
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := uint64(0)
	for b.Loop() {
		if _, err := sandbox.Run(b.Context(), "return 1", functions, sandbox.Limits{}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	runtime.ReadMemStats(&after)
	per := (after.TotalAlloc - before.TotalAlloc) / n
	b.ReportMetric(float64(per), "bytes/run")
	if per > 100_000 {
		b.Errorf("a run takes %d bytes; the goal is 100,000", per)
	}
}

// gopher runs a program with gopher-lua as one who knows it would: a fresh state whose stack begins small, the libraries that a program
// may have, no limits.
func gopher(b *testing.B, text string, rows []any) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true, RegistrySize: 1024, RegistryMaxSize: 1 << 20, CallStackSize: 200})
	for _, lib := range []struct {
		name string
		open lua.LGFunction
	}{{"", lua.OpenBase}, {lua.TabLibName, lua.OpenTable}, {lua.StringLibName, lua.OpenString}, {lua.MathLibName, lua.OpenMath}, {lua.CoroutineLibName, lua.OpenCoroutine}} {
		state.Push(state.NewFunction(lib.open))
		state.Push(lua.LString(lib.name))
		state.Call(1, 0)
	}
	defer state.Close()
	state.SetGlobal("rows", state.NewFunction(func(l *lua.LState) int {
		l.Push(gopherValue(l, rows))
		return 1
	}))
	if err := state.DoString(text); err != nil {
		b.Fatal(err)
	}
}

func gopherValue(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case int64:
		return lua.LNumber(v)
	case string:
		return lua.LString(v)
	case []any:
		t := l.CreateTable(len(v), 0)
		for _, x := range v {
			t.Append(gopherValue(l, x))
		}
		return t
	case map[string]any:
		t := l.CreateTable(0, len(v))
		for k, x := range v {
			t.RawSetString(k, gopherValue(l, x))
		}
		return t
	}
	return lua.LNil
}

// luerl runs a program with Debian's luerl, compiled once, on a warm virtual machine: the best of three.
func luerl(b *testing.B, text string) (time.Duration, bool) {
	b.Helper()
	if dirs, _ := filepath.Glob("/usr/lib/erlang/lib/luerl-*"); len(dirs) == 0 {
		if os.Getenv("BEAMLENS_NEED_ERLANG") != "" {
			b.Fatal("erlang-luerl is not installed: make setup")
		}
		b.Log("erlang-luerl is not installed: nothing to compare with")
		return 0, false
	}
	dir := b.TempDir()
	program := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
	source := `-module(luabench).
-export([main/0]).
rows() -> [[{<<"pid">>, iolist_to_binary(io_lib:format("<0.~b.0>", [100 + I]))}, {<<"name">>, <<"my_server">>}, {<<"queue">>, I}, {<<"memory">>, 123456 + I},
  {<<"reductions">>, 987654}, {<<"state">>, <<"waiting">>}] || I <- lists:seq(0, 9)].
main() ->
  Rows = rows(),
  Text = <<"` + program + `">>,
  Run = fun() ->
    St0 = luerl:set_table([<<"rows">>], fun(_, St) -> {[Rows], St} end, luerl:init()),
    {_, _} = luerl:do(Text, St0) end,
  Run(),
  Times = [element(1, timer:tc(Run)) || _ <- [1, 2, 3]],
  io:format("~b", [lists:min(Times)]),
  halt().
`
	if err := os.WriteFile(filepath.Join(dir, "luabench.erl"), []byte(source), 0o600); err != nil {
		b.Fatal(err)
	}
	run := func(name string, args ...string) string {
		ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Fatalf("%s: %v: %s", name, err, out)
		}
		return string(out)
	}
	run("erlc", "luabench.erl")
	var us int64
	if out := run("erl", "-noshell", "-s", "luabench", "main"); json.Unmarshal([]byte(out), &us) != nil {
		b.Fatalf("luerl: %s", out)
	}
	return time.Duration(us) * time.Microsecond, true
}
