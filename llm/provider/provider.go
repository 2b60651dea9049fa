package provider

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/anthropic"
	"github.com/beamlens/beamlens-go/llm/bedrock"
	"github.com/beamlens/beamlens-go/llm/google"
	"github.com/beamlens/beamlens-go/llm/ollama"
	"github.com/beamlens/beamlens-go/llm/openai"
	"github.com/beamlens/beamlens-go/llm/wire"
)

// Provider is one that a [Client] may name.
type Provider struct {
	ID      string
	Options []string // besides those that all have
	Keys    []string // variables of the environment that hold a key, in their order
	Vars    []string // others that are read
	make    func(*spec) (llm.Model, error)
}

// common are the options of all providers that are no composition.
var common = []string{"model", "api_key", "base_url", "headers", "max_tokens", "temperature", "top_p", "timeout_ms", "extra"}

// Providers are all that there are, besides fallback and round-robin, whose only option is strategy.
var Providers = []Provider{
	{"anthropic", []string{"effort"}, []string{"ANTHROPIC_API_KEY"}, nil, makeAnthropic},
	{"openai", []string{"effort", "api"}, []string{"OPENAI_API_KEY"}, nil, makeOpenAI},
	{"openai-responses", []string{"effort"}, []string{"OPENAI_API_KEY"}, nil, makeOpenAI},
	{"openai-generic", []string{"effort", "num_ctx"}, nil, nil, makeGeneric},
	{"azure-openai", []string{"resource_name", "deployment_id", "api_version", "effort", "api"}, []string{"AZURE_OPENAI_API_KEY"}, nil, makeAzure},
	{"google-ai", []string{"effort"}, []string{"GOOGLE_API_KEY", "GEMINI_API_KEY"}, nil, makeGoogle},
	{"vertex-ai", []string{"location", "project_id", "query_params", "credentials", "effort"}, nil, []string{"GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"}, makeVertex},
	{"aws-bedrock", []string{"model_id", "region", "profile", "access_key_id", "secret_access_key", "session_token"}, []string{"AWS_BEARER_TOKEN_BEDROCK"},
		[]string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}, makeBedrock},
	{"ollama", []string{"num_ctx", "think"}, []string{"OLLAMA_API_KEY"}, []string{"OLLAMA_HOST"}, makeOllama},
	{"openrouter", []string{"effort"}, []string{"OPENROUTER_API_KEY"}, nil, compatible("openrouter", "https://openrouter.ai/api/v1")},
	{"together", nil, []string{"TOGETHER_API_KEY"}, nil, compatible("together", "https://api.together.xyz/v1")},
	{"groq", []string{"effort"}, []string{"GROQ_API_KEY"}, nil, compatible("groq", "https://api.groq.com/openai/v1")},
	{"vercel", []string{"effort"}, []string{"AI_GATEWAY_API_KEY"}, nil, compatible("vercel", "https://ai-gateway.vercel.sh/v1")},
	{"mistral", nil, []string{"MISTRAL_API_KEY"}, nil, compatible("mistral", "https://api.mistral.ai/v1")},
	{"vllm", nil, nil, nil, compatible("vllm", "http://localhost:8000/v1")},
	{"lmstudio", nil, nil, nil, compatible("lmstudio", "http://localhost:1234/v1")},
	{"llamacpp", nil, nil, nil, compatible("llamacpp", "http://localhost:8080/v1")},
}

// IDs are the ids of all providers.
func IDs() []string {
	ids := make([]string, 0, len(Providers)+2)
	for _, p := range Providers {
		ids = append(ids, p.ID)
	}
	return append(ids, "fallback", "round-robin")
}

func find(id string) (*Provider, error) {
	for i := range Providers {
		if Providers[i].ID == id {
			return &Providers[i], nil
		}
	}
	return nil, fmt.Errorf("there is no provider %q%s; there are %s", id, nearest(id, IDs()), strings.Join(IDs(), ", "))
}

// spec is what a client asks for.
type spec struct {
	reader
	provider *Provider
	options  Options
	http     wire.HTTP
	model    string
	key      string
	limit    int
}

