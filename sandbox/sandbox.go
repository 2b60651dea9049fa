// Package sandbox runs a Lua program with limits.
//
// It is a mechanism: it knows Go functions and values and nothing of what they observe. Every run has a fresh global state;
// nothing of one run is seen by the next. The only way out of a program is the functions it is given.
//
//	r, err := sandbox.Run(ctx, `return beam_top(3)`, map[string]sandbox.Function{"beam_top": top}, sandbox.Limits{})
//
// # Values
//
// A [Function] gets and gives nil, bool, int64, float64, string, []any and map[string]any, and so does a result. A table
// with keys 1 to n is a list, an empty table is a list, any other table with string keys a map. Whole numbers are int64.
//
// # Errors
//
// Every failure of a program is an [*Error] with a kind, a line, the text of that line and a message from which the mend is
// plain. Limits cannot be caught by the program.
package sandbox

import (
	"context"
	"fmt"
	"time"
)

// Function is a Go function that a program may call. An error is raised in the program, a panic is an error of that call.
type Function func(ctx context.Context, args []any) (any, error)

// Limits of a run. Zero means the default.
type Limits struct {
	Time         time.Duration // wall time without callbacks; default 1 s
	CallbackTime time.Duration // wall time of all callbacks; default 5 s
	Source       int           // bytes of the program; default 64 KiB
	Output       int           // bytes of the result and of what is printed, each; default 256 KiB
	Callbacks    int           // calls of functions; default 1,000
	Depth        int           // nesting of the result; default 64
	Calls        int           // call depth; default 200
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	if l.Time <= 0 {
		l.Time = time.Second
	}
	if l.CallbackTime <= 0 {
		l.CallbackTime = 5 * time.Second
	}
	def(&l.Source, 64<<10)
	def(&l.Output, 256<<10)
	def(&l.Callbacks, 1000)
	def(&l.Depth, 64)
	def(&l.Calls, 200)
	return l
}

// Result is what a program gave.
type Result struct {
	Value     any    // its return value; several are a list
	Returned  bool   // false: it had no return
	Printed   string // what it printed
	Callbacks int
	Took      time.Duration
}

// Kind is what kind of failure ended a program.
type Kind string

// The kinds.
const (
	Syntax        Kind = "syntax"         // did not compile
	SourceLimit   Kind = "source_limit"   // the program is too long
	Runtime       Kind = "runtime"        // an error in the program, or one that a callback gave
	Stack         Kind = "stack"          // call depth
	Timeout       Kind = "timeout"        // time
	Memory        Kind = "memory"         // memory
	OutputLimit   Kind = "output_limit"   // result or print output too large
	CallbackLimit Kind = "callback_limit" // too many calls of functions
	BadResult     Kind = "result"         // the value has no JSON form
)

// Error says why a program failed.
type Error struct {
	Kind Kind
	Line int    // 0 if unknown
	Text string // the text of the line
	Msg  string
	Hint string // what exists instead, what to try
}

func (e *Error) Error() string {
	s := e.Msg
	if e.Line > 0 {
		s = fmt.Sprintf("line %d: %s", e.Line, s)
	}
	if e.Text != "" {
		s += "\n  > " + e.Text
	}
	if e.Hint != "" {
		s += "\n" + e.Hint
	}
	return cut(s, 4096)
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n-3] + "..."
}
