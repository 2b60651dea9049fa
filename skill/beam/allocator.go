package beam

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/erlang/etf"
	"github.com/beamlens/beamlens-go/skill"
)

// Allocator is the skill "allocator": what the VM took from the system and does not use.
func Allocator(c Caller) *skill.Skill {
	a := &allocators{caller: c}
	return &skill.Skill{
		ID: "allocator", Title: "memory allocators", Summary: "Memory taken from the system against memory used, by allocator: fragmentation.",
		Prompt:   text("prompt/allocator.md"),
		Snapshot: a.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("allocator_summary", "All allocators together: carriers are memory taken from the system, blocks what is in use of it.", "allocator_summary()", a.summary),
			skill.Func("allocator_by_type", "Carriers and blocks by allocator, those that waste most first.", "allocator_by_type()", a.byType),
			skill.Func("allocator_fragmentation", "Usage of the multi-block carriers by allocator; moderate is below half, severe below 0.3. An allocator with little memory is told as small and means nothing.",
				"allocator_fragmentation()", a.fragmentation),
			skill.Func("allocator_problematic", "The allocators that waste much.", "allocator_problematic()", a.problematic),
			skill.Func("allocator_detail", "One allocator by instance, with the number of its blocks and carriers.", `allocator_detail("binary_alloc")`, a.detail).Costs(skill.Costly),
			skill.Func("allocator_holders", "Who holds most of what an allocator serves: processes for heaps and binaries, tables for ETS. Few survivors keep whole carriers.",
				`allocator_holders("binary_alloc", 3)`, a.holders).Costs(skill.Scan),
		},
		Metrics: []skill.Metric{
			{Name: "carriers_mb", Unit: "MB", Kind: skill.Gauge, Doc: "memory that all allocators have from the system"},
			{Name: "blocks_mb", Unit: "MB", Kind: skill.Gauge, Doc: "what is in use of it"},
			{Name: "unused_mb", Unit: "MB", Kind: skill.Gauge, Doc: "what is not"},
			{Name: "usage_ratio", Unit: "", Kind: skill.Ratio, Quiet: true, Doc: "used of all"},
			{Name: "worst_usage_ratio", Unit: "", Kind: skill.Ratio, Quiet: true, Doc: "used of the allocator that uses least, among those with 16 MB and more; 1 if there is none"},
			{Name: "fragmented_allocators", Unit: "allocators", Kind: skill.Gauge, Quiet: true, Doc: "allocators with 16 MB and more that use less than half"},
			{Name: "fragmented_mb", Unit: "MB", Kind: skill.Gauge, Quiet: true, Doc: "unused memory of allocators that use less than 0.3"},
			{Name: "total_carriers", Unit: "carriers", Kind: skill.Gauge, Quiet: true, Doc: "carriers of all allocators, counted once a minute"},
		},
		Rules: []skill.Rule{
			// After a burst carriers are empty for a while and are given back; these were not for two minutes.
			{Metric: "fragmented_mb", Above: 512, For: 2 * time.Minute, Severity: beamlens.SeverityWarning, Doc: "half a gigabyte is taken from the system, hardly used, and not given back"},
		},
		Edges: []beamlens.Edge{
			{From: "beam.binary_memory_mb", To: "allocator.blocks_mb", Why: "binaries are blocks"},
			{From: "beam.memory_processes_mb", To: "allocator.blocks_mb", Why: "heaps are blocks"},
			{From: "beam.memory_ets_mb", To: "allocator.blocks_mb", Why: "tables are blocks"},
			{From: "allocator.blocks_mb", To: "allocator.carriers_mb", Why: "blocks are in carriers"},
			{From: "allocator.unused_mb", To: "allocator.carriers_mb", Why: "what is not used is taken too"},
			{From: "allocator.carriers_mb", To: "system.vm_rss_mb", Why: "the operating system sees carriers"},
		},
		Playbooks: []skill.Playbook{
			playbook("allocator_fragmented", "the allocator that wastes most, and who holds what is left in it", "fragmented_mb", "unused_mb", "carriers_mb"),
		},
	}
}

