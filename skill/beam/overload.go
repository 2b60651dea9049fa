package beam

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Overload is the skill "overload": mailboxes that do not get shorter, and who holds up whom.
//
// That a mailbox is long is what the skill "beam" alerts. This one alerts what that does not show: that a process is behind because it
// waits for another, which may have a short mailbox itself.
func Overload(c Caller) *skill.Skill {
	o := &overload{caller: c}
	return &skill.Skill{
		ID: "overload", Title: "overload", Summary: "Long mailboxes over time, what their processes wait in, and the process that holds the others up.",
		Prompt:   text("prompt/overload.md"),
		Snapshot: o.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("overload_state", "How overloaded the node is, since when, and how fast it gets worse.", "overload_state()", o.state),
			skill.Func("overload_queue_analysis", "The longest mailboxes: how fast they grow, what comes in and is handled if that can be told, what their processes are in, and who calls them.",
				"overload_queue_analysis(5)", o.analysis).Costs(skill.Scan),
			skill.Func("overload_bottleneck", "The process that holds the others up, and of what kind that is.", "overload_bottleneck()", o.bottleneck).Costs(skill.Scan),
			skill.Func("overload_cascade_detection", "Which overloaded processes wait for which, down to the one that waits for nobody.", "overload_cascade_detection()", o.cascades),
			skill.Func("overload_remediation_plan", "What may be done, by what kind of overload it is. Nothing is done.", "overload_remediation_plan()", o.plan).Costs(skill.Scan),
		},
		Metrics: []skill.Metric{
			{Name: "overloaded_processes", Unit: "processes", Kind: skill.Gauge, Quiet: true, Doc: "processes with 1,000 messages and more, of the five longest mailboxes"},
			{Name: "overload_duration_s", Unit: "s", Kind: skill.Gauge, Quiet: true, Doc: "for how long there has been one"},
			{Name: "cascade_victims", Unit: "processes", Kind: skill.Gauge, Quiet: true, Doc: "overloaded processes that wait for one and the same other process"},
			{Name: "cascade_depth", Unit: "processes", Kind: skill.Gauge, Quiet: true, Doc: "processes that wait for each other in a row, behind an overloaded one"},
			{Name: "queue_max", Unit: "messages", Kind: skill.Gauge, Quiet: true, Doc: "the longest mailbox", Largest: true},
			{Name: "queue_total", Unit: "messages", Kind: skill.Gauge, Quiet: true, Doc: "messages in all mailboxes"},
		},
		Rules: []skill.Rule{
			{Metric: "cascade_victims", Above: 0, For: 10 * time.Second, Severity: beamlens.SeverityWarning, Doc: "a process with a thousand messages has waited for the same other process in every reading of ten seconds"},
		},
		Edges: []beamlens.Edge{
			{From: "overload.cascade_victims", To: "beam.message_queue_max", Why: "who waits for another takes no messages"},
			{From: "overload.queue_total", To: "beam.memory_processes_mb", Why: "messages that wait are memory"},
			{From: "sup.busy_queue_max", To: "overload.cascade_victims", Why: "who asks a busy supervisor waits for it"},
			{From: "vm_events.busy_dist_port_suspended", To: "overload.queue_max", Why: "a process that waits for the link to a node takes no messages"},
		},
		Playbooks: []skill.Playbook{
			playbook("cascade", "the process at the end of the chain of those that wait for each other", "cascade_victims", "cascade_depth", "overloaded_processes", "overload_duration_s"),
		},
	}
}

// The thresholds are the original's.
const (
	longQueue, highQueue, criticalQueue  = 1_000, 10_000, 50_000
	longTotal, highTotal, criticalTotal  = 100_000, 1_000_000, 5_000_000
	transientOverload, sustainedOverload = time.Minute, 5 * time.Minute
)

type overloadRaw struct {
	Known   bool     `json:"known"`
	Total   int64    `json:"total"`
	Max     int64    `json:"max"`
	Growth  *float64 `json:"growth_per_s"`
	Victims []victim `json:"victims"`
}

