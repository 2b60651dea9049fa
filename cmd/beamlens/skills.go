package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/sqldb"
	"github.com/spf13/cobra"
)

func skillsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "skills [ID]",
		Short:   "List the skills, or show one: what it watches, its rules and callbacks, what a model is told",
		Example: "  beamlens skills\n  beamlens skills ets",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all := append(beam.All(nil), sqldb.Postgres(nil, "ecto"))
			all = append(all, beam.Optional(nil)...)
			if len(args) == 0 {
				return listSkills(cmd.OutOrStdout(), all, asJSON)
			}
			i := slices.IndexFunc(all, func(s *skill.Skill) bool { return s.ID == args[0] })
			if i < 0 {
				return noSkill(args[0], all)
			}
			return showSkill(cmd.OutOrStdout(), all[i])
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	return cmd
}

func listSkills(w io.Writer, all []*skill.Skill, asJSON bool) error {
	if asJSON {
		type line struct {
			ID        string `json:"id"`
			Title     string `json:"title"`
			Summary   string `json:"summary"`
			Metrics   int    `json:"metrics"`
			Rules     int    `json:"rules"`
			Callbacks int    `json:"callbacks"`
		}
		lines := make([]line, len(all))
		for i, s := range all {
			lines[i] = line{s.ID, s.Title, s.Summary, len(s.Metrics), len(s.Rules), len(s.Callbacks)}
		}
		return json.NewEncoder(w).Encode(lines)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range all {
		summary := s.Summary
		if slices.ContainsFunc(beam.Optional(nil), func(o *skill.Skill) bool { return o.ID == s.ID }) {
			summary += " Off by default."
		}
		if s.ID == "ecto" {
			summary += " With --database."
		}
		fmt.Fprintf(t, "%s\t%s\n", s.ID, summary)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nMore about one: beamlens skills %s\n", all[0].ID)
	return err
}

func showSkill(w io.Writer, s *skill.Skill) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s: %s\n%s\n\n%s\n", s.ID, s.Title, s.Summary, strings.TrimSpace(s.Prompt))
	fmt.Fprint(t, "\nMetrics\n")
	for _, m := range s.Metrics {
		kind := m.Kind
		if m.Quiet {
			kind += ", quiet"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", m.Name, m.Unit, kind, m.Doc)
	}
	if len(s.Rules) > 0 {
		fmt.Fprint(t, "\nRules\n")
	}
	for _, r := range s.Rules {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", r.Severity, r, r.Doc)
	}
	if len(s.Edges) > 0 {
		fmt.Fprint(t, "\nWhat leads to what\n")
	}
	for _, e := range s.Edges {
		fmt.Fprintf(t, "  %s → %s\t%s\n", e.From, e.To, e.Why)
	}
	if len(s.Playbooks) > 0 {
		fmt.Fprint(t, "\nPlaybooks\n")
	}
	for _, p := range s.Playbooks {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", p.ID, strings.Join(p.Metrics, ", "), p.Doc)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nCallbacks\n%s", s.Docs())
	return err
}
