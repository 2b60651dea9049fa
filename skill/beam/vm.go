package beam

import (
	"context"
	"math"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// VM is the skill "beam": the virtual machine as a whole, its memory, processes, ports, atoms and schedulers.
func VM(c Caller) *skill.Skill {
	v := vm{c}
	return &skill.Skill{
		ID: "beam", Title: "the BEAM virtual machine", Summary: "Processes, mailboxes, memory by kind, atoms, ports, schedulers.",
		Prompt:   text("prompt/beam.md"),
		Snapshot: v.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("beam_get_memory", "Memory of the node by kind.", "beam_get_memory()", v.memory),
			skill.Func("beam_get_processes", "How many processes and ports there are, and may be.", "beam_get_processes()", v.processes),
			skill.Func("beam_get_schedulers", "Schedulers and how many processes wait for one.", "beam_get_schedulers()", v.schedulers),
			skill.Func("beam_get_atoms", "The atom table. Atoms are never removed.", "beam_get_atoms()", v.atoms),
			skill.Func("beam_get_system", "What the node is.", "beam_get_system()", v.system),
			skill.Func("beam_get_persistent_terms", "Persistent terms.", "beam_get_persistent_terms()", v.persistentTerms),
			skill.Func("beam_top_processes", "The processes that are worst by one measure, worst first. name is the registered name, label what an unnamed process was started as.",
				`beam_top_processes(5, "message_queue")`, v.top),
			skill.Func("beam_process", "All about one process, by pid or registered name. answers is false if it runs something that cannot be interrupted.",
				`beam_process("init")`, v.process),
			skill.Func("beam_process_groups", "Processes counted by what they were started as and by whom: who makes too many shows here.", "beam_process_groups(5)", v.groups),
			skill.Func("beam_top_tables", "The largest ETS tables.", `beam_top_tables(5, "memory")`, v.tables),
		},
		Metrics:   vmMetrics,
		Rules:     vmRules,
		Edges:     vmEdges,
		Playbooks: vmPlaybooks(),
	}
}

