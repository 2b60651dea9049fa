package provider

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/llm"
)

// catcher keeps requests, and answers all with 500.
type catcher struct{ sent []*http.Request }

func (c *catcher) RoundTrip(r *http.Request) (*http.Response, error) {
	c.sent = append(c.sent, r)
	return &http.Response{StatusCode: 500, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
}

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func chain(token string) func(*http.Request, []byte) error {
	return func(r *http.Request, _ []byte) error { r.Header.Set("Authorization", "Bearer "+token); return nil }
}

// all are variables that choose nothing by themselves.
var all = env("ANTHROPIC_API_KEY", "anthropic-key", "OPENAI_API_KEY", "openai-key", "AZURE_OPENAI_API_KEY", "azure-key", "GOOGLE_API_KEY", "google-key",
	"OPENROUTER_API_KEY", "openrouter-key", "AWS_BEARER_TOKEN_BEDROCK", "aws-token", "GROQ_API_KEY", "groq-key")

// TestWhereRequestsGo: what each provider of the original, and each of ours, asks, where and with which key.
func TestWhereRequestsGo(t *testing.T) {
	for _, c := range []struct {
		name, client string // JSON
		env          func(string) string
		url          string
		header       string // "Name: value"
		says         string // a part of the body
		about        string // provider as OpenTelemetry has it
	}{
		{"anthropic of the original", `{"provider":"anthropic","options":{"model":"claude-haiku-4-5-20251001"}}`, all, "https://api.anthropic.com/v1/messages", "X-Api-Key: anthropic-key", `"model":"claude-haiku-4-5-20251001"`, "anthropic"},
		{"anthropic by default", `{"provider":"anthropic"}`, all, "https://api.anthropic.com/v1/messages", "Anthropic-Version: 2023-06-01", `"model":"claude-haiku-5-5"`, "anthropic"},
		{"anthropic, all options", `{"provider":"anthropic","options":{"api_key":"own","base_url":"https://gate.example/a","headers":{"X-Team":"db"},"max_tokens":99,"temperature":1,"effort":"low","extra":{"service_tier":"auto"},"timeout_ms":5000}}`, nil, "https://gate.example/a/v1/messages", "X-Team: db", `"max_tokens":99`, "anthropic"},
		{"aws-bedrock of the original", `{"provider":"aws-bedrock","options":{"model":"anthropic.claude-3-5-haiku-20241022-v1:0","region":"us-east-1"}}`, all, "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3-5-haiku-20241022-v1%3A0/converse", "Authorization: Bearer aws-token", `"toolChoice":{"any":{}}`, "aws.bedrock"},
		{"aws-bedrock, static keys", `{"provider":"aws-bedrock","options":{"model":"arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x","temperature":0.5}}`, env("AWS_REGION", "eu-west-1", "AWS_ACCESS_KEY_ID", "AKID", "AWS_SECRET_ACCESS_KEY", "s"), "https://bedrock-runtime.eu-west-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.x/converse", "Authorization: AWS4-HMAC-SHA256 Credential=AKID/", `"inferenceConfig":{"maxTokens":7,"temperature":0.5}`, "aws.bedrock"},
		{"aws-bedrock, a profile before the environment", `{"provider":"aws-bedrock","options":{"model":"amazon.nova-lite-v1:0","profile":"ops"}}`, all, "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-lite-v1%3A0/converse", "Authorization: Bearer us-east-1 ops", ``, "aws.bedrock"},
		{"google-ai of the original", `{"provider":"google-ai","options":{"model":"gemini-2.0-flash","top_p":0.5}}`, all, "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.0-flash:generateContent", "X-Goog-Api-Key: google-key", `"generationConfig":{"maxOutputTokens":7,"topP":0.5}`, "gcp.gemini"},
		{"vertex-ai of the original", `{"provider":"vertex-ai","options":{"model":"gemini-2.5-pro","location":"us-central1","project_id":"garden"}}`, all, "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/garden/locations/us-central1/publishers/google/models/gemini-2.5-pro:generateContent", "Authorization: Bearer google chain", ``, "gcp.vertex_ai"},
		{"vertex-ai with a key", `{"provider":"vertex-ai","options":{"model":"gemini-2.5-pro","query_params":{"key":"vk"}}}`, nil, "https://aiplatform.googleapis.com/v1beta1/publishers/google/models/gemini-2.5-pro:generateContent", "X-Goog-Api-Key: vk", ``, "gcp.vertex_ai"},
		{"Ollama of the original", `{"provider":"openai-generic","options":{"base_url":"http://localhost:11434/v1","model":"llama3.2"}}`, all, "http://localhost:11434/api/chat", "", `"num_ctx":16384`, "ollama"},
		{"ollama", `{"provider":"ollama","options":{"model":"qwen3","num_ctx":"8192","temperature":0}}`, env("OLLAMA_HOST", "0.0.0.0"), "http://localhost:11434/api/chat", "", `"num_ctx":8192,"num_predict":7,"temperature":0`, "ollama"},
		{"openai of the original", `{"provider":"openai","options":{"model":"gpt-4o-mini"}}`, all, "https://api.openai.com/v1/responses", "Authorization: Bearer openai-key", `"store":false`, "openai"},
		{"openai elsewhere", `{"provider":"openai","options":{"model":"m","base_url":"https://proxy.example/v1"}}`, all, "https://proxy.example/v1/chat/completions", "Authorization: Bearer openai-key", `"max_tokens":7`, "openai-generic"},
		{"openai, chat by choice", `{"provider":"openai","options":{"model":"gpt-5.6","api":"chat"}}`, all, "https://api.openai.com/v1/chat/completions", "", `"reasoning_effort":"none"`, "openai"},
		{"azure-openai of the original", `{"provider":"azure-openai","options":{"resource_name":"garden","deployment_id":"mini","api_version":"2024-02-01"}}`, all, "https://garden.openai.azure.com/openai/v1/chat/completions", "Api-Key: azure-key", `"model":"mini"`, "azure.ai.openai"},
		{"azure-openai, Entra ID", `{"provider":"azure-openai","options":{"resource_name":"garden","deployment_id":"mini"}}`, nil, "https://garden.openai.azure.com/openai/v1/responses", "Authorization: Bearer azure chain", ``, "azure.ai.openai"},
		{"openai-generic of the original", `{"provider":"openai-generic","options":{"base_url":"http://10.0.0.5:8000/v1","model":"m"}}`, all, "http://10.0.0.5:8000/v1/chat/completions", "", `"tool_choice":"required"`, "openai-generic"},
		{"openrouter of the original", `{"provider":"openrouter","options":{"model":"openai/gpt-4o-mini"}}`, all, "https://openrouter.ai/api/v1/chat/completions", "Authorization: Bearer openrouter-key", `"model":"openai/gpt-4o-mini"`, "openrouter"},
		{"groq", `{"provider":"groq","options":{"model":"m"}}`, all, "https://api.groq.com/openai/v1/chat/completions", "Authorization: Bearer groq-key", `"max_completion_tokens":7`, "groq"},
		{"vllm", `{"provider":"vllm","options":{"model":"m"}}`, all, "http://localhost:8000/v1/chat/completions", "", ``, "vllm"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var client Client
			if err := json.Unmarshal([]byte(c.client), &client); err != nil {
				t.Fatal(err)
			}
			caught := &catcher{}
			o := Options{Env: c.env, Client: &http.Client{Transport: caught}, Chains: Chains{
				AWS:    func(region, profile string) func(*http.Request, []byte) error { return chain(region + " " + profile) },
				Google: func(string) func(*http.Request, []byte) error { return chain("google chain") },
				Azure:  func() func(*http.Request, []byte) error { return chain("azure chain") },
			}}
			m, err := New(client, o)
			if err != nil {
				t.Fatal(err)
			}
			req := &llm.Request{ToolMode: llm.ToolAny, MaxTokens: 7, Tools: []llm.Tool{{Name: "wait"}}, Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}
			if strings.Contains(c.says, "99") {
				req.MaxTokens = 0
			}
			if _, err := m.Turn(t.Context(), req); err == nil || len(caught.sent) != 1 {
				t.Fatalf("sent %d: %v", len(caught.sent), err)
			}
			r := caught.sent[0]
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if r.URL.String() != c.url {
				t.Errorf("asked %s\nwant  %s", r.URL, c.url)
			}
			name, value, _ := strings.Cut(c.header, ": ")
			if c.header != "" && !strings.HasPrefix(r.Header.Get(name), value) {
				t.Errorf("header %s is %q, want %q", name, r.Header.Get(name), value)
			}
			if c.header == "" && strings.Contains(strings.Join(r.Header.Values("Authorization"), ""), "-key") && !strings.Contains(c.url, "openai.com") {
				t.Error("a server gets a key that is not its own")
			}
			if !bytes.Contains(body, []byte(c.says)) {
				t.Errorf("%s\nhas not %s", body, c.says)
			}
			if about := m.(llm.Described).Describe(); about.Provider != c.about {
				t.Errorf("it is of %s, want %s", about.Provider, c.about)
			}
		})
	}
}

