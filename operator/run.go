package operator

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/agent"
	"github.com/beamlens/beamlens-go/claim"
	"github.com/beamlens/beamlens-go/llm"
)

// run is one investigation.
type run struct {
	*Operator
	trace    string
	fresh    map[string]bool // ids of findings that no run has seen
	cleared  []beamlens.Finding
	found    []string // ids of the snapshots in which the fresh findings were found
	evidence []beamlens.Evidence
	captured []beamlens.Evidence // in the moment of the findings
	seen     bytes.Buffer        // what tools returned: an id that is not in here was made up
	record   *claim.Record       // the same for prose: its numbers must be in here
	fired    []beamlens.Alert
	owed     []beamlens.Finding  // new findings of the input: a run must not end without an answer to each
	verdicts map[string]*verdict // of playbooks in this run, by their id
}

// Bounds of what one run keeps.
const (
	maxEvidence      = 8
	maxEvidenceBytes = 16 << 10
	maxCaptured      = 6
	maxSeen          = 1 << 20
)

// begin takes what is pending into a new run.
func (o *Operator) begin(ctx context.Context, reason string) *run {
	r := &run{Operator: o, trace: o.Clock.NewTraceID(), fresh: map[string]bool{}, record: &claim.Record{}, verdicts: map[string]*verdict{}}
	o.mu.Lock()
	taken := o.pending
	o.pending = nil
	o.activity = "investigating: " + reason
	state, runs := o.health, o.runs
	o.mu.Unlock()
	for _, p := range taken {
		if p.finding.Cleared() {
			r.cleared = append(r.cleared, p.finding)
			continue
		}
		r.fresh[p.finding.ID] = true
		if !slices.Contains(r.found, p.snapshot.ID) {
			r.found = append(r.found, p.snapshot.ID)
			o.keep(ctx, p.snapshot)
		}
		for _, e := range p.captured {
			if len(r.captured) < maxCaptured {
				r.captured = append(r.captured, e)
				r.saw(e.Data)
			}
		}
	}
	o.event("operator.iteration_start", r.trace, map[string]any{"operator_state": state, "reason": reason, "iteration": runs})
	return r
}

// Payload is what the next request would send to the model. It changes nothing. While a run is on, what was said before is left out.
func (o *Operator) Payload() *llm.Request {
	r := &run{Operator: o, fresh: map[string]bool{}, record: &claim.Record{}}
	o.mu.Lock()
	for _, p := range o.pending {
		r.fresh[p.finding.ID] = !p.finding.Cleared()
	}
	o.mu.Unlock()
	var said []llm.Message
	select {
	case o.busy <- struct{}{}:
		said = slices.Clone(o.transcript.Messages)
		<-o.busy
	default:
	}
	return r.agentOptions(false).Request(append(said, llm.Message{Role: llm.User, Text: r.input("finding", "")}))
}

// keep remembers a snapshot, here and in the store.
func (o *Operator) keep(ctx context.Context, s beamlens.Snapshot) {
	o.mu.Lock()
	if len(o.snapshots) == maxSnapshots {
		o.snapshots = slices.Delete(o.snapshots, 0, 1)
	}
	o.snapshots = append(o.snapshots, s)
	o.mu.Unlock()
	if err := o.Store.PutSnapshot(ctx, s); err != nil {
		o.event("operator.store_failed", "", map[string]any{"reason": err.Error()})
	}
}

func (o *Operator) find(ctx context.Context, id string) (beamlens.Snapshot, bool) {
	o.mu.Lock()
	for _, s := range o.snapshots {
		if s.ID == id {
			o.mu.Unlock()
			return s, true
		}
	}
	o.mu.Unlock()
	s, err := o.Store.Snapshot(ctx, id)
	return s, err == nil && s.ID == id
}

func (r *run) agentOptions(demand bool) agent.Options {
	compaction := r.Compaction
	compaction.Prompt = compactionPrompt
	compaction.KnownID = r.known
	return agent.Options{
		Model: r.trusted(), Fallback: r.Fallback, Unmet: r.unmet, System: r.system, Tools: r.tools(demand),
		Name: r.Name, Sizes: r.Sizes, RunID: r.trace, Journal: r.Journal, Now: r.Clock.Now, TurnTimeout: r.TurnTimeout, Compaction: compaction,
		Saw:     r.record.Saw,
		Observe: func(name string, fields map[string]any) { r.event(name, r.trace, fields) },
	}
}

