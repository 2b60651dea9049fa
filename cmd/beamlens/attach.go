package main

import (
	"context"
	"fmt"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/erlang/probe"
	"github.com/beamlens/beamlens-go/ext/sqlite"
	"github.com/beamlens/beamlens-go/store"
	"github.com/spf13/cobra"
)

// attachment is what a node is watched with.
type attachment struct {
	link
	only   []string // ids of skills; none: all
	file   string   // of the store; "" in memory
	record string   // file of a recording; "": none
	model  modelFlags
	notify func(beamlens.Event)
	pages  *dashboard // may be nil
}

func attachCommand() *cobra.Command {
	var a attachment
	var json, verbose bool
	var limit time.Duration
	a.pages = &dashboard{}
	cmd := &cobra.Command{
		Use:   "attach NODE",
		Short: "Watch a BEAM node over Erlang distribution",
		Long: `Joins a node as a hidden node and watches it until Ctrl-C. Prints when the node comes and goes, when its health
changes, alerts with the culprit, and insights that say what led to what.

A small module of a few kilobytes is loaded into the node and removed when we leave; --no-probe works without it.
The cookie is read from ~/.erlang.cookie, as erl does. For a RabbitMQ from a package it is in /var/lib/rabbitmq/.erlang.cookie.`,
		Example: "  beamlens attach shop@myhost\n  beamlens attach rabbit@myhost --cookie-file /var/lib/rabbitmq/.erlang.cookie\n" +
			"  ANTHROPIC_API_KEY=… beamlens attach shop@myhost --model anthropic/claude-haiku-5-5 --max-cost 1",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.to(args[0]); err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout(), json, verbose)
			a.notify = p.event
			ctx := cmd.Context()
			if limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, limit)
				defer cancel()
			}
			if err := a.pages.open(); err != nil {
				return &exit{exitUsage, err}
			}
			if url := a.pages.url(); url != "" {
				p.note("The dashboard is at %s", url)
			}
			p.note("Connecting to %s …", a.node)
			if a.model.id != "" {
				p.note("Model: %s", a.model)
			}
			err := a.serve(ctx)
			p.left(a.node)
			return err
		},
	}
	a.flags(cmd)
	a.model.flags(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&a.only, "skills", nil, "only these skills, by id (default: all; see beamlens skills)")
	f.StringVar(&a.file, "store", "", "keep alerts, insights and transcripts in this SQLite file (default: in memory)")
	f.StringVar(&a.record, "record", "", "record what is read into this file (.gz: compressed), for beamlens replay")
	f.BoolVar(&json, "json", false, "print events as JSON, a line each")
	f.BoolVar(&verbose, "verbose", false, "print every event")
	f.DurationVar(&limit, "for", 0, "stop after this time")
	return cmd
}

// serve watches until ctx ends.
func (a attachment) serve(ctx context.Context) error {
	e, close, err := a.open(ctx)
	if err != nil {
		return &exit{exitUnable, err}
	}
	defer close()
	a.pages.show(e)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shown := make(chan error, 1)
	go func() { shown <- a.pages.serve(ctx) }()
	err = e.Serve(ctx)
	failed := err != nil && ctx.Err() == nil
	cancel()
	if perr := <-shown; perr != nil && !failed {
		a.notify(beamlens.Event{Name: "dashboard.failed", At: time.Now().UTC(), Target: beamlens.Target{Kind: "beam", Name: a.node}, Subject: "dashboard", Fields: map[string]any{"reason": perr.Error()}})
	}
	if failed {
		return &exit{exitProblem, err}
	}
	return nil
}

// open makes the engine and what it rests on.
func (a attachment) open(ctx context.Context) (*engine.Engine, func(), error) {
	target := beamlens.Target{Kind: "beam", Name: a.node}
	a.notify = a.pages.tells(a.notify)
	link := a.probe(func(s probe.State) { a.notify(stateEvent(target, s, a.plain)) })
	skills, err := a.skills(link, a.only)
	if err != nil {
		return nil, nil, err
	}
	kept, close := store.Store(store.NewMemory()), func() {}
	if a.file != "" {
		s, err := sqlite.Open(ctx, a.file)
		if err != nil {
			return nil, nil, err
		}
		kept, close = s, func() { s.Close() }
	}
	options := engine.Options{Target: target, Skills: skills, Store: kept, Work: []engine.Work{link}, OnEvent: a.notify}
	if err := a.model.open(ctx, &options); err != nil {
		close()
		return nil, nil, err
	}
	stop, err := record(a.record, &options)
	if err != nil {
		close()
		return nil, nil, fmt.Errorf("--record: %w", err)
	}
	end := func() {
		if err := stop(); err != nil {
			a.notify(beamlens.Event{Name: "recording.failed", At: time.Now().UTC(), Target: target, Subject: "recording", Fields: map[string]any{"reason": err.Error()}})
		}
		close()
	}
	e, err := engine.New(options)
	if err != nil {
		end()
		return nil, nil, err
	}
	return e, end, nil
}

// stateEvent tells that the link came or went.
func stateEvent(target beamlens.Target, s probe.State, plain bool) beamlens.Event {
	ev := beamlens.Event{Name: beamlens.EventTargetUp, At: time.Now().UTC(), Target: target, Subject: "link", Fields: s.Hello}
	if !s.Up {
		ev.Name = beamlens.EventTargetDown
		ev.Fields = map[string]any{"reason": s.Err.Error(), "attempt": s.Attempt, "retry_ms": s.Retry.Milliseconds()}
	} else if plain {
		ev.Fields["missing"] = probe.New("", nil, &probe.Options{Plain: true}).Missing()
	}
	return ev
}
