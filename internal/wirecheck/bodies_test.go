package wirecheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	ollama "github.com/ollama/ollama/api"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/beamlens/beamlens-go/llm"
	ouranthropic "github.com/beamlens/beamlens-go/llm/anthropic"
	ourbedrock "github.com/beamlens/beamlens-go/llm/bedrock"
	ourgoogle "github.com/beamlens/beamlens-go/llm/google"
	"github.com/beamlens/beamlens-go/llm/llmtest"
	ourollama "github.com/beamlens/beamlens-go/llm/ollama"
	ouropenai "github.com/beamlens/beamlens-go/llm/openai"
	"github.com/beamlens/beamlens-go/llm/wire"
)

// toolSchema has what the agent's schemas have: additionalProperties, optional fields, enums, bounds.
const toolSchema = `{"type":"object","properties":{"limit":{"type":"integer","minimum":1,"description":"<= 50"},"level":{"type":"string","enum":["low","high"]}},"required":["limit"],"additionalProperties":false}`

// models make a model of each wire with all that can be set.
var models = map[llmtest.Wire]func(h wire.HTTP) llm.Model{
	llmtest.Anthropic: func(h wire.HTTP) llm.Model {
		return ouranthropic.New(ouranthropic.Options{Key: "k", Effort: "low", HTTP: h})
	},
	llmtest.Responses: func(h wire.HTTP) llm.Model {
		return ouropenai.New(ouropenai.Options{Model: "gpt-5.4-mini", Key: "k", Effort: "low", HTTP: h})
	},
	llmtest.Chat: func(h wire.HTTP) llm.Model {
		return ouropenai.New(ouropenai.Options{Model: "gpt-5.6", Key: "k", API: ouropenai.Chat, Dialect: ouropenai.Dialects["openai"], HTTP: h})
	},
	llmtest.Gemini: func(h wire.HTTP) llm.Model {
		return ourgoogle.New(ourgoogle.Options{Model: "gemini-3-flash-preview", Key: "k", Effort: "low", HTTP: h})
	},
	llmtest.Ollama: func(h wire.HTTP) llm.Model { return ourollama.New(ourollama.Options{Model: "qwen3:8b", HTTP: h}) },
	llmtest.Bedrock: func(h wire.HTTP) llm.Model {
		return ourbedrock.New(ourbedrock.Options{Model: claude, Token: "k", HTTP: h})
	},
}

