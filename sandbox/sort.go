package sandbox

// tableSort is table.sort: a stable merge sort of a copy. Whatever the order function does, it ends after n log n calls.
func tableSort(a args) (int, *failure) {
	l, n, f := a.list(0)
	if f != nil {
		return 0, f
	}
	if n < 2 {
		return 0, nil
	}
	if n >= 1<<31-1 {
		return 0, a.fail(0, "array too big")
	}
	if v := a.get(1); !v.isNil() && !v.isFunction() {
		return 0, a.typeError(1, "function")
	}
	r := a.th.r
	size := 2 * n * sizeValue
	if f := r.alloc(size); f != nil {
		return 0, f
	}
	r.pinned += size
	if f := r.charge(n); f != nil {
		return 0, f
	}
	space := make([]value, 2*n)
	s := sorter{th: a.th, less: a.get(1), items: space[:n], spare: space[n:]}
	if t := fast(l); t != nil && int64(len(t.arr)) >= n {
		copy(s.items, t.arr)
	} else {
		for i := range s.items {
			if f := r.charge(2); f != nil {
				return 0, f
			}
			if s.items[i], f = a.th.getIndex(l, int64(i)+1); f != nil {
				return 0, f
			}
		}
	}
	if f := s.sort(); f != nil {
		return 0, f
	}
	if f := r.charge(n); f != nil {
		return 0, f
	}
	if t := fast(l); t != nil && int64(len(t.arr)) == n && !s.items[n-1].isNil() {
		copy(t.arr, s.items)
		return 0, nil
	}
	for i, v := range s.items {
		if f := r.charge(2); f != nil {
			return 0, f
		}
		if f := a.th.setIndex(l, int64(i)+1, v); f != nil {
			return 0, f
		}
	}
	return 0, nil
}

type sorter struct {
	th           *thread
	less         value
	items, spare []value
}

// before tells whether a comes before b.
func (s *sorter) before(a, b value) (bool, *failure) {
	if f := s.th.r.charge(1); f != nil {
		return false, f
	}
	if s.less.isNil() {
		return s.th.lessThan(a, b)
	}
	v, f := s.th.call1(s.less, a, b)
	return v.truth(), f
}

func (s *sorter) sort() *failure {
	const run = 6
	n := len(s.items)
	for from := 0; from < n; from += run {
		to := min(from+run, n)
		for i := from + 1; i < to; i++ {
			v := s.items[i]
			j := i
			for ; j > from; j-- {
				yes, f := s.before(v, s.items[j-1])
				if f != nil {
					return f
				}
				if !yes {
					break
				}
				s.items[j] = s.items[j-1]
			}
			s.items[j] = v
		}
	}
	for width := run; width < n; width *= 2 {
		for from := 0; from < n; from += 2 * width {
			if f := s.merge(from, min(from+width, n), min(from+2*width, n)); f != nil {
				return f
			}
		}
		s.items, s.spare = s.spare, s.items
	}
	return nil
}

// merge writes items[from:mid] and items[mid:to] to spare in order.
func (s *sorter) merge(from, mid, to int) *failure {
	i, j := from, mid
	for k := from; k < to; k++ {
		right := i >= mid
		if !right && j < to {
			var f *failure
			if right, f = s.before(s.items[j], s.items[i]); f != nil {
				return f
			}
		}
		if right {
			s.spare[k] = s.items[j]
			j++
		} else {
			s.spare[k] = s.items[i]
			i++
		}
	}
	return nil
}
