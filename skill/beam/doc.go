// Package beam has the skills for BEAM nodes, one file each.
//
// They read through a [Caller], one function of the probe at a time, and do not know whether the answer comes over distribution, over a
// port, or from plain calls.
package beam

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang/etf"
	"github.com/beamlens/beamlens-go/skill"
)

// Caller calls a function of a part of the probe in the node.
type Caller interface {
	Call(ctx context.Context, part, function etf.Atom, args ...etf.Term) (etf.Term, error)
}

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

// ask calls a function of the probe and decodes its answer. An answer that holds an error instead is that error.
func ask[Out any](ctx context.Context, c Caller, part, function string, args ...etf.Term) (out Out, err error) {
	t, err := c.Call(ctx, etf.A(part), etf.A(function), args...)
	if err != nil {
		return out, err
	}
	if m, ok := t.(etf.Map); ok {
		if e, ok := m.Get(etf.A("error")); ok {
			return out, fmt.Errorf("%v", etf.Plain(e))
		}
	}
	raw, err := json.Marshal(etf.Plain(t))
	if err != nil {
		return out, fmt.Errorf("%s %s: encode answer: %w", part, function, err)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return out, fmt.Errorf("%s %s: the answer has another shape: %w", part, function, err)
	}
	return out, nil
}
