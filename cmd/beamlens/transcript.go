package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/store"
	"github.com/spf13/cobra"
)

func transcriptCommand() *cobra.Command {
	var file string
	var asJSON, full bool
	cmd := &cobra.Command{
		Use:   "transcript [ID]",
		Short: "What was said and done in a run: of an alert, an insight, or a run itself",
		Long: `Prints the journal of a run from a store: what the model was told, what it called, and what tools returned. The id is that of an alert, of an
insight, or of a run, or the beginning of a run's. Without one the newest runs are listed. Secrets and e-mail addresses were removed when it
was written.`,
		Example: "  beamlens transcript --store beamlens.db\n  beamlens transcript --store beamlens.db 4f1d9c2b7a6e8035",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := existingStore(cmd.Context(), file)
			if err != nil {
				return err
			}
			defer s.Close()
			if len(args) == 0 {
				return listRuns(cmd.Context(), cmd.OutOrStdout(), s)
			}
			run, err := runOf(cmd.Context(), s, args[0])
			if err != nil {
				return err
			}
			return printRun(cmd.Context(), cmd.OutOrStdout(), s, run, asJSON, full)
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "store", "", "the SQLite file that attach --store wrote")
	f.BoolVar(&asJSON, "json", false, "print the entries as JSON, a line each")
	f.BoolVar(&full, "full", false, "do not shorten long texts")
	return cmd
}

const listedRuns = 30

func listRuns(ctx context.Context, out io.Writer, s *store.SQL) error {
	runs, err := s.Runs(ctx, "", listedRuns)
	if err != nil {
		return &exit{exitUnable, err}
	}
	if len(runs) == 0 {
		fmt.Fprintln(out, "There are no runs in this store.")
	}
	for _, r := range runs {
		fmt.Fprintf(out, "%s  %s  %d entries\n", r.ID, r.Began.Local().Format(time.DateTime), r.Entries)
	}
	return nil
}

// runOf finds the run that an id belongs to.
func runOf(ctx context.Context, s *store.SQL, id string) (string, error) {
	if a, err := s.Alert(ctx, id); err == nil {
		return a.TraceID, nil
	}
	const insights = 10_000
	if all, err := s.Insights(ctx, insights, 0); err == nil {
		for _, i := range all {
			if i.ID == id {
				return i.TraceID, nil
			}
		}
	}
	runs, err := s.Runs(ctx, id, 2)
	switch {
	case err != nil:
		return "", &exit{exitUnable, err}
	case len(runs) == 0:
		return "", &exit{exitUsage, fmt.Errorf("there is no alert, insight or run %.40q in this store; without an id the runs are listed", id)}
	case len(runs) > 1 && runs[0].ID != id:
		return "", &exit{exitUsage, fmt.Errorf("several runs begin with %.40q: give more of it", id)}
	}
	return runs[0].ID, nil
}

func printRun(ctx context.Context, out io.Writer, s *store.SQL, run string, asJSON, full bool) error {
	entries, err := s.Entries(ctx, run)
	if err != nil {
		return &exit{exitUnable, err}
	}
	if len(entries) == 0 {
		return &exit{exitUsage, fmt.Errorf("the journal of run %s is no longer kept", run)}
	}
	if asJSON {
		for _, raw := range entries {
			fmt.Fprintf(out, "%s\n", raw)
		}
		return nil
	}
	fmt.Fprintf(out, "run %s\n", run)
	for i, raw := range entries {
		var e agent.Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return &exit{exitUnable, fmt.Errorf("entry %d of run %s: %w", i, run, err)}
		}
		printEntry(out, e, full)
	}
	return nil
}

// shortText is how much of a text is shown unless all of it is asked for.
const shortText = 1500

func printEntry(out io.Writer, e agent.Entry, full bool) {
	who := string(e.Message.Role)
	if e.Model != "" {
		who = e.Model
	}
	fmt.Fprintf(out, "\n%s %s%s\n", e.At.Local().Format("15:04:05.000"), clean(who, 80), taken(e))
	most := shortText
	if full {
		most = 1 << 30
	}
	show := func(label, text string) {
		if text == "" {
			return
		}
		if label != "" {
			fmt.Fprintf(out, "  %s\n", clean(label, 120))
		}
		if len([]rune(text)) > most {
			text = string([]rune(text)[:most]) + "…"
		}
		for line := range strings.Lines(text) {
			fmt.Fprintf(out, "    %s\n", clean(strings.TrimRight(line, "\n"), most+1))
		}
	}
	show("", e.Message.Text)
	for _, c := range e.Message.Calls {
		show("calls "+c.Name, arguments(c))
	}
	for _, r := range e.Message.Results {
		label := r.Name + " gives"
		if r.Failed {
			label = r.Name + " fails"
		}
		show(label, r.Content)
	}
}

// arguments shows the arguments of a call; a program as it was written.
func arguments(c llm.ToolCall) string {
	var program struct{ Code string }
	if json.Unmarshal(c.Args, &program) == nil && program.Code != "" {
		return program.Code
	}
	return string(c.Args)
}

// taken tells what an answer took.
func taken(e agent.Entry) string {
	if e.Usage == nil || !e.Usage.Known || e.Usage.Input == 0 {
		return ""
	}
	s := fmt.Sprintf(", %d tokens in (%d cached), %d out", e.Usage.Input, e.Usage.CacheRead, e.Usage.Output)
	if e.Spent != nil {
		if e.Spent.USD != nil {
			return s + fmt.Sprintf(", %.5f $", *e.Spent.USD)
		}
		return s + ", price not known"
	}
	return s
}