// New makes the wire of a client, which is no composition, and nothing around it.
func New(c Client, o Options) (llm.Model, error) {
	p, err := find(c.Provider)
	if err != nil {
		return nil, err
	}
	if o.Env == nil {
		o.Env = func(string) string { return "" }
	}
	s := &spec{reader: reader{options: c.Options}, provider: p, options: o}
	s.model, s.key, s.limit = s.text("model"), s.text("api_key"), int(s.number("max_tokens"))
	for _, name := range p.Keys {
		s.key = cmp.Or(s.key, strings.TrimSpace(o.Env(name)))
	}
	s.http = wire.HTTP{Base: s.text("base_url"), Client: o.Client, Timeout: time.Duration(s.number("timeout_ms") * float64(time.Millisecond)), Header: http.Header{}, Extra: map[string]any{}}
	for name, v := range s.object("headers") {
		s.http.Header.Set(name, fmt.Sprint(v))
	}
	for _, name := range []string{"temperature", "top_p"} {
		if s.reader.options[name] != nil {
			s.http.Extra[name] = s.number(name)
		}
	}
	for name, v := range s.object("extra") {
		s.http.Extra[name] = v
	}
	if s.http.Base != "" {
		if u, err := url.Parse(s.http.Base); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			s.fail("base_url must be an address such as https://host/v1, is %q", s.http.Base)
		}
	}
	m, err := p.make(s)
	if wrong := s.done(append(append([]string{}, common...), p.Options...)...); wrong != nil {
		return nil, wrong
	}
	return m, err
}

// required is the error of what must be there, in the order in which a user would set it.
func (s *spec) required(key bool) error {
	if s.model == "" {
		return needs("the option model is missing")
	}
	if key && s.key == "" {
		return needs("there is no key: set " + strings.Join(s.provider.Keys, " or ") + ", or the option api_key")
	}
	return nil
}

func makeAnthropic(s *spec) (llm.Model, error) {
	s.model = cmp.Or(s.model, anthropic.DefaultModel)
	effort := s.text("effort")
	if err := s.required(true); err != nil {
		return nil, err
	}
	return anthropic.New(anthropic.Options{Model: s.model, Key: s.key, MaxTokens: s.limit, Effort: effort, HTTP: s.http}), nil
}

// api reads which of the two is spoken.
func (s *spec) api(otherwise openai.API) openai.API {
	switch a := openai.API(s.text("api")); a {
	case "":
		return otherwise
	case openai.Responses, openai.Chat:
		return a
	default:
		s.fail("api is responses or chat, not %q", a)
		return a
	}
}

func makeOpenAI(s *spec) (llm.Model, error) {
	api := openai.Responses
	// Whatever copies OpenAI at another address has Chat Completions, and seldom more.
	if s.http.Base != "" && !strings.Contains(s.http.Base, ".openai.com") && s.provider.ID == "openai" {
		api = openai.Chat
	}
	o := openai.Options{Model: s.model, Key: s.key, API: s.api(api), Dialect: openai.Dialects["openai"], MaxTokens: s.limit, Effort: s.text("effort"), HTTP: s.http}
	if s.http.Base != "" && api == openai.Chat {
		o.Dialect = openai.Dialects["generic"]
	}
	if err := s.required(true); err != nil {
		return nil, err
	}
	return openai.New(o), nil
}

func makeGeneric(s *spec) (llm.Model, error) {
	u, err := url.Parse(s.http.Base)
	if s.http.Base == "" || err != nil {
		return nil, needs("the option base_url is missing, such as http://localhost:11434/v1")
	}
	if u.Port() == "11434" {
		return makeOllama(s) // its own API can force a call, and refuses what does not fit; its copy of OpenAI's does neither
	}
	return compatible("generic", "")(s)
}

// compatible makes a model of a server that has copied Chat Completions.
func compatible(dialect, base string) func(*spec) (llm.Model, error) {
	return func(s *spec) (llm.Model, error) {
		s.http.Base = cmp.Or(s.http.Base, base)
		effort := s.text("effort")
		if err := s.required(len(s.provider.Keys) > 0); err != nil {
			return nil, err
		}
		return openai.New(openai.Options{Model: s.model, Key: s.key, API: openai.Chat, Dialect: openai.Dialects[dialect], MaxTokens: s.limit, Effort: effort, HTTP: s.http}), nil
	}
}

func makeAzure(s *spec) (llm.Model, error) {
	resource, version, effort := s.text("resource_name"), s.text("api_version"), s.text("effort")
	s.model = cmp.Or(s.text("deployment_id"), s.model)
	// The API of version 1 needs no version, and serves the deployments of older ones; those who name one are used to Chat Completions.
	api := openai.Responses
	if version != "" {
		api = openai.Chat
	}
	api = s.api(api)
	switch {
	case s.http.Base == "" && resource == "":
		return nil, needs("the option resource_name is missing: the part of the address before .openai.azure.com")
	case s.model == "":
		return nil, needs("the option deployment_id is missing")
	case s.key != "":
		s.http.Authorize = wire.Header("Api-Key", s.key)
	case s.options.Chains.Azure != nil:
		s.http.Authorize = s.options.Chains.Azure()
	default:
		return nil, s.required(true)
	}
	if s.http.Base == "" {
		s.http.Base = "https://" + resource + ".openai.azure.com/openai/v1"
	}
	return openai.New(openai.Options{Model: s.model, API: api, Dialect: openai.Dialects["azure"], MaxTokens: s.limit, Effort: effort, HTTP: s.http}), nil
}

