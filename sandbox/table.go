package sandbox

import "math/bits"

// table is a Lua table. Keys 1 to n are in arr, which never ends in nil; all others are in entries, in the order in which they
// came, so that pairs has the same order in every run. Up to smallTable entries are found by looking at each, more by index,
// an open hash table of positions. An entry whose value is nil is dead: next still finds it, the next rehash drops it.
//
// aux of the header says which metamethods are known to be absent, for a table that is a metatable.
type table struct {
	header
	id      uint32
	gray    *header
	arr     []value
	entries []entry
	index   []uint32 // position + 1
	meta    *table
}

type entry struct{ key, val value }

const (
	smallTable = 8
	// flagMap marks a table that came from a Go map, so that an empty one is no list.
	flagMap = 2
	// flagShared marks a table of the library that still has the entries of all runs: they are copied before the first change.
	flagShared = 4
)

func (r *run) newTable(narr, nhash int) (*table, *failure) {
	n := int64(sizeTable) + int64(narr)*sizeValue
	if nhash > 0 {
		n += int64(nhash) * sizeEntry
	}
	if f := r.alloc(n); f != nil {
		return nil, f
	}
	t := &table{header: header{kind: kindTable}}
	if narr > 0 {
		t.arr = make([]value, 0, narr)
	}
	if nhash > 0 {
		t.entries = make([]entry, 0, nhash)
	}
	return t, nil
}

func (t *table) size() int64 {
	return sizeTable + int64(cap(t.arr))*sizeValue + int64(cap(t.entries))*sizeEntry + int64(len(t.index))*4
}

// len is a border (Lua 5.4 manual, 3.4.7).
func (t *table) len() int64 {
	return int64(len(t.arr)) // arr does not end in nil, and n+1 is never in entries: set sees to it
}

func (t *table) getInt(i int64) value {
	if uint64(i-1) < uint64(len(t.arr)) {
		return t.arr[i-1]
	}
	if len(t.entries) == 0 {
		return value{}
	}
	if p := t.find(vInt(i)); p >= 0 {
		return t.entries[p].val
	}
	return value{}
}

func (t *table) getStr(s *str) value {
	if p := t.findStr(s); p >= 0 {
		return t.entries[p].val
	}
	return value{}
}

// get is the raw access.
func (t *table) get(k value) value {
	switch k.kind() {
	case kindNil:
		return value{}
	case kindInt:
		return t.getInt(k.int())
	case kindString:
		return t.getStr(k.str())
	case kindFloat:
		if i, ok := floatToInt(k.float()); ok {
			return t.getInt(i)
		}
	}
	if p := t.find(k); p >= 0 {
		return t.entries[p].val
	}
	return value{}
}

func (t *table) findStr(s *str) int {
	es := t.entries
	if t.index == nil {
		o := &s.header
		for i := range es {
			if es[i].key.o == o {
				return i
			}
		}
		if len(es) == 0 {
			return -1
		}
		h := s.hashed()
		for i := range es {
			if k := es[i].key; k.isString() {
				if k := k.str(); k.hash == h && k.s == s.s {
					return i
				}
			}
		}
		return -1
	}
	h := s.hashed()
	mask := uint32(len(t.index) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		p := t.index[at]
		if p == 0 {
			return -1
		}
		k := es[p-1].key
		if k.o == &s.header {
			return int(p - 1)
		}
		if k.isString() {
			if k := k.str(); k.hash == h && k.s == s.s {
				return int(p - 1)
			}
		}
	}
}

// find gives the position of a key that is no whole float, or -1.
func (t *table) find(k value) int {
	if k.isString() {
		return t.findStr(k.str())
	}
	es := t.entries
	if t.index == nil {
		for i := range es {
			if es[i].key == k {
				return i
			}
		}
		return -1
	}
	mask := uint32(len(t.index) - 1)
	for at := hashKey(k) & mask; ; at = (at + 1) & mask {
		p := t.index[at]
		if p == 0 {
			return -1
		}
		if es[p-1].key == k {
			return int(p - 1)
		}
	}
}

func hashKey(k value) uint32 {
	switch k.o.kind {
	case kindString:
		return k.str().hashed()
	case kindInt, kindFloat:
		return mix(k.n)
	case kindTable:
		return mix(uint64(k.table().id))
	case kindClosure:
		return mix(uint64(k.closure().id))
	case kindBuiltin:
		return mix(uint64(k.builtin().id))
	case kindThread:
		return mix(uint64(k.thread().id))
	}
	return uint32(k.o.kind)
}

var mixer = uint64(hashOf("mixer"))<<32 | uint64(hashOf("rexim")) | 1

// mix spreads an integer over 32 bits; the multiplier is of this process.
func mix(n uint64) uint32 {
	hi, lo := bits.Mul64(n^0x9e3779b97f4a7c15, mixer)
	return uint32(hi>>7) ^ uint32(lo>>32) ^ uint32(lo)
}

