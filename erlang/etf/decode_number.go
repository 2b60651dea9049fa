package etf

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
)

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
	if d.err != nil {
		return nil
	}
	s, _, _ = bytes.Cut(s, []byte{0})
	f, err := strconv.ParseFloat(string(s), 64)
	if err != nil {
		d.fail("%q is no float", s)
		return nil
	}
	return d.float(f)
}

// big decodes n bytes of SMALL_BIG_EXT or LARGE_BIG_EXT, least significant first, after the sign.
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
	n := d.length()
	if d.err == nil && n >= len(d.b)-d.i { // the bits come before the bytes
		d.short(uint64(n) + 1)
	}
	bits := d.u8()
	s := d.take(n)
	if d.err != nil {
		return nil
	}
	if bits == 0 || bits > 8 || n == 0 {
		d.fail("a bit string of %d bytes with %d bits in the last", n, bits)
		return nil
	}
	if bits == 8 {
		return s
	}
	if mask := byte(0xff) << (8 - bits); s[n-1]&^mask != 0 {
		s = bytes.Clone(s)
		s[n-1] &= mask
	}
	return BitString{s, bits}
}