type allocators struct {
	caller Caller

	mu       sync.Mutex // guards what follows
	counted  time.Time
	carriers int64
	last     allocatorsReading
	at       time.Time
}

const (
	// readEvery bounds how often a snapshot reads the allocators: all schedulers are asked, and carriers come and go slowly.
	readEvery = 5 * time.Second
	// countEvery bounds how often carriers are counted, which takes a millisecond for each scheduler.
	countEvery = time.Minute
	// substantial is how much an allocator must have from the system for its usage to mean anything: each instance keeps a carrier.
	substantial            = 16 << 20
	moderateUse, severeUse = 0.5, 0.3
)

type allocatorsReading struct {
	Count      *int64           `json:"carrier_count"`
	Allocators []allocatorBytes `json:"allocators"`
}

// allocatorBytes is what one allocator has: multi-block carriers, single-block carriers, and those in the pool, which are of many blocks too.
type allocatorBytes struct {
	Name         string `json:"name"`
	Instance     int64  `json:"instance"`
	Instances    int64  `json:"instances"`
	MultiBlocks  int64  `json:"mbcs_blocks"`
	Multi        int64  `json:"mbcs_carriers"`
	SingleBlocks int64  `json:"sbcs_blocks"`
	Single       int64  `json:"sbcs_carriers"`
	PoolBlocks   int64  `json:"pool_blocks"`
	Pool         int64  `json:"pool_carriers"`
}

func (b allocatorBytes) blocks() int64   { return b.MultiBlocks + b.SingleBlocks + b.PoolBlocks }
func (b allocatorBytes) carriers() int64 { return b.Multi + b.Single + b.Pool }
func (b allocatorBytes) unused() int64   { return max(0, b.carriers()-b.blocks()) }

// use is the share in use of the carriers that can be fragmented.
func (b allocatorBytes) use() float64 { return share(b.MultiBlocks+b.PoolBlocks, b.Multi+b.Pool) }

func share(part, whole int64) float64 {
	if whole <= 0 {
		return 1
	}
	return math.Round(float64(part)/float64(whole)*1000) / 1000
}

func (b allocatorBytes) level() string {
	switch {
	case b.Multi+b.Pool < substantial:
		return "small"
	case b.use() < severeUse:
		return "severe"
	case b.use() < moderateUse:
		return "moderate"
	}
	return "none"
}

// read gives the allocators, the most wasteful first.
func (a *allocators) read(ctx context.Context) (allocatorsReading, error) {
	a.mu.Lock()
	count := time.Since(a.counted) > countEvery
	a.mu.Unlock()
	arg := etf.A("false")
	if count {
		arg = etf.A("true")
	}
	r, err := ask[allocatorsReading](ctx, a.caller, "allocator", "snapshot", arg)
	if err != nil {
		return r, err
	}
	slices.SortFunc(r.Allocators, func(x, y allocatorBytes) int { return cmp.Compare(y.unused(), x.unused()) })
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Count != nil {
		a.counted, a.carriers = time.Now(), *r.Count
	}
	carriers := a.carriers
	r.Count = &carriers
	a.last, a.at = r, time.Now()
	return r, nil
}

func (a *allocators) snapshot(ctx context.Context) (map[string]any, error) {
	a.mu.Lock()
	r, age := a.last, time.Since(a.at)
	a.mu.Unlock()
	if age >= readEvery {
		var err error
		if r, err = a.read(ctx); err != nil {
			return nil, err
		}
	}
	s := summarize(r)
	out := map[string]any{
		"allocator_count": s.Count, "total_carriers": s.TotalCarriers, "fragmented_allocators": s.Fragmented, "worst_usage_ratio": s.WorstUse,
		"carriers_mb": s.Carriers, "blocks_mb": s.Blocks, "unused_mb": s.Unused, "usage_ratio": s.Use, "fragmented_mb": s.FragmentedMB,
	}
	if s.Worst != nil {
		out["worst_allocator"] = *s.Worst
	}
	return out, nil
}

