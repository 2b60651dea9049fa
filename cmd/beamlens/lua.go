package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/beamlens/beamlens-go/sandbox"
	"github.com/spf13/cobra"
)

// luaCommand runs a program as an operator's model would, without a target: there are no callbacks.
func luaCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "lua FILE",
		Short: "Run a Lua program in the sandbox, with its limits and without a target",
		Long: `Runs a Lua program in the sandbox, with its limits and without a target, and shows what it returned. FILE may be - for the standard
input. The exit code is 1 if the program failed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			program, err := readProgram(args[0], cmd.InOrStdin())
			if err != nil {
				return &exit{exitUsage, err}
			}
			res, err := sandbox.Run(cmd.Context(), program, nil, sandbox.Limits{})
			if asJSON {
				return luaJSON(cmd.OutOrStdout(), res, err)
			}
			return luaText(cmd.OutOrStdout(), res, err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object: kind, result, error, line, printed")
	return cmd
}

func readProgram(name string, in io.Reader) (string, error) {
	if name == "-" {
		// A byte more than the sandbox takes is enough for it to say so.
		text, err := io.ReadAll(io.LimitReader(in, 1<<20))
		return string(text), err
	}
	text, err := os.ReadFile(name)
	return string(text), err
}

// outcome is the JSON form of a run.
type outcome struct {
	Kind    sandbox.Kind `json:"kind"` // "ok", or why it failed
	Result  any          `json:"result"`
	Error   string       `json:"error,omitempty"`
	Line    int          `json:"line,omitempty"`
	Printed string       `json:"printed,omitempty"`
}

func luaJSON(w io.Writer, res sandbox.Result, err error) error {
	out := outcome{Kind: "ok", Result: res.Value, Printed: res.Printed}
	if err != nil {
		out.Kind, out.Error = sandbox.Timeout, err.Error() // cancelled, if it is no error of the program
		var e *sandbox.Error
		if errors.As(err, &e) {
			out.Kind, out.Line = e.Kind, e.Line
		}
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		return err
	}
	if out.Kind != "ok" {
		return &exit{code: exitProblem}
	}
	return nil
}

func luaText(w io.Writer, res sandbox.Result, err error) error {
	fmt.Fprint(w, res.Printed)
	if err != nil {
		return &exit{exitProblem, err}
	}
	if !res.Returned {
		return nil
	}
	text, err := json.MarshalIndent(res.Value, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(text))
	return err
}
