package etf

import (
	"fmt"
	"sync"
)

// Term is any Erlang term; see the package comment for the types.
type Term = any

// Atom is an atom. The zero value is the atom with the empty name.
type Atom struct{ name string }

// String returns the atom's name.
func (a Atom) String() string { return a.name }

// maxLiterals is how many different atoms a program may make with A. Atoms are literals: a program that needs more is making
// them of data, which would fill the atom table of the nodes that it talks to.
const maxLiterals = 4096

var literals struct {
	sync.Mutex
	names map[string]bool
}

// A makes an atom of a literal. It panics when the program makes far too many different ones, or when the name is longer than
// the 255 characters that an atom can have.
func A(literal string) Atom {
	if len([]rune(literal)) > 255 {
		panic("etf.A: an atom has at most 255 characters")
	}
	literals.Lock()
	defer literals.Unlock()
	if literals.names == nil {
		literals.names = map[string]bool{}
	}
	if !literals.names[literal] {
		if len(literals.names) >= maxLiterals {
			panic(fmt.Sprintf("etf.A: more than %d different atoms; atoms are for literals, data is a binary", maxLiterals))
		}
		literals.names[literal] = true
	}
	return Atom{literal}
}

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

// Get returns the value of a key that is an atom, a number, or a binary given as a string.
func (m Map) Get(key Term) (Term, bool) {
	want, text := key.(string)
	for _, p := range m {
		switch k := p.Key.(type) {
		case Atom, int64, float64:
			if k == key {
				return p.Value, true
			}
		case []byte:
			if text && string(k) == want {
				return p.Value, true
			}
		}
	}
	return nil, false
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
	tagLocal         = 121
)
