package etf

// Memory for the items of tuples and lists that are small is taken in pieces: most tuples have two or three items, and an
// allocation of each costs more than decoding it.
const (
	slabItems = 128
	slabMax   = 16 // larger ones have their own memory
)

func (d *decoder) alloc(n int) []Term {
	if n == 0 || n > slabMax {
		return make([]Term, n)
	}
	if n > len(d.slab) {
		// Not more than the rest of the input needs: a small message must not hold a large piece.
		d.slab = make([]Term, max(n, min(slabItems, (len(d.b)-d.i)/4)))
	}
	s := d.slab[:n:n]
	d.slab = d.slab[n:]
	return s
}

// items decodes n announced terms.
func (d *decoder) items(n, depth int) []Term {
	if depth >= d.limits.Depth && n > 0 {
		d.over("nested deeper than %d", d.limits.Depth)
		return nil
	}
	out := d.alloc(n)
	for i := range out {
		out[i] = d.term(depth + 1)
		if d.err != nil {
			return nil
		}
	}
	return out
}

func (d *decoder) tuple(n uint32, depth int) Term {
	if !d.announce(uint64(n)) {
		return nil
	}
	return Tuple(d.items(int(n), depth))
}

// string decodes STRING_EXT, a list of small integers.
func (d *decoder) string(depth int) Term {
	s := d.take(d.u16())
	if len(s) > 0 && depth >= d.limits.Depth {
		d.over("nested deeper than %d", d.limits.Depth)
		return nil
	}
	if d.terms += len(s); d.terms > d.limits.Terms {
		d.over("more than %d terms", d.limits.Terms)
		return nil
	}
	out := make(List, len(s))
	for i, c := range s {
		out[i] = int64(c)
	}
	return out
}

func (d *decoder) list(depth int) Term {
	n := d.u32()
	if !d.announce(uint64(n) + 1) { // and the tail
		return nil
	}
	items := d.items(int(n), depth)
	if d.i < len(d.b) && d.b[d.i] == tagNil {
		d.i++
		d.pending--
		return List(items)
	}
	if depth >= d.limits.Depth {
		d.over("nested deeper than %d", d.limits.Depth)
		return nil
	}
	tail := d.term(depth + 1)
	if d.err != nil {
		return nil
	}
	return join(items, tail)
}

// join makes the list of items and tail, the shortest way it can be written: a node may send a list in parts.
func join(items []Term, tail Term) Term {
	if len(items) == 0 {
		return tail
	}
	switch rest := tail.(type) {
	case List:
		return append(List(items), rest...)
	case ImproperList:
		return ImproperList{append(items, rest.Items...), rest.Tail}
	}
	return ImproperList{items, tail}
}

func (d *decoder) mapping(depth int) Term {
	n := d.u32()
	if !d.announce(2 * uint64(n)) {
		return nil
	}
	if depth >= d.limits.Depth && n > 0 {
		d.over("nested deeper than %d", d.limits.Depth)
		return nil
	}
	out := make(Map, n)
	for i := range out {
		out[i].Key = d.term(depth + 1)
		out[i].Value = d.term(depth + 1)
		if d.err != nil {
			return nil
		}
	}
	return out
}
