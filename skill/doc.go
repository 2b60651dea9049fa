// Package skill says what can be observed: a [Skill] is one field of a target, as data and functions.
//
// A skill reads; it never changes its target. Its Snapshot is cheap, because it is taken every second. Its Callbacks give
// detail, and are what a Lua program can call. Metrics, Rules, Edges and Playbooks are declarations that watch, the
// operator and the coordinator read.
//
// [Func] makes a callback from a Go function: the signature that a model reads, the checks of the arguments and the
// description of the result all come from the types, so that prompt and code cannot disagree:
//
//	type topIn struct {
//		Limit  int    `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
//		SortBy string `json:"sort_by" default:"memory" enum:"memory,message_queue" doc:"worst first by this"`
//	}
//	skill.Func("beam_top_processes", "The biggest processes.", `beam_top_processes(5, "memory")`, top)
//
// The fields of the input are positional arguments, in order. A field with a default may be left out.
package skill
