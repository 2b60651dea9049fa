package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/examples/shop"
	"github.com/beamlens/beamlens-go/internal/scenario"
	"github.com/spf13/cobra"
)

// Times of the demo.
const (
	healthyFor = 6 * time.Second
	alertIn    = 60 * time.Second // the most that is waited; it is expected within 15
	clearIn    = 90 * time.Second
)

func demoCommand() *cobra.Command {
	var once, verbose, attach bool
	var pkg, listen string
	fault := "mailbox"
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start a small Elixir shop, break it, and show what BeamLens says",
		Long: `Starts a real Elixir application, shows it healthy, switches a fault on, shows the alert and the insight that name the culprit,
switches the fault off, and shows the alert cleared. No key and no network are needed.

The application has BeamLens in its supervision tree when the Elixir package is there, as it is in the repository; otherwise, or with
--attach, it knows nothing of BeamLens and is attached to from outside.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(shop.Faults, fault) {
				return &exit{exitUsage, fmt.Errorf("there is no fault %q; there are %s", fault, strings.Join(shop.Faults, ", "))}
			}
			truth, err := scenario.Find(fault)
			if err != nil {
				return err
			}
			d := &demo{Truth: truth, printer: newPrinter(cmd.OutOrStdout(), false, verbose), events: make(chan beamlens.Event, 1000)}
			if d.pkg = pkg; !attach && pkg == "" {
				d.pkg = findPackage()
			}
			if d.address = listen; listen == "" && !once {
				d.address = freeAddress()
			}
			return d.run(cmd.Context(), !once && (listen != "" || isTerminal(cmd.OutOrStdout())))
		},
	}
	f := cmd.Flags()
	f.BoolVar(&once, "once", false, "run through and exit: 0 only if the right culprit was named")
	f.StringVar(&fault, "fault", fault, "what to break: "+strings.Join(shop.Faults, ", "))
	f.BoolVar(&attach, "attach", false, "attach to the application from outside")
	f.StringVar(&pkg, "package", "", "the folder of the Elixir package (default: elixir, beside the folder of this program)")
	f.BoolVar(&verbose, "verbose", false, "print every event")
	f.StringVar(&listen, "listen", "", "where the dashboard is (default: "+usualAddress+" or, if it is taken, another port; with --once there is none)")
	return cmd
}

type demo struct {
	scenario.Truth
	address string // of the dashboard; "": none
	printer *printer
	pkg     string // the folder of the Elixir package; "": attach
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	under, end, err := d.under(ctx)
	if err != nil {
		return &exit{exitUnable, err}
	}
	defer end()
	d.printer.note("Compiling the shop, a small Elixir application …")
	project, err := shop.Compile(ctx, under)
	if err != nil {
		return &exit{exitUnable, err}
	}
	defer project.Remove()
	if under != nil {
		d.printer.note("Starting it, with {Beamlens, operators: […]} in its supervision tree …")
	} else {
		d.printer.note("Starting it …")
	}
	subject, err := project.Start(ctx)
	if err != nil {
		return &exit{exitUnable, err}
	}
	defer subject.Stop()

	// Killing the shop or pressing Ctrl-C ends the engine. One that is attached ends before the shop; one that is in it, with it.
	done := make(chan error, 1)
	if under == nil {
		a := attachment{link: link{node: subject.Node, dist: erlang.Options{Cookie: subject.Cookie}}, notify: d.notify, pages: &dashboard{address: d.address}}
		if err := a.pages.open(); err != nil {
			return &exit{exitUsage, err}
		}
		go func() { done <- a.serve(ctx) }()
	} else {
		done <- nil
	}
	defer func() {
		cancel()
		<-done
	}()
	if d.address != "" {
		d.printer.note("The dashboard is at http://%s/", d.address)
	}
	if err := d.tellStory(ctx, subject); err != nil {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return &exit{exitProblem, err}
	}
	if stay {
		d.printer.note("The shop goes on under BeamLens. Look at what happened: http://%s/\nOr with: beamlens attach %s --cookie-file %s\nCtrl-C ends both.", d.address, subject.Node, subject.CookieFile)
		<-ctx.Done()
	}
	return nil
}

// under says what the shop is compiled with to run under BeamLens; nil: it is attached to.
func (d *demo) under(ctx context.Context) (*shop.Under, func(), error) {
	if d.pkg == "" {
		return nil, func() {}, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	dir, err := filepath.Abs(d.pkg)
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "mix.exs")); err != nil {
		return nil, nil, fmt.Errorf("--package: %w", err)
	}
	events, end, err := follow(ctx, d.notify)
	if err != nil {
		return nil, nil, err
	}
	return &shop.Under{Package: dir, Engine: self, Events: events, Listen: d.address}, end, nil
}

// findPackage gives the Elixir package of the repository that this program was built in, or "".
func findPackage() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	dir := filepath.Join(filepath.Dir(self), "..", "elixir")
	if _, err := os.Stat(filepath.Join(dir, "mix.exs")); err != nil {
		return ""
	}
	return dir
}

func (d *demo) tellStory(ctx context.Context, s *shop.Shop) error {
	if _, err := d.wait(ctx, alertIn, "the link", func(ev beamlens.Event) bool { return ev.Name == beamlens.EventTargetUp }); err != nil {
		return err
	}
	d.printer.note("It is healthy. Watching it for %s …", healthyFor)
	if ev, err := d.wait(ctx, healthyFor, "", func(ev beamlens.Event) bool { return ev.Name == beamlens.EventAlertFired }); err == nil {
		return fmt.Errorf("a false alarm while the shop was healthy: %s", ev.Alert.Summary)
	} else if ctx.Err() != nil {
		return ctx.Err()
	}
	d.printer.note("\nNow it breaks. %s", d.Tell)
	broken := time.Now()
	if err := s.On(ctx, d.ID, nil); err != nil {
		return err
	}
	if _, err := d.wait(ctx, alertIn, "an alert that names the culprit", func(ev beamlens.Event) bool {
		return ev.Name == beamlens.EventAlertFired && slices.Contains(d.Skills, ev.Alert.Operator) && d.Blames(ev.Alert.Culprit)
	}); err != nil {
		return err
	}
	took := time.Since(broken)
	if d.Correlation != "" {
		ev, err := d.wait(ctx, alertIn, "a "+d.Correlation+" insight", func(ev beamlens.Event) bool {
			return ev.Insight != nil && string(ev.Insight.CorrelationType) == d.Correlation
		})
		if err != nil {
			return err
		}
		if !d.Blames(ev.Insight.Culprit) {
			return fmt.Errorf("the insight blames %v", ev.Insight.Culprit)
		}
	}
	explained := time.Since(broken)
	d.printer.note("\nThe fault is switched off.")
	if err := s.Off(ctx, d.ID); err != nil {
		return err
	}
	if _, err := d.wait(ctx, clearIn, "that the alerts clear", func(beamlens.Event) bool { return len(d.open) == 0 }); err != nil {
		return err
	}
	d.printer.note("\nThe culprit was named %s after the fault began, the explanation was there after %s. No key, no network.", took.Round(100*time.Millisecond), explained.Round(100*time.Millisecond))
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
