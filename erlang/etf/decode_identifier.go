package etf

import "math"

// identifier decodes pids, ports, references and funs. Each has had three forms; what differs is the width of numbers.
func (d *decoder) identifier(tag byte) Term {
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
		if t := d.u8(); d.err == nil && t != tagSmallInt {
			d.i--
			d.fail("the arity of an external fun has tag %d", t)
		}
		return Export{m, f, int(d.u8())}
	case tagNewFun:
		return d.fun(start)
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
	if n == 0 || n > len(r.Words) {
		d.fail("a reference of %d words", n)
		return nil
	}
	r.N = uint8(n)
	for i := range n {
		r.Words[i] = d.u32()
	}
	return r
}

// fun keeps NEW_FUN_EXT as it is. Its size counts itself and all after it, and there are 30 bytes before the module.
func (d *decoder) fun(start int) Term {
	n := d.u32()
	if d.err == nil && n < funModule-1 {
		d.fail("a fun of %d bytes", n)
	}
	d.take(int(min(n-4, math.MaxInt32)))
	if d.err != nil {
		return nil
	}
	return Fun{string(d.b[start:d.i])}
}
