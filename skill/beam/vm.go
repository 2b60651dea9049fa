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
	v := &vm{caller: c}
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
				`beam_top_processes(5, "message_queue")`, v.top).Costs(skill.Scan),
			skill.Func("beam_process", "All about one process, by pid or registered name. answers is false if it runs something that cannot be interrupted.",
				`beam_process("init")`, v.process),
			skill.Func("beam_process_groups", "Processes counted by what they were started as and by whom: who makes too many shows here.", "beam_process_groups(5)", v.groups).Costs(skill.Scan),
			skill.Func("beam_top_tables", "The largest ETS tables.", `beam_top_tables(5, "memory")`, v.tables).Costs(skill.Scan),
			skill.Func("beam_growing_tables", "The ETS tables that grew most in the last one to two minutes.", "beam_growing_tables(5)", v.growingTables).Costs(skill.Cheap),
			skill.Func("beam_binary_top_memory", "The processes that refer to most binaries, idle ones too.", "beam_binary_top_memory(5)", v.binaries).Costs(skill.Scan),
			skill.Func("beam_binary_info", "The binaries that one process refers to, largest first. references is null if there are too many to be told.", `beam_binary_info("init")`, v.binary),
			skill.Func("beam_binary_leak", "Processes that refer to far more binaries than they have heap, so that they are hardly ever collected. Nothing is collected to find out.", "beam_binary_leak(5)", v.binaryLeak).Costs(skill.Scan),
			skill.Func("beam_queue_processes", "The processes with at least so many messages waiting.", "beam_queue_processes(1000)", v.queueProcesses).Costs(skill.Scan),
			skill.Func("beam_queue_growth", "The mailboxes that grow fastest.", "beam_queue_growth(1000, 5)", v.queueGrowth).Costs(skill.Scan),
			skill.Func("beam_queue_stats", "Mailboxes in all; large are those of more than 1,000 messages, critical of more than 10,000.", "beam_queue_stats()", v.queueStats).Costs(skill.Scan),
			skill.Func("beam_scheduler_utilization", "How much of the last milliseconds, a minute at most, each scheduler worked, by its id.", "beam_scheduler_utilization(5000)", v.utilization),
			skill.Func("beam_scheduler_capacity_available", "Whether the schedulers have time left: under 70 % of the last seconds were used.", "beam_scheduler_capacity_available()", v.capacity),
			skill.Func("beam_scheduler_health", "How busy and how evenly used the schedulers are, and what waits for them.", "beam_scheduler_health()", v.health),
			skill.Func("beam_top_reducers_window", "The processes that did most work over the last milliseconds, a minute at most.", "beam_top_reducers_window(5, 10000)", v.reducers),
			skill.Func("beam_hottest_process", "The process that was running, or waiting for its turn, in most samples of the last ten seconds.", "beam_hottest_process()", v.hottest),
			skill.Func("beam_reduction_rate", "The work of one process: measured for a moment, and over the window if it was among the hottest.", `beam_reduction_rate("init", 1000)`, v.reductionRate),
			skill.Func("beam_burst_detection", "Processes that do more work in the last milliseconds than before, by at least so many per cent.", "beam_burst_detection(5000, 200)", v.bursts),
			skill.Func("beam_hot_functions", "The functions that the hottest processes are in, sampled for a moment.", "beam_hot_functions(5, 200)", v.hotFunctions).Costs(skill.Costly),
			skill.Func("beam_process_rates", "Processes that are started and that end, per second. The probe's own are among them, some tens.", "beam_process_rates()", v.processRates),
			skill.Func("beam_time_to_exhaustion", "When processes, ports and atoms are used up if they go on as measured; null if there is no steady growth.", "beam_time_to_exhaustion()", v.exhaustion),
			skill.Func("beam_atom_growth_rate", "Atoms per minute over the last minutes, as far as they were watched.", "beam_atom_growth_rate(5)", v.atomGrowth),
			skill.Func("beam_newest_atoms", "What the newest atoms look like, numbers left out: who makes them shows in their names.", "beam_newest_atoms(5)", v.newestAtoms).Costs(skill.Scan),
			skill.Func("beam_atom_leak_detected", "Whether atoms are made steadily: more than half of the table is used, or a day's growth would fill it.", "beam_atom_leak_detected()", v.atomLeak),
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
	{Name: "atom_count", Unit: "atoms", Kind: skill.Gauge, Quiet: true, Doc: "atoms"},
	{Name: "process_count", Unit: "processes", Kind: skill.Gauge, Doc: "processes"},
	{Name: "port_count", Unit: "ports", Kind: skill.Gauge, Doc: "ports"},
	{Name: "scheduler_run_queue", Unit: "processes", Kind: skill.Gauge, Quiet: true, Doc: "processes and ports that wait for a scheduler"},
	{Name: "run_queue_per_scheduler", Unit: "processes", Kind: skill.Gauge, Doc: "the same for each scheduler"},
	{Name: "processes_spawned", Unit: "processes", Kind: skill.Counter, Doc: "processes that were started, those of the probe among them"},
	{Name: "processes_exited", Unit: "processes", Kind: skill.Counter, Quiet: true, Doc: "processes that ended"},
	{Name: "scheduler_utilization_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "how much of the last seconds the schedulers worked"},
	{Name: "hottest_process_pct", Unit: "%", Kind: skill.Ratio, Quiet: true, Doc: "in how many of the samples of the last ten seconds the busiest process was running or waiting for its turn"},
	{Name: "message_queue_max", Unit: "messages", Kind: skill.Gauge, Doc: "the longest mailbox", Largest: true},
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
	// Loading code makes tens of thousands, at the start of a large system.
	{Metric: "atom_count", Growth: &skill.Growth{Factor: 1.5, Min: 60_000, Over: time.Minute}, Severity: beamlens.SeverityCritical, Doc: "atoms are made of data; at this rate the VM stops within the hour"},
	{Metric: "run_queue_per_scheduler", Above: 2, For: 20 * time.Second, Severity: beamlens.SeverityWarning, Doc: "work waits for schedulers"},
	// With the ten seconds of the metric these are some twenty almost without a pause. What serves requests waits for the next one now and then.
	{Metric: "hottest_process_pct", Above: 75, For: 8 * time.Second, Severity: beamlens.SeverityWarning, Doc: "one process computes without a pause"},
	{Metric: "message_queue_max", Above: 10_000, Severity: beamlens.SeverityWarning, Doc: "a process is so far behind that it will not catch up by itself"},
	{Metric: "message_queue_max", Above: 250_000, Severity: beamlens.SeverityCritical, Doc: "its mailbox alone is hundreds of megabytes, and every collection walks it"},
	// Whoever handles a burst is through with it within seconds.
	{Metric: "message_queue_max", Above: 1000, For: 30 * time.Second, Severity: beamlens.SeverityWarning, Doc: "a process has been behind for half a minute, and does not catch up"},
	// A minute's growth that a deploy, a cache that fills, or a saw-tooth of collections does not show.
	{Metric: "memory_processes_mb", Growth: &skill.Growth{Factor: 1.5, Min: 40, Over: time.Minute, Rising: true}, Severity: beamlens.SeverityWarning, Doc: "memory of processes runs away"},
	// A mailbox takes memory as its process is collected: in steps, and it is over when the senders have done.
	{Metric: "memory_processes_mb", Growth: &skill.Growth{Factor: 1.5, Min: 40, Over: time.Minute, While: "message_queue_max"}, Severity: beamlens.SeverityWarning, Doc: "memory of processes grows with a mailbox"},
	{Metric: "binary_memory_mb", Growth: &skill.Growth{Factor: 2, Min: 64, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "binaries are held"},
	{Metric: "memory_ets_mb", Growth: &skill.Growth{Factor: 1.5, Min: 32, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "a table grows without bound"},
	{Metric: "process_count", Growth: &skill.Growth{Factor: 1.5, Min: 2000, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "processes are started and do not end"},
	// What is smaller must be as steady as a leak: what fills to a bound, a burst, and a saw-tooth are not.
	{Metric: "process_count", Growth: &skill.Growth{Factor: 1.5, Min: 300, Over: 90 * time.Second, Steady: true}, Severity: beamlens.SeverityWarning, Doc: "some processes do not end"},
	{Metric: "binary_memory_mb", Growth: &skill.Growth{Factor: 1.5, Min: 32, Over: 90 * time.Second, Steady: true}, Severity: beamlens.SeverityWarning, Doc: "binaries are held"},
	{Metric: "memory_processes_mb", Growth: &skill.Growth{Factor: 1.5, Min: 32, Over: 90 * time.Second, Steady: true}, Severity: beamlens.SeverityWarning, Doc: "a process keeps what it makes"},
	{Metric: "memory_ets_mb", Growth: &skill.Growth{Factor: 1.5, Min: 16, Over: 90 * time.Second, Steady: true}, Severity: beamlens.SeverityWarning, Doc: "rows are added and not removed"},
	// Whoever loads code or starts makes some thousands at once, and then none.
	{Metric: "atom_count", Growth: &skill.Growth{Factor: 1.1, Min: 2500, Over: 90 * time.Second, Steady: true}, Severity: beamlens.SeverityWarning, Doc: "atoms are made of data; at this rate the VM stops within a day"},
}

var vmEdges = []beamlens.Edge{
	{From: "beam.message_queue_max", To: "beam.message_queue_total", Why: "the longest mailbox is part of the total"},
	{From: "beam.message_queue_max", To: "beam.memory_processes_mb", Why: "messages that wait are memory of the process that does not take them", Fact: "memory_mb"},
	{From: "beam.process_count", To: "beam.memory_processes_mb", Why: "every process has a heap and a stack"},
	{From: "beam.process_count", To: "beam.process_utilization_pct", Why: "the limit is of the count"},
	{From: "beam.atom_count", To: "beam.atom_utilization_pct", Why: "the limit is of the count"},
	{From: "beam.port_count", To: "beam.port_utilization_pct", Why: "the limit is of the count"},
	{From: "beam.memory_processes_mb", To: "beam.memory_total_mb", Why: "memory of processes is part of the total", Fact: "memory_mb"},
	{From: "beam.binary_memory_mb", To: "beam.memory_total_mb", Why: "binaries are part of the total", Fact: "binary_mb"},
	{From: "beam.memory_ets_mb", To: "beam.memory_total_mb", Why: "tables are part of the total", Fact: "memory_mb"},
	{From: "beam.memory_processes_mb", To: "beam.gcs", Why: "large heaps are collected"},
	{From: "beam.gcs", To: "beam.run_queue_per_scheduler", Why: "collections take the schedulers"},
	{From: "beam.process_count", To: "beam.run_queue_per_scheduler", Why: "more processes want to run"},
	{From: "beam.processes_spawned", To: "beam.process_count", Why: "what is started and does not end is there"},
	{From: "beam.processes_spawned", To: "beam.scheduler_utilization_pct", Why: "starting and ending is work"},
	{From: "beam.hottest_process_pct", To: "beam.scheduler_utilization_pct", Why: "one process can have one scheduler"},
	{From: "beam.scheduler_utilization_pct", To: "beam.run_queue_per_scheduler", Why: "when all schedulers work, others wait"},
}

func vmPlaybooks() []skill.Playbook {
	return []skill.Playbook{
		playbook("mailbox", "the processes with the longest mailboxes, and what the first of them is doing", "message_queue_max", "message_queue_total"),
		playbook("process_memory", "the processes with the most memory, and how much of the whole they are", "memory_processes_mb", "memory_total_mb"),
		playbook("process_leak", "processes counted by what they are and who starts them", "process_count", "process_utilization_pct"),
		playbook("table_growth", "the largest ETS tables and their owners", "memory_ets_mb"),
		playbook("binaries", "the processes that hold most binaries, among those with the largest heaps and mailboxes", "binary_memory_mb"),
		playbook("hot_processes", "the processes that did most work in the last second", "run_queue_per_scheduler", "scheduler_run_queue", "scheduler_utilization_pct"),
		playbook("hot_process", "the process that does most work, and in which functions", "hottest_process_pct"),
		playbook("spawns", "which processes there are most of, and who starts them", "processes_spawned"),
		playbook("atoms", "the atom table, and what the newest atoms look like", "atom_utilization_pct", "atom_count"),
	}
}

type vm struct {
	caller Caller
	trend  trend // of the quantities below
}

// What the trend has of each snapshot.
const (
	processesTrend = iota
	portsOfVMTrend
	atomsTrend
	spawnedTrend
)

// raw is the probe's snapshot, in its own units.
type raw struct {
	UptimeMS     int64            `json:"uptime_ms"`
	Processes    int64            `json:"process_count"`
	Spawned      *int64           `json:"spawned"`
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

func (v *vm) raw(ctx context.Context) (raw, error) {
	r, err := ask[raw](ctx, v.caller, "vm", "snapshot")
	if err == nil {
		spawned := math.NaN()
		if r.Spawned != nil {
			spawned = float64(*r.Spawned)
		}
		v.trend.add(time.Now(), float64(r.Processes), float64(r.Ports), float64(r.Atoms), spawned)
	}
	return r, err
}

func mb(bytes int64) float64 { return math.Round(float64(bytes)/(1<<20)*100) / 100 }

func pct(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return math.Round(float64(part)/float64(whole)*10_000) / 100
}

// snapshot has the original's fields and more. All are cheap to read; those of mailboxes come from the probe's last round and
// are left out when it has none.
func (v *vm) snapshot(ctx context.Context) (map[string]any, error) {
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
	v.work(ctx, r, s)
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

func (v *vm) memory(ctx context.Context, _ none) (out memoryOut, err error) {
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

func (v *vm) processes(ctx context.Context, _ none) (processesOut, error) {
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

func (v *vm) schedulers(ctx context.Context, _ none) (schedulersOut, error) {
	r, err := v.raw(ctx)
	return schedulersOut{r.Schedulers, r.Online, r.DirtyCPU, r.DirtyIO, r.RunQueue}, err
}

type atomsOut struct {
	Count int64   `json:"atom_count"`
	Limit int64   `json:"atom_limit"`
	MB    float64 `json:"atom_mb"`
	Used  float64 `json:"atom_used_mb"`
}

func (v *vm) atoms(ctx context.Context, _ none) (atomsOut, error) {
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

func (v *vm) system(ctx context.Context, _ none) (systemOut, error) {
	return ask[systemOut](ctx, v.caller, "vm", "system")
}

type termsOut struct {
	Count  int64   `json:"count"`
	Memory float64 `json:"memory_mb"`
}

func (v *vm) persistentTerms(ctx context.Context, _ none) (termsOut, error) {
	r, err := v.raw(ctx)
	return termsOut{r.Terms.Count, mb(r.Terms.Memory)}, err
}
