package wirecheck

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"
	ollama "github.com/ollama/ollama/api"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/beamlens/beamlens-go/llm/llmtest"
)

// read is what an SDK read in an answer.
type read struct {
	tool, args                  string
	stop                        string
	input, output, cached, told int64 // input as the SDK gives it; told is what was written to the cache, or thought
	status                      int   // of an error
	code                        string
}

const tool = "get_snapshots"

var schema = map[string]any{"type": "object", "properties": map[string]any{"limit": map[string]any{"type": "integer"}}}

// clients ask the fake over the SDK of its vendor.
var clients = map[llmtest.Wire]func(ctx context.Context, base string) (read, error){
	llmtest.Anthropic: func(ctx context.Context, base string) (read, error) {
		c := anthropic.NewClient(anthropicoption.WithAPIKey("k"), anthropicoption.WithBaseURL(base), anthropicoption.WithMaxRetries(0))
		m, err := c.Messages.New(ctx, anthropic.MessageNewParams{Model: anthropic.ModelClaudeHaiku5_5, MaxTokens: 100,
			Messages:   []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hi"))},
			Tools:      []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: tool, InputSchema: anthropic.ToolInputSchemaParam{Properties: schema["properties"]}}}},
			ToolChoice: anthropic.ToolChoiceUnionParam{OfAny: &anthropic.ToolChoiceAnyParam{}}})
		var e *anthropic.Error
		if errors.As(err, &e) {
			return read{status: e.StatusCode, code: string(e.Type())}, nil
		}
		if err != nil {
			return read{}, err
		}
		r := read{stop: string(m.StopReason), input: m.Usage.InputTokens, output: m.Usage.OutputTokens, cached: m.Usage.CacheReadInputTokens, told: m.Usage.CacheCreationInputTokens}
		for _, b := range m.Content {
			if b.Type == "tool_use" {
				r.tool, r.args = b.Name, string(b.Input)
			}
		}
		return r, nil
	},
	llmtest.Responses: func(ctx context.Context, base string) (read, error) {
		c := openai.NewClient(openaioption.WithAPIKey("k"), openaioption.WithBaseURL(base), openaioption.WithMaxRetries(0))
		a, err := c.Responses.New(ctx, responses.ResponseNewParams{Model: "gpt-5.4-mini", Input: responses.ResponseNewParamsInputUnion{OfInputItemList: []responses.ResponseInputItemUnionParam{
			responses.ResponseInputItemParamOfMessage("hi", responses.EasyInputMessageRoleUser)}},
			Tools:      []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{Name: tool, Parameters: schema, Strict: openai.Bool(false)}}},
			ToolChoice: responses.ResponseNewParamsToolChoiceUnion{OfToolChoiceMode: openai.Opt(responses.ToolChoiceOptionsRequired)}})
		var e *openai.Error
		if errors.As(err, &e) {
			return read{status: e.StatusCode, code: e.Code}, nil
		}
		if err != nil {
			return read{}, err
		}
		r := read{stop: string(a.Status), input: a.Usage.InputTokens, output: a.Usage.OutputTokens, cached: a.Usage.InputTokensDetails.CachedTokens, told: a.Usage.OutputTokensDetails.ReasoningTokens}
		for _, o := range a.Output {
			if o.Type == "function_call" {
				f := o.AsFunctionCall()
				r.tool, r.args = f.Name, f.Arguments
			}
		}
		return r, nil
	},
	llmtest.Chat: func(ctx context.Context, base string) (read, error) {
		c := openai.NewClient(openaioption.WithAPIKey("k"), openaioption.WithBaseURL(base), openaioption.WithMaxRetries(0))
		a, err := c.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: "gpt-4o-mini", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hi")},
			Tools:      []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: tool, Parameters: schema})},
			ToolChoice: openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("required")}})
		var e *openai.Error
		if errors.As(err, &e) {
			return read{status: e.StatusCode, code: e.Code}, nil
		}
		if err != nil {
			return read{}, err
		}
		r := read{stop: a.Choices[0].FinishReason, input: a.Usage.PromptTokens, output: a.Usage.CompletionTokens, cached: a.Usage.PromptTokensDetails.CachedTokens, told: a.Usage.CompletionTokensDetails.ReasoningTokens}
		for _, c := range a.Choices[0].Message.ToolCalls {
			r.tool, r.args = c.Function.Name, c.Function.Arguments
		}
		return r, nil
	},
	llmtest.Gemini: func(ctx context.Context, base string) (read, error) {
		c, err := genai.NewClient(ctx, &genai.ClientConfig{APIKey: "k", Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: base}})
		if err != nil {
			return read{}, err
		}
		a, err := c.Models.GenerateContent(ctx, "gemini-3-flash-preview", genai.Text("hi"), &genai.GenerateContentConfig{
			Tools:      []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{Name: tool, ParametersJsonSchema: schema}}}},
			ToolConfig: &genai.ToolConfig{FunctionCallingConfig: &genai.FunctionCallingConfig{Mode: genai.FunctionCallingConfigModeAny}}})
		var e genai.APIError
		if errors.As(err, &e) {
			return read{status: e.Code, code: e.Status}, nil
		}
		if err != nil {
			return read{}, err
		}
		u := a.UsageMetadata
		r := read{stop: string(a.Candidates[0].FinishReason), input: int64(u.PromptTokenCount), output: int64(u.CandidatesTokenCount), cached: int64(u.CachedContentTokenCount), told: int64(u.ThoughtsTokenCount)}
		for _, f := range a.FunctionCalls() {
			raw, err := json.Marshal(f.Args)
			if err != nil {
				return read{}, err
			}
			r.tool, r.args = f.Name, string(raw)
		}
		return r, nil
	},
	llmtest.Ollama: func(ctx context.Context, base string) (read, error) {
		u, err := url.Parse(base)
		if err != nil {
			return read{}, err
		}
		var r read
		stream, t := false, ollama.Tool{Type: "function"}
		raw, err := json.Marshal(map[string]any{"name": tool, "description": "", "parameters": schema})
		if err != nil {
			return read{}, err
		}
		if err := json.Unmarshal(raw, &t.Function); err != nil {
			return read{}, err
		}
		err = ollama.NewClient(u, http.DefaultClient).Chat(ctx, &ollama.ChatRequest{Model: "qwen3:8b", Stream: &stream, Tools: ollama.Tools{t},
			Messages: []ollama.Message{{Role: "user", Content: "hi"}}}, func(a ollama.ChatResponse) error {
			r = read{stop: a.DoneReason, input: int64(a.PromptEvalCount), output: int64(a.EvalCount)}
			for _, c := range a.Message.ToolCalls {
				raw, err := json.Marshal(c.Function.Arguments)
				if err != nil {
					return err
				}
				r.tool, r.args = c.Function.Name, string(raw)
			}
			return nil
		})
		var e ollama.StatusError
		if errors.As(err, &e) {
			return read{status: e.StatusCode, code: e.ErrorMessage}, nil
		}
		return r, err
	},
	llmtest.Bedrock: func(ctx context.Context, base string) (read, error) {
		a, err := bedrock(base).Converse(ctx, &bedrockruntime.ConverseInput{ModelId: aws.String(claude), Messages: []types.Message{{Role: types.ConversationRoleUser,
			Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "hi"}}}}, ToolConfig: &types.ToolConfiguration{Tools: []types.Tool{
			&types.ToolMemberToolSpec{Value: types.ToolSpecification{Name: aws.String(tool), Description: aws.String("d"), InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(schema)}}}},
			ToolChoice: &types.ToolChoiceMemberAny{}}})
		var e smithy.APIError
		var status interface{ HTTPStatusCode() int }
		if errors.As(err, &e) && errors.As(err, &status) {
			return read{status: status.HTTPStatusCode(), code: e.ErrorCode()}, nil
		}
		if err != nil {
			return read{}, err
		}
		u := a.Usage
		r := read{stop: string(a.StopReason), input: int64(*u.InputTokens), output: int64(*u.OutputTokens), cached: int64(*u.CacheReadInputTokens), told: int64(*u.CacheWriteInputTokens)}
		for _, b := range a.Output.(*types.ConverseOutputMemberMessage).Value.Content {
			if use, ok := b.(*types.ContentBlockMemberToolUse); ok {
				raw, err := use.Value.Input.MarshalSmithyDocument()
				if err != nil {
					return read{}, err
				}
				r.tool, r.args = *use.Value.Name, string(raw)
			}
		}
		return r, nil
	},
}

