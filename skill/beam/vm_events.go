package beam

import (
	"context"
	"math"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Events is the skill "vm_events": what the virtual machine itself tells of long collections, large heaps, busy ports and links to other
// nodes, and of schedulers that something keeps which does not yield.
func Events(c Caller) *skill.Skill {
	e := events{c}
	return &skill.Skill{
		ID: "vm_events", Prefix: "sysmon", Title: "events of the virtual machine",
		Summary:  "Long garbage collections, large heaps, busy ports and busy distribution, blocked schedulers, each with its process.",
		Prompt:   text("prompt/vm_events.md"),
		Snapshot: e.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("sysmon_stats", "How many events of each type there were, who has the system monitor, and which processes wait for busy ports now.", "sysmon_stats()", e.stats).Costs(skill.Cheap),
			skill.Func("sysmon_events", "The last events, newest first, each with what its process was and did.", `sysmon_events("long_gc", 5)`, e.events).Costs(skill.Cheap),
		},
		Metrics: eventsMetrics,
		Rules:   eventsRules,
		Edges:   eventsEdges,
		Playbooks: []skill.Playbook{
			playbook("busy_dist", "the processes that wait because another node does not read, and the node", "busy_dist_port_suspended_s", "busy_dist_port_suspended", "busy_dist_port_1m"),
			playbook("busy_port", "the port that several processes wait for, and its owner", "busy_port_suspended_same", "busy_port_suspended", "busy_port_1m"),
			playbook("long_gc", "the process whose collections took most of the last minute", "long_gc_worst_ms_1m", "long_gc_1m", "large_heap_1m"),
			playbook("blocked_scheduler", "the process and the function that keep a scheduler", "scheduler_blocked_ms_1m", "long_schedule_worst_1m", "long_schedule_1m"),
		},
	}
}

var eventsMetrics = []skill.Metric{
	{Name: "long_gc_1m", Unit: "events", Kind: skill.Gauge, Quiet: true, Doc: "collections of 200 ms and more in the last minute"},
	{Name: "long_gc_worst_ms_1m", Unit: "ms", Kind: skill.Gauge, Quiet: true, Doc: "what the long collections of one process took in the last minute"},
	{Name: "large_heap_1m", Unit: "events", Kind: skill.Gauge, Quiet: true, Doc: "collections of heaps of 64 MB and more in the last minute"},
	{Name: "busy_port_1m", Unit: "events", Kind: skill.Gauge, Quiet: true, Doc: "processes that had to wait for a port in the last minute"},
	{Name: "busy_port_suspended", Unit: "processes", Kind: skill.Gauge, Quiet: true, Doc: "processes that wait for a port now"},
	{Name: "busy_port_suspended_same", Unit: "processes", Kind: skill.Gauge, Quiet: true, Doc: "processes that wait for one and the same port now"},
	{Name: "busy_dist_port_1m", Unit: "events", Kind: skill.Gauge, Quiet: true, Doc: "processes that had to wait for the link to a node in the last minute"},
	{Name: "busy_dist_port_suspended", Unit: "processes", Kind: skill.Gauge, Quiet: true, Doc: "processes that wait for the link to a node now"},
	{Name: "busy_dist_port_suspended_s", Unit: "s", Kind: skill.Gauge, Quiet: true, Doc: "for how long the first of them has waited"},
	{Name: "long_schedule_1m", Unit: "events", Kind: skill.Gauge, Quiet: true, Doc: "processes that kept a scheduler for 500 ms and more in the last minute; seen only after a sign of a blocked scheduler"},
	{Name: "long_schedule_worst_1m", Unit: "events", Kind: skill.Gauge, Quiet: true, Doc: "the same of one function"},
	{Name: "scheduler_blocked_ms_1m", Unit: "ms", Kind: skill.Gauge, Quiet: true, Doc: "time in the last minute for which a scheduler ran nothing else for 300 ms and more"},
}

// None of these can be said of a node that is merely busy: they are times in which somebody could not go on.
var eventsRules = []skill.Rule{
	{Metric: "busy_dist_port_suspended_s", Above: 5, For: 3 * time.Second, Severity: beamlens.SeverityWarning, Doc: "a link that is slow lets its senders go on within a second; this one does not move"},
	{Metric: "busy_port_suspended_same", Above: 4, For: 10 * time.Second, Severity: beamlens.SeverityWarning, Doc: "one slow client holds up one process; several behind one port are a bottleneck"},
	{Metric: "long_gc_worst_ms_1m", Above: 6000, Severity: beamlens.SeverityWarning, Doc: "a tenth of a minute in which a process did nothing but collect garbage"},
	{Metric: "scheduler_blocked_ms_1m", Above: 3000, Severity: beamlens.SeverityWarning, Doc: "a twentieth of a minute in which what waited for that scheduler could not run"},
	{Metric: "long_schedule_worst_1m", Above: 4, Severity: beamlens.SeverityWarning, Doc: "the same function again and again: it is not the host that is slow"},
}

