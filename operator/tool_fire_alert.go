package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
)

type fireAlertInput struct {
	Type        string        `json:"type" doc:"a short name in snake_case: mailbox_flood, memory_growth"`
	Summary     string        `json:"summary" doc:"one sentence that a tired person understands at night: what, who, how much"`
	Severity    string        `json:"severity" enum:"info,warning,critical"`
	SnapshotIDs []string      `json:"snapshot_ids" doc:"the snapshots that show it, at least one"`
	Context     string        `json:"context,omitempty" doc:"fact: what the surroundings are"`
	Observation string        `json:"observation,omitempty" doc:"fact: what was read"`
	Hypothesis  string        `json:"hypothesis,omitempty" doc:"speculation: why it may be so"`
	Culprit     *culpritInput `json:"culprit,omitempty" doc:"what is to blame, by an id that a tool gave you"`
	Confidence  string        `json:"confidence,omitempty" enum:"high,medium,low" doc:"that the culprit is right; by default medium"`
	FindingIDs  []string      `json:"finding_ids,omitempty" doc:"the findings that it covers; by default all new ones"`
}

type culpritInput struct {
	Kind  string         `json:"kind" enum:"process,table,port,function,supervisor,query,pool,module,system"`
	ID    string         `json:"id" doc:"a pid, a table, a function"`
	Name  string         `json:"name,omitempty" doc:"its registered name, if it has one"`
	Facts map[string]any `json:"facts,omitempty" doc:"what was read of it"`
}

func (r *run) fireAlert() agent.Tool {
	return agent.NewTool("fire_alert", "Fire alert", "Claims that something is wrong, with the snapshots that show it. The result is the alert's id. Firing the same type and culprit again updates the open alert.",
		func(ctx context.Context, in fireAlertInput) (agent.Result, error) {
			alert, err := r.compose(ctx, in)
			if err != nil {
				r.event(beamlens.EventAlertFailed, r.trace, map[string]any{"reason": err.Error()})
				return agent.Result{}, err
			}
			alert, updated, err := r.put(ctx, alert)
			if err != nil {
				r.event(beamlens.EventAlertFailed, r.trace, map[string]any{"reason": err.Error()})
				return agent.Result{}, fmt.Errorf("the alert could not be stored: %w", err)
			}
			r.fired = append(r.fired, alert)
			name := beamlens.EventAlertFired
			if updated {
				name = beamlens.EventAlertUpdated
			}
			r.OnEvent(beamlens.Event{Name: name, At: alert.UpdatedAt, Target: r.Target, Subject: r.Name, TraceID: r.trace, Alert: &alert})
			return agent.Result{Content: fired(alert, updated)}, nil
		})
}

// fired is what a model is told of an alert: what it covers, and the verdict where that is not its own.
func fired(a beamlens.Alert, updated bool) map[string]any {
	ids := make([]string, len(a.Findings))
	for i, f := range a.Findings {
		ids[i] = f.ID
	}
	out := map[string]any{"alert_id": a.ID, "updated": updated, "finding_ids": ids, "type": a.AnomalyType, "severity": a.Severity, "confidence": a.Confidence}
	if a.Culprit != nil {
		out["culprit"] = a.Culprit.String()
	}
	return out
}

