package sandbox

import (
	"hash/maphash"
	"strconv"
	"unsafe"
)

// str is a Lua string: any bytes, immutable. It is not interned; equal strings of the program text and of callback keys are
// mostly one object, and comparing pointers first makes use of it.
type str struct {
	header
	hash uint32 // 0: not computed
	s    string
}

// built is a string that ends a buffer with room behind it. Who appends to the last of them appends in place, so that
// s = s .. x in a loop copies every byte a few times and not n times. All of them share the buffer and see only their own length.
type built struct {
	str
	buf *buffer
}

type buffer struct {
	b    []byte
	mark uint32
}

const (
	flagBuilt     = 2 // the str is a built
	flagConcat    = 4 // made by .., so another .. is likely
	sizeBuilt     = 48
	minBuilt      = 128
	maxBuiltSpare = 1 << 20
)

var seed = maphash.MakeSeed()

// hashOf hashes a string with a seed of this process, so that keys which collide cannot be prepared. Tables keep the order of
// insertion, so the seed is never seen.
func hashOf(s string) uint32 {
	h := uint32(maphash.String(seed, s))
	if h == 0 {
		return 1
	}
	return h
}

func (s *str) hashed() uint32 {
	if s.hash == 0 {
		s.hash = hashOf(s.s)
	}
	return s.hash
}

// static makes a string that all runs share.
func static(s string) *str {
	return &str{header: header{kind: kindString, flags: flagStatic}, hash: hashOf(s), s: s}
}

var (
	empty   = static("")
	letters = func() (l [256]*str) {
		for i := range l {
			l[i] = static(string([]byte{byte(i)}))
		}
		return
	}()
)

// newStr makes a string object. The bytes are charged as the object's own even where Go shares them.
func (r *run) newStr(s string) (*str, *failure) {
	if len(s) <= 1 {
		if s == "" {
			return empty, nil
		}
		return letters[s[0]], nil
	}
	if f := r.alloc(sizeStr + int64(len(s))); f != nil {
		return nil, f
	}
	return &str{header: header{kind: kindString}, s: s}, nil
}

// copyStr is newStr for a part of another string, which must not be kept alive by it.
func (r *run) copyStr(s string) (*str, *failure) {
	if len(s) <= 1 {
		return r.newStr(s)
	}
	if f := r.alloc(sizeStr + int64(len(s))); f != nil {
		return nil, f
	}
	if f := r.touch(len(s)); f != nil {
		return nil, f
	}
	b := make([]byte, len(s))
	copy(b, s)
	return &str{header: header{kind: kindString}, s: bytesString(b)}, nil
}

// bytesString is a string of bytes that nobody writes any more.
func bytesString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// join makes l .. r.
func (r *run) join(l, right *str) (*str, *failure) {
	if len(l.s) == 0 {
		return right, nil
	}
	if len(right.s) == 0 {
		return l, nil
	}
	n := len(l.s) + len(right.s)
	if l.flags&(flagBuilt|flagConcat) == 0 || n < minBuilt {
		if f := r.alloc(sizeStr + int64(n)); f != nil {
			return nil, f
		}
		if f := r.touch(n); f != nil {
			return nil, f
		}
		b := make([]byte, n)
		copy(b, l.s)
		copy(b[len(l.s):], right.s)
		return &str{header: header{kind: kindString, flags: flagConcat}, s: bytesString(b)}, nil
	}
	if f := r.touch(len(right.s)); f != nil {
		return nil, f
	}
	if l.flags&flagBuilt != 0 {
		buf := value{o: &l.header}.built().buf
		if len(buf.b) == len(l.s) && cap(buf.b) >= n {
			if f := r.alloc(sizeBuilt); f != nil {
				return nil, f
			}
			buf.b = append(buf.b, right.s...)
			return newBuilt(buf), nil
		}
	}
	size := n + min(n, maxBuiltSpare)
	if f := r.alloc(sizeBuilt + 32 + int64(size)); f != nil {
		return nil, f
	}
	if f := r.touch(n); f != nil {
		return nil, f
	}
	b := make([]byte, n, size)
	copy(b, l.s)
	copy(b[len(l.s):], right.s)
	return newBuilt(&buffer{b: b}), nil
}

func newBuilt(buf *buffer) *str {
	b := &built{str: str{header: header{kind: kindString, flags: flagBuilt}, s: bytesString(buf.b)}, buf: buf}
	return &b.str
}

// builder collects bytes for library code. Its room is counted before it grows and pinned until the builtin returns.
type builder struct {
	r *run
	b []byte
}

// room makes place for n more bytes.
func (w *builder) room(n int) *failure {
	if n < 0 {
		return w.r.alloc(-1)
	}
	if len(w.b)+n <= cap(w.b) {
		return nil
	}
	size := max(2*cap(w.b), len(w.b)+n, 64)
	if size > 8<<20 {
		size = max(len(w.b)+n, cap(w.b)+cap(w.b)/4)
	}
	if f := w.r.alloc(int64(size)); f != nil {
		return f
	}
	w.r.pinned += int64(size)
	if f := w.r.touch(len(w.b)); f != nil {
		return f
	}
	b := make([]byte, len(w.b), size)
	copy(b, w.b)
	w.r.pinned -= int64(cap(w.b))
	w.b = b
	return nil
}

func (w *builder) add(s string) *failure {
	if f := w.room(len(s)); f != nil {
		return f
	}
	if f := w.r.touch(len(s)); f != nil {
		return f
	}
	w.b = append(w.b, s...)
	return nil
}

func (w *builder) addByte(c byte) *failure {
	if len(w.b) == cap(w.b) {
		if f := w.room(1); f != nil {
			return f
		}
	}
	w.b = append(w.b, c)
	return nil
}

// str makes a string of the bytes; the builder is used up. The room was charged already, and becomes the string's.
func (w *builder) str() (*str, *failure) {
	if len(w.b) <= 1 {
		return w.r.newStr(string(w.b))
	}
	if cap(w.b) > len(w.b)+len(w.b)/4+64 {
		return w.r.copyStr(bytesString(w.b))
	}
	if f := w.r.alloc(sizeStr); f != nil {
		return nil, f
	}
	return &str{header: header{kind: kindString}, s: bytesString(w.b)}, nil
}

// compareStrings is the order of bytes. Long ones are compared in pieces, so that it can be cancelled.
func (r *run) compareStrings(a, b string) (int, *failure) {
	const piece = 1 << 18
	for {
		n := min(len(a), len(b), piece)
		if f := r.touch(n); f != nil {
			return 0, f
		}
		x, y := a[:n], b[:n]
		if len(a) <= piece && len(b) <= piece {
			x, y = a, b
		}
		switch {
		case x < y:
			return -1, nil
		case x > y:
			return 1, nil
		case n == len(a) && n == len(b):
			return 0, nil
		case n == len(a):
			return -1, nil
		case n == len(b):
			return 1, nil
		}
		a, b = a[n:], b[n:]
	}
}

func itoa(i int64) string { return strconv.FormatInt(i, 10) }

func megabytes(n int64) string {
	if n%(1<<20) == 0 {
		return itoa(n>>20) + " MiB"
	}
	return itoa(n>>10) + " KiB"
}
