package etf

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
)

// compressed decodes tag 80: the uncompressed size, then zlib data. It is only allowed around a whole term.
func (d *decoder) compressed() Term {
	d.i++
	n := d.u32()
	if d.err == nil && uint64(n) > uint64(d.limits.Inflated) {
		d.over("a compressed term of %d bytes; the limit is %d", n, d.limits.Inflated)
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
		d.fail("compressed data of %d bytes or more; the header says %d", buf.Len(), n)
		return nil
	}
	inner := decoder{b: buf.Bytes(), limits: d.limits, pending: 1, terms: 1}
	t := inner.term(0)
	if inner.err == nil && inner.i != len(inner.b) {
		inner.fail("bytes after a compressed term")
	}
	if inner.err != nil {
		fail := d.fail
		if errors.Is(inner.err, ErrLimit) {
			fail = d.over
		}
		fail("in a compressed term: %v", inner.err)
		return nil
	}
	d.i = len(d.b) - src.Len()
	return t
}
