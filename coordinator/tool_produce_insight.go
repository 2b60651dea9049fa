package coordinator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
)

type produceInsightInput struct {
	AlertIDs            []string `json:"alert_ids" doc:"the alerts that belong together"`
	CorrelationType     string   `json:"correlation_type" enum:"temporal,causal,symptomatic"`
	Summary             string   `json:"summary" doc:"one or two sentences for a person at night: what led to what, who is to blame"`
	RootCauseHypothesis string   `json:"root_cause_hypothesis,omitempty"`
	Confidence          string   `json:"confidence" enum:"high,medium,low"`
	CulpritAlertID      string   `json:"culprit_alert_id,omitempty" doc:"the alert whose culprit is to blame"`
	Path                []string `json:"path,omitempty" doc:"metrics from cause to effect"`
	Evidence            []string `json:"evidence,omitempty" doc:"facts that the statement rests on"`
	Alternatives        []string `json:"alternatives,omitempty" doc:"what was ruled out, and by what"`
	Gaps                []string `json:"gaps,omitempty" doc:"what could not be read"`
}

func (r *run) produceInsight() agent.Tool {
	return agent.NewTool("produce_insight", "Produce insight", "States how alerts belong together. It resolves them.",
		func(ctx context.Context, in produceInsightInput) (agent.Result, error) {
			alerts, err := r.these(ctx, in.AlertIDs)
			if err != nil {
				return agent.Result{}, err
			}
			if strings.TrimSpace(in.Summary) == "" {
				return agent.Result{}, errors.New("summary must not be empty")
			}
			insight := beamlens.Insight{
				ID: r.Clock.NewID(), Target: r.Target, AlertIDs: in.AlertIDs, CorrelationType: beamlens.Correlation(in.CorrelationType),
				Summary: in.Summary, RootCauseHypothesis: in.RootCauseHypothesis, Confidence: beamlens.Confidence(in.Confidence), CreatedAt: r.Clock.Now(),
				Path: in.Path, Evidence: in.Evidence, Alternatives: in.Alternatives, Gaps: in.Gaps, TraceID: r.trace,
			}
			if in.CulpritAlertID != "" {
				found := false
				for _, a := range alerts {
					if a.ID == in.CulpritAlertID {
						insight.Culprit, found = a.Culprit, true
					}
				}
				if !found {
					return agent.Result{}, fmt.Errorf("culprit_alert_id %.40q is not one of alert_ids", in.CulpritAlertID)
				}
			}
			if err := r.Store.PutInsight(ctx, insight); err != nil {
				return agent.Result{}, fmt.Errorf("the insight could not be stored: %w", err)
			}
			if err := r.setStatus(ctx, in.AlertIDs, beamlens.Resolved); err != nil {
				return agent.Result{}, err
			}
			r.OnEvent(beamlens.Event{Name: beamlens.EventInsightProduced, At: insight.CreatedAt, Target: r.Target, Subject: "coordinator", TraceID: r.trace, Insight: &insight})
			return agent.Result{Content: map[string]any{"insight_produced": insight.ID}}, nil
		})
}
