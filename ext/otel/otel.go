// Package otel tells OpenTelemetry of the calls of language models, by the names of its GenAI conventions.
//
//	model := otel.Wrap(anthropic.New(…), otel.Options{Tracer: tracerProvider, Meter: meterProvider})
//
// It belongs right around a wire, so that each attempt is a span: [github.com/beamlens/beamlens-go/llm/provider.Options] has Wrap for it. What is
// said to a model, and what it says, is never told: names, sizes, times and outcomes are.
//
// The conventions are still in development, and the Go package that had their names has dropped them; they are constants here.
package otel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/beamlens/beamlens-go/llm"
)

const scope = "github.com/beamlens/beamlens-go/ext/otel"

// The names of the conventions.
const (
	operationName  = "gen_ai.operation.name"
	providerName   = "gen_ai.provider.name"
	requestModel   = "gen_ai.request.model"
	maxTokens      = "gen_ai.request.max_tokens"
	conversationID = "gen_ai.conversation.id"
	responseID     = "gen_ai.response.id"
	responseModel  = "gen_ai.response.model"
	finishReasons  = "gen_ai.response.finish_reasons"
	inputTokens    = "gen_ai.usage.input_tokens" // with what is cached
	outputTokens   = "gen_ai.usage.output_tokens"
	cacheRead      = "gen_ai.usage.cache_read.input_tokens"
	cacheWrite     = "gen_ai.usage.cache_write.input_tokens"
	reasoning      = "gen_ai.usage.reasoning.output_tokens"
	tokenType      = "gen_ai.token.type"
	errorType      = "error.type"

	operationDuration = "gen_ai.client.operation.duration"
	tokenUsage        = "gen_ai.client.token.usage"
)

// Options of [Wrap]. Zero values mean the defaults.
type Options struct {
	Tracer trace.TracerProvider // default: the global one
	Meter  metric.MeterProvider // default: the global one
}

// Model is a model whose turns are told.
type Model struct {
	model    llm.Model
	tracer   trace.Tracer
	duration metric.Float64Histogram
	tokens   metric.Int64Histogram
}

var (
	_ llm.Model     = (*Model)(nil)
	_ llm.Described = (*Model)(nil)
	_ llm.Shown     = (*Model)(nil)
)

// The buckets that the conventions advise.
var (
	seconds = []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	sizes   = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
)

// Wrap returns the model. An error is of a meter that refuses the instruments.
func Wrap(m llm.Model, o Options) (*Model, error) {
	if o.Tracer == nil {
		o.Tracer = otel.GetTracerProvider()
	}
	if o.Meter == nil {
		o.Meter = otel.GetMeterProvider()
	}
	meter := o.Meter.Meter(scope)
	duration, err := meter.Float64Histogram(operationDuration, metric.WithUnit("s"), metric.WithDescription("GenAI operation duration."), metric.WithExplicitBucketBoundaries(seconds...))
	if err != nil {
		return nil, err
	}
	tokens, err := meter.Int64Histogram(tokenUsage, metric.WithUnit("{token}"), metric.WithDescription("Number of input and output tokens used."), metric.WithExplicitBucketBoundaries(sizes...))
	if err != nil {
		return nil, err
	}
	return &Model{m, o.Tracer.Tracer(scope), duration, tokens}, nil
}

// Describe tells what the wrapped model is.
func (m *Model) Describe() llm.About {
	if d, ok := m.model.(llm.Described); ok {
		return d.Describe()
	}
	return llm.About{}
}

// Show shows what the wrapped model would send.
func (m *Model) Show(req *llm.Request) ([]byte, error) { return llm.Show(m.model, req) }

// Turn asks the model within a span.
func (m *Model) Turn(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	about := m.Describe()
	common := []attribute.KeyValue{attribute.String(operationName, "chat"), attribute.String(providerName, about.Provider), attribute.String(requestModel, about.Model)}
	start := append([]attribute.KeyValue{}, common...)
	if req.MaxTokens > 0 {
		start = append(start, attribute.Int(maxTokens, req.MaxTokens))
	}
	if req.Run != "" {
		start = append(start, attribute.String(conversationID, req.Run))
	}
	ctx, span := m.tracer.Start(ctx, "chat "+about.Model, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(start...))
	defer span.End() // also when the model panics
	began := time.Now()
	response, err := m.model.Turn(ctx, req)
	if err != nil {
		kind := "_OTHER"
		if e := new(llm.Error); errors.As(err, &e) {
			kind = string(e.Kind)
		}
		common = append(common, attribute.String(errorType, kind))
		span.SetAttributes(attribute.String(errorType, kind))
		span.SetStatus(codes.Error, kind)
	} else if response != nil {
		common = append(common, attribute.String(responseModel, response.Model))
		span.SetAttributes(outcome(response)...)
		m.used(ctx, response.Usage, common)
	}
	m.duration.Record(ctx, time.Since(began).Seconds(), metric.WithAttributes(common...))
	return response, err
}

// outcome gives what is told of an answer.
func outcome(r *llm.Response) []attribute.KeyValue {
	out := []attribute.KeyValue{attribute.String(responseModel, r.Model), attribute.StringSlice(finishReasons, []string{string(r.Stop)})}
	if r.ID != "" {
		out = append(out, attribute.String(responseID, r.ID))
	}
	if u := r.Usage; u.Known {
		out = append(out, attribute.Int64(inputTokens, u.Input), attribute.Int64(outputTokens, u.Output), attribute.Int64(cacheRead, u.CacheRead),
			attribute.Int64(cacheWrite, u.CacheWrite), attribute.Int64(reasoning, u.Reasoning))
	}
	return out
}

// used counts tokens. What is not known is not counted as nothing.
func (m *Model) used(ctx context.Context, u llm.Usage, common []attribute.KeyValue) {
	if !u.Known {
		return
	}
	for kind, n := range map[string]int64{"input": u.Input, "output": u.Output} {
		m.tokens.Record(ctx, n, metric.WithAttributes(append(append([]attribute.KeyValue{}, common...), attribute.String(tokenType, kind))...))
	}
}
