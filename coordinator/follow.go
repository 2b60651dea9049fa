package coordinator

import (
	"context"
	"fmt"
	"slices"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// How long an insight is followed, and how patiently.
const (
	followFor   = 24 * time.Hour
	maxFollowed = 100
	slack       = 15 * time.Second // an end is noticed some seconds late: of a cause, and of its effect
	patience    = 10 * time.Minute // an effect may outlast its cause by so much: a backlog has to be worked off
	alone       = time.Minute      // an effect that is back so long without its cause has another
)

// takeUp finds the insights that an earlier life has left without an outcome, and what was borne out before.
func (c *Coordinator) takeUp(ctx context.Context) error {
	insights, err := c.Store.Insights(ctx, maxFollowed, 0)
	if err != nil {
		return fmt.Errorf("coordinator: read insights: %w", err)
	}
	slices.Reverse(insights)
	c.mu.Lock()
	c.followed = nil
	c.mu.Unlock()
	for _, i := range insights {
		if i.Target == c.Target {
			c.remember(i)
		}
	}
	return nil
}

// remember follows an insight from now on, or what has become of it.
func (c *Coordinator) remember(i beamlens.Insight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := slices.IndexFunc(c.followed, func(old beamlens.Insight) bool { return old.ID == i.ID }); n >= 0 {
		c.followed[n] = i
		return
	}
	c.followed = append(c.followed, i)
	if n := len(c.followed) - maxFollowed; n > 0 {
		c.followed = slices.Delete(c.followed, 0, n)
	}
}

// remembered gives the insights that are followed, oldest first.
func (c *Coordinator) remembered(now time.Time) []beamlens.Insight {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.followed = slices.DeleteFunc(c.followed, func(i beamlens.Insight) bool { return now.Sub(i.CreatedAt) > followFor })
	return slices.Clone(c.followed)
}

// borne gives the causes whose insights were borne out, and not withdrawn since.
func (c *Coordinator) borne() []string {
	var out []string
	for _, i := range c.remembered(c.Clock.Now()) {
		out = slices.DeleteFunc(out, func(cause string) bool { return cause == i.Cause && i.Outcome != nil })
		if i.Outcome != nil && i.Outcome.Verdict == beamlens.Confirmed && i.Cause != "" {
			out = append(out, i.Cause)
		}
	}
	return out
}

// follow looks whether what has happened since bears the insights out.
func (c *Coordinator) follow(ctx context.Context, now time.Time) {
	followed := c.remembered(now)
	if len(followed) == 0 {
		return
	}
	recent, err := c.recent(ctx)
	if err != nil {
		c.event("coordinator.store_failed", "", map[string]any{"reason": err.Error()})
		return
	}
	for _, i := range followed {
		if i.CorrelationType != beamlens.Causal || i.Outcome != nil && i.Outcome.Verdict == beamlens.Withdrawn {
			continue
		}
		alerts := c.alertsOf(ctx, i)
		outcome := outcomeOf(i, alerts, recent, now)
		if outcome == nil || i.Outcome != nil && outcome.Verdict == i.Outcome.Verdict {
			continue
		}
		i.Outcome = outcome
		if outcome.Verdict == beamlens.Confirmed {
			i.Probability = beamlens.ConfirmedProbability
		} else {
			i.Probability = min(i.Probability, beamlens.Low.Probability())
		}
		i.Confidence = beamlens.ConfidenceOf(i.Probability)
		if err := c.Store.PutInsight(ctx, i); err != nil {
			c.event("coordinator.store_failed", "", map[string]any{"reason": err.Error()})
			return // it is tried again
		}
		c.remember(i)
		c.OnEvent(beamlens.Event{Name: beamlens.EventInsightFollowed, At: now, Target: c.Target, Subject: "coordinator", TraceID: i.TraceID, Insight: &i,
			Fields: map[string]any{"verdict": outcome.Verdict, "why": outcome.Why}})
	}
}

// alertsOf gives an insight's alerts, the cause first; nil if one is no more.
func (c *Coordinator) alertsOf(ctx context.Context, i beamlens.Insight) []beamlens.Alert {
	var out []beamlens.Alert
	for _, id := range i.AlertIDs {
		a, err := c.Store.Alert(ctx, id)
		if err != nil {
			return nil
		}
		if id == i.CauseAlertID {
			out = slices.Insert(out, 0, a)
		} else {
			out = append(out, a)
		}
	}
	if len(out) < 2 || out[0].ID != i.CauseAlertID {
		return nil
	}
	return out
}

// outcomeOf is what has become of an insight, nil when that is not known.
func outcomeOf(i beamlens.Insight, alerts, recent []beamlens.Alert, now time.Time) *beamlens.Outcome {
	if len(alerts) == 0 {
		return nil
	}
	cause, effects := alerts[0], alerts[1:]
	if i.Outcome != nil {
		return relapse(i, cause, effects, recent, now)
	}
	if cause.Open() {
		return nil
	}
	ended := *cause.ClearedAt
	for _, e := range effects {
		switch {
		case e.Open() && now.Sub(ended) < patience:
			return nil
		case e.Open():
			return &beamlens.Outcome{Verdict: beamlens.Withdrawn, At: now,
				Why: fmt.Sprintf("%s still lasts %s after %s has ended.", e.AnomalyType, now.Sub(ended).Round(time.Second), cause.AnomalyType)}
		case ended.Sub(*e.ClearedAt) > slack:
			return nil // it went first, which tells nothing
		}
	}
	last := slices.MaxFunc(effects, func(a, b beamlens.Alert) int { return a.ClearedAt.Compare(*b.ClearedAt) })
	return &beamlens.Outcome{Verdict: beamlens.Confirmed, At: now,
		Why: fmt.Sprintf("%s ended, and %s after it, within %s.", cause.AnomalyType, last.AnomalyType, max(last.ClearedAt.Sub(ended), 0).Round(time.Second))}
}

// relapse looks whether an effect has come back without its cause.
func relapse(i beamlens.Insight, cause beamlens.Alert, effects, recent []beamlens.Alert, now time.Time) *beamlens.Outcome {
	since := func(like beamlens.Alert) (beamlens.Alert, bool) {
		n := slices.IndexFunc(recent, func(a beamlens.Alert) bool {
			return a.ID != like.ID && a.Fingerprint() == like.Fingerprint() && a.DetectedAt.After(i.Outcome.At)
		})
		if n < 0 {
			return beamlens.Alert{}, false
		}
		return recent[n], true
	}
	if _, back := since(cause); back {
		return nil
	}
	for _, e := range effects {
		if again, back := since(e); back && again.Open() && now.Sub(again.DetectedAt) > alone {
			return &beamlens.Outcome{Verdict: beamlens.Withdrawn, At: now, Why: fmt.Sprintf("%s is back, and %s is not.", e.AnomalyType, cause.AnomalyType)}
		}
	}
	return nil
}
