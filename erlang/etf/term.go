package etf

import (
	"bytes"
	"reflect"
)

// Term is any Erlang term; see the package comment for the types.
type Term = any

// List is a proper list. Nil and empty are [].
type List []Term

// ImproperList is a list whose tail is no list.
type ImproperList struct {
	Items []Term
	Tail  Term
}

// Tuple is a tuple.
type Tuple []Term

// Pair is one association of a map.
type Pair struct{ Key, Value Term }

// Map is a map, in the order of the wire.
type Map []Pair

// Get returns the value of a key. A Go string, int or bool stands for the term that it is encoded as.
func (m Map) Get(key Term) (Term, bool) {
	switch k := key.(type) {
	case string:
		key = []byte(k)
	case int:
		key = int64(k)
	case bool:
		key = boolAtom(k)
	}
	for _, p := range m {
		if same(p.Key, key) {
			return p.Value, true
		}
	}
	return nil, false
}

func same(a, b Term) bool {
	switch a := a.(type) {
	case Atom, int64, float64, Pid, Ref, Port, Fun, Export:
		return a == b
	case []byte:
		x, ok := b.([]byte)
		return ok && bytes.Equal(a, x)
	}
	return reflect.DeepEqual(a, b)
}

// BitString is a bit string. Bits of the last byte count, from its most significant one; 1 to 8.
type BitString struct {
	Bytes []byte
	Bits  uint8
}

// Pid is a process identifier.
type Pid struct {
	Node                 Atom
	ID, Serial, Creation uint32
}

// Port is a port identifier.
type Port struct {
	Node     Atom
	ID       uint64
	Creation uint32
}

// Ref is a reference. It is comparable: words beyond N are zero.
type Ref struct {
	Node     Atom
	Creation uint32
	N        uint8
	Words    [5]uint32
}

// Fun is a fun, kept as it came so that it can be sent back.
type Fun struct{ raw string }

// Export is an external fun, fun M:F/A.
type Export struct {
	Module, Function Atom
	Arity            int
}

// The tags (External Term Format).
const (
	tagVersion       = 131
	tagCompressed    = 80
	tagNewFloat      = 70
	tagBitBinary     = 77
	tagNewPid        = 88
	tagNewPort       = 89
	tagNewerRef      = 90
	tagSmallInt      = 97
	tagInt           = 98
	tagFloat         = 99
	tagAtom          = 100
	tagRef           = 101
	tagPort          = 102
	tagPid           = 103
	tagSmallTuple    = 104
	tagLargeTuple    = 105
	tagNil           = 106
	tagString        = 107
	tagList          = 108
	tagBinary        = 109
	tagSmallBig      = 110
	tagLargeBig      = 111
	tagNewFun        = 112
	tagExport        = 113
	tagNewRef        = 114
	tagSmallAtom     = 115
	tagMap           = 116
	tagAtomUTF8      = 118
	tagSmallAtomUTF8 = 119
	tagV4Port        = 120
	tagLocal         = 121 // refused: only its own node can read it

	funModule = 30 // where the module is in NEW_FUN_EXT
)
