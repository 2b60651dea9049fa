package sandbox

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

var functions = map[string]Function{
	"beam_top": func(_ context.Context, args []any) (any, error) {
		return []any{map[string]any{"pid": "<0.1.0>", "queue": int64(7), "args": args}}, nil
	},
	"beam_fail":  func(context.Context, []any) (any, error) { return nil, errors.New("no such process") },
	"beam_panic": func(context.Context, []any) (any, error) { panic("oh") },
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		name, program string
		want          any
	}{
		{"nothing", ``, nil},
		{"whole number", `return 3`, int64(3)},
		{"fraction", `return 1/4`, 0.25},
		{"list", `return {1, "a", true}`, []any{int64(1), "a", true}},
		{"empty table is a list", `return {}`, []any{}},
		{"map", `return {a = 1}`, map[string]any{"a": int64(1)}},
		{"several values", `return 1, 2`, []any{int64(1), int64(2)}},
		{"callback", `return beam_top(5, "memory")[1].queue`, int64(7)},
		{"arguments", `return beam_top(5, "memory")[1].args`, []any{int64(5), "memory"}},
		{"reserved word as key", `return {["end"] = 1}`, map[string]any{"end": int64(1)}},
		{"caught error", `local ok, e = pcall(beam_fail) return ok`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Run(t.Context(), c.program, functions, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(r.Value, c.want) {
				t.Errorf("got %#v, want %#v", r.Value, c.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, program string
		kind          Kind
		line          int
		contains      string
	}{
		{"syntax", "local x = 1\nif x then then", Syntax, 2, "near"},
		{"unknown function", "local x = 1\nreturn beam_tpo(3)", Runtime, 2, "Available: beam_fail, beam_panic, beam_top"},
		{"callback's error", "return beam_fail()", Runtime, 1, "no such process"},
		{"callback's panic", "return beam_panic()", Runtime, 1, "the function itself failed"},
		{"endless loop", "while true do end", Timeout, 0, "longer than"},
		{"endless loop behind pcall", "while true do pcall(function() while true do end end) end", Timeout, 0, "longer than"},
		{"callback flood", "while true do pcall(beam_top) end", CallbackLimit, 1, "more than 1000"},
		{"recursion", "local function f() return 1 + f() end return f()", Stack, 1, "stack overflow"},
		{"function as result", "return print", BadResult, 0, "no JSON form"},
		{"NaN", "return 0/0", BadResult, 0, "NaN"},
		{"cycle", "local t = {} t.t = t return t", BadResult, 0, "contains itself"},
		{"long result", "local t = {} for i = 1, 100000 do t[i] = i end return t", OutputLimit, 0, "too large"},
		{"source", strings.Repeat("-", 70000), SourceLimit, 0, "at most"},
		{"no way out", "return io.open('/etc/passwd')", Runtime, 1, "index"},
		{"no load", "return load('return 1')()", Runtime, 1, "There is no function load"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Run(t.Context(), c.program, functions, Limits{Time: time.Second, CallbackTime: 10 * time.Second})
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Kind != c.kind || e.Line != c.line || !strings.Contains(e.Error(), c.contains) {
				t.Errorf("got %s, line %d: %s\nwant %s, line %d, containing %q", e.Kind, e.Line, e, c.kind, c.line, c.contains)
			}
		})
	}
}

func TestCancelEndsARun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := Run(ctx, "while true do end", nil, Limits{Time: time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("took %s", d)
	}
}

func TestRunsDoNotSeeEachOther(t *testing.T) {
	if _, err := Run(t.Context(), "string.upper = nil x = 1", nil, Limits{}); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), "return string.upper('a'), x", nil, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []any{"A", nil}; !reflect.DeepEqual(r.Value, want) {
		t.Errorf("got %v, want %v", r.Value, want)
	}
}

// TestRunsAtOnce runs the same programs in several goroutines: what they share is never written to.
func TestRunsAtOnce(t *testing.T) {
	program := `string.upper = nil table.extra = 1 local t = {} for i = 1, 200 do t["k" .. i] = {i, tostring(i)} end
local s = "" for i = 1, 100 do s = s .. i .. ", " end
return #s + #beam_top(1), tostring(print), setmetatable({}, {__index = math}).pi > 3`
	want, err := Run(t.Context(), program, functions, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				r, err := Run(t.Context(), program, functions, Limits{})
				if err != nil || !reflect.DeepEqual(r.Value, want.Value) {
					t.Errorf("got %v, %v; want %v", r.Value, err, want.Value)
				}
			}
		})
	}
	all.Wait()
}

// TestMemoryOfARun: a run that does little needs little.
func TestMemoryOfARun(t *testing.T) {
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Run(b.Context(), "return 1", functions, Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	if n := r.AllocedBytesPerOp(); n > 50_000 {
		t.Errorf("a run takes %d bytes", n)
	}
}
