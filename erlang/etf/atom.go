package etf

import (
	"fmt"
	"sync"
	"unicode/utf8"
)

// Atom is an atom. The zero value is the atom with the empty name. Atoms can be compared.
type Atom struct{ name string }

// String returns the atom's name.
func (a Atom) String() string { return a.name }

// maxLiterals is how many different atoms a program may make with A. Atoms are literals: a program that needs more is making
// them of data, which would fill the atom table of the nodes that it talks to.
const maxLiterals = 4096

var literals = struct {
	sync.RWMutex
	names map[string]bool
}{names: map[string]bool{}}

// A makes an atom of a literal. It panics when the program makes far too many different ones, or when the name is no text of at
// most 255 characters.
func A(literal string) Atom {
	literals.RLock()
	known := literals.names[literal]
	literals.RUnlock()
	if known {
		return Atom{literal}
	}
	if !utf8.ValidString(literal) || utf8.RuneCountInString(literal) > 255 {
		panic("etf.A: an atom is a text of at most 255 characters")
	}
	literals.Lock()
	defer literals.Unlock()
	if len(literals.names) >= maxLiterals {
		panic(fmt.Sprintf("etf.A: more than %d different atoms; atoms are for literals, data is a binary", maxLiterals))
	}
	literals.names[literal] = true
	return Atom{literal}
}

func boolAtom(b bool) Atom {
	if b {
		return Atom{"true"}
	}
	return Atom{"false"}
}