// TestRegistry: what is wrong is said where it is written, in words that say what to write.
func TestRegistry(t *testing.T) {
	for _, c := range []struct {
		name, registry string
		says           string // "" if it is right
	}{
		{"all of the original's", `{"primary":"Both","clients":[{"name":"Claude","provider":"anthropic","options":{"model":"claude-haiku-4-5-20251001"},"retry_policy":"DefaultRetry"},
			{"name":"GPT","provider":"openai","options":{"model":"gpt-4o-mini"}},{"name":"Turns","provider":"round-robin","options":{"strategy":["GPT","Claude"]}},
			{"name":"Both","provider":"fallback","options":{"strategy":["Claude","Turns"]}}]}`, ""},
		{"one needs no primary", `{"clients":[{"name":"a","provider":"anthropic"}]}`, ""},
		{"what is not used may lack its key", `{"primary":"a","clients":[{"name":"a","provider":"anthropic"},{"name":"b","provider":"mistral","options":{"model":"m"}}]}`, ""},
		{"what is not used may not be wrong", `{"primary":"a","clients":[{"name":"a","provider":"anthropic"},{"name":"b","provider":"mistrel"}]}`, `no provider "mistrel" (did you mean "mistral"?)`},
		{"no clients", `{}`, "there are no clients"},
		{"no primary", `{"clients":[{"name":"a","provider":"anthropic"},{"name":"b","provider":"anthropic"}]}`, "name the primary; it is one of a, b"},
		{"a primary that is none", `{"primary":"Cloude","clients":[{"name":"Claude","provider":"anthropic"}]}`, `no client "Cloude" (did you mean "Claude"?)`},
		{"a name twice", `{"primary":"a","clients":[{"name":"a","provider":"anthropic"},{"name":"a","provider":"anthropic"}]}`, "a name of its own"},
		{"a field that is none", `{"primray":"a"}`, `unknown field "primray"; it is %{primary`},
		{"a field of the wrong type", `{"clients":{"name":"a"}}`, "clients must not be of type object"},
		{"an option that is none", `{"clients":[{"name":"a","provider":"anthropic","options":{"modle":"x"}}]}`, `client "a" (anthropic): there is no option "modle" (did you mean "model"?)`},
		{"an option of the wrong type", `{"clients":[{"name":"a","provider":"anthropic","options":{"max_tokens":"many"}}]}`, "max_tokens must be a number from 0 on, is many"},
		{"a model that is no text", `{"clients":[{"name":"a","provider":"anthropic","options":{"model":5}}]}`, "model must be a text, is 5"},
		{"no key", `{"clients":[{"name":"a","provider":"mistral","options":{"model":"m"}}]}`, "set MISTRAL_API_KEY, or the option api_key"},
		{"no model", `{"clients":[{"name":"a","provider":"openai"}]}`, "the option model is missing"},
		{"no address", `{"clients":[{"name":"a","provider":"openai-generic","options":{"model":"m"}}]}`, "base_url is missing, such as"},
		{"an address that is none", `{"clients":[{"name":"a","provider":"vllm","options":{"model":"m","base_url":"localhost:8000"}}]}`, "base_url must be an address"},
		{"no resource", `{"clients":[{"name":"a","provider":"azure-openai","options":{"deployment_id":"m"}}]}`, "resource_name is missing"},
		{"no chain of Google", `{"clients":[{"name":"a","provider":"vertex-ai","options":{"model":"m","project_id":"p"}}]}`, "does not look for Google's default credentials"},
		{"credentials of AWS from the environment", `{"clients":[{"name":"a","provider":"aws-bedrock","options":{"model":"m"}}]}`, ""},
		{"a query that is no key", `{"clients":[{"name":"a","provider":"vertex-ai","options":{"model":"m","query_params":{"kay":"p"}}}]}`, `query_params: there is no option "kay" (did you mean "key"?)`},
		{"a policy that is none", `{"clients":[{"name":"a","provider":"anthropic","retry_policy":"defaultretry"}]}`, `no retry_policy "defaultretry" (did you mean "DefaultRetry"?)`},
		{"an api that is none", `{"clients":[{"name":"a","provider":"openai","options":{"model":"m","api":"completions"}}]}`, "api is responses or chat"},
		{"a strategy that is none", `{"clients":[{"name":"a","provider":"fallback","options":{"strategy":[]}}]}`, "strategy is a list"},
		{"a strategy of none", `{"primary":"b","clients":[{"name":"b","provider":"fallback","options":{"strategy":["a"]}}]}`, `client "b" (fallback): there is no client "a"`},
		{"made of itself", `{"primary":"a","clients":[{"name":"a","provider":"fallback","options":{"strategy":["b"]}},{"name":"b","provider":"round-robin","options":{"strategy":["a"]}}]}`, "made of itself: a → b → a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v any
			if err := json.Unmarshal([]byte(c.registry), &v); err != nil {
				t.Fatal(err)
			}
			r, err := Decode(v)
			var m llm.Model
			if err == nil {
				m, err = r.Model(Options{Env: all})
			}
			switch {
			case c.says == "" && (err != nil || m == nil):
				t.Error(err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("got %v\nwant %s", err, c.says)
			case err != nil && strings.Contains(err.Error(), "-key"):
				t.Errorf("the error tells a key: %v", err)
			}
		})
	}
}

