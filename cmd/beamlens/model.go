package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/ext/aws"
	"github.com/beamlens/beamlens-go/ext/azure"
	"github.com/beamlens/beamlens-go/ext/gcp"
	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/price"
	"github.com/beamlens/beamlens-go/llm/provider"
	"github.com/beamlens/beamlens-go/llm/redact"
	"github.com/beamlens/beamlens-go/llm/route"
	"github.com/spf13/cobra"
)

// callsAnHour is the limit when none is given: some twenty investigations. After it the analyst goes on.
const callsAnHour = 240

// modelFlags choose a language model. Without --model there is none, whatever keys the environment has: whom to ask is for the user to say.
type modelFlags struct {
	id      string // provider/model
	options map[string]string
	calls   int     // an hour
	usd     float64 // a day; 0: no limit
	prices  string  // a file with prices of the user's; "": none
	numbers bool    // no text of the system leaves
	dry     bool    // nothing is sent
}

func (m *modelFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&m.id, "model", "", "ask this language model, as provider/model, such as anthropic/claude-haiku-5-5 or ollama/qwen3 (default: none; the built-in\n"+
		"analyst investigates). Providers: "+strings.Join(provider.IDs()[:len(provider.Providers)], ", "))
	f.StringToStringVar(&m.options, "model-option", nil, "an option of the provider, such as base_url=http://10.0.0.5:8000/v1; may be repeated")
	f.IntVar(&m.calls, "max-calls", callsAnHour, "calls of the model an hour, at most; 0: no limit. After them the analyst investigates")
	f.Float64Var(&m.usd, "max-cost", 0, "US dollars a day for the model, at most; 0: no limit. It must be a model whose price is known")
	f.StringVar(&m.prices, "prices", "", "a JSON file with prices of models, which go before those that are built in")
	f.BoolVar(&m.numbers, "numbers-only", false, "send the model numbers and no text of the system: names have pseudonyms")
}

// String says for people what is asked, and how much.
func (m modelFlags) String() string {
	s := m.id
	if m.calls > 0 {
		s += fmt.Sprintf(", at most %d calls an hour", m.calls)
	}
	if m.usd > 0 {
		s += fmt.Sprintf(", at most $ %g a day", m.usd)
	}
	return s
}

// open puts the model into the options of an engine. What it spends is kept in their store.
func (m *modelFlags) open(ctx context.Context, o *engine.Options) error {
	if m.id == "" {
		return nil
	}
	c, err := provider.Parse(m.id)
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	for name, value := range m.options {
		c.Options[name] = value
	}
	limits := route.Limits{Hour: route.Amount{Calls: m.calls}, Day: route.Amount{USD: m.usd}}
	budget := route.BudgetOptions{Limits: limits, Ledger: o.Store}
	if m.prices != "" {
		if budget.Prices, err = ownPrices(m.prices); err != nil {
			return fmt.Errorf("--prices: %w", err)
		}
	}
	env := os.Getenv
	if m.dry {
		env = keyless
	}
	if err := openModel(ctx, provider.Registry{Clients: []provider.Client{c}}, budget, env, o); err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	if m.numbers {
		o.Privacy.Policies = map[string]redact.Policy{"": {NumbersOnly: true}}
	}
	if m.dry {
		o.Model = silent{o.Model}
	}
	return nil
}

// ownPrices reads the user's prices, and puts them before ours.
func ownPrices(file string) (*price.Table, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	own, err := price.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return price.Default().With(own), nil
}

// openModel makes the models of a registry, within a budget, for an engine.
func openModel(ctx context.Context, r provider.Registry, limits route.BudgetOptions, env func(string) string, o *engine.Options) error {
	budget, err := route.NewBudget(ctx, limits)
	if err != nil {
		return err
	}
	tell := o.OnEvent
	model, err := r.Model(provider.Options{
		Env:    env,
		Client: &http.Client{Transport: http.DefaultTransport}, // with the proxy that the environment names
		Chains: provider.Chains{AWS: aws.Authorize, Google: gcp.Authorize, Azure: azure.Authorize},
		Around: route.ClientOptions{Budget: budget},
		OnNext: func(failed llm.About, err error) {
			if tell != nil {
				tell(modelEvent(o.Target, failed, err))
			}
		},
	})
	if err != nil {
		return err
	}
	o.Model, o.Budget = model, budget
	return nil
}

// registry reads a client_registry: as the original has it, or as one provider/model.
func registry(v any) (provider.Registry, error) {
	if s, ok := v.(string); ok {
		c, err := provider.Parse(s)
		return provider.Registry{Clients: []provider.Client{c}}, err
	}
	return provider.Decode(v)
}

// told says for people what a model is, and where its requests go.
func told(m llm.Model) string {
	d, ok := m.(llm.Described)
	if !ok {
		return "unknown"
	}
	a := d.Describe()
	where := "requests leave this machine, redacted"
	if a.Local {
		where = "requests stay in this network"
	}
	return fmt.Sprintf("%s of %s; %s", a.Model, a.Provider, where)
}

// modelEvent tells that a model failed, and the next of its kind is asked.
func modelEvent(t beamlens.Target, failed llm.About, err error) beamlens.Event {
	return beamlens.Event{Name: "llm.next", At: time.Now().UTC(), Target: t, Subject: failed.Model,
		Fields: map[string]any{"provider": failed.Provider, "model": failed.Model, "reason": err.Error()}}
}
