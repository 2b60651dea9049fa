package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// run is one program on its way.
type run struct {
	meter
	limits    Limits
	maxCalls  int
	source    string
	functions map[string]Function
	names     []string // of the functions, sorted
	globals   *table
	strings   *table // the metatable of strings
	main      *thread
	current   *thread
	nested    int // Go calls of Lua calls of Go calls
	epoch     uint32
	ids       uint32
	interned  map[string]*str
	printed   strings.Builder
	callbacks int
	rows      rowKeys
	random    random
	last      *failure // the one that reached the main program
}

// Run runs a program and returns its value. The error is an [*Error] unless ctx ended, then it wraps ctx's.
func Run(ctx context.Context, program string, functions map[string]Function, limits Limits) (Result, error) {
	limits = limits.withDefaults()
	r := &run{limits: limits, source: program, functions: functions, maxCalls: limits.Calls, ids: 0x400}
	r.meter = meter{ctx: ctx, began: time.Now(), left: pollSteps, slice: pollSteps, maxSteps: limits.Instructions, maxTime: limits.Time, maxUsed: limits.Memory}
	value, returned, err := r.do(program)
	result := Result{Value: value, Returned: returned, Printed: r.printed.String(), Callbacks: r.callbacks, Took: time.Since(r.began)}
	if err != nil {
		if ctx.Err() != nil {
			return result, fmt.Errorf("run lua: %w", context.Cause(ctx))
		}
		return result, err
	}
	return result, nil
}

// do is Run without the measuring. The error is an *Error.
func (r *run) do(program string) (v any, returned bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, returned, err = nil, false, broken(p)
		}
	}()
	if len(program) > r.limits.Source {
		return nil, false, &Error{Kind: SourceLimit, Msg: fmt.Sprintf("the program has %d bytes; at most %d are allowed", len(program), r.limits.Source)}
	}
	if err := r.ctx.Err(); err != nil {
		return nil, false, err
	}
	main, e, f := r.compile(program)
	if e != nil {
		return nil, false, e
	}
	if f == nil {
		f = r.open()
	}
	if f != nil {
		return nil, false, r.explain(f)
	}
	// The program is called as pcall calls it, so that what is to be closed is closed when it fails.
	th := r.main
	th.state, r.current = running, th
	th.stack[1] = vClosure(&closure{header: header{kind: kindClosure}, proto: main})
	th.frames = append(th.frames, frame{fn: 0, want: -1, after: afterGo})
	if f := th.execute(0, th.precall(1, 0, -1, afterGuard)); f != nil {
		return nil, false, r.explain(f)
	}
	if !th.stack[0].truth() {
		f := r.last
		if f == nil || f.v != th.stack[1] {
			f = &failure{v: th.stack[1]}
		}
		return nil, false, r.explain(f)
	}
	return r.result(th.stack[1:th.top])
}

// errBroken marks an error of the interpreter itself; tests look for it.
var errBroken = errors.New("the program broke the interpreter")

// broken turns a panic of the interpreter into an error of the run.
func broken(p any) *Error {
	return &Error{Kind: Runtime, Msg: fmt.Sprintf("%v: %s", errBroken, shorten(fmt.Sprint(p), 500)), Hint: "This is a fault of the sandbox, not of the program. Write it in another way."}
}

// open gives the program its world: the libraries, fresh, and the functions.
func (r *run) open() *failure {
	if f := r.allocFixed(int64(sizeTable*12) + int64(library.size)); f != nil {
		return f
	}
	r.globals = library.globals.copy(len(r.functions) + 4)
	own := make([]table, len(library.tables))
	for i, l := range library.tables {
		t := &own[i]
		l.table.share(t)
		r.globals.entries[l.at].val = vTable(t)
		if l.name == "string" {
			r.strings = &table{header: header{kind: kindTable}}
			r.strings.entries = []entry{{vStr(eventNames[evIndex]), vTable(t)}}
		}
	}
	r.globals.entries[library.self].val = vTable(r.globals)
	var f *failure
	if r.main, f = r.newThread(); f != nil {
		return f
	}
	if len(r.functions) == 0 {
		return nil
	}
	r.names = slices.Sorted(maps.Keys(r.functions))
	if f := r.allocFixed(int64(len(r.names)) * (sizeBuiltin + 64)); f != nil {
		return f
	}
	bs := make([]builtin, len(r.names))
	for i, name := range r.names {
		s := r.intern(name)
		r.ids++
		// Static, since they live as long as the run.
		bs[i] = builtin{header: header{kind: kindBuiltin, flags: flagStatic}, id: r.ids, name: name, full: name, fn: callback, call: r.functions[name]}
		if f := r.setStr(r.globals, s, vBuiltin(&bs[i])); f != nil {
			return f
		}
	}
	return nil
}

// intern gives the one string object of this run for a name or constant.
func (r *run) intern(s string) *str {
	if o := library.strings[s]; o != nil {
		return o
	}
	if len(s) <= 1 {
		if s == "" {
			return empty
		}
		return letters[s[0]]
	}
	if o := r.interned[s]; o != nil {
		return o
	}
	if f := r.allocFixed(sizeStr + int64(len(s)) + 64); f != nil {
		panic(f)
	}
	if r.interned == nil {
		r.interned = map[string]*str{}
	}
	o := &str{header: header{kind: kindString, flags: flagStatic}, s: s}
	o.hashed()
	r.interned[s] = o
	return o
}

// allocFixed takes memory that lives as long as the run.
func (r *run) allocFixed(n int64) *failure {
	r.fixed += n
	if r.used += n; r.used > r.maxUsed {
		if r.globals == nil { // nothing runs yet
			return r.memory()
		}
		return r.collect(0)
	}
	return nil
}

func (r *run) newBuiltin(name string, fn func(args) (int, *failure), held []value, state any) (*builtin, *failure) {
	if f := r.alloc(sizeBuiltin + int64(len(held))*sizeValue + 64); f != nil {
		return nil, f
	}
	return &builtin{header: header{kind: kindBuiltin}, name: name, full: name, fn: fn, held: held, state: state}, nil
}

// identify gives an object its number, by which tostring names it and tables hash it. They are counted, so that the same
// program sees the same numbers, and no address of ours.
func (r *run) identify(v value) uint32 {
	var id *uint32
	switch v.kind() {
	case kindTable:
		id = &v.table().id
	case kindClosure:
		id = &v.closure().id
	case kindBuiltin:
		id = &v.builtin().id
	case kindThread:
		id = &v.thread().id
	default:
		return 0
	}
	if *id == 0 {
		r.ids++
		*id = r.ids
	}
	return *id
}

// lineAt gives the text of the line of a place, and the column in it.
func (r *run) lineAt(pos, line int) (string, int) {
	pos = min(max(pos, 0), len(r.source))
	start := strings.LastIndexAny(r.source[:pos], "\r\n") + 1
	if strings.Count(r.source[:pos], "\n")+1 != line && line > 0 { // the place is on another line than the error
		return r.textOf(line), 0
	}
	end := strings.IndexAny(r.source[pos:], "\r\n")
	if end < 0 {
		end = len(r.source)
	} else {
		end += pos
	}
	return r.source[start:end], pos - start + 1
}

// textOf is the text of a line.
func (r *run) textOf(line int) string {
	rest := r.source
	for i := 1; ; i++ {
		text, after, more := strings.Cut(rest, "\n")
		if i == line {
			return strings.TrimSuffix(text, "\r")
		}
		if !more {
			return ""
		}
		rest = after
	}
}
