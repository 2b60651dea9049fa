package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain is also the process that a hostile program runs in: see hostile.
func TestMain(m *testing.M) {
	if os.Getenv("SANDBOX_CHILD") != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

// manifest says how hostile programs must end.
type manifest struct {
	Limits struct {
		Memory   int64 `json:"memory_bytes"`
		Deadline int   `json:"deadline_ms"`
		Source   int   `json:"source_bytes"`
		Output   int   `json:"output_bytes"`
		Calls    int   `json:"callbacks"`
		Depth    int   `json:"result_depth"`
	} `json:"limits"`
	Programs []hostileProgram `json:"programs"`
}

type hostileProgram struct {
	Name     string          `json:"name"`
	File     string          `json:"file"`
	Expect   string          `json:"expect"`
	Accept   []string        `json:"accept"`
	Contains string          `json:"error_contains"`
	Result   json.RawMessage `json:"result"`
	text     string
}

// outcome is what the child tells of a run.
type outcome struct {
	Kind       string
	Err        string
	Line       int
	Result     json.RawMessage
	Took       time.Duration
	Goroutines int
	Idle, Peak int64 // resident memory of the process, 0 where it is not known
	Clean      string
	Broken     bool
}

// hostFunctions stand for the callbacks that programs use.
func hostFunctions() map[string]Function {
	return map[string]Function{
		"runtime_top_goroutines": func(_ context.Context, args []any) (any, error) {
			n := int64(10)
			if len(args) > 0 {
				switch v := args[0].(type) {
				case int64:
					n = v
				case float64:
					n = int64(min(v, 1000))
				default:
					return nil, fmt.Errorf("runtime_top_goroutines: the count must be a number, got %T", v)
				}
			}
			if n < 0 {
				return nil, errors.New("runtime_top_goroutines: the count is negative")
			}
			rows := []any{}
			for i := range min(n, 100) {
				rows = append(rows, map[string]any{"id": i + 1, "state": "waiting", "wait_ms": int64(17), "site": "main.go:10", "labels": "a", "count": int64(3)})
			}
			return rows, nil
		},
		"runtime_sleep": func(ctx context.Context, _ []any) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		"runtime_panic": func(context.Context, []any) (any, error) { panic("the callback broke") },
		"runtime_deep": func(context.Context, []any) (any, error) {
			v := any(nil)
			for range 1000 {
				v = []any{v}
			}
			return v, nil
		},
		"runtime_big": func(context.Context, []any) (any, error) { return strings.Repeat("x", 40<<20), nil },
		"runtime_empty": func(context.Context, []any) (any, error) {
			return map[string]any{"map": map[string]any{}, "list": []any{}}, nil
		},
	}
}

func hostLimits() Limits {
	return Limits{Time: time.Second, CallbackTime: time.Second}
}

// child runs the program on the standard input, then one that sees whether all is clean, and tells how it went.
func child() {
	text, err := readAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	limits := hostLimits()
	if ms, err := strconv.Atoi(os.Getenv("SANDBOX_MS")); err == nil {
		limits.Time, limits.CallbackTime = time.Duration(ms)*time.Millisecond, time.Duration(ms)*time.Millisecond
	}
	functions := hostFunctions()
	runtime.GC()
	out := outcome{Kind: "ok", Idle: memory("VmRSS")}
	before := runtime.NumGoroutine()
	began := time.Now()
	res, err := Run(context.Background(), text, functions, limits)
	out.Took = time.Since(began)
	out.Peak = memory("VmHWM")
	if err != nil {
		out.Kind = "?"
		out.Err = err.Error()
		var e *Error
		if errors.As(err, &e) {
			out.Kind, out.Line = string(e.Kind), e.Line
		}
		out.Broken = strings.Contains(out.Err, errBroken.Error())
	} else if out.Result, err = json.Marshal(res.Value); err != nil {
		out.Err = err.Error()
	}
	out.Goroutines = runtime.NumGoroutine() - before
	clean, err := Run(context.Background(), cleanProgram, functions, limits)
	out.Clean = fmt.Sprintf("%v, %v", clean.Value, err)
	json.NewEncoder(os.Stdout).Encode(out)
}

const cleanProgram = `local rows = runtime_top_goroutines(3)
local n = 0
for _ in pairs(rows[1]) do n = n + 1 end
return string.format('%d/%d/%s', #rows, n, ('x'):upper())`

func readAll(f *os.File) (string, error) {
	var b bytes.Buffer
	_, err := b.ReadFrom(f)
	return b.String(), err
}

// memory reads a line of /proc/self/status, in bytes.
func memory(name string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(name + `:\s*(\d+) kB`).FindSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n << 10
}

// hostile runs a program in a process of its own.
func hostile(t *testing.T, text string, ms int) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "SANDBOX_CHILD=1", "SANDBOX_MS="+strconv.Itoa(ms))
	cmd.Stdin = strings.NewReader(text)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("the process did not survive: %v\n%s", err, shorten(errs.String(), 2000))
	}
	var out outcome
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return out
}

