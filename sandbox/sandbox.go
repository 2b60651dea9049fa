// Package sandbox runs a Lua 5.4 program with limits.
//
// It is a mechanism: it knows Go functions and values and nothing of what they observe. Every run has a fresh global state;
// nothing of one run is seen by the next. The only way out of a program is the functions it is given.
//
//	r, err := sandbox.Run(ctx, `return beam_top(3)`, map[string]sandbox.Function{"beam_top": top}, sandbox.Limits{})
//
// # Limits
//
// Every instruction and every byte is counted, also in the middle of a library call. What takes time is charged before it is done,
// what takes memory before it is made. A run that hits a limit ends there: pcall, error handlers, variables to be closed, and coroutines
// do not see it. Cancelling the context ends a run within 50 ms, unless one of its functions does not return. Run starts no goroutine,
// and nothing is left when it returns.
//
// Memory is what the program can still reach, not what it has made in all: garbage is not counted. The process may hold about twice
// the limit for a while, until Go's collector has freed it.
//
// # Values
//
// A [Function] gets and gives nil, bool, int64, float64, string, []any and map[string]any, and so does a result. Integers stay
// integers, strings may be any bytes. A table with keys 1 to n is a list, a table with string keys a map, and any other an error.
// An empty table is a list, unless it came as a map. A function's result is copied: a program cannot change what is the host's.
//
// # What a program sees
//
// The language is that of the Lua 5.4 manual, with the libraries string, table, math, utf8 and coroutine, and clock, date, difftime
// and time of os. It differs where a program could tell one machine or run from another: pairs gives the keys in the order in which
// they were set, math.random begins with the same seed, times are UTC, and tostring numbers tables and functions instead of showing
// addresses. table.sort is stable. Finalizers (__gc) and weak tables (__mode) do nothing.
//
// # Errors
//
// Every failure of a program is an [*Error] with a kind, a line, the text of that line and a message from which the mend is
// plain. It is the same for the same program, except where time decides.
package sandbox

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Function is a Go function that a program may call. An error is raised in the program, a panic is an error of that call.
type Function func(ctx context.Context, args []any) (any, error)

// Limits of a run. Zero means the default.
type Limits struct {
	Time         time.Duration // wall time without callbacks; default 1 s
	CallbackTime time.Duration // wall time of all callbacks; default 5 s
	CallTime     time.Duration // wall time of one callback; default CallbackTime
	Instructions int64         // instructions, and what library calls do in the time of one; default 1,000,000,000
	Memory       int64         // bytes that the program holds; default 64 MiB
	Source       int           // bytes of the program; default 64 KiB
	Output       int           // bytes of the result, of the arguments of a callback and of what is printed, each; default 256 KiB
	Callbacks    int           // calls of functions; default 1,000
	Depth        int           // nesting of the result, and of values of callbacks; default 64
	Calls        int           // call depth; default 200
}

func (l Limits) withDefaults() Limits {
	def(&l.Time, time.Second)
	def(&l.CallbackTime, 5*time.Second)
	def(&l.CallTime, l.CallbackTime)
	def(&l.Instructions, 1_000_000_000)
	def(&l.Memory, 64<<20)
	def(&l.Source, 64<<10)
	def(&l.Output, 256<<10)
	def(&l.Callbacks, 1000)
	def(&l.Depth, 64)
	def(&l.Calls, 200)
	return l
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
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
	Kind   Kind
	Line   int    // 0 if unknown
	Column int    // in bytes from 1; 0 if unknown
	Text   string // the text of the line
	Msg    string
	Hint   string // what exists instead, what to try
}

// Error is the message for whoever wrote the program, at most 4096 bytes: the line and what is wrong, the line's text with a mark
// under the place, and the hint.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	b.WriteString(shorten(e.Msg, 2200))
	if text, mark := e.marked(); text != "" {
		b.WriteString("\n  | " + text)
		if mark >= 0 {
			b.WriteString("\n  | " + strings.Repeat(" ", mark) + "^")
		}
	}
	if e.Hint != "" {
		b.WriteString("\n" + shorten(e.Hint, 1500))
	}
	return shorten(b.String(), 4096)
}

// marked gives the part of the line to show, and where in it the mark is, or -1.
func (e *Error) marked() (string, int) {
	const width = 110
	text := strings.ReplaceAll(e.Text, "\t", " ")
	begin := len(text) - len(strings.TrimLeft(text, " "))
	text = strings.TrimRight(text[begin:], " \r")
	mark := e.Column - 1 - begin
	if e.Column == 0 || mark < 0 || mark > len(text) {
		mark = -1
	}
	if len(text) <= width {
		return text, mark
	}
	if from := mark - width/2; from > 0 {
		for from < len(text) && text[from]&0xc0 == 0x80 {
			from++
		}
		return "..." + shorten(text[from:], width), mark - from + 3
	}
	return shorten(text, width), mark
}