func makeGoogle(s *spec) (llm.Model, error) {
	effort := s.text("effort")
	if err := s.required(true); err != nil {
		return nil, err
	}
	s.sampling("generationConfig", "topP")
	return google.New(google.Options{Model: s.model, Key: s.key, MaxTokens: s.limit, Effort: effort, HTTP: s.http}), nil
}

// sampling puts what samples into the part of the request where a provider wants it, under its name.
func (s *spec) sampling(part, topP string) {
	config := map[string]any{}
	for name, theirs := range map[string]string{"temperature": "temperature", "top_p": topP} {
		if s.reader.options[name] != nil {
			config[theirs] = s.http.Extra[name]
			delete(s.http.Extra, name)
		}
	}
	if len(config) > 0 && s.http.Extra[part] == nil {
		s.http.Extra[part] = config
	}
}

func makeVertex(s *spec) (llm.Model, error) {
	query := reader{options: s.object("query_params")}
	s.key = cmp.Or(s.key, query.text("key"))
	if err := query.done("key"); err != nil {
		s.fail("query_params: %w", err)
	}
	o := google.Options{Model: s.model, Vertex: true, Effort: s.text("effort"), MaxTokens: s.limit,
		Project: cmp.Or(s.text("project_id"), s.options.Env("GOOGLE_CLOUD_PROJECT")), Location: cmp.Or(s.text("location"), s.options.Env("GOOGLE_CLOUD_LOCATION"))}
	credentials := s.text("credentials")
	if err := s.required(false); err != nil {
		return nil, err
	}
	switch {
	case s.key != "":
		o.Key = s.key
	case s.options.Chains.Google == nil:
		return nil, needs("there is no key: set the option api_key; this program does not look for Google's default credentials")
	case o.Project == "":
		return nil, needs("there is no project: set the option project_id, or GOOGLE_CLOUD_PROJECT")
	default:
		s.http.Authorize = s.options.Chains.Google(credentials)
	}
	s.sampling("generationConfig", "topP")
	o.HTTP = s.http
	return google.New(o), nil
}

func makeBedrock(s *spec) (llm.Model, error) {
	env := s.options.Env
	s.model = cmp.Or(s.model, s.text("model_id"))
	region := cmp.Or(s.text("region"), env("AWS_REGION"), env("AWS_DEFAULT_REGION"), bedrock.DefaultRegion)
	profile := s.text("profile")
	own := bedrock.Credentials{ID: s.text("access_key_id"), Secret: s.text("secret_access_key"), Session: s.text("session_token")}
	found := bedrock.Credentials{ID: env("AWS_ACCESS_KEY_ID"), Secret: env("AWS_SECRET_ACCESS_KEY"), Session: env("AWS_SESSION_TOKEN")}
	if err := s.required(false); err != nil {
		return nil, err
	}
	chain := s.options.Chains.AWS
	switch {
	case own.ID != "":
		s.http.Authorize = bedrock.Sign(own, region)
	case profile != "" && chain != nil:
		s.http.Authorize = chain(region, profile)
	case s.key != "":
	case found.ID != "" && found.Secret != "":
		s.http.Authorize = bedrock.Sign(found, region)
	case chain != nil:
		s.http.Authorize = chain(region, "")
	default:
		return nil, needs("there are no credentials: set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the option api_key")
	}
	s.sampling("inferenceConfig", "topP")
	return bedrock.New(bedrock.Options{Model: s.model, Region: region, Token: s.key, MaxTokens: s.limit, HTTP: s.http}), nil
}

func makeOllama(s *spec) (llm.Model, error) {
	if s.http.Base == "" {
		if host := s.options.Env("OLLAMA_HOST"); host != "" {
			s.http.Base = ollamaHost(host)
		}
	}
	s.http.Base = strings.TrimSuffix(strings.TrimSuffix(s.http.Base, "/"), "/v1")
	s.sampling("options", "top_p")
	o := ollama.Options{Model: s.model, Key: s.key, Context: int(s.number("num_ctx")), MaxTokens: s.limit, HTTP: s.http}
	if v := s.reader.options["think"]; v != nil {
		o.Think = fmt.Sprint(v) == "true"
	}
	if err := s.required(false); err != nil {
		return nil, err
	}
	return ollama.New(o), nil
}

// ollamaHost reads the variable as Ollama does: a host, a port, or both, where 0.0.0.0 means this machine.
func ollamaHost(host string) string {
	if !strings.Contains(host, "://") {
		host = "http://" + host
	}
	u, err := url.Parse(host)
	if err != nil {
		return host
	}
	if u.Port() == "" && u.Scheme == "http" {
		u.Host += ":11434"
	}
	if u.Hostname() == "0.0.0.0" || u.Hostname() == "" {
		u.Host = "localhost:" + u.Port()
	}
	return u.String()
}
