// Package provider makes models from what a user writes: an id of a provider and its options, as the original names them, in a
// client_registry of Elixir, in a file, in Go, or as provider/model on a command line.
//
//	registry, err := provider.Decode(map[string]any{"primary": "Claude", "clients": []any{
//		map[string]any{"name": "Claude", "provider": "anthropic", "options": map[string]any{"model": "claude-haiku-5-5"}},
//	}})
//	model, err := registry.Model(provider.Options{Env: os.Getenv})
//
// # What is sent, and to whom
//
// Nothing, until a model is asked, and then only to providers that are named: a key in the environment chooses none. The environment is read
// through [Options.Env] alone, for the variables that [Providers] lists.
//
// # What goes around a model
//
// [Registry.Model] puts what package route has around each wire, and composes fallback and round-robin of them. [New] gives the wire alone.
package provider
