// Package shop is a small Elixir application with faults that can be switched on: the subject of the demo, of the scenarios and of tests.
// This package carries its source, so that the demo works wherever the program was installed, and starts it as a node of its own.
package shop

import "embed"

// Files is the Mix project.
//
//go:embed mix.exs lib
var Files embed.FS

// Faults are what Shop.Faults knows.
var Faults = []string{"mailbox", "table", "processes", "atoms", "binaries", "ports", "sockets", "restarts", "supervisor", "logs", "exceptions",
	"hot", "native", "distribution", "heap", "loyalty"}
