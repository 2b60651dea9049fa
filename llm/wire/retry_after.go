package wire

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// tryAgain finds how long a message asks to wait: "Please try again in 1m2.5s", "retry in 20ms".
var tryAgain = regexp.MustCompile(`(?i)\b(?:try again|retry) (?:in|after) ((?:[0-9.]+ ?(?:milliseconds?|ms|minutes?|seconds?|h|m|s) ?)+)`)

// retryAfter is how long a provider asks to be left alone, in whatever way it says so; 0 if it does not.
func (s said) retryAfter(f failure) time.Duration {
	for _, ms := range []string{"Retry-After-Ms", "X-Ms-Retry-After-Ms", "X-Amz-Retry-After"} {
		if d, ok := number(s.header.Get(ms), time.Millisecond); ok {
			return d
		}
	}
	if v := s.header.Get("Retry-After"); v != "" {
		if d, ok := number(v, time.Second); ok {
			return d
		}
		if at, err := http.ParseTime(v); err == nil {
			now := s.now
			// By the provider's own clock, if it tells: ours may be wrong.
			if date, err := http.ParseTime(s.header.Get("Date")); err == nil {
				now = date
			}
			return max(at.Sub(now), 0)
		}
	}
	if d, err := time.ParseDuration(f.retryIn); err == nil && d > 0 {
		return d
	}
	if m := tryAgain.FindStringSubmatch(f.msg); m != nil {
		return spoken(m[1])
	}
	return 0
}

// maxWait bounds what is believed, so that no number overflows.
const maxWait = 30 * 24 * time.Hour

func number(s string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(n >= 0) {
		return 0, false
	}
	return time.Duration(min(n*float64(unit), float64(maxWait))), true
}

var unit = regexp.MustCompile(`([0-9.]+) ?(ms|mill|h|m|s)`)

// spoken reads "1m2.5s" and "20 seconds".
func spoken(s string) time.Duration {
	units := map[string]time.Duration{"ms": time.Millisecond, "mill": time.Millisecond, "h": time.Hour, "m": time.Minute, "s": time.Second}
	var sum time.Duration
	for _, m := range unit.FindAllStringSubmatch(strings.ToLower(s), -1) {
		if d, ok := number(m[1], units[m[2]]); ok {
			sum += d
		}
	}
	return min(sum, maxWait)
}
