package beam

import "context"

type topIn struct {
	Limit  int64  `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
	SortBy string `json:"sort_by" default:"memory" enum:"memory,message_queue,reductions,reductions_rate,message_queue_growth" doc:"worst first by this; the rates are per second"`
	Offset int64  `json:"offset" default:"0" min:"0" max:"1000" doc:"rows to skip"`
}

type topOut struct {
	Total     int64        `json:"total_processes"`
	Showing   int64        `json:"showing"`
	Offset    int64        `json:"offset"`
	Limit     int64        `json:"limit"`
	SortBy    string       `json:"sort_by"`
	Processes []processRow `json:"processes"`
	// Those that did not let themselves be read: they run something that cannot be interrupted, or are being collected.
	Unanswering []parent `json:"unanswering"`
}

type processRow struct {
	Pid          string  `json:"pid"`
	Name         *string `json:"name"`
	Label        *string `json:"label"`
	MemoryKB     *int64  `json:"memory_kb"`
	BinaryKB     *int64  `json:"binary_kb"`
	Queue        int64   `json:"message_queue"`
	QueueGrowth  *int64  `json:"message_queue_growth_per_s"`
	Reductions   int64   `json:"reductions"`
	ReductionsPS *int64  `json:"reductions_per_s"`
	Current      *string `json:"current_function"`
	Status       string  `json:"status"`
}

func (v *vm) top(ctx context.Context, in topIn) (topOut, error) {
	return ask[topOut](ctx, v.caller, "processes", "top", in.SortBy, in.Limit, in.Offset)
}

type processIn struct {
	Process string `json:"process" doc:"a pid like <0.123.0>, or a registered name"`
}

type processOut struct {
	Pid          string   `json:"pid"`
	Name         *string  `json:"name"`
	Label        *string  `json:"label"`
	Status       string   `json:"status"`
	Answers      bool     `json:"answers"`
	MemoryKB     *int64   `json:"memory_kb"`
	TotalHeapKB  int64    `json:"total_heap_kb"`
	BinaryKB     int64    `json:"binary_kb"`
	Queue        int64    `json:"message_queue"`
	QueueGrowth  *int64   `json:"message_queue_growth_per_s"`
	QueueData    string   `json:"message_queue_data"`
	Reductions   int64    `json:"reductions"`
	ReductionsPS *int64   `json:"reductions_per_s"`
	Initial      string   `json:"initial_call"`
	Current      *string  `json:"current_function"`
	Stack        []string `json:"stacktrace"`
	Links        int64    `json:"links"`
	Linked       []string `json:"linked"`
	Monitors     int64    `json:"monitors"`
	MonitoredBy  int64    `json:"monitored_by"`
	Parent       *parent  `json:"parent"`
	Priority     string   `json:"priority"`
	TrapExit     bool     `json:"trap_exit"`
}

type parent struct {
	Pid  string  `json:"pid"`
	Name *string `json:"name"`
}

func (v *vm) process(ctx context.Context, in processIn) (processOut, error) {
	return ask[processOut](ctx, v.caller, "processes", "process", in.Process)
}

type limitIn struct {
	Limit int64 `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

type groupsOut struct {
	Total  int64      `json:"total_processes"`
	Groups []groupRow `json:"groups"`
}

type groupRow struct {
	Count       int64    `json:"count"`
	Growth      *float64 `json:"growth_per_s"`
	Initial     string   `json:"initial_call"`
	ParentPid   *string  `json:"parent_pid"`
	ParentName  *string  `json:"parent_name"`
	ParentLabel *string  `json:"parent_label"`
	ParentAlive bool     `json:"parent_alive"`
	Current     *string  `json:"current_function"`
	Sample      []string `json:"sample"`
}

func (v *vm) groups(ctx context.Context, in limitIn) (groupsOut, error) {
	return ask[groupsOut](ctx, v.caller, "processes", "groups", in.Limit)
}

type tablesIn struct {
	Limit  int64  `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
	SortBy string `json:"sort_by" default:"memory" enum:"memory,size" doc:"largest first by this"`
}

type tablesOut struct {
	Count  int64      `json:"table_count"`
	SortBy string     `json:"sort_by"`
	Tables []tableRow `json:"tables"`
}

type tableRow struct {
	Name             string  `json:"name"`
	ID               string  `json:"id"`
	Type             string  `json:"type"`
	Protection       string  `json:"protection"`
	Size             int64   `json:"size"`
	MemoryKB         int64   `json:"memory_kb"`
	Compressed       bool    `json:"compressed"`
	ReadConcurrency  bool    `json:"read_concurrency"`
	WriteConcurrency any     `json:"write_concurrency"`
	Owner            *string `json:"owner"`
	OwnerName        *string `json:"owner_name"`
}

func (v *vm) tables(ctx context.Context, in tablesIn) (tablesOut, error) {
	return ask[tablesOut](ctx, v.caller, "ets", "tables", in.SortBy, in.Limit)
}

// growingTables is what the skill "ets" tells too: who finds that tables grow has to know which.
func (v *vm) growingTables(ctx context.Context, in limitIn) (growthOut, error) {
	return ets{v.caller}.growth(ctx, growthIn{Minutes: 1, Limit: in.Limit})
}
