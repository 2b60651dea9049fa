package web

import (
	"context"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// Source is one target and what is known of it.
type Source struct {
	Target beamlens.Target
	Store  Store
	Reader Reader
	// Ask answers a question, and stops when ctx ends. Nil: it cannot be asked.
	Ask func(ctx context.Context, question string) (string, error)
}

// Store keeps what happened. Several sources may share one.
type Store interface {
	Alerts(ctx context.Context, f beamlens.AlertFilter) ([]beamlens.Alert, error)
	Alert(ctx context.Context, id string) (beamlens.Alert, error)
	UpdateAlert(ctx context.Context, id string, change func(*beamlens.Alert)) (beamlens.Alert, error)
	Insights(ctx context.Context, limit, offset int) ([]beamlens.Insight, error)
	PutInsight(ctx context.Context, i beamlens.Insight) error
}

// Reader reads an engine. None of its methods waits for a model or for the target.
type Reader interface {
	State(ctx context.Context) State
	// Series gives the points of a metric, "beam.process_count", oldest first: as fine as they are kept.
	Series(ctx context.Context, metric string, from, to time.Time) ([]Point, error)
	// Runs lists investigations, the newest first; of one operator, or with "" of all.
	Runs(ctx context.Context, operator string, limit int) ([]Run, error)
	// Turns gives the transcript of a run.
	Turns(ctx context.Context, run string) ([]Turn, error)
}

// State is what an engine is doing now.
type State struct {
	Now         time.Time          `json:"now"` // the engine's time: that of the recording in a replay
	Operators   []Operator         `json:"operators"`
	Coordinator Coordinator        `json:"coordinator"`
	Findings    []beamlens.Finding `json:"findings"` // what departs from normal
	Metrics     []Metric           `json:"-"`
	Edges       []beamlens.Edge    `json:"-"`
	Overhead    *Overhead          `json:"overhead,omitempty"` // nil: it does not say
	Model       string             `json:"model"`              // "analyst", or what is asked
	Cost        *Cost              `json:"cost,omitempty"`     // nil: no model costs anything
	Settings    []Setting          `json:"settings"`           // what is configured, without secrets
}

// Operator is one operator.
type Operator struct {
	Name       string          `json:"name"`
	Skill      string          `json:"skill"`
	Summary    string          `json:"summary"`
	Health     beamlens.Health `json:"health"`
	Activity   string          `json:"activity"`
	OpenAlerts int             `json:"open_alerts"`
	Runs       int             `json:"runs"`
	Samples    int             `json:"samples"`
	ReadAt     time.Time       `json:"read_at"`           // of the newest snapshot; zero: none yet
	Failure    string          `json:"failure,omitempty"` // of the last attempt
	Prompt     string          `json:"-"`
	Callbacks  []Callback      `json:"-"`
	Playbooks  []Playbook      `json:"-"`
	Rules      []string        `json:"-"`
}

// Callback is what an operator's Lua may call.
type Callback struct{ Signature, Doc, Returns, Cost string }

// Playbook is a known investigation.
type Playbook struct {
	ID, Doc string
	Metrics []string
}

// Coordinator is what the coordinator is doing.
type Coordinator struct {
	Running   bool `json:"running"`
	Alerts    int  `json:"alerts"`
	Unread    int  `json:"unread"`
	Iteration int  `json:"iteration"`
}

// Metric is a series and its newest value.
type Metric struct {
	Name  string  `json:"name"` // "beam.process_count"
	Doc   string  `json:"doc"`
	Unit  string  `json:"unit"`
	Kind  string  `json:"kind"`
	Limit float64 `json:"limit,omitempty"`
	Rule  float64 `json:"rule,omitempty"` // the lowest threshold of its rules
	Value float64 `json:"value"`
	Known bool    `json:"known"`
}

// Point is a value, or what is left of several.
type Point struct {
	At   time.Time `json:"at"`
	Mean float64   `json:"mean"`
	Low  float64   `json:"low"`
	High float64   `json:"high"`
}

// Overhead is what looking costs the target, in the newest reading.
type Overhead struct {
	Micros   float64 `json:"us"`
	MemoryKB float64 `json:"memory_kb"`
}

// Cost is what language models took in the last 24 hours.
type Cost struct {
	Calls  int64   `json:"calls"`
	Tokens int64   `json:"tokens"`
	USD    float64 `json:"usd"`
	Limit  float64 `json:"limit_usd,omitempty"`
}

// Setting is one thing that is configured.
type Setting struct {
	Group string `json:"group"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Run is an investigation.
type Run struct {
	ID       string    `json:"id"`
	Operator string    `json:"operator"` // "": not known any more
	Began    time.Time `json:"began"`
	Entries  int       `json:"entries"`
	Reason   string    `json:"reason"`
	Tools    []string  `json:"tools"` // in their order
	Tokens   int64     `json:"tokens"`
	USD      float64   `json:"usd"`
}

// Turn is one entry of a transcript.
type Turn struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"` // input, thought, call or result
	Text    string    `json:"text,omitempty"`
	Tool    string    `json:"tool,omitempty"`
	Program string    `json:"program,omitempty"` // Lua
	Failed  bool      `json:"failed,omitempty"`
	Model   string    `json:"model,omitempty"`
	Input   int64     `json:"input_tokens,omitempty"`
	Output  int64     `json:"output_tokens,omitempty"`
	USD     *float64  `json:"usd,omitempty"`
}

// The kinds of a turn.
const (
	TurnInput   = "input"
	TurnThought = "thought"
	TurnCall    = "call"
	TurnResult  = "result"
)
