// Package etf encodes and decodes Erlang's external term format (ERTS User's Guide, "External Term Format").
//
// # Terms
//
// A [Term] is one of:
//
//	Atom                 an atom
//	int64, *big.Int      an integer; *big.Int only if it does not fit
//	float64              a float
//	[]byte               a binary
//	BitString            a bit string whose bits are no multiple of 8
//	List, ImproperList   a list; STRING_EXT, which is a list of small integers, too
//	Tuple, Map           a tuple, a map in the order of the wire
//	Pid, Ref, Port, Fun, Export
//
// The encoder also takes string (a binary), int and bool (the atoms true and false).
//
// # Atoms
//
// Every atom that is sent to a node is created there and never removed. An Atom therefore comes from [A], which is for
// literals and has a hard cap, or from a node. Text of users, files and models is a binary.
//
// # Safety
//
// Decode never panics and never allocates more than the bytes before it justify: every length is checked against what is left of
// the input, and [Limits] bounds depth, number of terms, atoms and inflated bytes. Binaries in the result share the
// input's memory: do not change it afterwards.
package etf
