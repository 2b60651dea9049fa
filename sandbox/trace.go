package sandbox

import "runtime"

// The sizes that are charged, as Go's allocator rounds them.
const (
	sizeStr     = 32
	sizeTable   = 112
	sizeEntry   = 32
	sizeValue   = 16
	sizeClosure = 64
	sizeCell    = 48
	sizeBuiltin = 176
	sizeThread  = 192
	sizeFrame   = 48
)

// trace marks what the program can still reach and sums its size. The list of what is to be visited runs through the objects
// themselves, so that a trace needs no memory. It is work like any other: charged, and ended by a limit.
func (r *run) trace() (int64, *failure) {
	r.epoch++
	t := tracer{r: r}
	t.thread(r.main)
	for th := r.current; th != nil; th = th.resumer {
		t.visit(&th.header)
	}
	t.visit(&r.globals.header)
	if r.strings != nil {
		t.visit(&r.strings.header)
	}
	for t.gray != nil {
		o := t.gray
		switch o.kind {
		case kindTable:
			x := value{o: o}.table()
			t.gray, x.gray = x.gray, nil
			t.table(x)
		case kindClosure:
			x := value{o: o}.closure()
			t.gray, x.gray = x.gray, nil
			t.live += sizeClosure + int64(len(x.cells))*8
			for _, c := range x.cells {
				t.visit(&c.header)
			}
		case kindCell:
			x := value{o: o}.cell()
			t.gray, x.gray = x.gray, nil
			t.live += sizeCell
			t.value(x.v)
		case kindBuiltin:
			x := value{o: o}.builtin()
			t.gray, x.gray = x.gray, nil
			t.live += sizeBuiltin + int64(len(x.held))*sizeValue + x.size
			t.values(x.held)
		case kindThread:
			x := value{o: o}.thread()
			t.gray, x.gray = x.gray, nil
			t.threadBody(x)
		}
		if f := r.charge(4); f != nil {
			return 0, f
		}
		if t.failed != nil {
			return 0, t.failed
		}
	}
	return t.live, nil
}

type tracer struct {
	r      *run
	gray   *header
	live   int64
	failed *failure
}

func (t *tracer) value(v value) {
	if v.o != nil && v.o.kind >= kindString {
		t.visit(v.o)
	}
}

func (t *tracer) values(vs []value) {
	for len(vs) > 0 && t.failed == nil {
		n := min(len(vs), 4096)
		t.failed = t.r.charge(int64(n))
		for _, v := range vs[:n] {
			t.value(v)
		}
		vs = vs[n:]
	}
}

func (t *tracer) visit(o *header) {
	if o.flags&flagStatic != 0 || o.mark == t.r.epoch {
		return
	}
	o.mark = t.r.epoch
	switch o.kind {
	case kindString:
		if o.flags&flagBuilt == 0 {
			t.live += sizeStr + int64(len(value{o: o}.str().s))
			return
		}
		b := value{o: o}.built()
		t.live += sizeBuilt
		if b.buf.mark != t.r.epoch {
			b.buf.mark = t.r.epoch
			t.live += int64(cap(b.buf.b))
		}
	case kindTable:
		value{o: o}.table().gray, t.gray = t.gray, o
	case kindClosure:
		value{o: o}.closure().gray, t.gray = t.gray, o
	case kindCell:
		value{o: o}.cell().gray, t.gray = t.gray, o
	case kindBuiltin:
		value{o: o}.builtin().gray, t.gray = t.gray, o
	case kindThread:
		value{o: o}.thread().gray, t.gray = t.gray, o
	}
}

func (t *tracer) table(x *table) {
	t.live += x.size()
	t.values(x.arr)
	if x.meta != nil {
		t.visit(&x.meta.header)
	}
	es := x.entries
	for len(es) > 0 && t.failed == nil {
		n := min(len(es), 2048)
		t.failed = t.r.charge(int64(n) * 2)
		for i := range es[:n] {
			if es[i].val.o != nil {
				t.value(es[i].key)
				t.value(es[i].val)
			} else if es[i].key.o != nil && es[i].key.o.kind >= kindString {
				// A dead key is kept to be found by next, but not what it holds: only its identity counts.
				t.value(es[i].key)
			}
		}
		es = es[n:]
	}
}

func (t *tracer) thread(x *thread) {
	if x != nil {
		t.visit(&x.header)
	}
}

func (t *tracer) threadBody(x *thread) {
	t.live += sizeThread + int64(len(x.stack))*sizeValue + int64(cap(x.frames))*sizeFrame
	end := x.extent()
	t.values(x.stack[:end])
	clear(x.stack[end:]) // or Go would keep what is there
	for i := range x.frames {
		if c := x.frames[i].cl; c != nil {
			t.visit(&c.header)
		}
	}
	for _, c := range x.closing {
		t.value(c.v)
	}
	t.value(x.fault)
}

// release lets Go's collector free what the trace did not reach when it is much, or the process would hold it beside the
// next 64 MiB: Go frees when the heap has doubled, which the program's limit must not depend on.
func (r *run) release(freed int64) {
	if r.freed += freed; r.freed > r.maxUsed/4 {
		r.freed = 0
		runtime.GC()
	}
}
