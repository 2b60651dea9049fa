package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
	"github.com/beamlens/beamlens-go/examples/shop"
	"github.com/spf13/cobra"
)

// story is what a fault of the shop should lead to.
type story struct {
	tell    string
	culprit string // the culprit's id or name
	alert   string // the anomaly type
	insight bool   // a causal insight is expected
}

var stories = map[string]story{
	"mailbox": {
		tell:    "The mail server becomes slow while a campaign sends thousands of mails a second.",
		culprit: "Shop.Mailer", alert: "mailbox_flood", insight: true,
	},
	"table":     {tell: "Carts are never swept any more, and robots fill them.", culprit: "Shop.Carts", alert: "table_growth"},
	"processes": {tell: "The bank never answers, and every payment tries again with new processes.", culprit: "Shop.Payments", alert: "process_leak"},
}

// Times of the demo.
const (
	healthyFor = 6 * time.Second
	alertIn    = 60 * time.Second // the most that is waited; it is expected within 15
	clearIn    = 90 * time.Second
)

func demoCommand() *cobra.Command {
	var once, verbose bool
	fault := "mailbox"
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start a small Elixir shop, break it, and show what BeamLens says",
		Long: `Starts a real Elixir application, attaches to it, shows it healthy, switches a fault on, shows the alert and the insight that
name the culprit, switches the fault off, and shows the alert cleared. No key and no network are needed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, ok := stories[fault]
			if !ok {
				return &exit{exitUsage, fmt.Errorf("there is no fault %q; there are %s", fault, strings.Join(shop.Faults, ", "))}
			}
			d := &demo{story: s, fault: fault, printer: newPrinter(cmd.OutOrStdout(), false, verbose), events: make(chan beamlens.Event, 1000)}
			return d.run(cmd.Context(), !once && isTerminal(cmd.OutOrStdout()))
		},
	}
	f := cmd.Flags()
	f.BoolVar(&once, "once", false, "run through and exit: 0 only if the right culprit was named")
	f.StringVar(&fault, "fault", fault, "what to break: "+strings.Join(shop.Faults, ", "))
	f.BoolVar(&verbose, "verbose", false, "print every event")
	return cmd
}

type demo struct {
	story
	fault   string
	printer *printer
	events  chan beamlens.Event
	open    map[string]bool // alerts that last
}

// notify shows an event and hands it to the story. It must not block the engine.
func (d *demo) notify(ev beamlens.Event) {
	d.printer.event(ev)
	select {
	case d.events <- ev:
	default:
	}
}

func (d *demo) run(ctx context.Context, stay bool) error {
	d.open = map[string]bool{}
	d.printer.note("Starting the shop, a small Elixir application …")
	subject, err := startShop(ctx, d.printer)
	if err != nil {
		return &exit{exitUnable, err}
	}
	defer subject.stop()

	// Killing the shop or pressing Ctrl-C ends the engine, and the engine ends before the shop.
	ctx, cancel := context.WithCancel(ctx)
	a := attachment{link: link{node: subject.node, dist: erlang.Options{Cookie: subject.cookie}}, notify: d.notify}
	done := make(chan error, 1)
	go func() { done <- a.serve(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	if err := d.tellStory(ctx, subject); err != nil {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return &exit{exitProblem, err}
	}
	if stay {
		d.printer.note("The shop goes on under BeamLens. Look around with: beamlens attach %s --cookie-file %s\nCtrl-C ends both.", subject.node, subject.cookieFile)
		<-ctx.Done()
	}
	return nil
}

func (d *demo) tellStory(ctx context.Context, s *subject) error {
	if _, err := d.wait(ctx, alertIn, "the link", func(ev beamlens.Event) bool { return ev.Name == beamlens.EventTargetUp }); err != nil {
		return err
	}
	d.printer.note("It is healthy. Watching it for %s …", healthyFor)
	if ev, err := d.wait(ctx, healthyFor, "", func(ev beamlens.Event) bool { return ev.Name == beamlens.EventAlertFired }); err == nil {
		return fmt.Errorf("a false alarm while the shop was healthy: %s", ev.Alert.Summary)
	} else if ctx.Err() != nil {
		return ctx.Err()
	}
	d.printer.note("\nNow it breaks. %s", d.tell)
	broken := time.Now()
	if err := s.fault(ctx, "on", d.fault); err != nil {
		return err
	}
	first, err := d.wait(ctx, alertIn, "an alert of the type "+d.alert, func(ev beamlens.Event) bool {
		return ev.Name == beamlens.EventAlertFired && ev.Alert.AnomalyType == d.alert
	})
	if err != nil {
		return err
	}
	took := time.Since(broken)
	if err := d.blames(first.Alert.Culprit); err != nil {
		return err
	}
	if d.insight {
		ev, err := d.wait(ctx, alertIn, "a causal insight", func(ev beamlens.Event) bool {
			return ev.Insight != nil && ev.Insight.CorrelationType == beamlens.Causal
		})
		if err != nil {
			return err
		}
		if err := d.blames(ev.Insight.Culprit); err != nil {
			return err
		}
	}
	explained := time.Since(broken)
	d.printer.note("\nThe fault is switched off.")
	if err := s.fault(ctx, "off", d.fault); err != nil {
		return err
	}
	if _, err := d.wait(ctx, clearIn, "that the alerts clear", func(beamlens.Event) bool { return len(d.open) == 0 }); err != nil {
		return err
	}
	d.printer.note("\nThe culprit was named %s after the fault began, the explanation was there after %s. No key, no network.", took.Round(100*time.Millisecond), explained.Round(100*time.Millisecond))
	return nil
}

func (d *demo) blames(c *beamlens.Culprit) error {
	if c == nil {
		return fmt.Errorf("no culprit was named; it is %s", d.culprit)
	}
	if !slices.Contains([]string{c.Name, c.ID}, d.culprit) {
		return fmt.Errorf("%s was blamed; it is %s", c, d.culprit)
	}
	return nil
}

// wait reads events until one is right.
func (d *demo) wait(ctx context.Context, limit time.Duration, what string, right func(beamlens.Event) bool) (beamlens.Event, error) {
	t := time.NewTimer(limit)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return beamlens.Event{}, ctx.Err()
		case <-t.C:
			return beamlens.Event{}, fmt.Errorf("%s did not come within %s", what, limit)
		case ev := <-d.events:
			if ev.Alert != nil {
				if ev.Name == beamlens.EventAlertFired {
					d.open[ev.Alert.ID] = true
				}
				if ev.Alert.ClearedAt != nil {
					delete(d.open, ev.Alert.ID)
				}
			}
			if right(ev) {
				return ev, nil
			}
		}
	}
}

// fault switches a fault of the shop, over a link of its own: the engine only reads.
func (s *subject) fault(ctx context.Context, verb, fault string) error {
	c, err := erlang.Dial(ctx, s.node, &erlang.Options{Cookie: s.cookie})
	if err != nil {
		return err
	}
	defer c.Close()
	// These atoms are the shop's own.
	_, err = c.Call(ctx, etf.A("Elixir.Shop.Faults"), etf.A(verb), etf.A(fault))
	return err
}
