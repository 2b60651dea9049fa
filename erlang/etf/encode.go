package etf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"sync"
)

// maxEncodeDepth keeps a value that contains itself from being encoded for ever.
const maxEncodeDepth = 10_000

// scratch has buffers to encode into, so that the result has its right size at once.
var scratch = sync.Pool{New: func() any { return new(make([]byte, 0, 4096)) }}

// maxScratch is what a buffer may have grown to and still be kept.
const maxScratch = 1 << 20

// Encode returns the term in the external format, with its version byte, as term_to_binary gives it.
func Encode(t Term) ([]byte, error) {
	p := scratch.Get().(*[]byte)
	b, err := Append((*p)[:0], t)
	var out []byte
	if err == nil {
		out = bytes.Clone(b)
	}
	if cap(b) <= maxScratch {
		*p = b[:0]
		scratch.Put(p)
	}
	return out, err
}

// Append appends the term with its version byte. After an error it returns dst as it was.
func Append(dst []byte, t Term) ([]byte, error) {
	b, err := AppendBare(append(dst, tagVersion), t)
	if err != nil {
		return dst, err
	}
	return b, nil
}

// AppendBare appends the term without a version byte.
func AppendBare(dst []byte, t Term) ([]byte, error) {
	e := encoder{b: dst}
	e.term(t, 0)
	if e.err != nil {
		return dst, e.err
	}
	return e.b, nil
}

// encoder keeps the first error; what comes after it is of no meaning.
type encoder struct {
	b   []byte
	err error
}

func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("%w: "+format, append([]any{ErrEncode}, args...)...)
	}
}

func (e *encoder) tag(b byte)     { e.b = append(e.b, b) }
func (e *encoder) u16(v int)      { e.b = binary.BigEndian.AppendUint16(e.b, uint16(v)) }
func (e *encoder) u32(v uint32)   { e.b = binary.BigEndian.AppendUint32(e.b, v) }
func (e *encoder) u64(v uint64)   { e.b = binary.BigEndian.AppendUint64(e.b, v) }
func (e *encoder) bytes(v []byte) { e.b = append(e.b, v...) }
func (e *encoder) length(n int) {
	if n > math.MaxUint32 {
		e.fail("longer than the format allows")
	}
	e.u32(uint32(n))
}

func (e *encoder) term(t Term, depth int) {
	if depth > maxEncodeDepth {
		e.fail("nested deeper than %d", maxEncodeDepth)
	}
	if e.err != nil {
		return
	}
	switch t := t.(type) {
	case Atom:
		e.atom(t)
	case bool:
		e.atom(boolAtom(t))
	case int64:
		e.int(t)
	case int:
		e.int(int64(t))
	case *big.Int:
		e.big(t)
	case float64:
		if math.IsNaN(t) || math.IsInf(t, 0) {
			e.fail("Erlang has no %v", t)
		}
		e.tag(tagNewFloat)
		e.u64(math.Float64bits(t))
	case []byte:
		e.tag(tagBinary)
		e.length(len(t))
		e.bytes(t)
	case string:
		e.tag(tagBinary)
		e.length(len(t))
		e.b = append(e.b, t...)
	case BitString:
		e.bitString(t)
	case List:
		e.list(t, nil, depth)
	case ImproperList:
		e.list(t.Items, t.Tail, depth)
	case Tuple:
		e.tuple(t, depth)
	case Map:
		e.tag(tagMap)
		e.length(len(t))
		for _, p := range t {
			e.term(p.Key, depth+1)
			e.term(p.Value, depth+1)
		}
	default:
		e.identifier(t)
	}
}

