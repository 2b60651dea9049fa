package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	Probability         *float64 `json:"probability,omitempty" doc:"that the culprit is right, 0 to 1; may be left out"`
	CauseAlertID        string   `json:"cause_alert_id,omitempty" doc:"the alert that led to the others; its culprit is to blame"`
	Path                []string `json:"path,omitempty" doc:"metrics from cause to effect"`
	Evidence            []string `json:"evidence,omitempty" doc:"facts that the statement rests on"`
	EvidenceIDs         []string `json:"evidence_ids,omitempty" doc:"snapshots that show it; by default those of the alerts"`
	Alternatives        []string `json:"alternatives,omitempty" doc:"what was ruled out, and by what"`
	Gaps                []string `json:"gaps,omitempty" doc:"what could not be read"`
	WouldChange         []string `json:"would_change,omitempty" doc:"what would change the verdict"`
}

func (r *run) produceInsight() agent.Tool {
	return agent.NewTool("produce_insight", "Produce insight", "States how alerts belong together. It resolves them. A further insight of the same cause replaces the one before.",
		func(ctx context.Context, in produceInsightInput) (agent.Result, error) {
			insight, err := r.state(ctx, in)
			if err != nil {
				return agent.Result{}, err
			}
			grown := r.replaces(&insight)
			if err := r.Store.PutInsight(ctx, insight); err != nil {
				return agent.Result{}, fmt.Errorf("the insight could not be stored: %w", err)
			}
			r.remember(insight)
			if err := r.setStatus(ctx, in.AlertIDs, beamlens.Resolved); err != nil {
				return agent.Result{}, err
			}
			r.OnEvent(beamlens.Event{Name: beamlens.EventInsightProduced, At: r.Clock.Now(), Target: r.Target, Subject: "coordinator", TraceID: r.trace, Insight: &insight,
				Fields: map[string]any{"replaces": grown}})
			return agent.Result{Content: map[string]any{"insight_produced": insight.ID}}, nil
		})
}

// state checks a claim against the alerts. Its confidence can only be lowered.
func (r *run) state(ctx context.Context, in produceInsightInput) (beamlens.Insight, error) {
	var none beamlens.Insight
	alerts, err := r.these(ctx, in.AlertIDs)
	if err != nil {
		return none, err
	}
	if strings.TrimSpace(in.Summary) == "" {
		return none, errors.New("summary must not be empty")
	}
	insight := beamlens.Insight{
		ID: r.Clock.NewID(), Target: r.Target, AlertIDs: in.AlertIDs, CorrelationType: beamlens.Correlation(in.CorrelationType),
		Summary: in.Summary, RootCauseHypothesis: in.RootCauseHypothesis, CreatedAt: r.Clock.Now(), CauseAlertID: in.CauseAlertID,
		Path: in.Path, Evidence: in.Evidence, Alternatives: in.Alternatives, Gaps: in.Gaps, WouldChange: in.WouldChange, TraceID: r.trace,
	}
	var shown []string
	shared := true
	for _, a := range alerts {
		for _, s := range a.Snapshots {
			shown = append(shown, s.ID)
		}
		if a.ID == in.CauseAlertID {
			insight.Culprit, insight.Cause = a.Culprit, a.Cause()
		}
		shared = shared && a.Culprit != nil && alerts[0].Culprit != nil && a.Culprit.Kind == alerts[0].Culprit.Kind && a.Culprit.Key() == alerts[0].Culprit.Key()
	}
	if in.CauseAlertID != "" && insight.Cause == "" {
		return none, fmt.Errorf("cause_alert_id %.40q is not one of alert_ids", in.CauseAlertID)
	}
	for _, id := range in.EvidenceIDs {
		if !slices.Contains(shown, id) {
			return none, fmt.Errorf("evidence_ids: %.40q is no snapshot of these alerts", id)
		}
	}
	insight.EvidenceIDs = in.EvidenceIDs
	if len(in.EvidenceIDs) == 0 {
		slices.Sort(shown)
		insight.EvidenceIDs = slices.Compact(shown)
	}
	p := beamlens.Confidence(in.Confidence).Probability()
	if in.Probability != nil {
		p = max(*in.Probability, 0)
	}
	insight.Probability = min(p, insight.CorrelationType.MaxProbability(shared))
	insight.Confidence = beamlens.ConfidenceOf(insight.Probability)
	return insight, r.ground(&insight, alerts)
}

// replaces lets an insight take the place of an earlier one of the same cause, whose story has grown, and gives the earlier one's id.
func (r *run) replaces(i *beamlens.Insight) string {
	if i.CauseAlertID == "" {
		return ""
	}
	for _, old := range r.remembered(r.Clock.Now()) {
		if old.CauseAlertID == i.CauseAlertID && old.Outcome == nil {
			i.ID, i.CreatedAt = old.ID, old.CreatedAt
			return old.ID
		}
	}
	return ""
}
