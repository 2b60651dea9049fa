// Package price knows what models cost: a small table of our own, with the dates from which prices hold and the prices of long
// prompts, and whatever the user adds or corrects. A model that is not in it costs an unknown amount, never nothing.
//
// # The table
//
// It is JSON, and a user's file looks the same:
//
//	{"prices": [{"provider": "anthropic", "model": "claude-haiku-5-5", "from": "2026-10-07",
//	  "input": 0.1, "output": 0.5, "cache_read": 0.01, "cache_write": 0.125, "cache_write_1h": 0.2,
//	  "over": [{"tokens": 100000, "input": 0.5, "output": 2.5, "cache_read": 0.05, "cache_write": 0.625, "cache_write_1h": 1}]}]}
//
// Prices are US dollars per million tokens. "over" holds for the whole request when its input, what is cached included, has more tokens.
// Several entries of one model are prices that follow each other; "from" is the first day (UTC) of each. A cache price that is missing
// is the input's. The provider is what OpenTelemetry calls it.
//
// What the table leaves out on purpose: models in a user's own Azure deployment, whose names say nothing, and prices of a region.
package price

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/llm"
)

//go:embed prices.json
var embedded []byte

// Table has the prices of models. A nil table knows none.
type Table struct {
	asOf time.Time
	rows map[string][]row // by provider and model; newest first
}

type row struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
	From     string `json:"from"`
	rate
	Over []struct {
		Tokens int64 `json:"tokens"`
		rate
	} `json:"over"`
	from time.Time
}

type rate struct {
	Input        float64  `json:"input"`
	Output       float64  `json:"output"`
	CacheRead    *float64 `json:"cache_read"`
	CacheWrite   *float64 `json:"cache_write"`
	CacheWrite1h *float64 `json:"cache_write_1h"`
}

// Default returns the table that comes with this program.
func Default() *Table {
	t, err := Read(bytes.NewReader(embedded))
	if err != nil {
		panic("price: " + err.Error()) // unreachable: a test reads it
	}
	return t
}

// Read reads a table.
func Read(r io.Reader) (*Table, error) {
	var file struct {
		AsOf   string `json:"as_of"`
		Prices []row  `json:"prices"`
	}
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	t := &Table{rows: map[string][]row{}}
	var err error
	if t.asOf, err = day(file.AsOf); err != nil {
		return nil, fmt.Errorf("prices: as_of: %w", err)
	}
	for i, p := range file.Prices {
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("prices: entry %d (%s %s): %w", i+1, p.Provider, p.Model, err)
		}
		if p.from, err = day(p.From); err != nil {
			return nil, fmt.Errorf("prices: entry %d (%s %s): from: %w", i+1, p.Provider, p.Model, err)
		}
		k := key(p.Provider, p.Model)
		t.rows[k] = append(t.rows[k], p)
		slices.SortStableFunc(t.rows[k], func(a, b row) int { return b.from.Compare(a.from) })
	}
	return t, nil
}

func day(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return t, fmt.Errorf("%q is no day like 2026-10-07", s)
	}
	return t, nil
}

func (p row) check() error {
	if p.Provider == "" || p.Model == "" {
		return errors.New("provider and model are required")
	}
	rates := []rate{p.rate}
	for _, o := range p.Over {
		if o.Tokens <= 0 {
			return errors.New("over: tokens must be more than 0")
		}
		rates = append(rates, o.rate)
	}
	for _, r := range rates {
		for _, x := range []*float64{&r.Input, &r.Output, r.CacheRead, r.CacheWrite, r.CacheWrite1h} {
			if x != nil && (*x < 0 || math.IsNaN(*x) || *x > 1e6) {
				return fmt.Errorf("a price of %g dollars for a million tokens", *x)
			}
		}
	}
	return nil
}

// With returns the table with the entries of another in place of its own: a model that the other one names is priced by it alone.
func (t *Table) With(other *Table) *Table {
	out := &Table{rows: map[string][]row{}}
	for _, from := range []*Table{t, other} {
		if from == nil {
			continue
		}
		if from.asOf.After(out.asOf) {
			out.asOf = from.asOf
		}
		for k, rows := range from.rows {
			out.rows[k] = rows
		}
	}
	return out
}

// AsOf is the day on which the table was checked last.
func (t *Table) AsOf() time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.asOf
}

var (
	// The same models at the same prices, under other names of the provider.
	providers = map[string]string{"gcp.gemini": "google", "gcp.gen_ai": "google", "gcp.vertex_ai": "google"}
	// What providers put around a model's name: a folder, the date of its release, the word latest, a variant of its context.
	prefixRE = regexp.MustCompile(`^(models|publishers/[a-z]+/models)/`)
	suffixRE = regexp.MustCompile(`(-\d{8}|-\d{4}-\d{2}-\d{2}|@\d{8}|-latest|\[1m\])$`)
)

func key(provider, model string) string {
	provider = strings.ToLower(provider)
	if p, ok := providers[provider]; ok {
		provider = p
	}
	return provider + " " + prefixRE.ReplaceAllString(strings.ToLower(model), "")
}

// Rates returns the prices of a model on a day; false when they are not known.
func (t *Table) Rates(provider, model string, at time.Time) (Rates, bool) {
	if t == nil {
		return Rates{}, false
	}
	k := key(provider, model)
	rows, ok := t.rows[k]
	if !ok {
		rows, ok = t.rows[suffixRE.ReplaceAllString(k, "")]
	}
	if !ok {
		return Rates{}, false
	}
	for _, r := range rows {
		if !r.from.After(at) {
			return Rates{r}, true
		}
	}
	return Rates{}, false // at that time it had no price
}

// Rates are the prices of one model.
type Rates struct{ row row }

const million = 1e6

// at gives the prices for a request with so many tokens of input.
func (r Rates) at(input int64) rate {
	out, over := r.row.rate, int64(0)
	for _, o := range r.row.Over {
		if input > o.Tokens && o.Tokens > over {
			out, over = o.rate, o.Tokens
		}
	}
	return out
}

func or(x *float64, other float64) float64 {
	if x == nil {
		return other
	}
	return *x
}

// Cost is what one request cost, in dollars. The time to live says which price its cache writes have.
func (r Rates) Cost(u llm.Usage, ttl time.Duration) float64 {
	p := r.at(u.Input)
	write := or(p.CacheWrite, p.Input)
	if ttl > 5*time.Minute {
		write = or(p.CacheWrite1h, write)
	}
	read := min(max(u.CacheRead, 0), u.Input)
	wrote := min(max(u.CacheWrite, 0), u.Input-read)
	plain := u.Input - read - wrote
	return (float64(plain)*p.Input + float64(read)*or(p.CacheRead, p.Input) + float64(wrote)*write + float64(u.Output)*p.Output) / million
}

// Bound is the most that a request can cost with at most so many tokens of input and of output.
func (r Rates) Bound(input, output int64) float64 {
	most := 0.0
	for _, p := range append([]rate{r.row.rate}, r.overRates(input)...) {
		in := max(p.Input, or(p.CacheWrite, 0), or(p.CacheWrite1h, 0), or(p.CacheRead, 0))
		most = max(most, float64(input)*in+float64(output)*p.Output)
	}
	return most / million
}

func (r Rates) overRates(input int64) []rate {
	var out []rate
	for _, o := range r.row.Over {
		if input > o.Tokens {
			out = append(out, o.rate)
		}
	}
	return out
}
