package beam

import "time"

// counted keeps tallies of counters that only grow, to tell how much they grew within a window. A tally a second is kept for
// as long as the longest window.
type counted struct {
	window  time.Duration
	tallies []tally
}

type tally struct {
	at     time.Time
	values []int64
}

// add takes a tally. Counters that went back were begun anew, and so is the window.
func (c *counted) add(at time.Time, values ...int64) {
	if n := len(c.tallies); n > 0 {
		last := c.tallies[n-1]
		for i := range values {
			if i >= len(last.values) || values[i] < last.values[i] {
				c.tallies = nil
				break
			}
		}
		if len(c.tallies) > 1 && at.Sub(c.tallies[n-2].at) < time.Second {
			c.tallies = c.tallies[:n-1]
		}
	}
	c.tallies = append(c.tallies, tally{at, values})
	for len(c.tallies) > 2 && at.Sub(c.tallies[1].at) >= c.window {
		c.tallies = c.tallies[1:]
	}
}

// within says how much a counter grew in the last d, and over what time that is really known.
func (c *counted) within(d time.Duration, i int) int64 {
	n := len(c.tallies)
	if n == 0 {
		return 0
	}
	last := c.tallies[n-1]
	first := last
	for j := n - 1; j >= 0 && last.at.Sub(c.tallies[j].at) <= d; j-- {
		first = c.tallies[j]
	}
	return last.values[i] - first.values[i]
}

// since is the time over which the tallies go.
func (c *counted) since() time.Duration {
	if len(c.tallies) == 0 {
		return 0
	}
	return c.tallies[len(c.tallies)-1].at.Sub(c.tallies[0].at)
}

// last is the newest.
func (c *counted) last() tally {
	if len(c.tallies) == 0 {
		return tally{}
	}
	return c.tallies[len(c.tallies)-1]
}
