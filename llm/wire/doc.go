// Package wire has what the wires of all providers share: one attempt over HTTP, what its failure means, JSON that keeps its bytes, and
// turns that are replayed.
//
// # One attempt
//
// [HTTP.Post] sends once and retries nothing; that is done by package route, which knows the budget and the caller's time. An attempt ends
// with its own time, with the caller's, or with [HTTP.MaxBody] bytes. It follows no redirect, because a key must not travel to where a
// server points.
//
// # Errors
//
// Every failure is an [llm.Error] that says what happened, where, and what to try. It holds no header, no key and no part of a request: a
// provider that quotes them is not quoted. See [Classify].
//
// # Environment
//
// Nothing here reads it. The default client uses no proxy; give one that does, such as a client with http.ProxyFromEnvironment.
package wire