// known says whether an id is one of a snapshot, an alert or a finding.
func (r *run) known(id string) bool {
	if _, ok := r.find(context.Background(), id); ok {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.open[id]; ok {
		return true
	}
	return r.fresh[id] || bytes.Contains(r.seen.Bytes(), []byte(id))
}

// saw remembers what a tool returned.
func (r *run) saw(v any) {
	raw, err := agent.Encode(v)
	if err != nil {
		return
	}
	r.record.Saw(string(raw))
	if r.seen.Len()+len(raw) <= maxSeen {
		r.seen.Write(raw)
	}
}

// mentioned says whether a tool returned this text in this run.
func (r *run) mentioned(text string) bool {
	quoted, err := agent.Encode(text)
	return err == nil && bytes.Contains(r.seen.Bytes(), quoted[1:len(quoted)-1])
}

// attach keeps what a callback gave as evidence of the alerts of this run.
func (r *run) attach(title string, data any) {
	raw, err := agent.Encode(data)
	if err != nil || len(raw) > maxEvidenceBytes {
		return
	}
	if len(r.evidence) == maxEvidence {
		r.evidence = slices.Delete(r.evidence, 0, 1)
	}
	r.evidence = append(r.evidence, beamlens.Evidence{Title: title, At: r.Clock.Now(), Data: data})
}

// The input of a run, as the model reads it.
type input struct {
	For        string              `json:"for"` // "operator"
	State      string              `json:"state"`
	Reason     string              `json:"reason"`
	Question   string              `json:"question,omitempty"`
	Findings   []findingView       `json:"findings"`
	Cleared    []string            `json:"cleared,omitempty"`
	OpenAlerts []alertView         `json:"open_alerts"`
	Snapshots  []string            `json:"snapshot_ids,omitempty"`
	Captured   []beamlens.Evidence `json:"captured,omitempty"` // in the moment of the findings
	Playbooks  []playbookView      `json:"playbooks,omitempty"`
}

type findingView struct {
	ID       string  `json:"id"`
	New      bool    `json:"new"`
	AlertID  string  `json:"alert_id,omitempty"` // of the open alert that covers it
	Metric   string  `json:"metric"`
	Kind     string  `json:"kind"`
	Tier     string  `json:"tier"`
	Value    float64 `json:"value"`
	Ordinary float64 `json:"ordinary"`
	Limit    float64 `json:"limit,omitempty"`
	LimitIn  float64 `json:"limit_in_s,omitempty"`
	Rate     float64 `json:"rate_per_s"`
	Unit     string  `json:"unit,omitempty"`
	Rule     string  `json:"rule,omitempty"`
	Severity string  `json:"severity,omitempty"`
	Onset    string  `json:"onset"`
	Within   float64 `json:"onset_uncertainty_s"`
}

type alertView struct {
	ID       string            `json:"id"`
	Type     string            `json:"type"`
	Severity beamlens.Severity `json:"severity"`
	Summary  string            `json:"summary"`
	Culprit  string            `json:"culprit,omitempty"`
	Since    time.Time         `json:"since"`
}

type playbookView struct {
	ID      string   `json:"id"`
	Metrics []string `json:"metrics"`
	Doc     string   `json:"doc"`
	Lua     string   `json:"lua"`
}

// escalated is how many times its value at the last alert a finding must reach to be looked at again.
const escalated = 4

// input renders what the model is told at the start of a run.
func (r *run) input(reason, question string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := input{For: "operator", State: string(r.health), Reason: reason, Question: question, Findings: []findingView{}, OpenAlerts: []alertView{}, Snapshots: r.found, Captured: r.captured}
	open := r.openAlerts()
	for _, f := range r.Watch.Open() {
		v := findingView{
			ID: f.ID, New: r.fresh[f.ID], Metric: f.Metric, Kind: f.Kind, Tier: f.Tier, Value: round(f.Value), Ordinary: round(f.Ordinary),
			Limit: f.Limit, LimitIn: round(f.LimitIn), Rate: round(f.Rate), Unit: f.Unit, Rule: f.Rule, Severity: f.Severity,
			Onset: f.Onset.Format(time.RFC3339Nano), Within: round(f.Uncertainty.Seconds()),
		}
		for _, a := range open {
			for _, af := range a.Findings {
				if af.Metric == f.Metric && af.Kind == f.Kind && af.Rule == f.Rule {
					v.AlertID = a.ID
					// Known already: look again only if it has become much worse.
					v.New = af.Value != 0 && f.Value >= escalated*af.Value
				}
			}
		}
		if v.AlertID == "" && f.Tier == beamlens.TierAlert {
			v.New = true // found by an earlier run, or before a restart, and never alerted
		}
		in.Findings = append(in.Findings, v)
		if v.New && f.Tier == beamlens.TierAlert {
			r.owed = append(r.owed, f)
		}
		if v.New {
			for _, p := range r.Skill.Match(f.Metric) {
				if !slices.ContainsFunc(in.Playbooks, func(q playbookView) bool { return q.ID == p.ID }) {
					in.Playbooks = append(in.Playbooks, playbookView{p.ID, p.Metrics, p.Doc, p.Lua})
				}
			}
		}
	}
	for _, f := range r.cleared {
		in.Cleared = append(in.Cleared, f.Metric)
	}
	for _, a := range open {
		v := alertView{ID: a.ID, Type: a.AnomalyType, Severity: a.Severity, Summary: a.Summary, Since: a.Onset}
		if a.Culprit != nil {
			v.Culprit = a.Culprit.String()
		}
		in.OpenAlerts = append(in.OpenAlerts, v)
	}
	slices.SortStableFunc(in.OpenAlerts, func(a, b alertView) int { return a.Since.Compare(b.Since) })
	raw, err := agent.EncodeIndent(in)
	if err != nil {
		raw = []byte("{}") // unreachable: plain values always encode
	}
	for _, v := range in.Findings {
		r.seen.WriteString(v.ID)
	}
	r.derive(in)
	return "Current state: " + in.State + ".\n\n```json\n" + string(raw) + "\n```"
}

func round(x float64) float64 {
	const digits = 1000
	if x > 1e12 || x < -1e12 {
		return x
	}
	return float64(int64(x*digits)) / digits
}

// functions gives the skill's callbacks to the sandbox, each within its own time.
func (r *run) functions() map[string]func(context.Context, []any) (any, error) {
	out := map[string]func(context.Context, []any) (any, error){}
	for _, c := range r.Skill.Callbacks {
		out[c.Name] = func(ctx context.Context, args []any) (any, error) {
			value, err := c.Run(ctx, args)
			if err == nil {
				r.saw(value)
				r.attach(callTitle(c.Name, args), value)
			}
			return value, err
		}
	}
	return out
}

func callTitle(name string, args []any) string {
	texts := make([]string, len(args))
	for i, a := range args {
		raw, err := agent.Encode(a)
		if err != nil {
			raw = []byte("?")
		}
		texts[i] = string(raw)
	}
	return name + "(" + strings.Join(texts, ", ") + ")"
}