const claude = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"

func bedrock(base string) *bedrockruntime.Client {
	return bedrockruntime.New(bedrockruntime.Options{Region: "eu-west-1", BaseEndpoint: aws.String(base), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "")})
}

// TestSDKsReadTheFakes: what the vendors' clients read in the fakes' answers and errors is what our wires read.
func TestSDKsReadTheFakes(t *testing.T) {
	const fresh, all = llmtest.UsedFresh, llmtest.UsedFresh + llmtest.UsedRead + llmtest.UsedWritten
	want := map[llmtest.Wire]read{
		llmtest.Anthropic: {stop: "tool_use", input: fresh, output: llmtest.UsedOutput, cached: llmtest.UsedRead, told: llmtest.UsedWritten},
		llmtest.Responses: {stop: "completed", input: all, output: llmtest.UsedOutput, cached: llmtest.UsedRead, told: llmtest.UsedThought},
		llmtest.Chat:      {stop: "tool_calls", input: all, output: llmtest.UsedOutput, cached: llmtest.UsedRead, told: llmtest.UsedThought},
		llmtest.Gemini:    {stop: "STOP", input: all, output: llmtest.UsedOutput - llmtest.UsedThought, cached: llmtest.UsedRead, told: llmtest.UsedThought},
		llmtest.Ollama:    {stop: "stop", input: all, output: llmtest.UsedOutput},
		llmtest.Bedrock:   {stop: "tool_use", input: fresh, output: llmtest.UsedOutput, cached: llmtest.UsedRead, told: llmtest.UsedWritten},
	}
	failures := map[llmtest.Wire]map[llmtest.Fault]read{
		llmtest.Anthropic: {llmtest.LimitedSeconds: {status: 429, code: "rate_limit_error"}, llmtest.Overloaded: {status: 529, code: "overloaded_error"}, llmtest.BadKey: {status: 401, code: "authentication_error"}},
		llmtest.Responses: {llmtest.LimitedSeconds: {status: 429, code: "rate_limit_exceeded"}, llmtest.Quota: {status: 429, code: "insufficient_quota"}, llmtest.BadKey: {status: 401, code: "invalid_api_key"}, llmtest.TooLong: {status: 400, code: "context_length_exceeded"}},
		llmtest.Chat:      {llmtest.LimitedSeconds: {status: 429, code: "rate_limit_exceeded"}, llmtest.Quota: {status: 429, code: "insufficient_quota"}},
		llmtest.Gemini:    {llmtest.LimitedSeconds: {status: 429, code: "RESOURCE_EXHAUSTED"}, llmtest.Overloaded: {status: 503, code: "UNAVAILABLE"}, llmtest.BadKey: {status: 400, code: "INVALID_ARGUMENT"}},
		llmtest.Ollama:    {llmtest.Overloaded: {status: 503, code: "server busy, please try again.  maximum pending requests exceeded"}},
		llmtest.Bedrock:   {llmtest.LimitedSeconds: {status: 429, code: "ThrottlingException"}, llmtest.TooLong: {status: 400, code: "ValidationException"}, llmtest.Overloaded: {status: 503, code: "ServiceUnavailableException"}, llmtest.BadKey: {status: 403, code: "UnrecognizedClientException"}},
	}
	for _, w := range llmtest.Wires {
		t.Run(string(w), func(t *testing.T) {
			ask := func(reply llmtest.Reply) read {
				t.Helper()
				server := httptest.NewServer(llmtest.NewProvider(w, reply))
				defer server.Close()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				got, err := clients[w](ctx, server.URL)
				if err != nil {
					t.Fatalf("%s: %v", reply.Fault, err)
				}
				return got
			}
			expected := want[w]
			expected.tool, expected.args = tool, `{"limit":3}`
			if got := ask(llmtest.Reply{Args: `{"limit":3}`}); got != expected {
				t.Errorf("got  %+v\nwant %+v", got, expected)
			}
			for fault, expected := range failures[w] {
				if got := ask(llmtest.Reply{Fault: fault}); got != expected {
					t.Errorf("%s: got %+v, want %+v", fault, got, expected)
				}
			}
		})
	}
}
