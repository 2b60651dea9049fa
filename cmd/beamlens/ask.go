package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func askCommand() *cobra.Command {
	var a attachment
	var look time.Duration
	cmd := &cobra.Command{
		Use:   "ask NODE QUESTION",
		Short: "Look at a node for some seconds, and answer a question about it",
		Long: `Joins the node, looks at it for some seconds with all skills, investigates what departs from normal, and answers. The exit code is 0
when nothing is wrong, and 1 when something is.`,
		Example: "  beamlens ask shop@myhost 'why is memory high?'",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.to(args[0]); err != nil {
				return err
			}
			answer, wrong, err := a.ask(cmd.Context(), args[1], look)
			if err != nil {
				return err
			}
			for line := range strings.Lines(answer) {
				fmt.Fprintln(cmd.OutOrStdout(), clean(strings.TrimRight(line, "\n"), 2000))
			}
			if wrong {
				return &exit{exitProblem, nil}
			}
			return nil
		},
	}
	a.flags(cmd)
	a.model.flags(cmd)
	cmd.Flags().StringSliceVar(&a.only, "skills", nil, "only these skills, by id")
	cmd.Flags().DurationVar(&look, "look", 8*time.Second, "how long to look before answering")
	return cmd
}

// ask watches the node for a while and puts the question.
func (a attachment) ask(ctx context.Context, question string, look time.Duration) (answer string, wrong bool, err error) {
	e, leave, err := a.look(ctx, look)
	if err != nil {
		return "", false, err
	}
	defer leave()
	answer, err = e.Ask(ctx, question)
	if ctx.Err() != nil {
		return "", false, nil
	}
	if err != nil {
		return "", false, &exit{exitProblem, err}
	}
	for _, o := range e.Operators() {
		wrong = wrong || o.Open > 0
	}
	return answer, wrong, nil
}
