package otel

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/anthropic"
	"github.com/beamlens/beamlens-go/llm/llmtest"
	"github.com/beamlens/beamlens-go/llm/wire"
)

// TestWrap: a span and two histograms for each attempt, by the names of the conventions, and nothing of what was said.
func TestWrap(t *testing.T) {
	spans, reader := tracetest.NewInMemoryExporter(), metric.NewManualReader()
	p := llmtest.NewProvider(llmtest.Anthropic, llmtest.Reply{Text: "the answer"}, llmtest.Reply{Fault: llmtest.Overloaded})
	client, stop := p.Client()
	defer stop()
	wire := anthropic.New(anthropic.Options{Key: "k", HTTP: wire.HTTP{Client: client}})
	m, err := Wrap(wire, Options{Tracer: trace.NewTracerProvider(trace.WithSyncer(spans)), Meter: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		t.Fatal(err)
	}
	req := &llm.Request{System: "the prompt", MaxTokens: 7, Run: "run-1", Messages: []llm.Message{{Role: llm.User, Text: "the question"}}}
	if _, err := m.Turn(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Turn(t.Context(), req); err == nil {
		t.Fatal("the second turn should fail")
	}
	if m.Describe() != wire.Describe() {
		t.Error("it is described otherwise")
	}
	if _, err := m.Show(req); err != nil {
		t.Error(err)
	}
	got := spans.GetSpans()
	if len(got) != 2 || got[0].Name != "chat claude-haiku-5-5" {
		t.Fatalf("spans %+v", got)
	}
	for i, want := range []map[string]string{
		{operationName: "chat", providerName: "anthropic", requestModel: "claude-haiku-5-5", maxTokens: "7", conversationID: "run-1", responseID: "msg_1",
			responseModel: "claude-haiku-5-5", finishReasons: `["end"]`, inputTokens: "2180", outputTokens: "60", cacheRead: "2000", cacheWrite: "60", reasoning: "10"},
		{operationName: "chat", providerName: "anthropic", requestModel: "claude-haiku-5-5", maxTokens: "7", conversationID: "run-1", errorType: "overloaded"},
	} {
		if len(got[i].Attributes) != len(want) {
			t.Errorf("span %d has %d attributes, want %d: %v", i, len(got[i].Attributes), len(want), got[i].Attributes)
		}
		for _, a := range got[i].Attributes {
			if a.Value.String() != want[string(a.Key)] {
				t.Errorf("span %d: %s is %s, want %s", i, a.Key, a.Value.String(), want[string(a.Key)])
			}
			if strings.Contains(a.Value.String(), "the ") {
				t.Errorf("%s tells what was said: %s", a.Key, a.Value.String())
			}
		}
	}
	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		t.Fatal(err)
	}
	counts, tokens := map[string]uint64{}, map[string]int64{}
	for _, x := range data.ScopeMetrics[0].Metrics {
		switch h := x.Data.(type) {
		case metricdata.Histogram[float64]:
			for _, point := range h.DataPoints {
				counts[x.Name] += point.Count
			}
		case metricdata.Histogram[int64]:
			for _, point := range h.DataPoints {
				kind, _ := point.Attributes.Value(tokenType)
				counts[x.Name] += point.Count
				tokens[kind.AsString()] += point.Sum
			}
		}
	}
	if counts[operationDuration] != 2 || counts[tokenUsage] != 2 || tokens["input"] != 2180 || tokens["output"] != 60 {
		t.Errorf("counted %v, tokens %v", counts, tokens)
	}
}
