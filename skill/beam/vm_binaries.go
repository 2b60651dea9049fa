package beam

import "context"

type holdersOfBinariesOut struct {
	Seen      int64       `json:"seen"`
	Complete  bool        `json:"complete"`
	Processes []binaryRow `json:"processes"`
}

type binaryRow struct {
	Pid      string  `json:"pid"`
	Name     *string `json:"name"`
	Label    *string `json:"label"`
	BinaryKB int64   `json:"binary_kb"`
	HeapKB   int64   `json:"total_heap_size_kb"`
	NoGC     *int64  `json:"no_gc_for_s"`
	Idle     *int64  `json:"idle_for_s"`
	MinorGCs int64   `json:"minor_gcs"`
	Queue    int64   `json:"message_queue_len"`
	Current  *string `json:"current_function"`
}

func (v *vm) binaries(ctx context.Context, in limitIn) (holdersOfBinariesOut, error) {
	return ask[holdersOfBinariesOut](ctx, v.caller, "gc", "binaries", "all", in.Limit)
}

func (v *vm) binaryLeak(ctx context.Context, in limitIn) (holdersOfBinariesOut, error) {
	return ask[holdersOfBinariesOut](ctx, v.caller, "gc", "binaries", "leak", in.Limit)
}

type binaryIn struct {
	Process string `json:"process" doc:"a pid like <0.123.0>, or a registered name"`
	Limit   int64  `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

type binaryOut struct {
	Pid        string  `json:"pid"`
	Name       *string `json:"name"`
	References *int64  `json:"references"`
	Distinct   *int64  `json:"distinct"`
	TotalKB    int64   `json:"total_kb"`
	SharedKB   *int64  `json:"shared_kb"`
	Binaries   []struct {
		ID       string `json:"id"`
		Size     int64  `json:"size"`
		Refcount int64  `json:"refcount"`
	} `json:"binaries"`
}

func (v *vm) binary(ctx context.Context, in binaryIn) (binaryOut, error) {
	return ask[binaryOut](ctx, v.caller, "gc", "binary", in.Process, in.Limit)
}
