package etf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Decode decodes one term with its version byte, as term_to_binary gives it, and returns what is left of the input. Binaries in
// the term share memory with b. Errors are *Error.
func Decode(b []byte, l *Limits) (Term, []byte, error) {
	d := decoder{b: b, limits: l.withDefaults(), pending: 1, terms: 1}
	if len(b) > d.limits.Size {
		d.over("%d bytes are more than the limit of %d", len(b), d.limits.Size)
		return nil, nil, d.err
	}
	if v := d.u8(); d.err == nil && v != tagVersion {
		d.i--
		d.fail("the version is %d, not 131", v)
	}
	var t Term
	if d.err == nil && d.i < len(b) && b[d.i] == tagCompressed {
		t = d.compressed()
	} else {
		t = d.term(0)
	}
	if d.err != nil {
		return nil, nil, d.err
	}
	return t, d.b[d.i:], nil
}

// decoder reads from b at i. It keeps the first error, and after it has nothing left to read.
type decoder struct {
	b      []byte
	i      int
	err    error
	limits Limits

	terms int // announced so far, decoded or not
	// pending is how many announced terms are not yet decoded. Each takes a byte at least, so there can never be more of
	// them than bytes are left: this is what keeps nested lists from announcing the same bytes again and again.
	pending int
	slab    []Term // the rest of a piece of memory for the items of small tuples and lists

	atoms atomTable
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = &Error{Offset: d.i, Msg: fmt.Sprintf(format, args...)}
		d.i = len(d.b)
	}
}

// over fails because of a limit.
func (d *decoder) over(format string, args ...any) {
	if d.err == nil {
		d.err = &Error{Offset: d.i, Msg: fmt.Sprintf(format, args...), limit: true}
		d.i = len(d.b)
	}
}

// short fails because the input ends too early.
func (d *decoder) short(want uint64) {
	d.fail("%d bytes are wanted and %d are left", want, len(d.b)-d.i)
}

// take returns the next n bytes, or nil.
func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b)-d.i {
		d.short(uint64(n))
		return nil
	}
	s := d.b[d.i : d.i+n : d.i+n]
	d.i += n
	return s
}

func (d *decoder) u8() byte {
	if d.i >= len(d.b) {
		d.short(1)
		return 0
	}
	v := d.b[d.i]
	d.i++
	return v
}

func (d *decoder) u16() int {
	if len(d.b)-d.i < 2 {
		d.short(2)
		return 0
	}
	v := binary.BigEndian.Uint16(d.b[d.i:])
	d.i += 2
	return int(v)
}

func (d *decoder) u32() uint32 {
	if len(d.b)-d.i < 4 {
		d.short(4)
		return 0
	}
	v := binary.BigEndian.Uint32(d.b[d.i:])
	d.i += 4
	return v
}

func (d *decoder) u64() uint64 {
	if len(d.b)-d.i < 8 {
		d.short(8)
		return 0
	}
	v := binary.BigEndian.Uint64(d.b[d.i:])
	d.i += 8
	return v
}

// length reads the length of bytes that follow.
func (d *decoder) length() int {
	n := d.u32()
	if uint64(n) > uint64(len(d.b)-d.i) {
		d.short(uint64(n))
		return 0
	}
	return int(n)
}

// announce takes note that n terms follow, and says whether they can.
func (d *decoder) announce(n uint64) bool {
	if d.err != nil {
		return false
	}
	if left := len(d.b) - d.i - d.pending; left < 0 || n > uint64(left) {
		d.fail("%d terms cannot be in the %d bytes that are left", n, max(left, 0))
		return false
	}
	if n > uint64(d.limits.Terms-d.terms) {
		d.over("more than %d terms", d.limits.Terms)
		return false
	}
	d.terms += int(n)
	d.pending += int(n)
	return true
}

// term decodes a term that has been announced.
func (d *decoder) term(depth int) Term {
	d.pending--
	if d.i >= len(d.b) {
		d.short(1)
		return nil
	}
	tag := d.b[d.i]
	d.i++
	switch tag {
	case tagSmallInt:
		return int64(d.u8())
	case tagInt:
		return int64(int32(d.u32()))
	case tagSmallAtomUTF8, tagSmallAtom, tagAtomUTF8, tagAtom:
		return d.atomTerm(tag)
	case tagBinary:
		return d.take(d.length())
	case tagSmallTuple:
		return d.tuple(uint32(d.u8()), depth)
	case tagLargeTuple:
		return d.tuple(d.u32(), depth)
	case tagNil:
		return List{}
	case tagString:
		return d.string(depth)
	case tagList:
		return d.list(depth)
	case tagMap:
		return d.mapping(depth)
	case tagNewFloat:
		return d.float(math.Float64frombits(d.u64()))
	case tagFloat:
		return d.oldFloat()
	case tagSmallBig:
		return d.big(int(d.u8()))
	case tagLargeBig:
		return d.big(d.length())
	case tagBitBinary:
		return d.bitString()
	}
	return d.identifier(tag)
}