// TestFallback: the second is asked when the first fails, and round-robin shares.
func TestFallback(t *testing.T) {
	caught := &catcher{}
	r := Registry{Primary: "both", Clients: []Client{
		{Name: "a", Provider: "anthropic", RetryPolicy: "none"},
		{Name: "b", Provider: "openai", Options: map[string]any{"model": "gpt-4o-mini"}, RetryPolicy: "none"},
		{Name: "both", Provider: "fallback", Options: map[string]any{"strategy": []string{"a", "b"}}},
	}}
	var failed []string
	m, err := r.Model(Options{Env: all, Client: &http.Client{Transport: caught}, OnNext: func(a llm.About, _ error) { failed = append(failed, a.Model) }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Turn(t.Context(), &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}); err == nil {
		t.Fatal("both fail, and it succeeds")
	}
	if len(caught.sent) != 2 || caught.sent[0].Host != "api.anthropic.com" || caught.sent[1].Host != "api.openai.com" || failed[0] != "claude-haiku-5-5" {
		t.Errorf("asked %d, failed %v", len(caught.sent), failed)
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{"anthropic": "anthropic ", "ollama/qwen3:8b": "ollama qwen3:8b", "openrouter/openai/gpt-4o-mini": "openrouter openai/gpt-4o-mini"} {
		c, err := Parse(in)
		model, _ := c.Options["model"].(string)
		if got := c.Provider + " " + model; err != nil || got != want {
			t.Errorf("%s: got %q, %v", in, got, err)
		}
	}
	if _, err := Parse("antropic/x"); err == nil || !strings.Contains(err.Error(), `did you mean "anthropic"?`) {
		t.Error(err)
	}
}

// TestLocal: only what runs models itself, in the house, is said to keep what it gets.
func TestLocal(t *testing.T) {
	for in, want := range map[string]bool{
		`{"provider":"ollama","options":{"model":"qwen3"}}`:                                                   true,
		`{"provider":"ollama","options":{"model":"gpt-oss:120b-cloud"}}`:                                      false, // Ollama passes it on
		`{"provider":"ollama","options":{"model":"qwen3","base_url":"https://ollama.example"}}`:               false,
		`{"provider":"vllm","options":{"model":"m"}}`:                                                         true,
		`{"provider":"vllm","options":{"model":"m","base_url":"http://10.1.2.3:8000/v1"}}`:                    true,
		`{"provider":"vllm","options":{"model":"m","base_url":"http://gpu.example:8000/v1"}}`:                 false,
		`{"provider":"openai-generic","options":{"model":"m","base_url":"http://localhost:4000/v1"}}`:         false, // it may be a gateway
		`{"provider":"openai","options":{"model":"m","api_key":"k","base_url":"http://localhost:4000/v1"}}`:   false,
		`{"provider":"anthropic","options":{"api_key":"k","base_url":"http://localhost:4000"}}`:               false,
		`{"provider":"openai-generic","options":{"model":"llama3.2","base_url":"http://localhost:11434/v1"}}`: true,
	} {
		var c Client
		if err := json.Unmarshal([]byte(in), &c); err != nil {
			t.Fatal(err)
		}
		m, err := New(c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.(llm.Described).Describe().Local; got != want {
			t.Errorf("%s: local %t", in, got)
		}
	}
}
