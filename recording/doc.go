// Package recording keeps what an engine read of its target, so that it can be read again: a run's samples, the answers of its
// callbacks, and marks of what was done to the target. An incident that was recorded can be looked at again, by a newer version or by
// another model, without the target; and it becomes a test by being put into a testdata folder.
//
// # Format
//
// A recording is JSON, a line each; a name that ends in .gz is compressed. The first line is a [Header], the others are entries:
//
//	{"t":1.003,"s":"beam","d":{"process_count":61},"gone":["x"]}      a sample: fields that have changed since the skill's last one, and those that are no more
//	{"t":1.4,"c":"beam_top_processes","a":[5,"memory"],"r":{…}}       a call, its arguments and its result, or its error as "e"
//	{"t":2,"m":"on mailbox"}                                          a mark
//
// t is in seconds since the header's began. Numbers with a point or an exponent are floats, the others integers, as they were.
//
// # Promises
//
// A [Writer] never grows without end: past its limit it records no more, and says so in the last line. [Read] refuses what is larger than its
// limits, and names the line that it cannot read.
package recording
