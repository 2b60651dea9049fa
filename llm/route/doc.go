// Package route has Models that wrap Models: each takes one and is one, and does one thing.
//
//   - [Retry] tries again what may pass.
//   - [Fallback] and [RoundRobin] have several models to ask.
//   - [Breaker] leaves a provider alone that keeps failing.
//   - [Limit] bounds how many turns are on at once.
//   - [Budget] bounds calls, tokens and money, over restarts.
//   - [OneTool] makes sure that an answer is a call of a tool.
//
// # Order
//
// [Client] puts them around the wire of one model in the order that works, from the outside in: OneTool, Limit, Breaker, Retry, Budget.
// The budget is innermost, because each attempt may be billed; waiting for a place is no failure of the model; OneTool is within Fallback,
// because models differ in what they can be forced to.
//
// # Time
//
// Nobody here starts a goroutine. Waits end with the caller's context, and a wait that would outlast it is not begun: the provider's own
// error is returned at once, so that whoever asked has time left for something else.
package route
