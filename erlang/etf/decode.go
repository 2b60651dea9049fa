package etf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of one decoding. Zero means the default.
type Limits struct {
	Size     int // bytes of the input; default 128 MiB
	Depth    int // nesting; default 256
	Terms    int // how many terms in all; default 4,000,000
	Atoms    int // different atoms; default 65,536
	Inflated int // bytes of a compressed term; default 64 MiB
}

func (l *Limits) withDefaults() Limits {
	var out Limits
	if l != nil {
		out = *l
	}
	for _, d := range []struct {
		v   *int
		def int
	}{{&out.Size, 128 << 20}, {&out.Depth, 256}, {&out.Terms, 4_000_000}, {&out.Atoms, 1 << 16}, {&out.Inflated, 64 << 20}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	return out
}

// Error says what is wrong with the input, and where.
type Error struct {
	Offset int
	Msg    string
}

func (e *Error) Error() string { return "etf: at byte " + strconv.Itoa(e.Offset) + ": " + e.Msg }

// Decode decodes one term with its version byte, as term_to_binary gives it, and returns what is left of the input.
func Decode(b []byte, l *Limits) (Term, []byte, error) {
	d := decoder{b: b, limits: l.withDefaults()}
	if len(b) > d.limits.Size {
		return nil, nil, &Error{0, fmt.Sprintf("%d bytes are more than the limit of %d", len(b), d.limits.Size)}
	}
	if v := d.u8(); d.err == nil && v != tagVersion {
		d.i--
		d.fail("the version is %d, not 131", v)
	}
	var t Term
	if d.err == nil && len(d.b) > d.i && d.b[d.i] == tagCompressed {
		t = d.compressed()
	} else {
		t = d.term(0)
	}
	if d.err != nil {
		return nil, nil, d.err
	}
	return t, d.b[d.i:], nil
}

// decoder reads from b at i and keeps the first error.
type decoder struct {
	b      []byte
	i      int
	err    error
	limits Limits
	terms  int
	atoms  map[string]Atom
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = &Error{d.i, fmt.Sprintf(format, args...)}
		d.i = len(d.b)
	}
}

// take returns the next n bytes.
func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b)-d.i {
		d.fail("%d bytes are wanted and %d are left", n, len(d.b)-d.i)
		return nil
	}
	s := d.b[d.i : d.i+n : d.i+n]
	d.i += n
	return s
}

func (d *decoder) u8() byte {
	if d.i >= len(d.b) {
		d.fail("the input ends")
		return 0
	}
	v := d.b[d.i]
	d.i++
	return v
}

