package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/llm"
)

// TestKinds: errors as providers and copies of them are known to write them, beyond what llmtest serves.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		header string // "Name: value"
		body   string
		kind   llm.ErrorKind
		wait   time.Duration
		says   string
	}{
		{"Anthropic, spend limit of the workspace", 400, "", `{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}`, llm.ErrQuota, 0, "nothing left to spend"},
		{"Anthropic, credit", 400, "", `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}`, llm.ErrQuota, 0, ""},
		{"Anthropic, billing", 402, "", `{"type":"error","error":{"type":"billing_error","message":"There's an issue with your billing."}}`, llm.ErrQuota, 0, ""},
		{"Anthropic, a body that is too large", 413, "", `{"error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}`, llm.ErrTooLong, 0, ""},
		{"Anthropic, thinking beside forcing", 400, "", `{"type":"error","error":{"type":"invalid_request_error","message":"Thinking may not be enabled when tool_choice forces tool use."}}`, llm.ErrUnsupported, 0, ""},
		{"Anthropic, no such model", 404, "", `{"type":"error","error":{"type":"not_found_error","message":"model: claude-nine"}}`, llm.ErrBadRequest, 0, "check the name of the model"},
		{"OpenAI, wait in the message", 429, "", `{"error":{"message":"Rate limit reached. Please try again in 1m2.5s.","code":"rate_limit_exceeded"}}`, llm.ErrRateLimited, 62500 * time.Millisecond, ""},
		{"OpenAI, wait of milliseconds", 429, "", `{"error":{"message":"Please try again in 20ms.","code":"rate_limit_exceeded"}}`, llm.ErrRateLimited, 20 * time.Millisecond, ""},
		{"Azure, wait in words", 429, "", `{"error":{"code":"429","message":"Requests have exceeded call rate limit. Please retry after 6 seconds."}}`, llm.ErrRateLimited, 6 * time.Second, ""},
		{"Azure, filter", 400, "", `{"error":{"message":"The response was filtered","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, llm.ErrBadRequest, 0, ""},
		{"Google, RetryInfo", 429, "", `{"error":{"code":429,"message":"Resource exhausted.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.07s"}]}}`, llm.ErrRateLimited, 34070 * time.Millisecond, ""},
		{"Google, in a list", 503, "", `[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]`, llm.ErrOverloaded, 0, ""},
		{"Google, deadline", 504, "", `{"error":{"code":504,"message":"Deadline expired","status":"DEADLINE_EXCEEDED"}}`, llm.ErrTimeout, 0, ""},
		{"Google, permission", 403, "", `{"error":{"code":403,"message":"Permission denied","status":"PERMISSION_DENIED"}}`, llm.ErrAuth, 0, "check the key"},
		{"AWS, wait", 429, "X-Amz-Retry-After: 1500", `{"message":"Too many requests"}`, llm.ErrRateLimited, 1500 * time.Millisecond, ""},
		{"AWS, model not ready", 429, "X-Amzn-Errortype: ModelNotReadyException", `{"message":"Model is not ready for inference."}`, llm.ErrOverloaded, 0, ""},
		{"AWS, expired", 403, "X-Amzn-Errortype: ExpiredTokenException:", `{"Message":"The security token included in the request is expired"}`, llm.ErrAuth, 0, ""},
		{"OpenRouter, upstream", 200, "", `{"error":{"code":502,"message":"Provider returned error","metadata":{"raw":"x"}},"user_id":"u"}`, llm.ErrServer, 0, ""},
		{"OpenRouter, credits", 402, "", `{"error":{"code":402,"message":"Insufficient credits. Add more."}}`, llm.ErrQuota, 0, ""},
		{"OpenRouter, limit inside", 200, "", `{"error":{"code":429,"message":"Rate limited upstream"}}`, llm.ErrRateLimited, 0, ""},
		{"vLLM, no parser of tools", 400, "", `{"object":"error","message":"\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set","type":"BadRequestError","code":400}`, llm.ErrUnsupported, 0, "--enable-auto-tool-choice"},
		{"vLLM, length", 400, "", `{"object":"error","message":"This model's maximum context length is 4096 tokens.","code":400}`, llm.ErrTooLong, 0, ""},
		{"llama.cpp, length", 400, "", `{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}`, llm.ErrTooLong, 0, ""},
		{"Ollama, no tools", 400, "", `{"error":"registry.ollama.ai/library/gemma does not support tools"}`, llm.ErrUnsupported, 0, ""},
		{"Ollama, no such model", 404, "", `{"error":"model 'qwen9' not found"}`, llm.ErrBadRequest, 0, "qwen9"},
		{"FastAPI", 422, "", `{"detail":[{"loc":["body","messages"],"msg":"field required"}]}`, llm.ErrBadRequest, 0, "field required"},
		{"Cloudflare", 524, "", `<html>timeout</html>`, llm.ErrTimeout, 0, ""},
		{"a conflict", 409, "", `{"error":{"type":"conflict_error","message":"try again"}}`, llm.ErrServer, 0, ""},
		{"a server that says a key's words", 500, "", `{"error":{"message":"invalid api key cache state"}}`, llm.ErrServer, 0, ""},
		{"a wait of no number", 429, "Retry-After: soon", `{}`, llm.ErrRateLimited, 0, "no reason given"},
		{"a wait below nothing", 429, "Retry-After: -5", `{}`, llm.ErrRateLimited, 0, ""},
		{"a wait beyond all numbers", 429, "Retry-After: 1e300", `{}`, llm.ErrRateLimited, maxWait, ""},
		{"seconds with a fraction", 429, "Retry-After: 0.5", `{}`, llm.ErrRateLimited, 500 * time.Millisecond, ""},
		{"nothing at all", 500, "", ``, llm.ErrServer, 0, ""},
		{"control characters", 400, "", `{"error":{"message":"a\u0007\u001b[31mb"}}`, llm.ErrBadRequest, 0, "a [31mb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := said{status: c.status, header: http.Header{}, body: []byte(c.body), host: "api.example", now: time.Now()}
			if name, value, ok := strings.Cut(c.header, ": "); ok {
				s.header.Set(name, value)
			}
			var e *llm.Error
			if c.status == 200 {
				e = s.inside()
			} else {
				e = classify(s)
			}
			if e.Kind != c.kind || e.RetryAfter != c.wait || !strings.Contains(e.Error(), c.says) {
				t.Errorf("got %s, wait %s: %v; want %s, wait %s, saying %q", e.Kind, e.RetryAfter, e, c.kind, c.wait, c.says)
			}
		})
	}
}

// TestDates: a date is read by the provider's clock if it tells it, else by ours.
func TestDates(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		date string
		want time.Duration
	}{{"", 90 * time.Second}, {at(time.Minute), 30 * time.Second}, {at(time.Hour), 0}} {
		s := said{header: http.Header{"Retry-After": {at(90 * time.Second)}}, now: now}
		if c.date != "" {
			s.header.Set("Date", c.date)
		}
		if got := s.retryAfter(failure{}); got != c.want {
			t.Errorf("at %q: %s, want %s", c.date, got, c.want)
		}
	}
}

func TestPost(t *testing.T) {
	secret := "very-secret-key-0123456789"
	mux := http.NewServeMux()
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/stolen", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/stolen", func(http.ResponseWriter, *http.Request) { t.Error("the key followed a redirect") })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 2000)) })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"error":"refused %s: sk-abcdefghijklmnop and %s"}`, r.Header.Get("Authorization"), secret)
	})
	mux.HandleFunc("/list", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"choices":5}`) })
	server := httptest.NewServer(mux)
	defer server.Close()
	h := HTTP{Base: server.URL + "/", Authorize: Bearer(secret), MaxBody: 1000}
	for _, c := range []struct {
		path string
		h    HTTP
		kind llm.ErrorKind
		says string
	}{
		{"moved", h, llm.ErrBadRequest, "keys follow no redirect"},
		{"large", h, llm.ErrBadAnswer, "more than 1000 bytes"},
		{"echo", h, llm.ErrBadRequest, "refused Bearer [key]: [key] and [key]"},
		{"list", h, llm.ErrBadAnswer, "not of its API: choices"},
		{"x", HTTP{Base: "http://127.0.0.1:1/?key=" + secret}, llm.ErrNetwork, "is the server running there?"},
		{"x", HTTP{Base: "::no"}, llm.ErrBadRequest, "base_url is no URL"},
		{"x", HTTP{Base: server.URL, Authorize: func(*http.Request, []byte) error { return errors.New("no profile") }}, llm.ErrAuth, "no profile"},
	} {
		var o Object
		answer, err := c.h.Post(t.Context(), "/"+c.path, o.Put("a", 1))
		if err == nil {
			var into struct {
				Choices []int `json:"choices"`
			}
			err = answer.Decode(&into)
		}
		var e *llm.Error
		if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %s, saying %q", c.path, err, c.kind, c.says)
		}
		if strings.Contains(fmt.Sprintf("%+v", e), secret) {
			t.Errorf("%s tells the key: %v", c.path, err)
		}
	}
}

// TestObject: bytes stay as they are, in their order; extra members come over them.
func TestObject(t *testing.T) {
	var o Object
	raw := json.RawMessage(`{ "b" : 1,"a":"<\u003c>" }`)
	o.Put("z", raw).Put("a", List{raw, "<"}).Put("gone", 1).Put("merged", map[string]int{"one": 1, "two": 2})
	got, err := o.Bytes(map[string]any{"gone": nil, "new": 2, "a2": nil, "merged": map[string]any{"two": 3}})
	if want := `{"z":` + string(raw) + `,"a":[` + string(raw) + `,"<"],"merged":{"one":1,"two":3},"new":2}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	if _, err := o.Put("bad", json.RawMessage(`{`)).Bytes(nil); err == nil {
		t.Error("what is no JSON is sent")
	}
}