// set is the raw assignment. The key is neither nil nor NaN: the caller has said so.
func (r *run) set(t *table, k, v value) *failure {
	switch k.o.kind {
	case kindInt:
		return r.setInt(t, k.int(), v)
	case kindFloat:
		if i, ok := floatToInt(k.float()); ok {
			return r.setInt(t, i, v)
		}
	}
	return r.setHash(t, k, v)
}

func (r *run) setStr(t *table, s *str, v value) *failure { return r.setHash(t, vStr(s), v) }

func (r *run) setInt(t *table, i int64, v value) *failure {
	n := uint64(len(t.arr))
	if uint64(i-1) < n {
		t.arr[i-1] = v
		if v.o == nil && uint64(i) == n {
			return r.shrink(t)
		}
		return nil
	}
	if uint64(i-1) != n {
		return r.setHash(t, vInt(i), v)
	}
	if v.o == nil {
		return nil
	}
	if f := r.push(t, v); f != nil {
		return f
	}
	if len(t.entries) > 0 {
		return r.migrate(t)
	}
	return nil
}

// shrink drops the nils at the end of arr. Each was put there by an assignment, which pays for it.
func (r *run) shrink(t *table) *failure {
	n := len(t.arr)
	for n > 0 && t.arr[n-1].o == nil {
		n--
	}
	f := r.charge(int64(len(t.arr)-n) / 4)
	t.arr = t.arr[:n]
	return f
}

// push appends to arr.
func (r *run) push(t *table, v value) *failure {
	if len(t.arr) == cap(t.arr) {
		if f := r.growArr(t, max(4, 2*cap(t.arr))); f != nil {
			return f
		}
	}
	t.arr = append(t.arr, v)
	return nil
}

func (r *run) growArr(t *table, size int) *failure {
	if f := r.alloc(int64(size) * sizeValue); f != nil {
		return f
	}
	if f := r.touch(len(t.arr) * sizeValue); f != nil {
		return f
	}
	arr := make([]value, len(t.arr), size)
	copy(arr, t.arr)
	t.arr = arr
	return nil
}

// migrate moves the keys behind the end of arr out of entries.
func (r *run) migrate(t *table) *failure {
	for {
		p := t.find(vInt(int64(len(t.arr)) + 1))
		if p < 0 || t.entries[p].val.o == nil {
			return nil
		}
		if f := r.charge(4); f != nil {
			return f
		}
		v := t.entries[p].val
		t.entries[p].val = value{}
		if f := r.push(t, v); f != nil {
			return f
		}
	}
}

func (r *run) setHash(t *table, k, v value) *failure {
	t.aux = 0 // a metamethod may have come
	if t.flags&flagShared != 0 {
		if f := r.own(t); f != nil {
			return f
		}
	}
	if p := t.find(k); p >= 0 {
		t.entries[p].val = v
		return nil
	}
	if v.o == nil {
		return nil
	}
	r.identify(k)
	if len(t.entries) == cap(t.entries) {
		if f := r.rehash(t, k); f != nil {
			return f
		}
		if k.isInt() && uint64(k.int()-1) <= uint64(len(t.arr)) { // it has its place in arr now
			return r.setInt(t, k.int(), v)
		}
	}
	if k.isString() {
		if f := r.touch(len(k.str().s) / 4); f != nil {
			return f
		}
		k.str().hashed()
	}
	t.entries = append(t.entries, entry{k, v})
	if t.index != nil {
		t.enter(len(t.entries) - 1)
	}
	return nil
}

func (t *table) enter(p int) {
	mask := uint32(len(t.index) - 1)
	at := hashKey(t.entries[p].key) & mask
	for t.index[at] != 0 {
		at = (at + 1) & mask
	}
	t.index[at] = uint32(p + 1)
}

// rehash makes room for one more key: it drops dead entries, moves integer keys into arr where more than half of its places
// would be in use, and doubles entries if it must.
func (r *run) rehash(t *table, extra value) *failure {
	if f := r.charge(int64(len(t.entries))*2 + 8); f != nil {
		return f
	}
	var counts [65]int
	live, ints := 0, 0
	count := func(k value) {
		if k.isInt() && k.int() > 0 {
			counts[bits.Len64(uint64(k.int()-1))]++
			ints++
		}
	}
	for i := range t.entries {
		if t.entries[i].val.o != nil {
			live++
			count(t.entries[i].key)
		}
	}
	if ints > 0 || extra.isInt() {
		count(extra)
		if f := r.claim(t, counts[:], &live); f != nil {
			return f
		}
	}
	size := 4
	for size <= live {
		size *= 2
	}
	n := int64(size) * sizeEntry
	if size > smallTable {
		n += int64(size) * 8
	}
	if f := r.alloc(n); f != nil {
		return f
	}
	es := make([]entry, 0, size)
	for i := range t.entries {
		if t.entries[i].val.o != nil {
			es = append(es, t.entries[i])
		}
	}
	t.entries, t.index = es, nil
	if size > smallTable {
		t.index = make([]uint32, 2*size)
		for i := range es {
			t.enter(i)
		}
	}
	return nil
}

