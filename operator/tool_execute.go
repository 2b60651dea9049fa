package operator

import (
	"context"
	"regexp"
	"strings"

	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/sandbox"
	"github.com/beamlens/beamlens-go/skill"
)

type executeInput struct {
	Code string `json:"code" doc:"a Lua program that returns what you want to see"`
}

type executed struct {
	Result  any    `json:"result"`
	Printed string `json:"printed,omitempty"`
	Note    string `json:"note,omitempty"`
}

func (r *run) execute() agent.Tool {
	t := agent.NewTool("execute", "Run Lua", "Runs a Lua program. It can call the callbacks of your skill and nothing else.",
		func(ctx context.Context, in executeInput) (agent.Result, error) {
			functions := map[string]sandbox.Function{}
			for name, fn := range r.functions() {
				functions[name] = fn
			}
			r.event("operator.execute_start", r.trace, map[string]any{"code": in.Code})
			res, err := sandbox.Run(ctx, in.Code, functions, sandbox.Limits{})
			if err != nil {
				r.event("operator.execute_error", r.trace, map[string]any{"reason": err.Error()})
				if p := r.ours(in.Code); p != nil {
					r.record.Saw(err.Error())
					r.verdicts[p.ID] = nil
				}
				return agent.Result{}, err
			}
			out := executed{Result: res.Value, Printed: res.Printed}
			if !res.Returned {
				out.Note = "the program returned nothing; end it with return and what you want to see"
			}
			r.learn(in.Code, out)
			if p := r.ours(in.Code); p != nil {
				r.verdicts[p.ID] = verdictOf(res.Value)
			}
			r.event("operator.execute_complete", r.trace, map[string]any{"result": res.Value, "callbacks": res.Callbacks, "duration": res.Took})
			return agent.Result{Content: out}, nil
		})
	t.Echo = true // what it gives is part program: see learn
	return t
}

// preamble is what may stand before a playbook's program: comments, and its finding, as plain values. Anything else could change what the
// program says.
var preamble = regexp.MustCompile(`^(?:[ \t]*(?:--[^\[\n][^\n]*|--)?\n)*(?:local finding = \{[^{}()\[\]\n]*\}[ \t]*\n)?$`)

// ours gives the playbook that a program is, nil if it is somebody else's.
func (r *run) ours(code string) *skill.Playbook {
	for i, p := range r.Skill.Playbooks {
		if before, ok := strings.CutSuffix(strings.TrimSpace(code), strings.TrimSpace(p.Lua)); ok && preamble.MatchString(before) {
			return &r.Skill.Playbooks[i]
		}
	}
	return nil
}

// learn takes what a program gave as read. The numbers that a model has written into its program are not; what it computes is.
func (r *run) learn(code string, out executed) {
	raw, err := agent.Encode(out)
	if err != nil {
		return
	}
	if r.ours(code) != nil {
		r.record.Saw(string(raw))
		return
	}
	r.record.SawBut(string(raw), code)
}