func (d *decoder) u16() int {
	if s := d.take(2); s != nil {
		return int(binary.BigEndian.Uint16(s))
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if s := d.take(4); s != nil {
		return binary.BigEndian.Uint32(s)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if s := d.take(8); s != nil {
		return binary.BigEndian.Uint64(s)
	}
	return 0
}

// count reads a number of terms that follow, each at least min bytes long.
func (d *decoder) count(n uint32, min int) int {
	if uint64(n)*uint64(min) > uint64(len(d.b)-d.i) {
		d.fail("%d elements cannot be in the %d bytes that are left", n, len(d.b)-d.i)
		return 0
	}
	if d.terms+int(n) > d.limits.Terms {
		d.fail("more than %d terms", d.limits.Terms)
		return 0
	}
	return int(n)
}

func (d *decoder) term(depth int) Term {
	if depth > d.limits.Depth {
		d.fail("nested deeper than %d", d.limits.Depth)
	}
	if d.terms++; d.terms > d.limits.Terms {
		d.fail("more than %d terms", d.limits.Terms)
	}
	if d.err != nil {
		return nil
	}
	switch tag := d.u8(); tag {
	case tagSmallInt:
		return int64(d.u8())
	case tagInt:
		return int64(int32(d.u32()))
	case tagSmallAtomUTF8, tagSmallAtom, tagAtomUTF8, tagAtom:
		return d.atomOf(tag)
	case tagBinary:
		return d.take(d.length())
	case tagSmallTuple:
		return Tuple(d.items(d.count(uint32(d.u8()), 1), depth))
	case tagLargeTuple:
		return Tuple(d.items(d.count(d.u32(), 1), depth))
	case tagNil:
		return List{}
	case tagString:
		return d.string()
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
	default:
		return d.identifier(tag, depth)
	}
}

func (d *decoder) length() int {
	n := d.u32()
	if uint64(n) > uint64(len(d.b)-d.i) {
		d.fail("%d bytes are wanted and %d are left", n, len(d.b)-d.i)
		return 0
	}
	return int(n)
}

func (d *decoder) items(n, depth int) []Term {
	if d.err != nil {
		return nil
	}
	out := make([]Term, n)
	for i := range out {
		out[i] = d.term(depth + 1)
	}
	return out
}

func (d *decoder) string() Term {
	s := d.take(d.u16())
	if d.terms += len(s); d.terms > d.limits.Terms {
		d.fail("more than %d terms", d.limits.Terms)
		return nil
	}
	out := make(List, len(s))
	for i, c := range s {
		out[i] = int64(c)
	}
	return out
}

func (d *decoder) list(depth int) Term {
	items := d.items(d.count(d.u32(), 1), depth)
	if d.i < len(d.b) && d.b[d.i] == tagNil {
		d.i++
		return List(items)
	}
	tail := d.term(depth + 1)
	if d.err != nil {
		return nil
	}
	if rest, ok := tail.(List); ok {
		return append(List(items), rest...) // a proper list whose tail was sent apart
	}
	if len(items) == 0 {
		return tail
	}
	if rest, ok := tail.(ImproperList); ok {
		return ImproperList{append(items, rest.Items...), rest.Tail}
	}
	return ImproperList{items, tail}
}

func (d *decoder) mapping(depth int) Term {
	n := d.count(d.u32(), 2)
	if d.err != nil {
		return nil
	}
	out := make(Map, n)
	for i := range out {
		out[i].Key = d.term(depth + 1)
		out[i].Value = d.term(depth + 1)
	}
	return out
}

func (d *decoder) float(f float64) Term {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		d.fail("%v is no Erlang float", f)
		return nil
	}
	return f
}

// oldFloat is FLOAT_EXT: 31 bytes of text, padded with zeros.
func (d *decoder) oldFloat() Term {
	s := d.take(31)
	f, err := strconv.ParseFloat(strings.TrimRight(string(s), "\x00"), 64)
	if err != nil {
		d.fail("%q is no float", s)
		return nil
	}
	return d.float(f)
}

func (d *decoder) big(n int) Term {
	sign := d.u8()
	raw := d.take(n)
	if d.err != nil {
		return nil
	}
	if n <= 8 {
		var u uint64
		for i := n - 1; i >= 0; i-- {
			u = u<<8 | uint64(raw[i])
		}
		if sign == 0 && u <= math.MaxInt64 {
			return int64(u)
		}
		if sign != 0 && u <= 1<<63 {
			return -int64(u)
		}
	}
	be := make([]byte, n)
	for i, c := range raw {
		be[n-1-i] = c
	}
	v := new(big.Int).SetBytes(be)
	if sign != 0 {
		v.Neg(v)
	}
	if v.IsInt64() {
		return v.Int64()
	}
	return v
}

func (d *decoder) bitString() Term {
	n := d.u32()
	bits := d.u8()
	if uint64(n) > uint64(len(d.b)-d.i) {
		d.fail("%d bytes are wanted and %d are left", n, len(d.b)-d.i)
		return nil
	}
	s := d.take(int(n))
	if d.err != nil {
		return nil
	}
	if bits == 8 {
		return s
	}
	if bits == 0 || bits > 8 || n == 0 {
		d.fail("a bit string of %d bytes with %d bits in the last", n, bits)
		return nil
	}
	return BitString{s, bits}
}

func (d *decoder) atom() Atom {
	tag := d.u8()
	switch tag {
	case tagSmallAtomUTF8, tagSmallAtom, tagAtomUTF8, tagAtom:
		return d.atomOf(tag)
	}
	d.fail("tag %d where an atom must be", tag)
	return Atom{}
}

func (d *decoder) atomOf(tag byte) Atom {
	var s []byte
	if tag == tagSmallAtomUTF8 || tag == tagSmallAtom {
		s = d.take(int(d.u8()))
	} else {
		s = d.take(d.u16())
	}
	if d.err != nil {
		return Atom{}
	}
	if a, ok := d.atoms[string(s)]; ok && (tag == tagSmallAtomUTF8 || tag == tagAtomUTF8) {
		return a
	}
	return d.newAtom(s, tag == tagSmallAtomUTF8 || tag == tagAtomUTF8)
}

func (d *decoder) newAtom(s []byte, utf bool) Atom {
	name := string(s)
	if !utf {
		runes := make([]rune, len(s))
		for i, c := range s {
			runes[i] = rune(c) // Latin-1
		}
		name = string(runes)
	}
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > 255 {
		d.fail("an atom that is no text of at most 255 characters")
		return Atom{}
	}
	if len(d.atoms) >= d.limits.Atoms {
		d.fail("more than %d different atoms", d.limits.Atoms)
		return Atom{}
	}
	if d.atoms == nil {
		d.atoms = make(map[string]Atom, 16)
	}
	a := Atom{name}
	d.atoms[name] = a
	return a
}

// identifier decodes pids, ports, references and funs.
func (d *decoder) identifier(tag byte, depth int) Term {
	start := d.i - 1
	switch tag {
	case tagNewPid:
		return Pid{d.atom(), d.u32(), d.u32(), d.u32()}
	case tagPid:
		return Pid{d.atom(), d.u32(), d.u32(), uint32(d.u8())}
	case tagV4Port:
		return Port{d.atom(), d.u64(), d.u32()}
	case tagNewPort:
		return Port{d.atom(), uint64(d.u32()), d.u32()}
	case tagPort:
		return Port{d.atom(), uint64(d.u32()), uint32(d.u8())}
	case tagNewerRef, tagNewRef:
		return d.ref(tag)
	case tagRef:
		node, id := d.atom(), d.u32()
		return Ref{Node: node, N: 1, Words: [5]uint32{id}, Creation: uint32(d.u8())}
	case tagExport:
		m, f := d.atom(), d.atom()
		arity, ok := d.term(depth + 1).(int64)
		if d.err == nil && (!ok || arity < 0 || arity > 255) {
			d.fail("the arity of an external fun is no number up to 255")
		}
		return Export{m, f, int(arity)}
	case tagNewFun:
		// Size counts itself and all after it (NEW_FUN_EXT).
		n := d.u32()
		if n < 4 {
			d.fail("a fun of %d bytes", n)
			return nil
		}
		d.take(int(min(n-4, math.MaxInt32)))
		if d.err != nil {
			return nil
		}
		return Fun{string(d.b[start:d.i])}
	}
	d.i = start
	d.fail("unknown tag %d", tag)
	return nil
}

func (d *decoder) ref(tag byte) Term {
	n := d.u16()
	r := Ref{Node: d.atom()}
	if tag == tagNewerRef {
		r.Creation = d.u32()
	} else {
		r.Creation = uint32(d.u8())
	}
	if n > len(r.Words) {
		d.fail("a reference of %d words", n)
		return nil
	}
	r.N = uint8(n)
	for i := range n {
		r.Words[i] = d.u32()
	}
	return r
}

// compressed decodes tag 80: the uncompressed size, then zlib data.
func (d *decoder) compressed() Term {
	d.i++
	n := d.u32()
	if d.err == nil && uint64(n) > uint64(d.limits.Inflated) {
		d.fail("a compressed term of %d bytes; the limit is %d", n, d.limits.Inflated)
	}
	if d.err != nil {
		return nil
	}
	src := bytes.NewReader(d.b[d.i:])
	z, err := zlib.NewReader(src)
	if err != nil {
		d.fail("compressed data: %v", err)
		return nil
	}
	// The buffer grows with what really comes, not with what the header promises.
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, io.LimitReader(z, int64(n)+1)); err != nil {
		d.fail("compressed data: %v", err)
		return nil
	}
	if buf.Len() != int(n) {
		d.fail("compressed data of %d bytes; the header says %d", buf.Len(), n)
		return nil
	}
	rest := d.b[len(d.b)-src.Len():]
	inner := decoder{b: buf.Bytes(), limits: d.limits}
	t := inner.term(0)
	if inner.err == nil && inner.i != len(inner.b) {
		inner.fail("bytes after a compressed term")
	}
	if inner.err != nil {
		d.fail("in a compressed term: %v", inner.err)
		return nil
	}
	d.b, d.i = rest, 0
	return t
}
