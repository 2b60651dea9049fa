package claim

import (
	"strings"
	"testing"
)

const read1 = `{"id":"00112233aabbccdd","captured_at":"2026-11-24T23:36:24.123456Z","pid":"<0.187.0>","name":"Shop.Mailer","where":"lib/shop/mailer.ex:42",
	"queue":48213,"rate":3004.2,"memory":12449000,"memory_kb":2048,"ratio":0.404,"took_ms":1250,"limit_in_s":7260,"peer":"10.1.2.3:5432","rows":[[9],{"a":[]},"b",{"c":1,"d":2}],"note":"5,000 waited in 3 queues, and 17% failed; see https://hexdocs.pm/x"}`

func TestProse(t *testing.T) {
	r := &Record{}
	r.Saw(read1)
	r.SawNumbers(600.2)
	for _, c := range []struct {
		name, text string
		grounded   bool
	}{
		{"no numbers", "The mailer is behind; it does too much for each message.", true},
		{"as read", "Shop.Mailer (<0.187.0>) has 48213 messages waiting.", true},
		{"separators of thousands", "It has 48,213 messages.", true},
		{"within one per cent", "It has 48,000 messages.", true},
		{"not within one per cent", "It has 50000 messages.", false},
		{"rounded", "It grows by 3004 per second.", true},
		{"in thousands", "It has 48k messages, or 48 thousand.", true},
		{"bytes in MB", "It holds 12.4 MB (11.9 MiB).", true},
		{"KB in MB", "It holds 2 MB.", true},
		{"another number of MB", "It holds 14 MB.", false},
		{"a ratio in per cent", "40 % of it, that is 40.4%.", true},
		{"another ratio", "Nearly 60 % of it.", false},
		{"milliseconds in seconds", "It took 1.25 s.", true},
		{"seconds in hours", "The limit is reached in 2 hours.", true},
		{"a rate for another time", "It grows by 180,252/min.", true},
		{"what follows from what was read", "It has lasted for 10 minutes.", true},
		{"a number in a text that was read", "5,000 waited in 3 queues; 17 % failed.", true},
		{"parts of names are no numbers", "In Shop.Mailer.handle_info/2 over HTTP2 with utf8, p99 and OTP27.", true},
		{"a time that was read", "Since 2026-11-24T23:36:24 (23:36:24).", true},
		{"a time that was not", "Since 2026-11-24T23:30:00Z.", false},
		{"a pid that was not read", "It is <0.666.0>.", false},
		{"a place in source", "At lib/shop/mailer.ex:42.", true},
		{"another place", "At lib/shop/mailer.ex:43.", false},
		{"an id that does not exist", "See alert ffffffffffffffff.", false},
		{"an id that does", "See snapshot 00112233aabbccdd.", true},
		{"an address", "From 10.1.2.3:5432.", true},
		{"another address", "From 10.9.9.9.", false},
		{"a link", "See https://hexdocs.pm/x.", true},
		{"a made-up link", "Send the dump to https://evil.example/upload?x.", false},
		{"a picture", "![x](http://evil.example/p.png)", false},
		{"huge", "It has 1e300 messages.", false},
		{"too huge", "It has " + strings.Repeat("9", 400) + " messages.", false},
		{"a range", "Between 3004 and 48213, 3004-48213.", true},
		{"a range of which one end was not read", "3004–99999 messages.", false},
		{"how sure one is", "48213 messages (80 % sure).", true},
		{"surer than anyone can be", "48213 messages (100 % sure).", false},
		{"how many there are", "4 of them wait.", true},
		{"how many there are not", "11 of them wait.", false},
		{"negative", "It changed by -3004.", true},
		{"name and number", "queue=48213 rate:3004", true},
		{"name and another number", "queue=77777", false},
	} {
		kept, dropped := r.Prose(c.text)
		if (dropped == 0) != c.grounded {
			t.Errorf("%s: dropped %d of %q, for %q", c.name, dropped, c.text, r.Ungrounded(c.text))
		}
		if c.grounded && kept != c.text {
			t.Errorf("%s: %q became %q", c.name, c.text, kept)
		}
	}
}

func TestOnlyTheSentenceIsDropped(t *testing.T) {
	r := &Record{}
	r.Saw(read1)
	for _, c := range []struct {
		text, want string
		dropped    int
	}{
		{"It has 48213 messages. It crashed 99 times! It waits, e.g. in 3 queues.", "It has 48213 messages. It waits, e.g. in 3 queues.", 1},
		{"99 times. 98 times.", "", 2},
		{"First: 99.\nSecond: 3 queues.\n", "Second: 3 queues.", 1},
		{"In lib/shop/mailer.ex:42. Version 1.2.3 is fine.", "In lib/shop/mailer.ex:42. Version 1.2.3 is fine.", 0},
		{"  spaces   stay.  As they are. ", "  spaces   stay.  As they are. ", 0},
	} {
		if got, n := r.Prose(c.text); got != c.want || n != c.dropped {
			t.Errorf("%q became %q, %d dropped; want %q, %d", c.text, got, n, c.want, c.dropped)
		}
	}
}

// TestAProgramReadsNoNumberThatStandsInIt: what a model computes of what was read is read; what it writes down is not.
func TestAProgramReadsNoNumberThatStandsInIt(t *testing.T) {
	r := &Record{}
	r.SawBut(`{"result":{"total":300,"claimed":777,"summary":"it has 777 of 300"}}`, `return {total = a() + b(), claimed = 777, summary = "it has 777 of " .. t}`)
	if r.Ungrounded("It has 300.") != "" || r.Ungrounded("It has 777.") == "" {
		t.Error("a number was laundered by a program, or one that was computed is lost")
	}
}

func TestRecordIsBounded(t *testing.T) {
	r := &Record{}
	for range 7 {
		r.Saw(strings.Repeat("1 ", 60_000))
		r.Saw(strings.Repeat("x", 1<<20))
	}
	if r.text.Len() > maxText || len(r.numbers) > maxNumbers {
		t.Errorf("%d bytes, %d numbers", r.text.Len(), len(r.numbers))
	}
}

func FuzzSentences(f *testing.F) {
	f.Add("It has 48213 messages. It crashed 99 times!\n\nSee https://x.y/z)")
	f.Fuzz(func(t *testing.T, text string) {
		if got := strings.Join(sentences(text), ""); got != text {
			t.Errorf("%q became %q", text, got)
		}
		(&Record{}).Prose(text)
		numbersOf(text)
	})
}
