package etf_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// FuzzDecode: no input makes Decode panic or allocate out of proportion, and what it decodes comes back the same.
func FuzzDecode(f *testing.F) {
	for _, raw := range golden(f) {
		f.Add(raw)
	}
	f.Add([]byte{131, 108, 127, 255, 255, 255, 97, 1})
	f.Add([]byte{131, 108, 0, 0, 0, 1, 97, 1, 107, 0, 1, 2})
	limits := &etf.Limits{Inflated: 1 << 20}
	f.Fuzz(func(t *testing.T, raw []byte) {
		input := bytes.Clone(raw)
		term, rest, err := etf.Decode(raw, limits)
		if !bytes.Equal(raw, input) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			return
		}
		if len(rest) > len(raw) {
			t.Fatal("more is left than there was")
		}
		etf.Format(term)
		etf.Plain(term)
		once := encode(t, term)
		again, rest, err := etf.Decode(once, limits)
		if err != nil || len(rest) > 0 {
			t.Fatalf("%x: our own bytes: %v", once, err)
		}
		if !reflect.DeepEqual(term, again) {
			t.Fatalf("%#v came back as %#v", term, again)
		}
		if twice := encode(t, again); !bytes.Equal(once, twice) {
			t.Fatalf("encoded as %x, then as %x", once, twice)
		}
	})
}

// FuzzAllocation bounds what decoding takes: 40 bytes for each of the input's, and a constant.
func FuzzAllocation(f *testing.F) {
	f.Add([]byte{104, 1, 104, 1, 108, 0, 0, 0, 2, 97, 1, 107, 0, 1, 2}, uint8(200))
	f.Add([]byte{108, 0, 0, 255, 0}, uint8(250))
	f.Fuzz(func(t *testing.T, piece []byte, times uint8) {
		raw := append([]byte{131}, bytes.Repeat(piece, int(times))...)
		if raw = append(raw, bytes.Repeat([]byte{106}, 4096)...); raw[1] == 80 {
			return // compressed: Limits.Inflated bounds it
		}
		if n := allocated(func() { etf.Decode(raw, nil) }); n > uint64(1<<20+40*len(raw)) {
			t.Fatalf("%d bytes of input took %d", len(raw), n)
		}
	})
}