func (e *encoder) identifier(t Term) {
	switch t := t.(type) {
	case Pid:
		e.tag(tagNewPid)
		e.atom(t.Node)
		e.u32(t.ID)
		e.u32(t.Serial)
		e.u32(t.Creation)
	case Port:
		e.tag(tagV4Port)
		e.atom(t.Node)
		e.u64(t.ID)
		e.u32(t.Creation)
	case Ref:
		if t.N == 0 || int(t.N) > len(t.Words) {
			e.fail("a reference of %d words", t.N)
			return
		}
		e.tag(tagNewerRef)
		e.u16(int(t.N))
		e.atom(t.Node)
		e.u32(t.Creation)
		for _, w := range t.Words[:t.N] {
			e.u32(w)
		}
	case Fun:
		if t.raw == "" {
			e.fail("a fun that came from no node")
		}
		e.b = append(e.b, t.raw...)
	case Export:
		e.tag(tagExport)
		e.atom(t.Module)
		e.atom(t.Function)
		if t.Arity < 0 || t.Arity > 255 {
			e.fail("a fun of %d arguments", t.Arity)
		}
		e.b = append(e.b, tagSmallInt, byte(t.Arity))
	default:
		e.fail("%T is no term", t)
	}
}

func (e *encoder) atom(a Atom) {
	if n := len(a.name); n < 256 {
		e.b = append(e.b, tagSmallAtomUTF8, byte(n))
	} else if n <= 4*255 {
		e.tag(tagAtomUTF8)
		e.u16(n)
	} else {
		e.fail("an atom of %d bytes", n)
	}
	e.b = append(e.b, a.name...)
}

func (e *encoder) int(v int64) {
	switch {
	case v >= 0 && v <= 255:
		e.b = append(e.b, tagSmallInt, byte(v))
	case v >= math.MinInt32 && v <= math.MaxInt32:
		e.tag(tagInt)
		e.u32(uint32(int32(v)))
	default:
		sign, u := byte(0), uint64(v)
		if v < 0 {
			sign, u = 1, -u
		}
		start := len(e.b)
		e.b = append(e.b, tagSmallBig, 0, sign)
		for u > 0 {
			e.b = append(e.b, byte(u))
			u >>= 8
		}
		e.b[start+1] = byte(len(e.b) - start - 3)
	}
}

func (e *encoder) big(v *big.Int) {
	if v == nil {
		e.fail("a nil *big.Int")
		return
	}
	if v.IsInt64() {
		e.int(v.Int64())
		return
	}
	raw := v.Bytes() // big-endian; the format is little-endian
	if len(raw) < 256 {
		e.b = append(e.b, tagSmallBig, byte(len(raw)))
	} else {
		e.tag(tagLargeBig)
		e.length(len(raw))
	}
	e.tag(byte((1 - v.Sign()) / 2))
	for i := len(raw) - 1; i >= 0; i-- {
		e.b = append(e.b, raw[i])
	}
}

func (e *encoder) bitString(t BitString) {
	if t.Bits == 0 || t.Bits > 8 || len(t.Bytes) == 0 {
		e.fail("a bit string of %d bytes with %d bits in the last", len(t.Bytes), t.Bits)
		return
	}
	if t.Bits == 8 {
		e.term(t.Bytes, 0)
		return
	}
	e.tag(tagBitBinary)
	e.length(len(t.Bytes))
	e.tag(t.Bits)
	e.bytes(t.Bytes)
	e.b[len(e.b)-1] &= 0xff << (8 - t.Bits)
}

func (e *encoder) list(items []Term, tail Term, depth int) {
	if len(items) > 0 {
		e.tag(tagList)
		e.length(len(items))
		for _, t := range items {
			e.term(t, depth+1)
		}
	}
	if tail == nil {
		e.tag(tagNil)
		return
	}
	e.term(tail, depth+1)
}

func (e *encoder) tuple(t Tuple, depth int) {
	if len(t) < 256 {
		e.b = append(e.b, tagSmallTuple, byte(len(t)))
	} else {
		e.tag(tagLargeTuple)
		e.length(len(t))
	}
	for _, x := range t {
		e.term(x, depth+1)
	}
}
