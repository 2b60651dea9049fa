package sandbox

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// run is one program on its way.
type run struct {
	ctx       context.Context
	cancel    context.CancelCauseFunc
	limits    Limits
	source    []string
	functions map[string]Function
	state     *lua.LState
	printed   strings.Builder
	callbacks int
	inside    time.Duration // spent in callbacks
}

// Run runs a program and returns its value. The error is an [*Error] unless ctx ended, then it wraps ctx's.
func Run(ctx context.Context, program string, functions map[string]Function, limits Limits) (Result, error) {
	limits = limits.withDefaults()
	if len(program) > limits.Source {
		return Result{}, &Error{Kind: SourceLimit, Msg: fmt.Sprintf("the program has %d bytes; at most %d are allowed", len(program), limits.Source)}
	}
	began := time.Now()
	rctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{ctx: rctx, cancel: cancel, limits: limits, source: strings.Split(program, "\n"), functions: functions}
	timer := time.AfterFunc(limits.Time+limits.CallbackTime, func() { cancel(errTime) })
	defer timer.Stop()

	value, returned, err := r.do(program)
	result := Result{Value: value, Returned: returned, Printed: r.printed.String(), Callbacks: r.callbacks, Took: time.Since(began)}
	if err != nil {
		if ctx.Err() != nil {
			return result, fmt.Errorf("run lua: %w", context.Cause(ctx))
		}
		return result, err
	}
	return result, nil
}

var (
	errTime      = errors.New("time")
	errCallbacks = errors.New("callbacks")
	errOutput    = errors.New("output")
)

func (r *run) do(program string) (value any, returned bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Error{Kind: Runtime, Msg: fmt.Sprintf("the program broke the interpreter: %v", p)}
		}
	}()
	chunk, err := parse.Parse(strings.NewReader(program), "program")
	if err != nil {
		return nil, false, r.syntax(err)
	}
	proto, err := lua.Compile(chunk, "program")
	if err != nil {
		return nil, false, r.syntax(err)
	}
	r.state = lua.NewState(lua.Options{SkipOpenLibs: true, CallStackSize: r.limits.Calls, RegistrySize: 1024, RegistryMaxSize: 1 << 20})
	defer r.state.Close()
	r.open()
	r.state.SetContext(r.ctx)

	r.state.Push(r.state.NewFunctionFromProto(proto))
	if err := r.state.PCall(0, lua.MultRet, nil); err != nil {
		return nil, false, r.failure(err)
	}
	if cause := context.Cause(r.ctx); cause != nil {
		return nil, false, r.limit(cause)
	}
	n := r.state.GetTop()
	values := make([]any, n)
	budget := r.limits.Output
	for i := range n {
		if values[i], err = toGo(r.state.Get(i+1), r.limits.Depth, &budget, nil); err != nil {
			return nil, false, err
		}
	}
	switch n {
	case 0:
		return nil, false, nil
	case 1:
		return values[0], true, nil
	}
	return values, true, nil
}

// open gives the program its libraries: what cannot reach outside, and print.
func (r *run) open() {
	for _, lib := range []struct {
		name string
		open lua.LGFunction
	}{{"", lua.OpenBase}, {lua.TabLibName, lua.OpenTable}, {lua.StringLibName, lua.OpenString}, {lua.MathLibName, lua.OpenMath}, {lua.CoroutineLibName, lua.OpenCoroutine}} {
		r.state.Push(r.state.NewFunction(lib.open))
		r.state.Push(lua.LString(lib.name))
		r.state.Call(1, 0)
	}
	for _, name := range []string{"load", "loadstring", "loadfile", "dofile", "require", "module", "collectgarbage", "newproxy", "getfenv", "setfenv", "_printregs"} {
		r.state.SetGlobal(name, lua.LNil)
	}
	if t, ok := r.state.GetGlobal("string").(*lua.LTable); ok {
		t.RawSetString("dump", lua.LNil)
		t.RawSetString("rep", r.state.NewFunction(r.rep))
	}
	clock := r.state.NewTable()
	clock.RawSetString("time", r.state.NewFunction(func(l *lua.LState) int { l.Push(lua.LNumber(time.Now().Unix())); return 1 }))
	clock.RawSetString("clock", r.state.NewFunction(func(l *lua.LState) int {
		l.Push(lua.LNumber(float64(time.Now().UnixNano()) / 1e9))
		return 1
	}))
	r.state.SetGlobal("os", clock)
	r.state.SetGlobal("print", r.state.NewFunction(r.print))
	for name, fn := range r.functions {
		r.state.SetGlobal(name, r.state.NewFunction(r.callback(name, fn)))
	}
}

