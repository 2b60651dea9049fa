package etf_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// allocated says how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func encode(t testing.TB, term etf.Term) []byte {
	t.Helper()
	b, err := etf.Encode(term)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Lengths that the input does not have: each must fail at once.
func TestPromises(t *testing.T) {
	nested := []byte{131}
	for range 250 { // lists that each announce nearly all bytes that follow
		nested = append(nested, 108, 0, 0, 0xff, 0)
	}
	nested = append(nested, make([]byte, 1<<16)...)
	for name, raw := range map[string][]byte{
		"list":         {131, 108, 127, 255, 255, 255, 97, 1},
		"tuple":        {131, 105, 255, 255, 255, 255, 97, 1},
		"map":          {131, 116, 255, 255, 255, 255, 97, 1},
		"map, half":    {131, 116, 0, 0, 0, 2, 97, 1, 97, 1},
		"binary":       {131, 109, 255, 255, 255, 255, 97, 1},
		"bits":         {131, 77, 255, 255, 255, 255, 1, 1},
		"big":          {131, 111, 255, 255, 255, 255, 0, 1},
		"atom":         {131, 118, 255, 255, 'a'},
		"string":       {131, 107, 255, 255, 'a'},
		"fun":          {131, 112, 255, 255, 255, 255, 0},
		"reference":    {131, 90, 255, 255, 119, 1, 'a', 0, 0, 0, 0},
		"compressed":   {131, 80, 3, 255, 255, 255, 0x78, 0x9c},
		"nested lists": nested,
		"nothing":      {},
		"version":      {131},
	} {
		var err error
		n := allocated(func() { _, _, err = etf.Decode(raw, nil) })
		if want := uint64(64<<10 + 40*len(raw)); err == nil || n > want {
			t.Errorf("%s: %v, with %d bytes allocated; at most %d were allowed", name, err, n, want)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		raw  []byte
		at   int
		says string
	}{
		"LOCAL_EXT":     {[]byte{131, 104, 1, 121, 0, 0}, 3, "unknown tag 121"},
		"unknown tag":   {[]byte{131, 104, 2, 97, 1, 200}, 5, "unknown tag 200"},
		"version":       {[]byte{130, 97, 1}, 0, "version"},
		"NaN":           {[]byte{131, 70, 0x7f, 0xf8, 0, 0, 0, 0, 0, 1}, 10, "no Erlang float"},
		"atom not text": {[]byte{131, 119, 2, 0xff, 0xfe}, 3, "no text"},
		"atom too long": {append([]byte{131, 118, 1, 0}, bytes.Repeat([]byte{'a'}, 256)...), 4, "at most 255"},
		"pid of a list": {[]byte{131, 88, 106, 0}, 2, "where an atom must be"},
		"bits":          {[]byte{131, 77, 0, 0, 0, 1, 9, 0}, 8, "9 bits"},
		"zlib":          {[]byte{131, 80, 0, 0, 0, 1, 1, 2, 3}, 6, "compressed"},
	} {
		_, _, err := etf.Decode(tc.raw, nil)
		var e *etf.Error
		if !errors.As(err, &e) || e.Offset != tc.at || !strings.Contains(e.Error(), tc.says) || errors.Is(err, etf.ErrLimit) {
			t.Errorf("%s: %v; want byte %d, %q", name, err, tc.at, tc.says)
		}
	}
}

func TestLimits(t *testing.T) {
	deep := func(n int) etf.Term {
		var term etf.Term = etf.A("x")
		for range n {
			term = etf.Tuple{term}
		}
		return term
	}
	atoms := func(n int, prefix string) []byte {
		raw := []byte{131, 104, byte(n)}
		for i := range n {
			name := fmt.Sprintf("%s%d", prefix, i)
			raw = append(append(raw, 119, byte(len(name))), name...)
		}
		return raw
	}
	compressed := golden(t)["compressed"]
	for name, tc := range map[string]struct {
		raw    []byte
		limits etf.Limits
		ok     bool
	}{
		"depth within":      {encode(t, deep(256)), etf.Limits{}, true},
		"depth over":        {encode(t, deep(257)), etf.Limits{}, false},
		"depth of map":      {encode(t, etf.Map{{Key: int64(1), Value: etf.Map{{Key: int64(1), Value: int64(1)}}}}), etf.Limits{Depth: 1}, false},
		"depth of string":   {[]byte{131, 104, 1, 107, 0, 1, 7}, etf.Limits{Depth: 1}, false},
		"depth of tail":     {[]byte{131, 108, 0, 0, 0, 0, 97, 1}, etf.Limits{Depth: 1}, true},
		"terms within":      {encode(t, etf.Tuple{1, 2, 3}), etf.Limits{Terms: 4}, true},
		"terms over":        {encode(t, etf.Tuple{1, 2, 3}), etf.Limits{Terms: 3}, false},
		"terms of a string": {[]byte{131, 107, 0, 3, 1, 2, 3}, etf.Limits{Terms: 3}, false},
		"size over":         {encode(t, "hello"), etf.Limits{Size: 9}, false},
		"atoms within":      {atoms(50, "within"), etf.Limits{Atoms: 50}, true},
		"atoms over":        {atoms(50, "over"), etf.Limits{Atoms: 49}, false},
		"atoms over, again": {atoms(50, "over"), etf.Limits{Atoms: 49}, false},
		"one atom, often":   {encode(t, repeat(etf.A("one"), 100)), etf.Limits{Atoms: 1}, true},
		"inflated within":   {compressed, etf.Limits{Inflated: 6007}, true},
		"inflated over":     {compressed, etf.Limits{Inflated: 1000}, false},
		"terms in it":       {compressed, etf.Limits{Terms: 1000}, false},
	} {
		_, _, err := etf.Decode(tc.raw, &tc.limits)
		if tc.ok && err != nil || !tc.ok && !errors.Is(err, etf.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The table of atoms that the process keeps is bounded, and what does not fit is decoded all the same.
func TestManyAtoms(t *testing.T) {
	for i := range 100 {
		raw, want := []byte{131, 104, 200}, make([]string, 200)
		for j := range want {
			want[j] = fmt.Sprintf("many_%d_%d", i, j)
			raw = append(append(raw, 119, byte(len(want[j]))), want[j]...)
		}
		got, _, err := etf.Decode(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		for j, a := range got.(etf.Tuple) {
			if a.(etf.Atom).String() != want[j] {
				t.Fatalf("got %s, want %s", a, want[j])
			}
		}
	}
}
