// Package agent is the loop that operators and the coordinator run: a model is asked, it picks one tool, the tool runs, repeat.
//
// [Run] is one run of it, from an input to the tool that ends it. It cannot be stopped by a model: a turn that fails, an answer
// that is no call, malformed arguments, a tool that does not exist or panics, equal calls without end and an answer that
// never comes are each answered, counted and bounded; when the bound is reached the Fallback takes the turns that are left,
// with the same messages.
//
// Every input, answer and tool result is appended to the [Journal] before it is acted on. The journal is the transcript and the
// audit log; an append that finds its place taken means that somebody else runs this run, and ends it.
package agent
