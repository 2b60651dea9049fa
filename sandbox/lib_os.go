package sandbox

import (
	"fmt"
	"strings"
	"time"
)

// What is left of the os library: clocks (Lua 5.4 manual, 6.9). Times are in UTC, so that a program gives the same everywhere.
var osFunctions = []function{{"clock", osClock, plain}, {"date", osDate, plain}, {"difftime", osDifftime, plain}, {"time", osTime, plain}}

func osClock(a args) (int, *failure) {
	return a.ret(vFloat((time.Since(a.th.r.began) - a.th.r.inside).Seconds()))
}

func osDifftime(a args) (int, *failure) {
	x, f := a.float(0)
	if f != nil {
		return 0, f
	}
	y, f := a.float(1)
	if f != nil {
		return 0, f
	}
	return a.ret(vFloat(x - y))
}

func osTime(a args) (int, *failure) {
	if a.get(0).isNil() {
		return a.ret(vInt(time.Now().Unix()))
	}
	t, f := a.table(0)
	if f != nil {
		return 0, f
	}
	field := func(key string, def int64) int {
		if f != nil {
			return 0
		}
		v := t.getStr(a.th.r.intern(key))
		n, ok := v.toInt()
		switch {
		case v.isNil() && def >= 0:
			n = def
		case v.isNil():
			f = a.th.errorf("field '%s' missing in date table", key)
		case !ok:
			f = a.th.errorf("field '%s' is not an integer", key)
		case n > 1<<31 || n < -1<<31:
			f = a.th.errorf("field '%s' is out-of-bound", key)
		}
		return int(n)
	}
	year, month, day := field("year", -1), field("month", -1), field("day", -1)
	hour, minute, sec := field("hour", 12), field("min", 0), field("sec", 0)
	if f != nil {
		return 0, f
	}
	when := time.Date(year, time.Month(month), day, hour, minute, sec, 0, time.UTC)
	if f := a.fillDate(t, when); f != nil {
		return 0, f
	}
	return a.ret(vInt(when.Unix()))
}

func (a args) fillDate(t *table, when time.Time) *failure {
	for _, x := range []struct {
		key string
		n   int
	}{{"year", when.Year()}, {"month", int(when.Month())}, {"day", when.Day()}, {"hour", when.Hour()}, {"min", when.Minute()}, {"sec", when.Second()},
		{"yday", when.YearDay()}, {"wday", int(when.Weekday()) + 1}} {
		if f := a.th.r.setStr(t, a.th.r.intern(x.key), vInt(int64(x.n))); f != nil {
			return f
		}
	}
	return a.th.r.setStr(t, a.th.r.intern("isdst"), vFalse)
}

func osDate(a args) (int, *failure) {
	format := "%c"
	if !a.get(0).isNil() {
		s, f := a.str(0)
		if f != nil {
			return 0, f
		}
		format = s.s
	}
	sec, f := a.optInt(1, time.Now().Unix())
	if f != nil {
		return 0, f
	}
	if sec > 1<<45 || sec < -1<<45 {
		return 0, a.th.errorf("date result cannot be represented in this installation")
	}
	when := time.Unix(sec, 0).UTC()
	format = strings.TrimPrefix(format, "!")
	if strings.HasPrefix(format, "*t") {
		t, f := a.th.r.newTable(0, 9)
		if f != nil {
			return 0, f
		}
		if f := a.fillDate(t, when); f != nil {
			return 0, f
		}
		return a.ret(vTable(t))
	}
	w := builder{r: a.th.r}
	for i := 0; i < len(format); i++ {
		if f := a.th.r.charge(4); f != nil {
			return 0, f
		}
		if format[i] != '%' {
			if f := w.addByte(format[i]); f != nil {
				return 0, f
			}
			continue
		}
		i++
		if i < len(format) && (format[i] == 'E' || format[i] == 'O') {
			i++
		}
		c := byte(0)
		if i < len(format) {
			c = format[i]
		}
		text, ok := strftime(when, c)
		if !ok {
			return 0, a.fail(0, "invalid conversion specifier '%"+strings.Trim(string([]byte{c}), "\x00")+"'")
		}
		if f := w.add(text); f != nil {
			return 0, f
		}
	}
	return a.retStr(w.str())
}

// strftime is one conversion of C's function of that name.
func strftime(t time.Time, c byte) (string, bool) {
	layouts := map[byte]string{'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02", 'D': "01/02/06", 'e': "_2",
		'F': "2006-01-02", 'h': "Jan", 'H': "15", 'I': "03", 'j': "002", 'm': "01", 'M': "04", 'p': "PM", 'r': "03:04:05 PM", 'R': "15:04", 'S': "05", 'T': "15:04:05",
		'x': "01/02/06", 'X': "15:04:05", 'y': "06", 'Y': "2006", 'z': "-0700"}
	if l, ok := layouts[c]; ok {
		return t.Format(l), true
	}
	year, week := t.ISOWeek()
	monday := (int(t.Weekday()) + 6) % 7
	switch c {
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100), true
	case 'g':
		return fmt.Sprintf("%02d", year%100), true
	case 'G':
		return fmt.Sprint(year), true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case '%':
		return "%", true
	case 'u':
		return fmt.Sprint(monday + 1), true
	case 'U':
		return fmt.Sprintf("%02d", (t.YearDay()+6-int(t.Weekday()))/7), true
	case 'V':
		return fmt.Sprintf("%02d", week), true
	case 'w':
		return fmt.Sprint(int(t.Weekday())), true
	case 'W':
		return fmt.Sprintf("%02d", (t.YearDay()+6-monday)/7), true
	case 'Z':
		return "GMT", true
	}
	return "", false
}
