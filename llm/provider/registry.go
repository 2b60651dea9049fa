package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/route"
)

// Client is one model, or one composition of others.
type Client struct {
	Name        string         `json:"name"`
	Provider    string         `json:"provider"`
	Options     map[string]any `json:"options"`
	RetryPolicy string         `json:"retry_policy"` // "", DefaultRetry, or none
}

// Registry is what a user configures.
type Registry struct {
	Primary string   `json:"primary"` // the name of the client that is asked; may be left out when there is one
	Clients []Client `json:"clients"`
}

// Options of what is made. Zero values mean the defaults.
type Options struct {
	Env    func(name string) string // default: nothing is set
	Client *http.Client             // default: one that uses no proxy
	Chains Chains

	// Around is what goes around each model. The retries of a client with a retry_policy are the policy's.
	Around route.ClientOptions
	// Wrap is put right around each wire: telemetry, a recording. It may be nil.
	Wrap func(llm.Model) llm.Model
	// OnNext is told each model that failed and was made up for by the next; may be nil.
	OnNext func(failed llm.About, err error)
}

// Chains are where clouds have their credentials: in files, in services of theirs, in the environment. Each gives what authorizes a request.
// They come from the modules ext/aws, ext/gcp and ext/azure; without one, a provider needs a key.
type Chains struct {
	AWS    func(region, profile string) func(*http.Request, []byte) error
	Google func(credentials string) func(*http.Request, []byte) error // a file or its content; "" where they are looked for
	Azure  func() func(*http.Request, []byte) error
}

// Decode reads a registry from maps, lists, strings and numbers, as JSON, YAML and Elixir have them.
func Decode(v any) (Registry, error) {
	var r Registry
	raw, err := json.Marshal(v)
	if err != nil {
		return r, fmt.Errorf("client_registry: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&r); err != nil {
		var typ *json.UnmarshalTypeError
		if errors.As(err, &typ) {
			return r, fmt.Errorf("client_registry: %s must not be of type %s", typ.Field, typ.Value)
		}
		return r, fmt.Errorf("client_registry: %s; it is %%{primary: name, clients: [%%{name:, provider:, options:, retry_policy:}]}",
			strings.TrimPrefix(err.Error(), "json: "))
	}
	return r, nil
}

// Parse reads provider/model, or a provider alone for its default model.
func Parse(s string) (Client, error) {
	id, model, _ := strings.Cut(s, "/")
	c := Client{Name: s, Provider: id, Options: map[string]any{}}
	if model != "" {
		c.Options["model"] = model
	}
	if _, err := find(id); err != nil {
		return c, fmt.Errorf("%q: %w; write provider/model, such as anthropic/%s or ollama/qwen3", s, err, "claude-haiku-5-5")
	}
	return c, nil
}

// Model makes the primary client, with all that it is composed of. A client that is not used is checked too: what is wrong is told
// when it is written, not when the first provider fails.
func (r Registry) Model(o Options) (llm.Model, error) {
	if len(r.Clients) == 0 {
		return nil, errors.New("client_registry: there are no clients")
	}
	primary := r.Primary
	if primary == "" && len(r.Clients) == 1 {
		primary = r.Clients[0].Name
	}
	b := builder{registry: r, options: o, made: map[string]llm.Model{}, names: make([]string, len(r.Clients))}
	for i, c := range r.Clients {
		if c.Name == "" || slices.Contains(b.names[:i], c.Name) {
			return nil, fmt.Errorf("client_registry: client %d needs a name of its own, has %q", i+1, c.Name)
		}
		b.names[i] = c.Name
	}
	if primary == "" {
		return nil, fmt.Errorf("client_registry: name the primary; it is one of %s", strings.Join(b.names, ", "))
	}
	for _, name := range b.names {
		if _, err := b.client(name, nil); err != nil && (name == primary || !missing(err)) {
			return nil, fmt.Errorf("client_registry: %w", err)
		}
	}
	m, err := b.client(primary, nil)
	if err != nil {
		return nil, fmt.Errorf("client_registry: primary: %w", err)
	}
	return m, nil
}

// errMissing is an error of what is not configured, which matters only for a model that is used.
type errMissing struct{ error }

func missing(err error) bool {
	var m errMissing
	return errors.As(err, &m)
}

// builder makes the models of a registry.
type builder struct {
	registry Registry
	options  Options
	names    []string
	made     map[string]llm.Model
}

// client makes the client of a name. Path are the names of those that are being made of it.
func (b *builder) client(name string, path []string) (llm.Model, error) {
	if m, ok := b.made[name]; ok {
		return m, nil
	}
	i := slices.Index(b.names, name)
	if i < 0 {
		return nil, fmt.Errorf("there is no client %q%s; there are %s", name, nearest(name, b.names), strings.Join(b.names, ", "))
	}
	if slices.Contains(path, name) {
		return nil, fmt.Errorf("client %q is made of itself: %s", name, strings.Join(append(path, name), " → "))
	}
	c := b.registry.Clients[i]
	m, err := b.make(c, append(slices.Clone(path), name))
	if err != nil {
		return nil, fmt.Errorf("client %q (%s): %w", c.Name, c.Provider, err)
	}
	b.made[name] = m
	return m, nil
}

func (b *builder) make(c Client, path []string) (llm.Model, error) {
	if c.Provider == "fallback" || c.Provider == "round-robin" {
		return b.compose(c, path)
	}
	around := b.options.Around
	switch c.RetryPolicy {
	case "":
	case "DefaultRetry": // the original's: three retries, from 200 ms on
		around.Retry.Attempts, around.Retry.MinBackoff, around.Retry.MaxBackoff = 4, 200*time.Millisecond, 10*time.Second
	case "none":
		around.Retry.Attempts = 1
	default:
		return nil, fmt.Errorf("there is no retry_policy %q%s; there are DefaultRetry and none", c.RetryPolicy, nearest(c.RetryPolicy, []string{"DefaultRetry", "none"}))
	}
	if limit := (&reader{options: c.Options}).number("timeout_ms"); limit > 0 {
		around.Retry.AttemptTimeout = time.Duration(limit * float64(time.Millisecond)) // else it would end before
	}
	wire, err := New(c, b.options)
	if err != nil {
		return nil, err
	}
	if b.options.Wrap != nil {
		wire = b.options.Wrap(wire)
	}
	return route.Client(wire, around), nil
}

// compose makes a model of others.
func (b *builder) compose(c Client, path []string) (llm.Model, error) {
	o := reader{options: c.Options}
	names := o.list("strategy")
	if err := o.done("strategy"); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("strategy is a list of the names of clients")
	}
	models := make([]llm.Model, len(names))
	for i, name := range names {
		var err error
		if models[i], err = b.client(name, path); err != nil {
			return nil, err
		}
	}
	if c.Provider == "fallback" {
		return route.NewFallback(b.options.OnNext, models...), nil
	}
	return route.NewRoundRobin(b.options.OnNext, models...), nil
}
