package etf

// Limits of one decoding. Zero means the default.
type Limits struct {
	Size     int // bytes of the input; default 128 MiB
	Depth    int // nesting; default 256
	Terms    int // how many terms in all; default 4,000,000
	Atoms    int // different atoms; default 65,536
	Inflated int // bytes of a compressed term; default 64 MiB
}

func (l *Limits) withDefaults() Limits {
	out := Limits{Size: 128 << 20, Depth: 256, Terms: 4_000_000, Atoms: 1 << 16, Inflated: 64 << 20}
	if l == nil {
		return out
	}
	for _, o := range []struct {
		v    *int
		want int
	}{{&out.Size, l.Size}, {&out.Depth, l.Depth}, {&out.Terms, l.Terms}, {&out.Atoms, l.Atoms}, {&out.Inflated, l.Inflated}} {
		if o.want > 0 {
			*o.v = o.want
		}
	}
	return out
}