type allocatorSummary struct {
	Count         int     `json:"allocator_count"`
	TotalCarriers int64   `json:"total_carriers"`
	Carriers      float64 `json:"carriers_mb"`
	Blocks        float64 `json:"blocks_mb"`
	Unused        float64 `json:"unused_mb"`
	Use           float64 `json:"usage_ratio"`
	Worst         *string `json:"worst_allocator"`
	WorstUse      float64 `json:"worst_usage_ratio"`
	Fragmented    int     `json:"fragmented_allocators"`
	FragmentedMB  float64 `json:"fragmented_mb"`
}

func (a *allocators) summary(ctx context.Context, _ none) (allocatorSummary, error) {
	r, err := a.read(ctx)
	if err != nil {
		return allocatorSummary{}, err
	}
	return summarize(r), nil
}

func summarize(r allocatorsReading) allocatorSummary {
	s := allocatorSummary{Count: len(r.Allocators), TotalCarriers: *r.Count, WorstUse: 1}
	var blocks, carriers, fragmented int64
	for _, b := range r.Allocators {
		blocks, carriers = blocks+b.blocks(), carriers+b.carriers()
		switch b.level() {
		case "small":
			continue
		case "severe":
			fragmented += b.unused()
			s.Fragmented++
		case "moderate":
			s.Fragmented++
		}
		if use := b.use(); use < s.WorstUse {
			s.WorstUse, s.Worst = use, &b.Name
		}
	}
	s.Carriers, s.Blocks, s.Unused, s.FragmentedMB, s.Use = mb(carriers), mb(blocks), mb(max(0, carriers-blocks)), mb(fragmented), share(blocks, carriers)
	return s
}

type allocatorsOut struct {
	Allocators []allocatorRow `json:"allocators"`
}

type allocatorRow struct {
	Name     string  `json:"name"`
	Serves   string  `json:"serves"`
	Instance *int64  `json:"instance"`
	Carriers float64 `json:"carriers_mb"`
	Blocks   float64 `json:"blocks_mb"`
	Unused   float64 `json:"unused_mb"`
	Use      float64 `json:"usage_ratio"`
	Multi    float64 `json:"multi_block_carriers_mb"`
	MultiUse float64 `json:"multi_block_usage_ratio"`
	Pool     float64 `json:"pool_mb"`
	Level    string  `json:"fragmentation"`
}

// serves says what an allocator's blocks are.
var serves = map[string]string{
	"binary_alloc": "binaries outside of heaps", "eheap_alloc": "heaps and stacks of processes", "ets_alloc": "rows of ETS tables", "driver_alloc": "drivers and NIFs",
	"fix_alloc": "process and port structures", "ll_alloc": "code and long-lived data", "literal_alloc": "literals and persistent terms", "sl_alloc": "short-lived data",
	"std_alloc": "other data, such as monitors and timers", "temp_alloc": "temporary data",
}

func (b allocatorBytes) row() allocatorRow {
	return allocatorRow{
		Name: b.Name, Serves: serves[b.Name], Carriers: mb(b.carriers()), Blocks: mb(b.blocks()), Unused: mb(b.unused()), Use: share(b.blocks(), b.carriers()),
		Multi: mb(b.Multi + b.Pool), MultiUse: b.use(), Pool: mb(b.Pool), Level: b.level(),
	}
}

func (a *allocators) rows(ctx context.Context, takes func(allocatorBytes) bool) (allocatorsOut, error) {
	r, err := a.read(ctx)
	out := allocatorsOut{[]allocatorRow{}}
	for _, b := range r.Allocators {
		if takes(b) {
			out.Allocators = append(out.Allocators, b.row())
		}
	}
	return out, err
}

func (a *allocators) byType(ctx context.Context, _ none) (allocatorsOut, error) {
	return a.rows(ctx, func(allocatorBytes) bool { return true })
}

