package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beamlens/beamlens-go/examples/shop"
	shopgo "github.com/beamlens/beamlens-go/examples/shop-go"
	"github.com/beamlens/beamlens-go/ext/postgres/cluster"
	"github.com/beamlens/beamlens-go/internal/scenario"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/provider"
	"github.com/spf13/cobra"
)

// bench is what a scorecard is made with.
type bench struct {
	out    io.Writer
	record string // folder; "": nothing is recorded
	starts map[string]scenario.Start
	group  string
	remove func() // what was compiled
	model  string // provider/model; "": the analyst
}

func benchCommand() *cobra.Command {
	b := bench{starts: map[string]scenario.Start{}, remove: func() {}}
	var live bool
	var file string
	cmd := &cobra.Command{
		Use:   "bench [SCENARIO...]",
		Short: "Score what BeamLens says over scenarios whose truth is known",
		Long: `Runs the engine over recordings of systems that were broken on purpose, and of healthy ones, and compares what it says with what is true: was it
found, how soon, was the right one blamed, was anything invented, how far can its confidence be relied on. Without a key and without network.

--model scores a language model on the same scenarios, with the analyst as its fallback. Recordings answer only what was asked when they were made,
and what the playbooks ask: a model that looks elsewhere is told so.

--live starts the systems instead of replaying them: the Elixir shop, which needs Elixir, a PostgreSQL, and the Go shop, which runs in this process. It takes more than an hour.`,
		Example: "  beamlens bench\n  beamlens bench mailbox hostile_fence\n  beamlens bench --model ollama/qwen3 --group fault\n  beamlens bench --live --record recordings --group control",
		RunE: func(cmd *cobra.Command, args []string) error {
			b.out = cmd.OutOrStdout()
			truths, err := b.choose(args)
			if err != nil {
				return err
			}
			var card scenario.Card
			if b.model != "" && (live || b.record != "") {
				return &exit{exitUsage, errors.New("--model goes with recordings, not with --live")}
			}
			if live || b.record != "" {
				card, err = b.live(cmd.Context(), truths)
			} else {
				card, err = b.replay(cmd.Context(), truths)
			}
			if err != nil {
				return &exit{exitProblem, err}
			}
			card.Print(b.out)
			if file == "" {
				return nil
			}
			raw, err := json.MarshalIndent(card, "", " ")
			if err != nil {
				return err
			}
			return os.WriteFile(file, append(raw, '\n'), 0o644)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&live, "live", false, "start the systems instead of replaying recordings")
	f.StringVar(&b.record, "record", "", "with --live: write the recordings into this folder")
	f.StringVar(&b.model, "model", "", "a language model instead of the analyst, as provider/model; its key comes from the environment")
	f.StringVar(&b.group, "group", "", "only the scenarios of this group: "+strings.Join(scenario.Groups, ", "))
	f.StringVar(&file, "json", "", "write the scorecard into this file, too")
	return cmd
}

func (b *bench) choose(ids []string) ([]scenario.Truth, error) {
	all, err := scenario.All()
	if err != nil {
		return nil, err
	}
	if b.group != "" && !slices.Contains(scenario.Groups, b.group) {
		return nil, &exit{exitUsage, fmt.Errorf("--group: there is no group %q; there are %s", b.group, strings.Join(scenario.Groups, ", "))}
	}
	var out []scenario.Truth
	for _, id := range ids {
		t, err := scenario.Find(id)
		if err != nil {
			return nil, &exit{exitUsage, err}
		}
		out = append(out, t)
	}
	if len(ids) == 0 {
		out = all
	}
	return slices.DeleteFunc(out, func(t scenario.Truth) bool { return b.group != "" && t.Group != b.group }), nil
}

func (b *bench) replay(ctx context.Context, truths []scenario.Truth) (scenario.Card, error) {
	var scores []scenario.Score
	samples, took := 0, time.Duration(0)
	name, meter, err := b.meter()
	if err != nil {
		return scenario.Card{}, err
	}
	for _, t := range truths {
		rec, err := scenario.Recorded(t.ID)
		if errors.Is(err, scenario.ErrNotRecorded) {
			fmt.Fprintf(b.out, "%s is left out: %v\n", t.ID, err)
			continue
		}
		if err != nil {
			return scenario.Card{}, err
		}
		began := time.Now()
		result, wrong := scenario.Replay(ctx, t, rec, meter.asModel())
		took += time.Since(began)
		samples += len(rec.Samples)
		if ctx.Err() != nil {
			return scenario.Card{}, ctx.Err()
		}
		scores = append(scores, t.Score(&result, wrong))
	}
	card := scenario.Sum(name, scores, samples, took)
	card.Spent = meter.spent()
	return card, nil
}

// meter makes the model that is scored.
func (b *bench) meter() (string, *meter, error) {
	if b.model == "" {
		return "the analyst, over recordings", nil, nil
	}
	client, err := provider.Parse(b.model)
	if err != nil {
		return "", nil, &exit{exitUsage, fmt.Errorf("--model: %w", err)}
	}
	m, err := provider.Registry{Clients: []provider.Client{client}}.Model(provider.Options{Env: os.Getenv})
	if err != nil {
		return "", nil, &exit{exitUsage, fmt.Errorf("--model: %w", err)}
	}
	return b.model + ", over recordings", &meter{model: m}, nil
}

// meter counts what a model is asked and what that takes.
type meter struct {
	model llm.Model
	mu    sync.Mutex // guards what follows
	sum   scenario.Spent
}

// Turn asks the model.
func (m *meter) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	response, err := m.model.Turn(ctx, req)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sum.Calls++
	if err != nil {
		m.sum.Failed++
		return nil, err
	}
	m.sum.Input += response.Usage.Input
	m.sum.Output += response.Usage.Output
	return response, nil
}