func (r *run) rep(l *lua.LState) int {
	s, n := l.CheckString(1), l.CheckInt(2)
	if n > 0 && len(s) > r.limits.Output*16/n {
		l.RaiseError("string.rep would make %d times %d bytes, which is too much", n, len(s))
	}
	l.Push(lua.LString(strings.Repeat(s, max(n, 0))))
	return 1
}

func (r *run) print(l *lua.LState) int {
	for i := 1; i <= l.GetTop(); i++ {
		if i > 1 {
			r.printed.WriteByte('\t')
		}
		r.printed.WriteString(l.ToStringMeta(l.Get(i)).String())
		if r.printed.Len() > r.limits.Output {
			r.cancel(errOutput)
			l.RaiseError("printed too much")
		}
	}
	r.printed.WriteByte('\n')
	return 0
}

func (r *run) callback(name string, fn Function) lua.LGFunction {
	return func(l *lua.LState) int {
		if r.callbacks++; r.callbacks > r.limits.Callbacks {
			r.cancel(errCallbacks)
			l.RaiseError("too many calls")
		}
		args := make([]any, l.GetTop())
		budget := r.limits.Output
		for i := range args {
			v, err := toGo(l.Get(i+1), r.limits.Depth, &budget, nil)
			if err != nil {
				l.RaiseError("%s: argument %d: %s", name, i+1, err.Error())
			}
			args[i] = v
		}
		began := time.Now()
		out, err := r.call(name, fn, args)
		if r.inside += time.Since(began); r.inside > r.limits.CallbackTime {
			r.cancel(errTime)
		}
		if err != nil {
			l.RaiseError("%s", err.Error())
		}
		l.Push(toLua(l, out))
		return 1
	}
}

func (r *run) call(name string, fn Function, args []any) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: the function itself failed: %v", name, p)
		}
	}()
	return fn(r.ctx, args)
}

var at = regexp.MustCompile(`^(?:program|<string>):(\d+):\s*`)

func (r *run) failure(err error) error {
	if cause := context.Cause(r.ctx); cause != nil {
		return r.limit(cause)
	}
	msg := err.Error()
	var api *lua.ApiError
	if errors.As(err, &api) && api.Object != nil {
		msg = lua.LVAsString(api.Object)
		if msg == "" {
			msg = "the program raised an error that is no text"
		}
	}
	e := &Error{Kind: Runtime, Msg: strings.TrimSpace(msg)}
	if m := at.FindStringSubmatch(msg); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Msg = strings.TrimSpace(msg[len(m[0]):])
	}
	if strings.Contains(msg, "stack overflow") {
		e.Kind = Stack
	}
	e.Text = r.text(e.Line)
	e.Hint = r.hint(e)
	return e
}

func (r *run) limit(cause error) error {
	switch {
	case errors.Is(cause, errCallbacks):
		return &Error{Kind: CallbackLimit, Msg: fmt.Sprintf("the program made more than %d calls; ask for more rows in one call instead", r.limits.Callbacks)}
	case errors.Is(cause, errOutput):
		return &Error{Kind: OutputLimit, Msg: fmt.Sprintf("the program printed more than %d bytes", r.limits.Output)}
	}
	return &Error{Kind: Timeout, Msg: fmt.Sprintf("the program took longer than %s, or its calls longer than %s", r.limits.Time, r.limits.CallbackTime)}
}

func (r *run) text(line int) string {
	if line < 1 || line > len(r.source) {
		return ""
	}
	return cut(strings.TrimSpace(r.source[line-1]), 200)
}

var syntaxAt = regexp.MustCompile(`line:(\d+)\(column:(\d+)\) near '?(.*?)'?:\s*(.*)`)

func (r *run) syntax(err error) error {
	e := &Error{Kind: Syntax, Msg: strings.TrimSpace(err.Error())}
	if m := syntaxAt.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " ")); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Msg = fmt.Sprintf("syntax error near %q", strings.TrimSpace(m[3]))
	} else if strings.Contains(err.Error(), "EOF") {
		e.Line = len(r.source)
		e.Msg = "the program ends too early: an end, a closing bracket or a quote is missing"
	}
	e.Text = r.text(e.Line)
	return e
}

var unknown = regexp.MustCompile(`attempt to call a non-function object|attempt to (?:call|index) a nil value|attempt to index a non-table object`)
var calls = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_]*)\s*\(`)

// hint names what exists instead when a program calls something that does not.
func (r *run) hint(e *Error) string {
	if !unknown.MatchString(e.Msg) {
		return ""
	}
	names := make([]string, 0, len(r.functions))
	for name := range r.functions {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, m := range calls.FindAllStringSubmatch(e.Text, -1) {
		if _, ok := r.functions[m[1]]; !ok && r.state.GetGlobal(m[1]) == lua.LNil {
			return fmt.Sprintf("There is no function %s. Available: %s.", m[1], strings.Join(names, ", "))
		}
	}
	return ""
}