func (a *allocators) fragmentation(ctx context.Context, _ none) (allocatorsOut, error) {
	out, err := a.byType(ctx, none{})
	slices.SortStableFunc(out.Allocators, func(x, y allocatorRow) int {
		if small := func(r allocatorRow) int { return map[bool]int{true: 1}[r.Level == "small"] }; small(x) != small(y) {
			return small(x) - small(y)
		}
		return cmp.Compare(x.MultiUse, y.MultiUse)
	})
	return out, err
}

func (a *allocators) problematic(ctx context.Context, _ none) (allocatorsOut, error) {
	return a.rows(ctx, func(b allocatorBytes) bool { return b.level() == "moderate" || b.level() == "severe" })
}

type allocatorIn struct {
	Name string `json:"name" default:"binary_alloc" doc:"as a row has it"`
}

type allocatorDetail struct {
	Name      string         `json:"name"`
	Blocks    int64          `json:"blocks"`
	Carriers  int64          `json:"carriers"`
	Calls     int64          `json:"allocations_since_start"`
	Instances []allocatorRow `json:"instances"`
}

func (a *allocators) detail(ctx context.Context, in allocatorIn) (allocatorDetail, error) {
	out, err := ask[struct {
		Name     string `json:"name"`
		Blocks   int64  `json:"blocks"`
		Carriers int64  `json:"carriers"`
		Calls    int64  `json:"calls"`
	}](ctx, a.caller, "allocator", "detail", in.Name)
	if err != nil {
		return allocatorDetail{}, err
	}
	each, err := ask[struct {
		Instances []allocatorBytes `json:"instances"`
	}](ctx, a.caller, "allocator", "instances", in.Name)
	d := allocatorDetail{Name: out.Name, Blocks: out.Blocks, Carriers: out.Carriers, Calls: out.Calls}
	for _, b := range each.Instances {
		b.Name = in.Name
		row := b.row()
		row.Instance = &b.Instance
		d.Instances = append(d.Instances, row)
	}
	return d, err
}

type holdersIn struct {
	Name  string `json:"name" default:"binary_alloc" doc:"binary_alloc, eheap_alloc or ets_alloc"`
	Limit int64  `json:"limit" default:"5" min:"1" max:"50" doc:"how many rows"`
}

type holdersOut struct {
	Name    string      `json:"name"`
	Holders []holderRow `json:"holders"`
}

type holderRow struct {
	Kind string  `json:"kind"`
	ID   string  `json:"id"`
	Name *string `json:"name"`
	KB   int64   `json:"kb"`
}

// holders asks the parts that know.
func (a *allocators) holders(ctx context.Context, in holdersIn) (holdersOut, error) {
	out := holdersOut{in.Name, []holderRow{}}
	switch in.Name {
	case "ets_alloc":
		r, err := ask[tablesOut](ctx, a.caller, "ets", "tables", "memory", in.Limit)
		for _, t := range r.Tables {
			out.Holders = append(out.Holders, holderRow{"table", t.ID, &t.Name, t.MemoryKB})
		}
		return out, err
	case "eheap_alloc":
		r, err := ask[heapsOut](ctx, a.caller, "gc", "top", in.Limit)
		for _, p := range r.Processes {
			out.Holders = append(out.Holders, holderRow{"process", p.Pid, cmp.Or(p.Name, p.Label), p.TotalKB})
		}
		return out, err
	case "binary_alloc":
		r, err := ask[heapsOut](ctx, a.caller, "gc", "binaries", "all", in.Limit)
		for _, p := range r.Processes {
			out.Holders = append(out.Holders, holderRow{"process", p.Pid, cmp.Or(p.Name, p.Label), p.BinaryKB})
		}
		return out, err
	}
	return out, fmt.Errorf("who holds what %.40q serves is not known; it is for binary_alloc, eheap_alloc and ets_alloc", in.Name)
}