type victim struct {
	Pid      string   `json:"pid"`
	Name     *string  `json:"name"`
	Queue    int64    `json:"message_queue"`
	Growth   *float64 `json:"growth_per_s"`
	Path     []string `json:"path"`
	Root     string   `json:"root"`
	RootName *string  `json:"root_name"`
}

func (v victim) waits() bool { return len(v.Path) > 1 }

type overload struct {
	caller Caller

	mu    sync.Mutex // guards since
	since time.Time  // when the first of the mailboxes became long; zero if none is
}

type overloadState struct {
	State      string   `json:"state"`    // normal, transient, elevated, sustained, critical
	Severity   string   `json:"severity"` // none, warning, high, critical
	Max        int64    `json:"queue_max"`
	Total      int64    `json:"queue_total"`
	Overloaded int64    `json:"overloaded_processes"`
	DurationS  float64  `json:"duration_s"`
	Growth     *float64 `json:"growth_per_s"`
	// By the measured growth of the longest mailbox; null when it does not grow.
	SecondsToCritical *int64   `json:"seconds_to_critical"`
	Victims           []victim `json:"victims"`
	CascadeVictims    int64    `json:"cascade_victims"`
	CascadeDepth      int64    `json:"cascade_depth"`
	CascadeRoot       *string  `json:"cascade_root"`
	CascadeRootName   *string  `json:"cascade_root_name"`
}

func grade(max, total int64) string {
	switch {
	case max >= criticalQueue || total >= criticalTotal:
		return "critical"
	case max >= highQueue || total >= highTotal:
		return "high"
	case max >= longQueue || total >= longTotal:
		return "warning"
	}
	return "none"
}

func (o *overload) state(ctx context.Context, _ none) (overloadState, error) {
	r, err := ask[overloadRaw](ctx, o.caller, "overload", "snapshot")
	if err != nil {
		return overloadState{}, err
	}
	if !r.Known {
		return overloadState{}, fmt.Errorf("the probe has not read the mailboxes yet")
	}
	s := overloadState{Severity: grade(r.Max, r.Total), Max: r.Max, Total: r.Total, Overloaded: int64(len(r.Victims)), Growth: r.Growth, Victims: r.Victims}
	o.mu.Lock()
	if s.Severity == "none" {
		o.since = time.Time{}
	} else if o.since.IsZero() {
		o.since = time.Now()
	}
	var lasted time.Duration
	if !o.since.IsZero() {
		lasted = time.Since(o.since)
	}
	o.mu.Unlock()
	s.DurationS = math.Round(lasted.Seconds()*10) / 10
	switch {
	case s.Severity == "none":
		s.State = "normal"
	case s.Severity == "critical":
		s.State = "critical"
	case lasted >= sustainedOverload:
		s.State = "sustained"
	case lasted >= transientOverload:
		s.State = "elevated"
	default:
		s.State = "transient"
	}
	if r.Growth != nil && *r.Growth >= 1 && r.Max < criticalQueue && r.Max >= longQueue {
		n := int64(math.Ceil(float64(criticalQueue-r.Max) / *r.Growth))
		s.SecondsToCritical = &n
	}
	roots := map[string]int64{}
	for _, v := range r.Victims {
		if !v.waits() {
			continue
		}
		roots[v.Root]++
		if n := roots[v.Root]; n > s.CascadeVictims {
			root := v.Root
			s.CascadeVictims, s.CascadeRoot, s.CascadeRootName = n, &root, v.RootName
		}
		s.CascadeDepth = max(s.CascadeDepth, int64(len(v.Path)))
	}
	return s, nil
}

func (o *overload) snapshot(ctx context.Context) (map[string]any, error) {
	s, err := o.state(ctx, none{})
	if err != nil {
		return nil, err
	}
	out := map[string]any{
		"state": s.State, "severity": s.Severity, "queue_max": s.Max, "queue_total": s.Total, "overloaded_processes": s.Overloaded,
		"overload_duration_s": s.DurationS, "cascade_victims": s.CascadeVictims, "cascade_depth": s.CascadeDepth,
	}
	if s.CascadeRoot != nil {
		out["cascade_root"] = or(s.CascadeRootName, s.CascadeRoot)
	}
	if s.SecondsToCritical != nil {
		out["seconds_to_critical"] = *s.SecondsToCritical
	}
	return out, nil
}

// overloadProcess is a process as the analysis sees it.
type overloadProcess struct {
	Pid     string   `json:"pid"`
	Name    *string  `json:"name"`
	Label   *string  `json:"label"`
	Status  *string  `json:"status"`
	Queue   *int64   `json:"message_queue"`
	Current *string  `json:"current_function"`
	Stack   []string `json:"stacktrace"`
	Answers bool     `json:"answers"`
}

func (p overloadProcess) who() string { return or(p.Name, p.Label, &p.Pid) }

type backlogRow struct {
	overloadProcess
	Growth     *int64            `json:"growth_per_s"`
	Arrival    *int64            `json:"arrival_per_s"` // null: it never paused, so what comes in cannot be told from what is handled
	Service    *int64            `json:"service_per_s"`
	Reductions *int64            `json:"reductions_per_s"`
	WaitsFor   []overloadProcess `json:"waits_for"`
	Callers    []callerRow       `json:"callers"` // null: nobody is in a call to it; who casts or sends is not known
}

type callerRow struct {
	Caller string `json:"caller"`
	Count  int64  `json:"count"`
}

type analysisIn struct {
	Limit int64 `json:"limit" default:"5" min:"1" max:"5" doc:"how many rows"`
}

type analysisOut struct {
	Processes []backlogRow `json:"processes"`
}

func (o *overload) analysis(ctx context.Context, in analysisIn) (analysisOut, error) {
	return ask[analysisOut](ctx, o.caller, "overload", "analysis", in.Limit)
}

type bottleneckOut struct {
	Kind    string           `json:"kind"` // none, waits_for_process, computes, does_not_yield, suspended, waits
	Process *overloadProcess `json:"process"`
	At      string           `json:"at"` // the first function of the program's own in its stack
	Victims []string         `json:"victims"`
	Why     string           `json:"why"`
}

// bottleneck is the last in the row of those that wait for each other, or else the one with the longest mailbox.
func (o *overload) bottleneck(ctx context.Context, _ none) (bottleneckOut, error) {
	a, err := o.analysis(ctx, analysisIn{5})
	if err != nil {
		return bottleneckOut{}, err
	}
	out := bottleneckOut{Kind: "none", Victims: []string{}, Why: "no mailbox is long"}
	if len(a.Processes) == 0 || a.Processes[0].Queue == nil || *a.Processes[0].Queue < longQueue {
		return out, nil
	}
	first := a.Processes[0]
	root := first.overloadProcess
	if n := len(first.WaitsFor); n > 0 {
		root = first.WaitsFor[n-1]
	}
	for _, p := range a.Processes {
		if n := len(p.WaitsFor); n > 0 && p.WaitsFor[n-1].Pid == root.Pid && p.Queue != nil && *p.Queue >= longQueue {
			out.Victims = append(out.Victims, p.who())
		}
	}
	out.Process, out.At = &root, own(root.Stack)
	status := or(root.Status)
	switch {
	case !root.Answers:
		out.Kind, out.Why = "does_not_yield", "it is inside of something that cannot be interrupted"
	case status == "suspended":
		out.Kind, out.Why = "suspended", "it is suspended: a busy port, a busy link to another node, or a debugger"
	case len(first.WaitsFor) > 0:
		out.Kind, out.Why = "waits_for_process", "the others are in calls to it, and it is in "+out.At
	case status == "running" || status == "runnable" || first.Reductions != nil && *first.Reductions > 100_000:
		out.Kind, out.Why = "computes", "it works all the time, and does too much for each message"
	default:
		out.Kind, out.Why = "waits", "it waits in "+out.At+" and takes no messages meanwhile"
	}
	return out, nil
}

// own is the first frame that is not of the library, else the first.
func own(stack []string) string {
	for _, f := range stack {
		library := false
		for _, m := range []string{"gen:", "gen_server:", "gen_statem:", "gen_event:", "proc_lib:", "erlang:", "prim_eval:", "erl_eval:", "timer:", "GenServer.", "Process.", "Task.", "lists:", "Enum.", "prim_inet:", "gen_tcp:"} {
			library = library || strings.HasPrefix(f, m)
		}
		if !library {
			return f
		}
	}
	if len(stack) > 0 {
		return stack[0]
	}
	return ""
}

type cascadesOut struct {
	Cascades []cascadeRow `json:"cascades"`
}

type cascadeRow struct {
	Victim  string   `json:"victim"`
	Pid     string   `json:"pid"`
	Queue   int64    `json:"message_queue"`
	Growth  *float64 `json:"growth_per_s"`
	Path    []string `json:"path"`
	Root    string   `json:"root"`
	RootPid string   `json:"root_pid"`
}

func (o *overload) cascades(ctx context.Context, _ none) (cascadesOut, error) {
	s, err := o.state(ctx, none{})
	out := cascadesOut{Cascades: []cascadeRow{}}
	for _, v := range s.Victims {
		if v.waits() {
			out.Cascades = append(out.Cascades, cascadeRow{or(v.Name, &v.Pid), v.Pid, v.Queue, v.Growth, v.Path, or(v.RootName, &v.Root), v.Root})
		}
	}
	return out, err
}

type planOut struct {
	State      string   `json:"state"`
	Kind       string   `json:"kind"`
	Process    string   `json:"process"`
	Immediate  []string `json:"immediate"`
	Structural []string `json:"structural"`
}

func (o *overload) plan(ctx context.Context, _ none) (planOut, error) {
	s, err := o.state(ctx, none{})
	if err != nil {
		return planOut{}, err
	}
	b, err := o.bottleneck(ctx, none{})
	if err != nil {
		return planOut{}, err
	}
	p := planOut{State: s.State, Kind: b.Kind, Immediate: []string{}, Structural: []string{}}
	if b.Process != nil {
		p.Process = b.Process.who()
	}
	advice, ok := remedies[b.Kind]
	if !ok {
		return p, nil
	}
	for _, text := range advice[0] {
		p.Immediate = append(p.Immediate, strings.ReplaceAll(text, "IT", p.Process))
	}
	for _, text := range advice[1] {
		p.Structural = append(p.Structural, strings.ReplaceAll(text, "IT", p.Process))
	}
	return p, nil
}

// remedies are what may be done at once and what should be changed, by the kind of bottleneck.
var remedies = map[string][2][]string{
	"waits_for_process": {
		{"look at IT first: what it is in decides", "shed: let callers of IT fail fast with a short time limit instead of queueing"},
		{"back-pressure: let those who send to the waiting processes call instead of cast", "scale: several processes in the place of IT, by key", "buffer: a bounded queue in front of IT that refuses when it is full"},
	},
	"computes": {
		{"rate limit what is sent to IT", "shed what is too old to be of use when its turn comes"},
		{"scale: share the work of IT among several processes, by key", "back-pressure: calls instead of casts"},
	},
	"does_not_yield": {
		{"find the native function that IT is in; until it returns nothing helps IT"},
		{"run it on a dirty scheduler, or in smaller parts"},
	},
	"suspended": {
		{"see what IT waits for: the other side of its port or link does not read"},
		{"send without waiting (nosuspend) and drop what does not fit", "a process of its own for each slow reader"},
	},
	"waits": {
		{"see whether what IT waits for is there: a database, a socket, another node", "rate limit what is sent to IT"},
		{"time limits on what IT waits for", "do the waiting in processes of their own, so that IT goes on", "back-pressure: calls instead of casts"},
	},
}
