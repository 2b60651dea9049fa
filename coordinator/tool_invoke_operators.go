package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/beamlens/beamlens-go/agent"
)

type invokeOperatorsInput struct {
	Skills  []string `json:"skills" doc:"ids of skills"`
	Context string   `json:"context" doc:"what to look for"`
}

func (r *run) invokeOperators() agent.Tool {
	return agent.NewTool("invoke_operators", "Invoke operators", "Runs operators on demand, in parallel, and gives what they report.",
		func(ctx context.Context, in invokeOperatorsInput) (agent.Result, error) {
			if r.Invoke == nil {
				return agent.Result{}, errors.New("no operators can be invoked here")
			}
			for _, s := range in.Skills {
				if !slices.ContainsFunc(r.known.skills, func(k SkillLine) bool { return k.ID == s }) {
					return agent.Result{}, fmt.Errorf("there is no skill %.40q; the skills are %v", s, r.known.skills)
				}
			}
			r.event("coordinator.invoke_operators", r.trace, map[string]any{"skills": in.Skills})
			reports, err := r.Invoke(ctx, in.Skills, in.Context)
			return agent.Result{Content: reports}, err
		})
}