// bodies gives what our wire sends in a conversation: the first turn, one with a native turn and its result, one with a turn of another
// model and a failed result, and one without tools.
func bodies(t *testing.T, w llmtest.Wire) [][]byte {
	t.Helper()
	p := llmtest.NewProvider(w, llmtest.Reply{Args: `{"limit":3}`})
	client, stop := p.Client()
	defer stop()
	m := models[w](wire.HTTP{Client: client})
	req := &llm.Request{System: "You watch <a system>.", MaxTokens: 500, ToolMode: llm.ToolAny, Tools: []llm.Tool{{Name: tool, Doc: "Newest first.", Schema: json.RawMessage(toolSchema)}},
		Messages: []llm.Message{{Role: llm.User, Text: "Current state: healthy"}}}
	turn := func() llm.Message {
		t.Helper()
		r, err := m.Turn(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return r.Message
	}
	answer := turn()
	req.Messages = append(req.Messages, answer, llm.Message{Role: llm.User, Results: []llm.ToolResult{{CallID: answer.Calls[0].ID, Name: tool, Content: `{"rows":[1]}`}}})
	turn()
	req.Messages = append(req.Messages, llm.Message{Role: llm.Assistant, Text: "Let me see.", Calls: []llm.ToolCall{{ID: "call_9", Name: tool, Args: json.RawMessage(`{"limit":1}`)}}},
		llm.Message{Role: llm.User, Text: "Current state: warning", Results: []llm.ToolResult{{CallID: "call_9", Name: tool, Content: `{"error":"no"}`, Failed: true}}})
	req.ToolMode = llm.ToolAuto
	turn()
	req = &llm.Request{System: "Summarize.", ToolMode: llm.ToolNone, Messages: []llm.Message{{Role: llm.User, Text: "…"}}}
	turn()
	var out [][]byte
	for _, s := range p.Requests() {
		out = append(out, s.Body)
	}
	return out
}

// TestOurBodies: an SDK reads what our wire sends into its own types, and writes the same again.
func TestOurBodies(t *testing.T) {
	for w, through := range map[llmtest.Wire]func(body []byte) ([]byte, error){
		llmtest.Anthropic: again[anthropic.MessageNewParams],
		llmtest.Responses: again[responses.ResponseNewParams],
		llmtest.Chat:      again[openai.ChatCompletionNewParams],
		llmtest.Ollama:    ollamaAgain,
		llmtest.Gemini:    geminiAgain,
	} {
		t.Run(string(w), func(t *testing.T) {
			for i, body := range bodies(t, w) {
				// The SDK's signatures are bytes in base64, which this word of Google's is not.
				body = bytes.ReplaceAll(body, []byte("skip_thought_signature_validator"), []byte("c2tpcA=="))
				got, err := through(body)
				if err != nil {
					t.Fatalf("body %d: %v\n%s", i, err, body)
				}
				var lost []string
				if w == llmtest.Ollama { // its type of a schema has no fields for these, and its server reads over them
					lost = []string{".additionalProperties", ".minimum"}
				}
				same(t, fmt.Sprintf("body %d", i), got, body, lost...)
			}
		})
	}
}

// again reads a body strictly and writes it.
func again[T any](body []byte) ([]byte, error) {
	var v T
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// ollamaAgain does so, and reads over what Ollama does.
func ollamaAgain(body []byte) ([]byte, error) {
	var v ollama.ChatRequest
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// geminiAgain does so for the parts of a body: the SDK has no type for the whole.
func geminiAgain(body []byte) ([]byte, error) {
	var v struct {
		System   *genai.Content          `json:"systemInstruction,omitempty"`
		Tools    []*genai.Tool           `json:"tools,omitempty"`
		Config   *genai.ToolConfig       `json:"toolConfig,omitempty"`
		Contents []*genai.Content        `json:"contents"`
		Generate *genai.GenerationConfig `json:"generationConfig,omitempty"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// same compares JSON by value. What is named, an SDK may lose.
func same(t *testing.T, what string, got, want []byte, lost ...string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	diff := slices.DeleteFunc(differ("", a, b), func(d string) bool {
		return slices.ContainsFunc(lost, func(l string) bool { return strings.Contains(d, l+": the SDK loses") })
	})
	if len(diff) > 0 {
		t.Errorf("%s differs:\n%s\nsdk  %s\nours %s", what, strings.Join(diff, "\n"), got, want)
	}
}

// differ names what differs.
func differ(path string, a, b any) []string {
	am, aok := a.(map[string]any)
	bm, bok := b.(map[string]any)
	if aok && bok {
		var out []string
		for k := range am {
			if _, ok := bm[k]; !ok {
				out = append(out, fmt.Sprintf("%s.%s: only the SDK has it: %v", path, k, am[k]))
			}
		}
		for k, v := range bm {
			if w, ok := am[k]; ok {
				out = append(out, differ(path+"."+k, w, v)...)
			} else {
				out = append(out, fmt.Sprintf("%s.%s: the SDK loses %v", path, k, v))
			}
		}
		return out
	}
	al, aok := a.([]any)
	bl, bok := b.([]any)
	if aok && bok && len(al) == len(bl) {
		var out []string
		for i := range al {
			out = append(out, differ(fmt.Sprintf("%s[%d]", path, i), al[i], bl[i])...)
		}
		return out
	}
	if reflect.DeepEqual(a, b) {
		return nil
	}
	return []string{fmt.Sprintf("%s: the SDK has %v, ours is %v", path, a, b)}
}

// TestBedrockBodies: the SDK writes the same conversation as we do. Its types are no JSON.
func TestBedrockBodies(t *testing.T) {
	p := llmtest.NewProvider(llmtest.Bedrock)
	client, stop := p.Client()
	defer stop()
	sdk := bedrock("https://bedrock.test")
	var parsed any
	if err := json.Unmarshal([]byte(toolSchema), &parsed); err != nil {
		t.Fatal(err)
	}
	point := types.CachePointBlock{Type: types.CachePointTypeDefault}
	text := func(s string) types.ContentBlock { return &types.ContentBlockMemberText{Value: s} }
	user, assistant := types.ConversationRoleUser, types.ConversationRoleAssistant
	in := &bedrockruntime.ConverseInput{
		ModelId: aws.String(claude), InferenceConfig: &types.InferenceConfiguration{MaxTokens: aws.Int32(500)},
		System: []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: "You watch."}, &types.SystemContentBlockMemberCachePoint{Value: point}},
		ToolConfig: &types.ToolConfiguration{ToolChoice: &types.ToolChoiceMemberAny{}, Tools: []types.Tool{
			&types.ToolMemberToolSpec{Value: types.ToolSpecification{Name: aws.String(tool), Description: aws.String("Newest first."), InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(parsed)}}},
			&types.ToolMemberCachePoint{Value: point}}},
		Messages: []types.Message{
			{Role: user, Content: []types.ContentBlock{text("Current state: healthy")}},
			{Role: assistant, Content: []types.ContentBlock{text("Let me see."), &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{ToolUseId: aws.String("call_9"), Name: aws.String(tool), Input: document.NewLazyDocument(map[string]any{"limit": 1})}}}},
			{Role: user, Content: []types.ContentBlock{&types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{ToolUseId: aws.String("call_9"), Status: types.ToolResultStatusError,
				Content: []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: `{"error":"no"}`}}}}, text("Current state: warning"), &types.ContentBlockMemberCachePoint{Value: point}}},
		},
	}
	if _, err := sdk.Converse(t.Context(), in, func(o *bedrockruntime.Options) { o.HTTPClient = client }); err != nil {
		t.Fatal(err)
	}
	req := &llm.Request{System: "You watch.", MaxTokens: 500, ToolMode: llm.ToolAny, Tools: []llm.Tool{{Name: tool, Doc: "Newest first.", Schema: json.RawMessage(toolSchema)}},
		Messages: []llm.Message{{Role: llm.User, Text: "Current state: healthy"},
			{Role: llm.Assistant, Text: "Let me see.", Calls: []llm.ToolCall{{ID: "call_9", Name: tool, Args: json.RawMessage(`{"limit":1}`)}}},
			{Role: llm.User, Results: []llm.ToolResult{{CallID: "call_9", Name: tool, Content: `{"error":"no"}`, Failed: true}}},
			{Role: llm.User, Text: "Current state: warning"}}}
	if _, err := models[llmtest.Bedrock](wire.HTTP{Client: client}).Turn(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	sent := p.Requests()
	same(t, "the conversation", sent[0].Body, sent[1].Body)
	if sent[0].Path != sent[1].Path {
		t.Errorf("the SDK asks %s, we ask %s", sent[0].Path, sent[1].Path)
	}
}