// compose checks the claim against what was really read.
func (r *run) compose(ctx context.Context, in fireAlertInput) (beamlens.Alert, error) {
	var none beamlens.Alert
	in.Type = symbol(in.Type)
	if in.Type == "" || strings.TrimSpace(in.Summary) == "" {
		return none, errors.New("type and summary must not be empty")
	}
	if len(in.SnapshotIDs) == 0 {
		return none, errors.New("snapshot_ids required: alerts must reference at least one snapshot")
	}
	now := r.Clock.Now()
	a := beamlens.Alert{
		ID: r.Clock.NewID(), Target: r.Target, Node: r.Target.Name, Operator: r.Name, AnomalyType: in.Type, Severity: beamlens.Severity(in.Severity),
		Status: beamlens.Unread, Summary: in.Summary, Context: in.Context, Observation: in.Observation, Hypothesis: in.Hypothesis,
		Evidence: slices.Concat(r.captured, r.evidence), TraceID: r.trace, Onset: now, DetectedAt: now, UpdatedAt: now, Count: 1,
	}
	var missing []string
	for _, id := range in.SnapshotIDs {
		s, ok := r.find(ctx, id)
		if !ok {
			missing = append(missing, id)
			continue
		}
		a.Snapshots = append(a.Snapshots, s)
	}
	if len(missing) > 0 {
		return none, fmt.Errorf("snapshots not found: %s", strings.Join(missing, ", "))
	}
	if c := in.Culprit; c != nil {
		if c.ID == "" {
			return none, errors.New("the culprit needs an id")
		}
		if c.Kind != "system" && !r.mentioned(c.ID) {
			return none, fmt.Errorf("culprit id %.80q was not returned by any tool in this run; look it up first", c.ID)
		}
		if c.Name != "" && !r.mentioned(c.Name) {
			return none, fmt.Errorf("culprit name %.80q was not returned by any tool in this run", c.Name)
		}
		a.Culprit = &beamlens.Culprit{Kind: c.Kind, ID: c.ID, Name: c.Name, Facts: c.Facts}
	}
	a.Confidence = confidence(in, a.Culprit)
	if err := r.ground(&a); err != nil {
		return none, err
	}
	findings, err := r.covered(in.FindingIDs)
	if err != nil {
		return none, err
	}
	findings = r.together(findings)
	for _, f := range findings {
		if f.Onset.Before(a.Onset) {
			a.Onset = f.Onset
		}
	}
	a.Findings = findings
	r.settle(ctx, &a)
	return a, nil
}

// confidence is what was said, and low where nobody is blamed.
func confidence(in fireAlertInput, c *beamlens.Culprit) beamlens.Confidence {
	switch {
	case c == nil:
		return beamlens.Low
	case in.Confidence == "":
		return beamlens.Medium
	}
	return beamlens.Confidence(in.Confidence)
}

// covered gives the findings that an alert is about: those named, else those that still need one.
func (r *run) covered(ids []string) ([]beamlens.Finding, error) {
	var out []beamlens.Finding
	open := r.Watch.Open()
	for _, f := range open {
		if len(ids) == 0 && f.Tier == beamlens.TierAlert && (r.fresh[f.ID] || r.owes(f)) {
			out = append(out, f)
		}
	}
	for _, id := range ids {
		found := false
		for _, f := range open {
			if f.ID == id {
				out, found = append(out, f), true
			}
		}
		if !found && !r.known(id) {
			return nil, fmt.Errorf("finding %.40q does not exist", id)
		}
	}
	return out, nil
}

// put stores a new alert, or updates the open one with the same fingerprint.
func (r *run) put(ctx context.Context, a beamlens.Alert) (beamlens.Alert, bool, error) {
	r.mu.Lock()
	known := ""
	for _, open := range r.openAlerts() {
		if open.Fingerprint() == a.Fingerprint() {
			known = open.ID
		}
	}
	r.mu.Unlock()
	updated := known != ""
	if updated {
		var err error
		a, err = r.Store.UpdateAlert(ctx, known, func(old *beamlens.Alert) {
			a.ID, a.Status, a.DetectedAt, a.TraceID, a.Count = old.ID, old.Status, old.DetectedAt, old.TraceID, old.Count+1
			if old.Onset.Before(a.Onset) {
				a.Onset = old.Onset
			}
			a.Findings = union(old.Findings, a.Findings)
			*old = a
		})
		if err != nil {
			return a, updated, err
		}
	} else if err := r.Store.PutAlert(ctx, a); err != nil {
		return a, false, err
	}
	r.mu.Lock()
	r.open[a.ID] = a
	r.mu.Unlock()
	return a, updated, nil
}

// union keeps one finding for each metric, kind and rule: the newer one.
func union(old, fresh []beamlens.Finding) []beamlens.Finding {
	out := append([]beamlens.Finding(nil), fresh...)
	for _, f := range old {
		same := false
		for _, g := range fresh {
			same = same || (f.Metric == g.Metric && f.Kind == g.Kind && f.Rule == g.Rule)
		}
		if !same {
			out = append(out, f)
		}
	}
	return out
}