var vmMetrics = []skill.Metric{
	{Name: "process_utilization_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Quiet: true, Doc: "processes of the limit"},
	{Name: "port_utilization_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Quiet: true, Doc: "ports of the limit"},
	{Name: "atom_utilization_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Quiet: true, Doc: "atoms of the limit"},
	{Name: "process_count", Unit: "processes", Kind: skill.Gauge, Doc: "processes"},
	{Name: "port_count", Unit: "ports", Kind: skill.Gauge, Doc: "ports"},
	{Name: "scheduler_run_queue", Unit: "processes", Kind: skill.Gauge, Quiet: true, Doc: "processes and ports that wait for a scheduler"},
	{Name: "run_queue_per_scheduler", Unit: "processes", Kind: skill.Gauge, Doc: "the same for each scheduler"},
	{Name: "message_queue_max", Unit: "messages", Kind: skill.Gauge, Doc: "the longest mailbox"},
	{Name: "message_queue_total", Unit: "messages", Kind: skill.Gauge, Doc: "messages in all mailboxes"},
	{Name: "memory_total_mb", Unit: "MB", Kind: skill.Gauge, Doc: "memory of the node"},
	{Name: "memory_processes_mb", Unit: "MB", Kind: skill.Gauge, Doc: "memory of processes: heaps, stacks, mailboxes"},
	{Name: "binary_memory_mb", Unit: "MB", Kind: skill.Gauge, Doc: "binaries outside of heaps"},
	{Name: "memory_ets_mb", Unit: "MB", Kind: skill.Gauge, Doc: "ETS tables"},
	{Name: "memory_atom_mb", Unit: "MB", Kind: skill.Gauge, Quiet: true, Doc: "the atom table"},
	{Name: "memory_code_mb", Unit: "MB", Kind: skill.Gauge, Quiet: true, Doc: "loaded code"},
	{Name: "reductions", Unit: "reductions", Kind: skill.Counter, Doc: "work done"},
	{Name: "gcs", Unit: "collections", Kind: skill.Counter, Doc: "garbage collections"},
	{Name: "io_in_mb", Unit: "MB", Kind: skill.Counter, Doc: "read through ports"},
	{Name: "io_out_mb", Unit: "MB", Kind: skill.Counter, Doc: "written through ports"},
}

// The numbers are those of the original's prompts where it has one; the others say why.
var vmRules = []skill.Rule{
	{Metric: "process_utilization_pct", Above: 70, Severity: beamlens.SeverityWarning, Doc: "at the limit nothing can be spawned"},
	{Metric: "process_utilization_pct", Above: 90, Severity: beamlens.SeverityCritical, Doc: "at the limit nothing can be spawned"},
	{Metric: "port_utilization_pct", Above: 70, Severity: beamlens.SeverityWarning, Doc: "at the limit no socket or file can be opened"},
	{Metric: "atom_utilization_pct", Above: 50, Severity: beamlens.SeverityCritical, Doc: "atoms are never removed, and the VM stops at the limit"},
	{Metric: "run_queue_per_scheduler", Above: 2, For: 20 * time.Second, Severity: beamlens.SeverityWarning, Doc: "work waits for schedulers"},
	{Metric: "message_queue_max", Above: 10_000, Severity: beamlens.SeverityWarning, Doc: "a process is so far behind that it will not catch up by itself"},
	{Metric: "message_queue_max", Above: 250_000, Severity: beamlens.SeverityCritical, Doc: "its mailbox alone is hundreds of megabytes, and every collection walks it"},
	// A minute's growth that a deploy, a cache that fills, or a saw-tooth of collections does not show.
	{Metric: "memory_processes_mb", Growth: &skill.Growth{Factor: 1.5, Min: 40, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "memory of processes runs away"},
	{Metric: "binary_memory_mb", Growth: &skill.Growth{Factor: 2, Min: 64, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "binaries are held"},
	{Metric: "memory_ets_mb", Growth: &skill.Growth{Factor: 1.5, Min: 32, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "a table grows without bound"},
	{Metric: "process_count", Growth: &skill.Growth{Factor: 1.5, Min: 2000, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "processes are started and do not end"},
}

var vmEdges = []beamlens.Edge{
	{From: "beam.message_queue_max", To: "beam.message_queue_total", Why: "the longest mailbox is part of the total"},
	{From: "beam.message_queue_max", To: "beam.memory_processes_mb", Why: "messages that wait are memory of the process that does not take them"},
	{From: "beam.process_count", To: "beam.memory_processes_mb", Why: "every process has a heap and a stack"},
	{From: "beam.process_count", To: "beam.process_utilization_pct", Why: "the limit is of the count"},
	{From: "beam.port_count", To: "beam.port_utilization_pct", Why: "the limit is of the count"},
	{From: "beam.memory_processes_mb", To: "beam.memory_total_mb", Why: "memory of processes is part of the total"},
	{From: "beam.binary_memory_mb", To: "beam.memory_total_mb", Why: "binaries are part of the total"},
	{From: "beam.memory_ets_mb", To: "beam.memory_total_mb", Why: "tables are part of the total"},
	{From: "beam.memory_processes_mb", To: "beam.gcs", Why: "large heaps are collected"},
	{From: "beam.gcs", To: "beam.run_queue_per_scheduler", Why: "collections take the schedulers"},
	{From: "beam.process_count", To: "beam.run_queue_per_scheduler", Why: "more processes want to run"},
}

func vmPlaybooks() []skill.Playbook {
	return []skill.Playbook{
		playbook("mailbox", "the processes with the longest mailboxes, and what the first of them is doing", "message_queue_max", "message_queue_total"),
		playbook("process_memory", "the processes with the most memory, and how much of the whole they are", "memory_processes_mb", "memory_total_mb"),
		playbook("process_leak", "processes counted by what they are and who starts them", "process_count", "process_utilization_pct"),
		playbook("table_growth", "the largest ETS tables and their owners", "memory_ets_mb"),
		playbook("binaries", "the processes that hold most binaries, among those with the largest heaps and mailboxes", "binary_memory_mb"),
		playbook("hot_processes", "the processes that did most work in the last second", "run_queue_per_scheduler", "scheduler_run_queue"),
		playbook("atoms", "the atom table", "atom_utilization_pct"),
	}
}

type vm struct{ caller Caller }

// raw is the probe's snapshot, in its own units.
type raw struct {
	UptimeMS     int64            `json:"uptime_ms"`
	Processes    int64            `json:"process_count"`
	ProcessLimit int64            `json:"process_limit"`
	Ports        int64            `json:"port_count"`
	PortLimit    int64            `json:"port_limit"`
	Atoms        int64            `json:"atom_count"`
	AtomLimit    int64            `json:"atom_limit"`
	RunQueue     int64            `json:"run_queue"`
	Schedulers   int64            `json:"schedulers"`
	Online       int64            `json:"schedulers_online"`
	DirtyCPU     int64            `json:"dirty_cpu_schedulers_online"`
	DirtyIO      int64            `json:"dirty_io_schedulers"`
	Reductions   int64            `json:"reductions"`
	GCs          int64            `json:"gcs"`
	In           int64            `json:"io_in"`
	Out          int64            `json:"io_out"`
	Memory       map[string]int64 `json:"memory"`
	Answers      *bool            `json:"schedulers_answer"`
	Probe        *struct {
		TickUS int64 `json:"tick_us"`
		Memory int64 `json:"memory"`
	} `json:"probe"`
	Terms struct {
		Count  int64 `json:"count"`
		Memory int64 `json:"memory"`
	} `json:"persistent_term"`
	Scan *struct {
		Complete bool   `json:"complete"`
		AgeMS    int64  `json:"age_ms"`
		Total    int64  `json:"message_queue_total"`
		Max      int64  `json:"message_queue_max"`
		MaxPid   string `json:"message_queue_max_pid"`
		MaxName  string `json:"message_queue_max_name"`
		Stuck    []any  `json:"unanswering"`
	} `json:"scan"`
}

func (v vm) raw(ctx context.Context) (raw, error) { return ask[raw](ctx, v.caller, "vm", "snapshot") }

func mb(bytes int64) float64 { return math.Round(float64(bytes)/(1<<20)*100) / 100 }

func pct(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return math.Round(float64(part)/float64(whole)*10_000) / 100
}

// snapshot has the original's fields and more. All are cheap to read; those of mailboxes come from the probe's last round and
// are left out when it has none.
func (v vm) snapshot(ctx context.Context) (map[string]any, error) {
	r, err := v.raw(ctx)
	if err != nil {
		return nil, err
	}
	s := map[string]any{
		"process_utilization_pct": pct(r.Processes, r.ProcessLimit), "port_utilization_pct": pct(r.Ports, r.PortLimit),
		"atom_utilization_pct": pct(r.Atoms, r.AtomLimit), "scheduler_run_queue": r.RunQueue, "schedulers_online": r.Online,
		"run_queue_per_scheduler": math.Round(float64(r.RunQueue)/float64(max(r.Online, 1))*100) / 100,
		"process_count":           r.Processes, "port_count": r.Ports, "atom_count": r.Atoms,
		"reductions": r.Reductions, "uptime_s": r.UptimeMS / 1000,
	}
	// A scheduler that runs something which does not yield tells neither its memory nor its collections.
	if r.Answers == nil || *r.Answers {
		m := r.Memory
		s["memory_total_mb"], s["memory_processes_mb"], s["binary_memory_mb"] = mb(m["total"]), mb(m["processes"]), mb(m["binary"])
		s["memory_ets_mb"], s["memory_atom_mb"], s["memory_code_mb"] = mb(m["ets"]), mb(m["atom"]), mb(m["code"])
		s["gcs"], s["io_in_mb"], s["io_out_mb"] = r.GCs, mb(r.In), mb(r.Out)
	}
	if scan := r.Scan; scan != nil {
		s["message_queue_max"], s["message_queue_total"] = scan.Max, scan.Total
		if scan.Max > 0 {
			s["message_queue_max_pid"], s["message_queue_max_name"] = scan.MaxPid, scan.MaxName
		}
		if len(scan.Stuck) > 0 {
			s["processes_that_do_not_yield"] = scan.Stuck
		}
	}
	if r.Probe != nil {
		s["probe_us"], s["probe_memory_kb"] = r.Probe.TickUS, r.Probe.Memory/1024
	}
	return s, nil
}

type none struct{}

type memoryOut struct {
	Total         float64 `json:"total_mb"`
	Processes     float64 `json:"processes_mb"`
	ProcessesUsed float64 `json:"processes_used_mb"`
	System        float64 `json:"system_mb"`
	Binary        float64 `json:"binary_mb"`
	ETS           float64 `json:"ets_mb"`
	Code          float64 `json:"code_mb"`
	Atom          float64 `json:"atom_mb"`
}

func (v vm) memory(ctx context.Context, _ none) (out memoryOut, err error) {
	r, err := v.raw(ctx)
	m := r.Memory
	return memoryOut{mb(m["total"]), mb(m["processes"]), mb(m["processes_used"]), mb(m["system"]), mb(m["binary"]), mb(m["ets"]), mb(m["code"]), mb(m["atom"])}, err
}

type processesOut struct {
	Processes    int64 `json:"process_count"`
	ProcessLimit int64 `json:"process_limit"`
	Ports        int64 `json:"port_count"`
	PortLimit    int64 `json:"port_limit"`
}

func (v vm) processes(ctx context.Context, _ none) (processesOut, error) {
	r, err := v.raw(ctx)
	return processesOut{r.Processes, r.ProcessLimit, r.Ports, r.PortLimit}, err
}

type schedulersOut struct {
	Schedulers int64 `json:"schedulers"`
	Online     int64 `json:"schedulers_online"`
	DirtyCPU   int64 `json:"dirty_cpu_schedulers_online"`
	DirtyIO    int64 `json:"dirty_io_schedulers"`
	RunQueue   int64 `json:"run_queue"`
}

func (v vm) schedulers(ctx context.Context, _ none) (schedulersOut, error) {
	r, err := v.raw(ctx)
	return schedulersOut{r.Schedulers, r.Online, r.DirtyCPU, r.DirtyIO, r.RunQueue}, err
}

type atomsOut struct {
	Count int64   `json:"atom_count"`
	Limit int64   `json:"atom_limit"`
	MB    float64 `json:"atom_mb"`
	Used  float64 `json:"atom_used_mb"`
}

func (v vm) atoms(ctx context.Context, _ none) (atomsOut, error) {
	r, err := v.raw(ctx)
	return atomsOut{r.Atoms, r.AtomLimit, mb(r.Memory["atom"]), mb(r.Memory["atom_used"])}, err
}

type systemOut struct {
	Node   string  `json:"node"`
	OTP    string  `json:"otp_release"`
	Elixir *string `json:"elixir_version"`
	Uptime int64   `json:"uptime_seconds"`
	Online int64   `json:"schedulers_online"`
}

func (v vm) system(ctx context.Context, _ none) (systemOut, error) {
	return ask[systemOut](ctx, v.caller, "vm", "system")
}

type termsOut struct {
	Count  int64   `json:"count"`
	Memory float64 `json:"memory_mb"`
}

func (v vm) persistentTerms(ctx context.Context, _ none) (termsOut, error) {
	r, err := v.raw(ctx)
	return termsOut{r.Terms.Count, mb(r.Terms.Memory)}, err
}