var eventsEdges = []beamlens.Edge{
	{From: "beam.memory_processes_mb", To: "vm_events.large_heap_1m", Why: "memory of processes is heaps"},
	{From: "vm_events.large_heap_1m", To: "vm_events.long_gc_1m", Why: "a large heap takes long to collect"},
	{From: "vm_events.long_gc_1m", To: "beam.message_queue_max", Why: "a process takes no messages while it is collected"},
	{From: "vm_events.scheduler_blocked_ms_1m", To: "beam.run_queue_per_scheduler", Why: "what waits for a blocked scheduler cannot run"},
	{From: "vm_events.busy_port_suspended", To: "beam.message_queue_max", Why: "a process that waits for a port takes no messages"},
	{From: "vm_events.busy_dist_port_suspended", To: "beam.message_queue_max", Why: "a process that waits for the link to a node takes no messages"},
}

type events struct{ caller Caller }

// waiting is who waits for busy ports of one kind.
type waiting struct {
	Processes int64      `json:"processes"`
	Same      int64      `json:"same"`
	LongestMS int64      `json:"longest_ms"`
	Port      *eventPort `json:"port"`
}

type eventPort struct {
	Port      *string `json:"port"`
	Node      *string `json:"node"`
	Name      *string `json:"port_name"`
	Owner     *string `json:"port_owner"`
	OwnerName *string `json:"port_owner_name"`
	Queue     *int64  `json:"port_queue"`
}

// worst is what one process or function had most of.
type worst struct {
	MS       int64   `json:"ms"`
	Count    int64   `json:"count"`
	CountMax int64   `json:"count_max"`
	Who      *string `json:"who"`
}

type statsOut struct {
	Source       string           `json:"source"` // own, session, other
	Owner        any              `json:"owner"`
	Closely      bool             `json:"closely"`
	Counts       map[string]int64 `json:"counts"`
	Minute       map[string]int64 `json:"last_minute"`
	Dropped      int64            `json:"dropped"`
	BusyPort     waiting          `json:"busy_port"`
	BusyDist     waiting          `json:"busy_dist_port"`
	LongGC       worst            `json:"long_gc"`
	LongSchedule worst            `json:"long_schedule"`
	Blocked      worst            `json:"scheduler_blocked"`
	BlockedMS    int64            `json:"blocked_ms_1m"`
	BlockedNow   []blockedNow     `json:"blocked_now"`
}

type blockedNow struct {
	Scheduler int64 `json:"scheduler"`
	MS        int64 `json:"ms"`
	Who       *struct {
		Pid  string  `json:"pid"`
		Name *string `json:"name"`
	} `json:"who"` // null until it is found
}

func (e events) stats(ctx context.Context, _ none) (statsOut, error) {
	return ask[statsOut](ctx, e.caller, "events", "snapshot")
}

// snapshot leaves out what another owner of the system monitor gets in our place.
func (e events) snapshot(ctx context.Context) (map[string]any, error) {
	r, err := e.stats(ctx, none{})
	if err != nil {
		return nil, err
	}
	blocked := r.BlockedMS
	for _, b := range r.BlockedNow {
		blocked += b.MS
	}
	s := map[string]any{"system_monitor": r.Source, "scheduler_blocked_ms_1m": blocked, "events_counted_only": r.Dropped}
	if r.Blocked.Who != nil {
		s["scheduler_blocked_by"] = *r.Blocked.Who
	}
	if r.Source == "other" {
		s["system_monitor_owner"] = r.Owner
		return s, nil
	}
	for _, kind := range []string{"long_gc", "large_heap", "busy_port", "busy_dist_port", "long_schedule"} {
		s[kind+"_1m"] = r.Minute[kind]
	}
	s["long_gc_worst_ms_1m"], s["long_schedule_worst_1m"] = r.LongGC.MS, r.LongSchedule.CountMax
	s["busy_port_suspended"], s["busy_port_suspended_same"] = r.BusyPort.Processes, r.BusyPort.Same
	s["busy_dist_port_suspended"] = r.BusyDist.Processes
	s["busy_dist_port_suspended_s"] = math.Round(float64(r.BusyDist.LongestMS)/100) / 10
	if r.LongGC.Who != nil {
		s["long_gc_worst"] = *r.LongGC.Who
	}
	return s, nil
}

type eventsIn struct {
	Type  string `json:"type" default:"all" enum:"all,long_gc,large_heap,busy_port,busy_dist_port,long_schedule,long_message_queue,scheduler_blocked" doc:"of which type"`
	Limit int64  `json:"limit" default:"20" min:"1" max:"50" doc:"how many rows"`
}

type eventsOut struct {
	Events []eventRow `json:"events"`
}

type eventRow struct {
	Seq     int64    `json:"seq"`
	AtMS    int64    `json:"at_ms"`
	At      string   `json:"at"`
	Type    string   `json:"type"`
	Pid     *string  `json:"pid"`
	Name    *string  `json:"name"`
	Label   *string  `json:"label"`
	MS      *int64   `json:"ms"`
	HeapMB  *int64   `json:"heap_mb"`
	UsedMB  *int64   `json:"used_mb"`
	Queue   *int64   `json:"message_queue"`
	Status  *string  `json:"status"`
	Current *string  `json:"current_function"`
	In      *string  `json:"in"`
	Out     *string  `json:"out"`
	Stack   []string `json:"stacktrace"`
	eventPort
}

func (e events) events(ctx context.Context, in eventsIn) (eventsOut, error) {
	out, err := ask[eventsOut](ctx, e.caller, "events", "events", in.Type, in.Limit)
	for i := range out.Events {
		out.Events[i].At = utc(out.Events[i].AtMS)
	}
	return out, err
}

// utc is a time of the node's clock, in milliseconds, as text.
func utc(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }
