package sqldb

import (
	"strings"
	"testing"
)

func TestFingerprint(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"SELECT * FROM orders WHERE id = 42 AND email = 'a@b.org'", "select * from orders where id = ? and email = ?"},
		{"select  *\n from\torders -- who? O'Brien\nwhere id=$1", "select * from orders where id=?"},
		{"select 'it''s', E'a\\'b', $$x'y$$, $tag$ 1 $$ 2 $tag$, 1.5e-3, 0x1F", "select ?, e?, ?, ?, ?, ?"},
		{`insert into "Orders" ("id", t1) values (1, 'a'), (2, 'b')`, `insert into "Orders" ("id", t1) values (?)`},
		{"select * from t where id in (1, 2, 3)", "select * from t where id in (?)"},
		{"select * from t where id in ($1,$2)", "select * from t where id in (?)"},
		{"/* secret /* nested */ still */ commit", "commit"},
		{"select 'unfinished", "select ?"},
		{"", ""},
	} {
		if _, got := Fingerprint(c.in); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
	}
	a, _ := Fingerprint("select 1")
	b, _ := Fingerprint("SELECT  2")
	c, _ := Fingerprint("select a")
	if a != b || a == c {
		t.Errorf("ids %s %s %s", a, b, c)
	}
	if _, long := Fingerprint("select " + strings.Repeat("a, ", 10_000)); len(long) > maxText+8 {
		t.Errorf("%d bytes", len(long))
	}
}

// FuzzFingerprint: no text makes it fail, and no literal gets through.
func FuzzFingerprint(f *testing.F) {
	for _, s := range []string{"select 'x'", "$a$", "/*", "E'\\", `"`, "1e", "-- x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, text := Fingerprint(s)
		if len(text) > maxText+8 {
			t.Errorf("%d bytes", len(text))
		}
		if _, secret := Fingerprint("select '" + strings.ReplaceAll(s, "'", "") + "SECRET'"); strings.Contains(secret, "SECRET") {
			t.Errorf("%q", secret)
		}
	})
}
