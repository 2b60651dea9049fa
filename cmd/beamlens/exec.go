package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/beamlens/beamlens-go/erlang/probe"
	"github.com/beamlens/beamlens-go/sandbox"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/spf13/cobra"
)

func execCommand() *cobra.Command {
	var l link
	cmd := &cobra.Command{
		Use:   "exec NODE PROGRAM",
		Short: "Run a Lua program that reads a node, and print what it returns as JSON",
		Long: `Runs a Lua program with the callbacks of all skills, as an operator does, and prints its result as JSON. What it prints goes to
standard error. PROGRAM may be - for standard input.`,
		Example: "  beamlens exec shop@myhost 'return beam_top_processes(5, \"memory\")'",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := l.to(args[0]); err != nil {
				return err
			}
			program := args[1]
			if program == "-" {
				raw, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 1<<20))
				if err != nil {
					return &exit{exitUnable, err}
				}
				program = string(raw)
			}
			return l.once(cmd.Context(), func(ctx context.Context, p *probe.Probe) error {
				skills, err := l.skills(p, nil)
				if err != nil {
					return err
				}
				if !l.plain {
					skills = append(skills, beam.Optional(p)...)
				}
				return execute(ctx, cmd, program, skills)
			})
		},
	}
	l.flags(cmd)
	return cmd
}

func execute(ctx context.Context, cmd *cobra.Command, program string, skills []*skill.Skill) error {
	functions := map[string]sandbox.Function{}
	for _, s := range skills {
		for _, c := range s.Callbacks {
			functions[c.Name] = c.Run
		}
	}
	result, err := sandbox.Run(ctx, program, functions, sandbox.Limits{})
	if result.Printed != "" {
		fmt.Fprint(cmd.ErrOrStderr(), result.Printed)
	}
	if err != nil {
		return &exit{exitProblem, err}
	}
	if !result.Returned {
		return &exit{exitProblem, errors.New("the program returned nothing; end it with: return …")}
	}
	return printJSON(cmd.OutOrStdout(), result.Value)
}

// printJSON is indented for people, and one line when a program reads it.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if isTerminal(w) {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

func snapshotCommand() *cobra.Command {
	var l link
	var only []string
	cmd := &cobra.Command{
		Use:     "snapshot NODE",
		Short:   "Print one snapshot of every skill as JSON",
		Example: "  beamlens snapshot shop@myhost\n  beamlens snapshot shop@myhost --skills beam,ets",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := l.to(args[0]); err != nil {
				return err
			}
			return l.once(cmd.Context(), func(ctx context.Context, p *probe.Probe) error {
				skills, err := l.skills(p, only)
				if err != nil {
					return err
				}
				out, failed := map[string]any{}, false
				for _, s := range skills {
					data, err := s.Snapshot(ctx)
					if err != nil {
						failed = true
						fmt.Fprintf(cmd.ErrOrStderr(), "beamlens: snapshot of %s: %v\n", s.ID, err)
						continue
					}
					out[s.ID] = data
				}
				if err := printJSON(cmd.OutOrStdout(), out); err != nil {
					return err
				}
				if failed {
					return &exit{exitProblem, nil}
				}
				return nil
			})
		},
	}
	l.flags(cmd)
	cmd.Flags().StringSliceVar(&only, "skills", nil, "only these skills, by id")
	return cmd
}
