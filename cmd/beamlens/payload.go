package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/spf13/cobra"
)

func payloadCommand() *cobra.Command {
	var a attachment
	var look time.Duration
	cmd := &cobra.Command{
		Use:   "payload NODE [OPERATOR]",
		Short: "Print the bytes that would leave for a language model, and send nothing",
		Long: `Joins the node, looks at it for some seconds, and prints the body of the next request that an operator would send to the model of --model, byte
for byte: after secrets are removed and names are replaced. Nothing is sent, and no key is needed. Without an operator those that
there are are listed.`,
		Example: "  beamlens payload shop@myhost beam --model anthropic/claude-haiku-5-5\n  beamlens payload shop@myhost beam --model openai/gpt-5-mini --numbers-only",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.to(args[0]); err != nil {
				return err
			}
			if a.model.id == "" {
				return &exit{exitUsage, errors.New("without --model nothing leaves")}
			}
			a.model.dry = true
			e, leave, err := a.look(cmd.Context(), look)
			if err != nil {
				return err
			}
			defer leave()
			if len(args) == 1 {
				for _, o := range e.Operators() {
					fmt.Fprintln(cmd.OutOrStdout(), o.Operator)
				}
				fmt.Fprintln(cmd.OutOrStdout(), "coordinator")
				return nil
			}
			body, err := e.PayloadBytes(args[1])
			if err != nil {
				return &exit{exitUsage, err}
			}
			_, err = cmd.OutOrStdout().Write(append(body, '\n'))
			return err
		},
	}
	a.flags(cmd)
	a.model.flags(cmd)
	cmd.Flags().StringSliceVar(&a.only, "skills", nil, "only these skills, by id")
	cmd.Flags().DurationVar(&look, "look", 5*time.Second, "how long to look before")
	return cmd
}

// look watches the node for a while, and hands over the engine as it is then. It runs until leave is called.
func (a attachment) look(ctx context.Context, d time.Duration) (e *engine.Engine, leave func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	link := make(chan beamlens.Event, 1)
	a.notify = func(ev beamlens.Event) {
		if ev.Name == beamlens.EventTargetUp || ev.Name == beamlens.EventTargetDown {
			select {
			case link <- ev:
			default:
			}
		}
	}
	e, closed, err := a.open(ctx)
	if err != nil {
		cancel()
		return nil, nil, &exit{exitUnable, err}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.Serve(ctx) // it ends with its context
	}()
	leave = func() {
		cancel()
		<-done
		closed()
	}
	select {
	case <-ctx.Done():
		leave()
		return nil, nil, &exit{exitOK, nil} // it was told to end
	case ev := <-link:
		if ev.Name == beamlens.EventTargetDown {
			leave()
			return nil, nil, &exit{exitUnable, errors.New(fmt.Sprint(ev.Fields["reason"]))}
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return e, leave, nil
}

// silent is a model that sends nothing, and shows what it would.
type silent struct{ llm.Model }

func (silent) Turn(context.Context, *llm.Request) (*llm.Response, error) {
	return nil, &llm.Error{Kind: llm.ErrBudget, Msg: "payload sends nothing"}
}

func (s silent) Show(req *llm.Request) ([]byte, error) { return llm.Show(s.Model, req) }

// keyless is the environment for a model that sends nothing: keys that are not there are not needed.
func keyless(name string) string {
	if v := os.Getenv(name); v != "" || !strings.HasSuffix(name, "_KEY") {
		return v
	}
	return "not-needed"
}