// check tests the rules that hold for every program.
func (p hostileProgram) check(t *testing.T, ms int, limit int64) {
	t.Helper()
	o := hostile(t, p.text, ms)
	if late := time.Duration(ms+250) * time.Millisecond; o.Took > late {
		// The machine may have been busy: once more.
		if o = hostile(t, p.text, ms); o.Took > late {
			t.Errorf("took %s", o.Took)
		}
	}
	if o.Idle > 0 && o.Peak > o.Idle+2*limit {
		t.Errorf("resident memory grew from %d to %d MiB", o.Idle>>20, o.Peak>>20)
	}
	if o.Goroutines != 0 {
		t.Errorf("%d goroutines are left", o.Goroutines)
	}
	if want := "3/6/X, <nil>"; o.Clean != want {
		t.Errorf("the next run gave %s, want %s", o.Clean, want)
	}
	if o.Broken {
		t.Errorf("a fault of the sandbox: %s", o.Err)
	}
	if !slices.Contains(p.Accept, o.Kind) {
		t.Errorf("ended as %s (%s), want one of %v", o.Kind, o.Err, p.Accept)
	}
	if len(o.Err) > 4096 {
		t.Errorf("the error has %d bytes", len(o.Err))
	}
	if o.Kind != "ok" && !strings.Contains(o.Err, p.Contains) {
		t.Errorf("error %q, want %q in it", o.Err, p.Contains)
	}
	if o.Kind == "ok" && p.Result != nil {
		var got, want any
		if json.Unmarshal(o.Result, &got) != nil || json.Unmarshal(p.Result, &want) != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("result %s, want %s", o.Result, p.Result)
		}
	}
	t.Logf("%s in %s, %d MiB more: %s", o.Kind, o.Took.Round(time.Microsecond), (o.Peak-o.Idle)>>20, shorten(o.Err+string(o.Result), 300))
}

// TestHostilePrograms runs the programs of the manifest, each in its own process, under the manifest's rules.
func TestHostilePrograms(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	var m manifest
	text, err := os.ReadFile(filepath.Join("testdata", "programs", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	l := Limits{}.withDefaults()
	if l.Memory != m.Limits.Memory || l.Time != time.Duration(m.Limits.Deadline)*time.Millisecond || l.Source != m.Limits.Source ||
		l.Output != m.Limits.Output || l.Callbacks != m.Limits.Calls || l.Depth != m.Limits.Depth {
		t.Errorf("the default limits %+v are not the manifest's %+v", l, m.Limits)
	}
	for _, p := range m.Programs {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			if p.Name == "parse_source_too_big" { // too big to be kept
				p.text = "local t = {\n" + strings.Repeat(strings.Repeat("1,", 150)+"\n", 2000) + "}\nreturn #t\n"
			} else {
				text, err := os.ReadFile(filepath.Join("testdata", "programs", p.File))
				if err != nil {
					t.Fatal(err)
				}
				p.text = string(text)
			}
			p.check(t, m.Limits.Deadline, m.Limits.Memory)
		})
	}
}
