// Package coordinator correlates alerts into insights: temporal, causal, symptomatic.
//
// A [Coordinator] reads the alerts of the store after a cursor that the store keeps, so a restart loses none and repeats none.
// It runs the agent loop over them with the tools of tool_*.go. It sees values of the root package only; when it wants more
// it asks operators through a function that the engine gives it.
package coordinator
