package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/recording"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/sqldb"
	"github.com/spf13/cobra"
)

func replayCommand() *cobra.Command {
	var json, verbose bool
	var pages dashboard
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Look at a recorded incident again",
		Long: `Runs the engine over a recording, in the recording's own time and as fast as it can: the same findings, investigations, alerts and insights,
without the target. The same recording gives the same answer, byte for byte. attach --record FILE makes one.`,
		Example: "  beamlens attach shop@myhost --record night.jsonl.gz\n  beamlens replay night.jsonl.gz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rec, err := readRecording(args[0])
			if err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout(), json, verbose)
			from, to := rec.Samples[0].CapturedAt, rec.Samples[len(rec.Samples)-1].CapturedAt
			p.note("%s, %s to %s, %d samples of %s", rec.Target, from.Format(time.DateTime), to.Format(time.TimeOnly), len(rec.Samples), strings.Join(rec.Skills, " "))
			for _, m := range rec.Marks {
				p.note("%s  %s", m.At.Format(time.TimeOnly), m.Text)
			}
			if err := pages.open(); err != nil {
				return &exit{exitUsage, err}
			}
			if err := replay(cmd.Context(), rec, p, &pages); err != nil {
				return err
			}
			if url := pages.url(); url != "" {
				p.note("The dashboard is at %s\nCtrl-C ends it.", url)
				return pages.serve(cmd.Context())
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&json, "json", false, "print events as JSON, a line each")
	f.BoolVar(&verbose, "verbose", false, "print every event")
	pages.flags(cmd)
	return cmd
}

func readRecording(file string) (*recording.Recording, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	defer f.Close()
	rec, err := recording.Read(f)
	if err != nil {
		return nil, &exit{exitUsage, fmt.Errorf("%s: %w", file, err)}
	}
	if len(rec.Samples) == 0 {
		return nil, &exit{exitUsage, fmt.Errorf("%s: the recording has no samples", file)}
	}
	return rec, nil
}

func replay(ctx context.Context, rec *recording.Recording, p *printer, pages *dashboard) error {
	skills, foreign := declared(rec.Skills)
	if len(foreign) > 0 {
		p.note("Left out, because this program has no such skill: %s", strings.Join(foreign, " "))
	}
	e, err := engine.Replay(ctx, rec, engine.Options{Skills: skills, OnEvent: pages.tells(p.event)})
	if err != nil {
		return &exit{exitProblem, err}
	}
	pages.show(e)
	return nil
}

// declared gives the skills of this program that a recording names, and the names of those that it has not: the application's own. They are
// never asked for what they read.
func declared(ids []string) (own []*skill.Skill, foreign []string) {
	all := append(beam.All(nil), beam.Optional(nil)...)
	all = append(all, sqldb.Postgres(nil, "ecto"))
	for _, id := range ids {
		if i := slices.IndexFunc(all, func(s *skill.Skill) bool { return s.ID == id }); i >= 0 {
			own = append(own, all[i])
		} else {
			foreign = append(foreign, id)
		}
	}
	return own, foreign
}
