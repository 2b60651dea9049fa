package e2e

import (
	"bytes"
	"fmt"
	"math/big"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/etf"
	okeuday "github.com/okeuday/erlang_go/v2/erlang"
)

// The codec beside github.com/okeuday/erlang_go, on the same bytes. Pids are text in these terms: that module cannot decode the
// pids of OTP 25 and later.

// processes is a list of 1,000 rows of process_info.
func processes() etf.Term {
	rows := make(etf.List, 1000)
	for i := range rows {
		n := int64(i)
		rows[i] = etf.List{
			etf.Tuple{etf.A("pid"), fmt.Appendf(nil, "<0.%d.0>", i)},
			etf.Tuple{etf.A("registered_name"), etf.A("worker")},
			etf.Tuple{etf.A("current_function"), etf.Tuple{etf.A("gen_server"), etf.A("loop"), int64(7)}},
			etf.Tuple{etf.A("initial_call"), etf.Tuple{etf.A("proc_lib"), etf.A("init_p"), int64(5)}},
			etf.Tuple{etf.A("status"), etf.A("waiting")},
			etf.Tuple{etf.A("message_queue_len"), n % 7},
			etf.Tuple{etf.A("trap_exit"), etf.A("false")},
			etf.Tuple{etf.A("priority"), etf.A("normal")},
			etf.Tuple{etf.A("total_heap_size"), 233 + n*13},
			etf.Tuple{etf.A("heap_size"), 233 + n},
			etf.Tuple{etf.A("stack_size"), int64(12)},
			etf.Tuple{etf.A("reductions"), n * 1_000_003},
			etf.Tuple{etf.A("load"), float64(i) / 7},
		}
	}
	return rows
}

// snapshot is a map like the probe's.
func snapshot() etf.Term {
	memory := etf.Map{}
	for i, k := range []string{"total", "processes", "processes_used", "system", "atom", "atom_used", "binary", "code", "ets"} {
		memory = append(memory, etf.Pair{Key: etf.A(k), Value: int64(1_234_567 * (i + 1))})
	}
	top := make(etf.List, 10)
	for i := range top {
		top[i] = etf.Map{
			{Key: etf.A("pid"), Value: fmt.Appendf(nil, "<0.%d.0>", i)}, {Key: etf.A("name"), Value: []byte("shop_cart_worker")},
			{Key: etf.A("memory_kb"), Value: int64(4000 + i)}, {Key: etf.A("message_queue_len"), Value: int64(i)},
			{Key: etf.A("reductions"), Value: int64(98_765_432 + i)}, {Key: etf.A("status"), Value: etf.A("waiting")},
		}
	}
	return etf.Map{
		{Key: etf.A("memory"), Value: memory}, {Key: etf.A("top"), Value: top}, {Key: etf.A("run_queue"), Value: int64(3)},
		{Key: etf.A("process_count"), Value: int64(4711)}, {Key: etf.A("process_limit"), Value: int64(262144)},
		{Key: etf.A("uptime_ms"), Value: int64(86_400_000)}, {Key: etf.A("utilization"), Value: 0.73},
		{Key: etf.A("warning"), Value: []byte("none of the listeners answers")},
	}
}

var benchTerms = []struct {
	name string
	term func() etf.Term
}{{"processes", processes}, {"snapshot", snapshot}}

func BenchmarkDecode(b *testing.B) {
	for _, bt := range benchTerms {
		raw, err := etf.Encode(bt.term())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bt.name+"/beamlens", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := etf.Decode(raw, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bt.name+"/erlang_go", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := okeuday.BinaryToTerm(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, bt := range benchTerms {
		ours := bt.term()
		raw, err := etf.Encode(ours)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bt.name+"/beamlens", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := etf.Encode(ours); err != nil {
					b.Fatal(err)
				}
			}
		})
		theirs := convert(ours)
		check, err := okeuday.TermToBinary(theirs, -1)
		if err != nil {
			b.Fatal(err)
		}
		if bt.name == "processes" && !bytes.Equal(check, raw) {
			b.Fatal("the two encode different terms")
		}
		b.Run(bt.name+"/erlang_go", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := okeuday.TermToBinary(theirs, -1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// convert makes the same term of that module's types.
func convert(t etf.Term) any {
	switch t := t.(type) {
	case etf.Atom:
		return okeuday.OtpErlangAtomUTF8(t.String())
	case []byte:
		return okeuday.OtpErlangBinary{Value: t, Bits: 8}
	case int64:
		if t >= 0 && t <= 255 {
			return uint8(t)
		}
		if int64(int32(t)) == t {
			return int32(t)
		}
		return big.NewInt(t)
	case etf.List:
		l := okeuday.OtpErlangList{}
		for _, x := range t {
			l.Value = append(l.Value, convert(x))
		}
		return l
	case etf.Tuple:
		l := okeuday.OtpErlangTuple{}
		for _, x := range t {
			l = append(l, convert(x))
		}
		return l
	case etf.Map:
		m := okeuday.OtpErlangMap{}
		for _, p := range t {
			m[convert(p.Key)] = convert(p.Value)
		}
		return m
	}
	return t
}
