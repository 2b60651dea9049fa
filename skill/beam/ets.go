package beam

import (
	"context"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// ETS is the skill "ets": the tables that processes share.
func ETS(c Caller) *skill.Skill {
	e := ets{c}
	return &skill.Skill{
		ID: "ets", Title: "ETS tables", Summary: "Tables: how many, how large, which grow, whose they are.",
		Prompt:   text("prompt/ets.md"),
		Snapshot: e.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("ets_list_tables", "The tables, largest first. skipped were not weighed because it would have cost too much.", "ets_list_tables(20)", e.list).Costs(skill.Scan),
			skill.Func("ets_table_info", "All about one table, by name or id: its owner, its options, its growth over 1, 10 and 60 minutes.", `ets_table_info("code")`, e.table),
			skill.Func("ets_top_tables", "The largest tables by memory or by rows.", `ets_top_tables(5, "memory")`, e.top).Costs(skill.Scan),
			skill.Func("ets_growth_stats", "The tables that grew most over about so many minutes (1, 10 or 60), most first. over_ms is how long each was really watched.", "ets_growth_stats(10)", e.growth),
			skill.Func("ets_leak_candidates", "The tables that grew by at least so many per cent while they were watched, an hour at most, and still grow: rows are added and not removed.",
				"ets_leak_candidates(50)", e.leaks),
			skill.Func("ets_orphans", "Tables that an heir has got because their maker died, and tables of processes that belong to no application.", "ets_orphans(10)", e.orphans).Costs(skill.Scan),
			skill.Func("ets_by_application", "Memory and number of tables by the application of their owners; null is none.", "ets_by_application(10)", e.applications).Costs(skill.Scan),
			skill.Func("ets_owners", "The processes that have most tables, and the names that most tables have.", "ets_owners(5)", e.owners).Costs(skill.Scan),
		},
		Metrics: []skill.Metric{
			{Name: "table_count", Unit: "tables", Kind: skill.Gauge, Doc: "tables"},
			{Name: "total_memory_mb", Unit: "MB", Kind: skill.Gauge, Doc: "memory of all tables"},
			{Name: "largest_table_mb", Unit: "MB", Kind: skill.Gauge, Doc: "memory of the largest table", Largest: true},
			{Name: "fastest_growth_mb_per_min", Unit: "MB/min", Kind: skill.Gauge, Doc: "how fast the table grows that grows fastest, over the last one to two minutes"},
		},
		Rules: []skill.Rule{
			// The same as the rule of beam.memory_ets_mb: a cache that fills at a start is smaller, or slower.
			{Metric: "total_memory_mb", Growth: &skill.Growth{Factor: 1.5, Min: 32, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "a table grows without bound"},
			{Metric: "total_memory_mb", Growth: &skill.Growth{Factor: 1.5, Min: 16, Over: 90 * time.Second, Steady: true}, Severity: beamlens.SeverityWarning, Doc: "rows are added and not removed"},
			{Metric: "table_count", Growth: &skill.Growth{Factor: 2, Min: 1000, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "tables are made and not deleted"},
		},
		Edges: []beamlens.Edge{
			{From: "ets.fastest_growth_mb_per_min", To: "ets.largest_table_mb", Why: "what grows becomes the largest"},
			{From: "ets.largest_table_mb", To: "ets.total_memory_mb", Why: "the largest table is part of the total", Fact: "memory_mb"},
			{From: "ets.table_count", To: "ets.total_memory_mb", Why: "every table takes memory"},
			{From: "ets.total_memory_mb", To: "beam.memory_ets_mb", Why: "it is the same memory", Fact: "memory_mb"},
			{From: "beam.process_count", To: "ets.table_count", Why: "processes make tables of their own"},
		},
		Playbooks: []skill.Playbook{
			playbook("ets_growth", "the tables that grow, the largest if none is known to grow, and their owners", "total_memory_mb", "largest_table_mb", "fastest_growth_mb_per_min"),
			playbook("ets_count", "whose tables there are most of", "table_count"),
		},
	}
}

type ets struct{ caller Caller }

type etsSnapshot struct {
	Count   int64  `json:"table_count"`
	Memory  *int64 `json:"memory"`
	Largest *struct {
		Name     string `json:"name"`
		ID       string `json:"id"`
		MemoryKB int64  `json:"memory_kb"`
		Rows     int64  `json:"size"`
	} `json:"largest"`
	Fastest *struct {
		Name  string  `json:"name"`
		ID    string  `json:"id"`
		Owner *string `json:"owner_name"`
		Bytes int64   `json:"bytes_per_min"`
		Rows  int64   `json:"rows_per_min"`
	} `json:"fastest"`
}

func (e ets) snapshot(ctx context.Context) (map[string]any, error) {
	r, err := ask[etsSnapshot](ctx, e.caller, "ets", "snapshot")
	if err != nil {
		return nil, err
	}
	s := map[string]any{"table_count": r.Count, "largest_table_mb": 0.0, "fastest_growth_mb_per_min": 0.0}
	// A scheduler that runs something which does not yield does not tell its memory.
	if r.Memory != nil {
		s["total_memory_mb"] = mb(*r.Memory)
	}
	if l := r.Largest; l != nil {
		s["largest_table_mb"], s["largest_table_name"], s["largest_table_rows"] = mb(l.MemoryKB<<10), l.Name, l.Rows
	}
	if f := r.Fastest; f != nil {
		s["fastest_growth_mb_per_min"], s["fastest_growing_table"], s["fastest_growth_rows_per_min"] = mb(f.Bytes), f.Name, f.Rows
	}
	return s, nil
}

func (e ets) list(ctx context.Context, in limitIn) (tablesOut, error) {
	return ask[tablesOut](ctx, e.caller, "ets", "tables", "memory", in.Limit)
}

func (e ets) top(ctx context.Context, in tablesIn) (tablesOut, error) {
	return ask[tablesOut](ctx, e.caller, "ets", "tables", in.SortBy, in.Limit)
}

type tableIn struct {
	Table string `json:"table" doc:"a name, or the id of a row"`
}

type tableOut struct {
	Error *string `json:"error"`
	tableRow
	OwnerPid      *string       `json:"owner_pid"`
	Heir          *string       `json:"heir"`
	Application   *string       `json:"application"`
	Keypos        int64         `json:"keypos"`
	Fixed         bool          `json:"fixed"`
	Decentralized bool          `json:"decentralized_counters"`
	Growth        []tableGrowth `json:"growth"`
}

type tableGrowth struct {
	Window int64 `json:"window_ms"`
	Over   int64 `json:"over_ms"`
	KB     int64 `json:"growth_kb"`
	Rows   int64 `json:"growth_rows"`
}

// table says in its result that there is no such table, as the original does: a program can go on.
func (e ets) table(ctx context.Context, in tableIn) (tableOut, error) {
	out, err := ask[tableOut](ctx, e.caller, "ets", "table", in.Table)
	if err != nil && err.Error() == tableNotFound {
		missing := tableNotFound
		return tableOut{Error: &missing}, nil
	}
	out.OwnerPid = out.Owner
	return out, err
}

const tableNotFound = "table_not_found"

type growthIn struct {
	Minutes int64 `json:"minutes" default:"60" min:"1" max:"60" doc:"1, 10 or 60"`
	Limit   int64 `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

type growthOut struct {
	Window int64      `json:"window_ms"`
	Known  int64      `json:"known_tables"`
	Tables []grownRow `json:"tables"`
}

type grownRow struct {
	tableRow
	Over       int64  `json:"over_ms"`
	KB         int64  `json:"growth_kb"`
	Rows       int64  `json:"growth_rows"`
	Pct        *int64 `json:"growth_pct"`
	KBPerMin   int64  `json:"growth_kb_per_min"`
	RowsPerMin int64  `json:"growth_rows_per_min"`
}

func (e ets) growth(ctx context.Context, in growthIn) (growthOut, error) {
	return ask[growthOut](ctx, e.caller, "ets", "growth", in.Minutes, in.Limit)
}

type leaksIn struct {
	Percent int64 `json:"threshold_pct" default:"50" min:"1" max:"10000" doc:"the least growth"`
	Limit   int64 `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

type leaksOut struct {
	Known  int64      `json:"known_tables"`
	Tables []grownRow `json:"tables"`
}

func (e ets) leaks(ctx context.Context, in leaksIn) (leaksOut, error) {
	return ask[leaksOut](ctx, e.caller, "ets", "leaks", in.Percent, in.Limit)
}

type orphansOut struct {
	Homeless  int64       `json:"without_application"`
	Inherited int64       `json:"inherited"`
	Tables    []orphanRow `json:"tables"`
}

type orphanRow struct {
	tableRow
	Reason string `json:"reason"`
}

func (e ets) orphans(ctx context.Context, in limitIn) (orphansOut, error) {
	return ask[orphansOut](ctx, e.caller, "ets", "orphans", in.Limit)
}

type applicationsOut struct {
	Skipped      int64            `json:"skipped"`
	Applications []applicationRow `json:"applications"`
}

type applicationRow struct {
	Application *string `json:"application"`
	Tables      int64   `json:"tables"`
	Rows        int64   `json:"size"`
	MemoryKB    int64   `json:"memory_kb"`
}

func (e ets) applications(ctx context.Context, in limitIn) (applicationsOut, error) {
	return ask[applicationsOut](ctx, e.caller, "ets", "applications", in.Limit)
}

type tableOwnersOut struct {
	Owners []tableOwnerRow `json:"owners"`
	Names  []struct {
		Name   string `json:"name"`
		Tables int64  `json:"tables"`
	} `json:"names"`
}

type tableOwnerRow struct {
	Owner     string  `json:"owner"`
	OwnerName *string `json:"owner_name"`
	Label     *string `json:"label"`
	Tables    int64   `json:"tables"`
	MemoryKB  int64   `json:"memory_kb"`
	Name      string  `json:"name"`
	WithName  int64   `json:"with_name"`
}

func (e ets) owners(ctx context.Context, in limitIn) (tableOwnersOut, error) {
	return ask[tableOwnersOut](ctx, e.caller, "ets", "owners", in.Limit)
}
