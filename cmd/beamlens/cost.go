package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/beamlens/beamlens-go/ext/sqlite"
	"github.com/beamlens/beamlens-go/llm/route"
	"github.com/beamlens/beamlens-go/store"
	"github.com/spf13/cobra"
)

func costCommand() *cobra.Command {
	var file string
	var since time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "What language models took: calls, tokens and money, by model, operator, day and run",
		Long: `Reads the calls of language models that a store has, and sums them up. A price that is not known is told as that, and never counted as
nothing: then the sum is at least what is shown. Calls that were never answered count as what they may have taken.`,
		Example: "  beamlens cost --store beamlens.db\n  beamlens cost --store beamlens.db --since 720h --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := existingStore(cmd.Context(), file)
			if err != nil {
				return err
			}
			defer s.Close()
			from := time.Now().Add(-since)
			calls, err := route.ReadCalls(cmd.Context(), s, from)
			if err != nil {
				return &exit{exitUnable, err}
			}
			b := billOf(calls)
			b.Since = from.UTC()
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
			}
			return b.print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "store", "", "the SQLite file that attach --store wrote")
	f.DurationVar(&since, "since", 24*time.Hour, "how far back")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// existingStore opens a store that is there: one that is asked about is not made.
func existingStore(ctx context.Context, file string) (*store.SQL, error) {
	if file == "" {
		return nil, &exit{exitUsage, errors.New("--store FILE is needed: nothing is kept without it")}
	}
	if _, err := os.Stat(file); err != nil {
		return nil, &exit{exitUsage, err}
	}
	s, err := sqlite.Open(ctx, file)
	if err != nil {
		return nil, &exit{exitUnable, err}
	}
	return s, nil
}

// bill is what calls took in all, and by what they belong to.
type bill struct {
	Since    time.Time `json:"since"`
	Total    post      `json:"total"`
	Models   []post    `json:"models"`
	Operator []post    `json:"operators"`
	Days     []post    `json:"days"`
	Runs     []post    `json:"runs"`
}

// post is one line of a bill.
type post struct {
	Name    string  `json:"name"`
	Calls   int     `json:"calls"`
	Refused int     `json:"refused,omitempty"` // by the provider
	Assumed int     `json:"assumed,omitempty"` // whose answer never came
	Input   int64   `json:"input_tokens"`
	Cached  int64   `json:"cache_read_tokens"`
	Output  int64   `json:"output_tokens"`
	USD     float64 `json:"usd"`
	Unknown int     `json:"unknown_price_calls,omitempty"` // whose price is not known
}

func (p *post) add(c route.Call) {
	p.Calls++
	switch c.State {
	case route.CallRefused:
		p.Refused++
		return
	case route.CallAssumed, route.CallReserved:
		p.Assumed++
	}
	p.Input += c.Input
	p.Cached += c.CacheRead
	p.Output += c.Output
	if c.USD == nil {
		p.Unknown++
		return
	}
	p.USD += *c.USD
}

func billOf(calls []route.Call) bill {
	var b bill
	by := func(list *[]post, name string, c route.Call) {
		i := slices.IndexFunc(*list, func(p post) bool { return p.Name == name })
		if i < 0 {
			i = len(*list)
			*list = append(*list, post{Name: name})
		}
		(*list)[i].add(c)
	}
	for _, c := range calls {
		b.Total.add(c)
		by(&b.Models, strings.TrimSpace(c.Provider+" "+c.Model), c)
		by(&b.Operator, c.Operator, c)
		by(&b.Days, c.At.UTC().Format(time.DateOnly), c)
		by(&b.Runs, c.Run, c)
	}
	for _, list := range []*[]post{&b.Models, &b.Operator, &b.Runs} {
		slices.SortStableFunc(*list, func(a, b post) int {
			return cmp.Or(cmp.Compare(b.USD, a.USD), cmp.Compare(b.Input+b.Output, a.Input+a.Output))
		})
	}
	return b
}

// shownRuns is how many runs are listed.
const shownRuns = 10

func (b bill) print(out io.Writer) error {
	if b.Total.Calls == 0 {
		_, err := fmt.Fprintf(out, "No language model was asked since %s.\n", b.Since.Local().Format(time.DateTime))
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\tcalls\tinput\tof it cached\toutput\tcost\n")
	line := func(p post) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\n", clean(cmp.Or(p.Name, "-"), 60), p.Calls, p.Input, p.Cached, p.Output, p.cost())
	}
	for _, part := range []struct {
		title string
		list  []post
	}{{"models", b.Models}, {"operators", b.Operator}, {"days", b.Days}, {"runs, the dearest first", b.Runs[:min(len(b.Runs), shownRuns)]}} {
		fmt.Fprintf(w, "%s\t\t\t\t\t\n", part.title)
		for _, p := range part.list {
			p.Name = "  " + p.Name
			line(p)
		}
	}
	b.Total.Name = "all since " + b.Since.Local().Format(time.DateTime)
	line(b.Total)
	if err := w.Flush(); err != nil {
		return err
	}
	if n := b.Total.Assumed; n > 0 {
		fmt.Fprintf(out, "%d calls have no count of the provider's, and count as the most that they can have taken.\n", n)
	}
	if n := b.Total.Refused; n > 0 {
		fmt.Fprintf(out, "%d calls were refused by the provider, and count no tokens.\n", n)
	}
	return nil
}

func (p post) cost() string {
	switch {
	case p.Unknown > 0 && p.Unknown+p.Refused == p.Calls:
		return "not known"
	case p.Unknown > 0:
		return fmt.Sprintf("at least %.4f $ (of %d calls the price is not known)", p.USD, p.Unknown)
	}
	return fmt.Sprintf("%.4f $", p.USD)
}