// claim extends arr to the largest n such that more than half of 1..n is in use, if that is more than arr has.
func (r *run) claim(t *table, counts []int, live *int) *failure {
	have := len(t.arr)
	if have > 0 {
		// The holes of arr are not looked for: it counts as full.
		for b, lo := 0, 1; lo <= have && b < 63; b++ {
			hi := 1 << b
			counts[b] += max(0, min(hi, have)-lo+1)
			lo = hi + 1
		}
	}
	total, size := 0, 0
	for b := 0; b < 40; b++ {
		total += counts[b]
		if total > 1<<b/2 {
			size = 1 << b
		}
	}
	if size <= have {
		return nil
	}
	last := int64(0)
	for i := range t.entries {
		if k := t.entries[i].key; t.entries[i].val.o != nil && k.isInt() && k.int() > int64(have) && k.int() <= int64(size) {
			last = max(last, k.int())
		}
	}
	if last == 0 {
		return nil
	}
	if int64(cap(t.arr)) < last {
		if f := r.growArr(t, size); f != nil {
			return f
		}
	}
	if f := r.charge(last - int64(have)); f != nil {
		return f
	}
	clear(t.arr[have:last])
	t.arr = t.arr[:last]
	for i := range t.entries {
		e := &t.entries[i]
		if e.val.o != nil && e.key.isInt() && e.key.int() > int64(have) && e.key.int() <= last {
			t.arr[e.key.int()-1] = e.val
			e.val = value{}
			*live--
		}
	}
	// What follows directly must not stay in entries.
	for {
		p := t.find(vInt(int64(len(t.arr)) + 1))
		if p < 0 || t.entries[p].val.o == nil {
			return nil
		}
		v := t.entries[p].val
		t.entries[p].val = value{}
		*live--
		if f := r.push(t, v); f != nil {
			return f
		}
	}
}

// A position in a traversal: 0 before all, i after arr[i-1], -i after entries[i-1]. It does not depend on the length of arr, which
// may shrink while a program clears what it walks over.
func (t *table) next(pos int) (k, v value, at int) {
	if pos >= 0 {
		for i := pos; i < len(t.arr); i++ {
			if t.arr[i].o != nil {
				return vInt(int64(i) + 1), t.arr[i], i + 1
			}
		}
		pos = 0
	}
	for i := -pos; i < len(t.entries); i++ {
		if e := &t.entries[i]; e.val.o != nil {
			return e.key, e.val, -(i + 1)
		}
	}
	return value{}, value{}, 0
}

// position finds where a key is in a traversal.
func (t *table) position(k value) (int, bool) {
	if k.o == nil {
		return 0, true
	}
	if k.isFloat() {
		if i, ok := floatToInt(k.float()); ok {
			k = vInt(i)
		}
	}
	if k.isInt() && uint64(k.int()-1) < uint64(len(t.arr)) {
		return int(k.int()), true
	}
	if p := t.find(k); p >= 0 {
		return -(p + 1), true
	}
	if k.isInt() && uint64(k.int()-1) < uint64(cap(t.arr)) {
		return int(k.int()), true // arr shrank under the traversal
	}
	return 0, false
}

// share makes a run's own table of a template of the library. Its entries are copied when they change, which they hardly ever do.
func (t *table) share(own *table) {
	own.header = header{kind: kindTable, flags: flagShared}
	own.entries, own.index = t.entries[:len(t.entries):len(t.entries)], t.index
}

// own copies what a table shares with other runs.
func (r *run) own(t *table) *failure {
	if f := r.alloc(int64(len(t.entries))*sizeEntry + int64(len(t.index))*4); f != nil {
		return f
	}
	t.flags &^= flagShared
	t.entries = append([]entry(nil), t.entries...)
	if t.index != nil {
		t.index = append([]uint32(nil), t.index...)
	}
	return nil
}

// copy makes a table with the same entries and room for more.
func (t *table) copy(more int) *table {
	c := &table{header: header{kind: kindTable}}
	c.entries = append(make([]entry, 0, max(len(t.index)/2, len(t.entries)+more)), t.entries...)
	if 2*cap(c.entries) <= len(t.index) {
		c.index = append([]uint32(nil), t.index...)
		return c
	}
	size := len(t.index)
	for size < 2*cap(c.entries) {
		size *= 2
	}
	c.index = make([]uint32, size)
	for i := range c.entries {
		c.enter(i)
	}
	return c
}
