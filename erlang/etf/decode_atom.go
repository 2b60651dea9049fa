package etf

import (
	"sync/atomic"
	"unicode/utf8"
)

// interned keeps the atoms that were met first, for the whole process and for good: a VM sends the same few hundred again and
// again. A slot that is taken stays so, which bounds the memory and keeps readers from waiting for each other.
var interned [4096]atomic.Pointer[atomEntry]

// atomEntry has an atom ready to be a term, which saves an allocation each time it occurs.
type atomEntry struct {
	atom Atom
	term Term
}

// atomTable is what one decoding knows of atoms. It counts the different ones.
type atomTable struct {
	n     int
	seen  [len(interned) / 64]uint64 // the slots of interned that were met
	other map[string]*atomEntry      // those whose slot another one has
}

// noAtom stands for an atom that could not be decoded.
var noAtom = &atomEntry{term: Atom{}}

// atomTerm decodes an atom after its tag.
func (d *decoder) atomTerm(tag byte) Term { return d.atomEntry(tag).term }

// atom decodes an atom where nothing else may be.
func (d *decoder) atom() Atom {
	tag := d.u8()
	switch tag {
	case tagSmallAtomUTF8, tagSmallAtom, tagAtomUTF8, tagAtom:
		return d.atomEntry(tag).atom
	}
	if d.err == nil {
		d.i--
		d.fail("tag %d where an atom must be", tag)
	}
	return Atom{}
}

func (d *decoder) atomEntry(tag byte) *atomEntry {
	var s []byte
	if tag == tagSmallAtomUTF8 || tag == tagSmallAtom {
		s = d.take(int(d.u8()))
	} else {
		s = d.take(d.u16())
	}
	if d.err != nil {
		return noAtom
	}
	if tag == tagSmallAtom || tag == tagAtom {
		s = latin1(s)
	}
	hash := uint32(2166136261) // FNV-1a
	for _, c := range s {
		hash = (hash ^ uint32(c)) * 16777619
	}
	slot := (hash ^ hash>>16) % uint32(len(interned))
	if e := interned[slot].Load(); e != nil && e.atom.name == string(s) {
		return d.met(e, slot)
	}
	return d.newAtom(s, slot)
}

// met counts an atom of the table, once.
func (d *decoder) met(e *atomEntry, slot uint32) *atomEntry {
	if bit := uint64(1) << (slot % 64); d.atoms.seen[slot/64]&bit == 0 {
		d.atoms.seen[slot/64] |= bit
		d.countAtom()
	}
	return e
}

func (d *decoder) countAtom() {
	if d.atoms.n++; d.atoms.n > d.limits.Atoms {
		d.over("more than %d different atoms", d.limits.Atoms)
	}
}

func (d *decoder) newAtom(s []byte, slot uint32) *atomEntry {
	if e, ok := d.atoms.other[string(s)]; ok {
		return e
	}
	if !utf8.Valid(s) || len(s) > 255 && utf8.RuneCount(s) > 255 {
		d.i -= len(s)
		d.fail("an atom that is no text of at most 255 characters")
		return noAtom
	}
	a := Atom{string(s)}
	e := &atomEntry{a, a}
	if interned[slot].CompareAndSwap(nil, e) {
		return d.met(e, slot)
	}
	if d.countAtom(); d.err != nil {
		return noAtom
	}
	if d.atoms.other == nil {
		d.atoms.other = make(map[string]*atomEntry)
	}
	d.atoms.other[a.name] = e
	return e
}

// latin1 gives UTF-8 of ISO 8859-1.
func latin1(s []byte) []byte {
	for _, c := range s {
		if c >= utf8.RuneSelf {
			out := make([]byte, 0, 2*len(s))
			for _, c := range s {
				out = utf8.AppendRune(out, rune(c))
			}
			return out
		}
	}
	return s
}
