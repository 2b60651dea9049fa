package main

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
	"github.com/beamlens/beamlens-go/llm/llmtest"
	"github.com/beamlens/beamlens-go/store"
)

// TestKeysChooseNoModel: a key in the environment is not a wish to send anything to anybody.
func TestKeysChooseNoModel(t *testing.T) {
	for _, name := range []string{"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GOOGLE_API_KEY", "AWS_BEARER_TOKEN_BEDROCK", "OPENROUTER_API_KEY"} {
		t.Setenv(name, "a-key")
	}
	o := engine.Options{Target: beamlens.Target{Kind: "beam", Name: "a@b"}, Store: store.NewMemory()}
	if err := (&modelFlags{calls: callsAnHour}).open(t.Context(), &o); err != nil || o.Model != nil || o.Budget != nil {
		t.Errorf("model %v, %v", o.Model, err)
	}
	if err := (&modelFlags{id: "anthropic", calls: callsAnHour, usd: 1}).open(t.Context(), &o); err != nil || o.Model == nil || o.Budget.Limits().Day.USD != 1 {
		t.Errorf("model %v, %v", o.Model, err)
	}
	if got := told(o.Model); got != "claude-haiku-5-5 of anthropic; requests leave this machine, redacted" {
		t.Error(got)
	}
}

func TestModelFlags(t *testing.T) {
	for id, says := range map[string]string{
		"antropic/x": `--model: "antropic/x": there is no provider "antropic" (did you mean "anthropic"?)`,
		"mistral/x":  "set MISTRAL_API_KEY, or the option api_key",
		"vllm":       "the option model is missing",
	} {
		o := engine.Options{Store: store.NewMemory()}
		if err := (&modelFlags{id: id}).open(t.Context(), &o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestRegistryMayBeOneModel(t *testing.T) {
	r, err := registry("ollama/qwen3:8b")
	if err != nil || len(r.Clients) != 1 || r.Clients[0].Provider != "ollama" || r.Clients[0].Options["model"] != "qwen3:8b" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestRegistryMakesTheModel: the client_registry of an Elixir application is what its engine asks. What the model answers is of no use here,
// so the analyst takes over within the same investigation.
func TestRegistryMakesTheModel(t *testing.T) {
	fake := llmtest.NewProvider(llmtest.Chat)
	server := httptest.NewServer(fake)
	defer server.Close()
	fromUs, toVM := io.Pipe()
	toUs, fromVM := io.Pipe()
	l := &life{peer: peer{t, fromUs, fromVM}, seen: map[string]int{}, answers: map[int64]string{}, alerts: map[string]bool{}, asked: map[string]bool{}}
	done := make(chan error, 1)
	go func() { done <- servePort(t.Context(), erlang.NewStdio(toUs, toVM, nil)) }()
	l.until("it greets", func() bool { return l.seen["hello"] > 0 })
	l.say(etf.Tuple{etf.A("hello"), 1, wire(map[string]any{
		"node": "shop@host", "app": "shop", "interval_ms": 20,
		"client_registry": map[string]any{"primary": "Local", "clients": []any{
			map[string]any{"name": "Local", "provider": "openai-generic", "options": map[string]any{"base_url": server.URL + "/v1", "model": "llama3.2", "api_key": "k"}},
			map[string]any{"name": "Claude", "provider": "anthropic", "options": map[string]any{"model": "claude-haiku-4-5-20251001"}, "retry_policy": "DefaultRetry"},
			map[string]any{"name": "Both", "provider": "fallback", "options": map[string]any{"strategy": []any{"Local", "Claude"}}},
		}},
		"operators": []any{map[string]any{"name": "cache", "skill": "redis", "module": "Redis", "custom": map[string]any{
			"title": "Redis", "description": "clients of Redis", "system_prompt": "You watch Redis.", "callback_docs": "",
			"callbacks": []any{map[string]any{"name": "slowLog", "arity": 1}}, "metrics": []any{},
			"rules": []any{map[string]any{"metric": "clients", "above": 100, "severity": "critical"}},
		}}},
	})})
	l.until("an alert", func() bool { return l.alerts["cache"] })
	sent := fake.Requests()
	if len(sent) == 0 {
		t.Fatal("the model was not asked")
	}
	if body := string(sent[0].Body); sent[0].Path != "/v1/chat/completions" || !strings.Contains(body, `"model":"llama3.2"`) || !strings.Contains(body, "You watch Redis.") {
		t.Errorf("asked %s %s", sent[0].Path, body)
	}
	l.out.Close() // the VM is gone
	go func() {
		for ok := true; ok; _, ok = l.hear() {
		}
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
