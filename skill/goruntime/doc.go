// Package goruntime has the skills for a Go program that looks at itself, one file each.
//
// A [Probe] is what the program shares with its skills: the handler of its log, its middleware, the hook of its supervisors. Nothing of it has to be
// used: goroutines, heap, collector, locks, leaks and descriptors are seen without any.
//
//	p := goruntime.New(nil)
//	slog.SetDefault(slog.New(p.Log(slog.NewJSONHandler(os.Stderr, nil))))
//	e, err := engine.New(engine.Options{Target: p.Target("shop"), Skills: p.Skills()})
//	go e.Serve(ctx)
//	http.ListenAndServe(":8080", p.HTTP(mux))
//
// # What it costs
//
// A snapshot of all skills takes some hundred microseconds and stops nobody. Goroutines are grouped each ten seconds, and less often where there
// are many: it takes a microsecond for each, and stops the world for less than a hundred. What is dear (a dump of all goroutines, a profile of blocked
// time, runtime.ReadMemStats) is never used. Windows of a CPU profile or of an execution trace are taken only in an investigation, or in the
// moment of a finding, within a budget.
//
// # What it changes
//
// While the skill locks is served the runtime samples one in ten contentions of mutexes, unless the program has set a rate of its own. Afterwards the rate is
// what it was. A profile of the CPU and an execution trace can run once in a process: the program's own win.
//
// # What is Linux's only
//
// What descriptors are, sockets by state, and the memory and threads that the kernel counts are read from /proc; on other systems the fields are null, and
// callbacks say so.
package goruntime

import (
	"embed"

	"github.com/beamlens/beamlens-go/skill"
)

//go:embed prompt/*.md playbook/*.lua
var files embed.FS

func text(name string) string {
	raw, err := files.ReadFile(name)
	if err != nil {
		panic(err) // unreachable: the file is embedded
	}
	return string(raw)
}

func playbook(id, doc string, metrics ...string) skill.Playbook {
	return skill.Playbook{ID: id, Metrics: metrics, Doc: doc, Lua: text("playbook/" + id + ".lua")}
}

type none struct{}

type limitIn struct {
	Limit int `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}
