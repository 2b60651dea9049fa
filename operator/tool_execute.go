package operator

import (
	"context"
	"slices"
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
				if r.ours(in.Code) {
					r.record.Saw(err.Error())
				}
				return agent.Result{}, err
			}
			out := executed{Result: res.Value, Printed: res.Printed}
			if !res.Returned {
				out.Note = "the program returned nothing; end it with return and what you want to see"
			}
			r.learn(in.Code, out)
			r.event("operator.execute_complete", r.trace, map[string]any{"result": res.Value, "callbacks": res.Callbacks, "duration": res.Took})
			return agent.Result{Content: out}, nil
		})
	t.Echo = true // what it gives is part program: see learn
	return t
}

// ours says whether a program is a playbook's.
func (r *run) ours(code string) bool {
	return slices.ContainsFunc(r.Skill.Playbooks, func(p skill.Playbook) bool { return strings.Contains(code, p.Lua) })
}

// learn takes what a program gave as read. The numbers that a model has written into its program are not; what it computes is.
func (r *run) learn(code string, out executed) {
	raw, err := agent.Encode(out)
	if err != nil {
		return
	}
	if r.ours(code) {
		r.record.Saw(string(raw))
		return
	}
	r.record.SawBut(string(raw), code)
}