func (m *meter) asModel() llm.Model {
	if m == nil {
		return nil // the analyst
	}
	return m
}

func (m *meter) spent() *scenario.Spent {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := m.sum
	return &sum
}

func (b *bench) live(ctx context.Context, truths []scenario.Truth) (scenario.Card, error) {
	var scores []scenario.Score
	defer func() { b.remove() }()
	for _, t := range truths {
		if ctx.Err() != nil {
			break // what was scored so far is told
		}
		result, wrong, err := b.one(ctx, t)
		if err != nil {
			return scenario.Card{}, fmt.Errorf("%s: %w", t.ID, err)
		}
		s := t.Score(&result, wrong)
		scores = append(scores, s)
		fmt.Fprintf(b.out, "%s %-20s found %d of %d %v\n", time.Now().Format(time.TimeOnly), t.ID, s.Found, s.Causes, s.Wrong)
	}
	return scenario.Sum("the analyst, live", scores, 0, 0), nil
}

// one runs a scenario and records it, if it is to be. The first error is what was wrong with what was said.
func (b *bench) one(ctx context.Context, t scenario.Truth) (result scenario.Result, wrong, err error) {
	start, err := b.start(ctx, t.Subject)
	if err != nil {
		return result, nil, err
	}
	if b.record == "" {
		result, wrong = scenario.Run(ctx, start, t, nil)
	} else {
		if err := os.MkdirAll(b.record, 0o755); err != nil {
			return result, nil, err
		}
		f, err := os.Create(filepath.Join(b.record, t.ID+".jsonl.gz"))
		if err != nil {
			return result, nil, err
		}
		result, wrong = scenario.Record(ctx, start, t, f)
		if err := f.Close(); err != nil {
			return result, nil, err
		}
	}
	if result.Settled.IsZero() {
		return result, nil, wrong // it did not come so far that there is something to score
	}
	return result, wrong, nil
}

// start gives what starts a subject, compiled once.
func (b *bench) start(ctx context.Context, subject string) (scenario.Start, error) {
	if s := b.starts[subject]; s != nil {
		return s, nil
	}
	switch subject {
	case "shop":
		p, err := shop.Compile(ctx, nil)
		if err != nil {
			return nil, err
		}
		b.starts[subject] = scenario.Shop(p)
		b.remove = func() { _ = p.Remove() }
	case "shop-go":
		b.starts[subject] = scenario.ShopGo(shopgo.Options{})
	case "postgres":
		b.starts[subject] = cluster.Subject
	default:
		return nil, fmt.Errorf("subject %s cannot be started here", subject)
	}
	return b.starts[subject], nil
}
