package goruntime

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
	"weak"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Cache is an in-memory cache that can be watched. Len is how many entries it has, Counts how it has been used since it was made; what it does not count is 0. Both
// return soon and are called from another goroutine.
type Cache interface {
	Len() int
	Counts() (hits, misses, evictions uint64)
}

// WatchCache has the probe look at a cache, which it knows weakly: a cache that the program drops goes. An adapter for another library's cache is a
// struct with the two methods, which must live as long as the cache: put it beside it.
func WatchCache[T any, C interface {
	*T
	Cache
}](p *Probe, name string, c C) {
	w := weak.Make((*T)(c))
	p.caches.add(name, func() Cache {
		if v := w.Value(); v != nil {
			return C(v)
		}
		return nil
	})
}

type cacheList struct {
	mu   sync.Mutex // guards what follows
	kept []*watchedCache
}

type watchedCache struct {
	name    string
	get     func() Cache
	at      time.Time
	entries int
	counts  [3]uint64
	hitPct  float64
	perS    [3]float64
	grown   float64 // entries a second
	seen    bool
}

const mostCaches = 1000

func (l *cacheList) add(name string, get func() Cache) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.kept) < mostCaches {
		l.kept = append(l.kept, &watchedCache{name: name, get: get, hitPct: 100})
	}
}

// look reads all caches, and forgets those that are gone.
func (l *cacheList) look() []cacheRow {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	out := []cacheRow{}
	l.kept = slices.DeleteFunc(l.kept, func(w *watchedCache) bool {
		c := w.get()
		if c == nil {
			return true
		}
		if dt := now.Sub(w.at).Seconds(); !w.seen || dt > 0.5 {
			n := c.Len()
			h, m, e := c.Counts()
			counts := [3]uint64{h, m, e}
			if w.seen {
				for i := range counts {
					w.perS[i] = round(float64(counts[i]-w.counts[i])/dt, 1)
				}
				w.grown = round(float64(n-w.entries)/dt, 1)
				if asked := w.perS[0] + w.perS[1]; asked > 0 {
					w.hitPct = round(100*w.perS[0]/asked, 1)
				}
			}
			w.at, w.entries, w.counts, w.seen = now, n, counts, true
		}
		out = append(out, cacheRow{w.name, w.entries, w.grown, w.hitPct, w.perS[0], w.perS[1], w.perS[2], w.counts[2]})
		return false
	})
	slices.SortFunc(out, func(a, b cacheRow) int { return cmp.Or(cmp.Compare(b.Entries, a.Entries), cmp.Compare(a.Name, b.Name)) })
	return out
}

type cacheRow struct {
	Name      string  `json:"name"`
	Entries   int     `json:"entries"`
	Growth    float64 `json:"growth_per_s"`
	HitPct    float64 `json:"hit_pct"`
	Hits      float64 `json:"hits_per_s"`
	Misses    float64 `json:"misses_per_s"`
	Evictions float64 `json:"evictions_per_s"`
	Evicted   uint64  `json:"evictions"`
}

// Caches is the skill "cache": the caches that were given to [WatchCache].
func (p *Probe) Caches() *skill.Skill {
	c := &caches{&p.caches}
	return &skill.Skill{
		ID: "cache", Title: "caches", Summary: "In-memory caches: entries, hits, evictions.",
		Prompt:   text("prompt/cache.md"),
		Snapshot: c.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("cache_list", "The caches, the largest first, with what happened in them in the last second.", "cache_list(10)", c.list),
		},
		Metrics: []skill.Metric{
			{Name: "entries", Unit: "entries", Kind: skill.Gauge, Doc: "entries of all caches"},
			{Name: "hit_pct_min", Unit: "%", Kind: skill.Ratio, Doc: "of the cache that is asked in vain most often: how much is found"},
			{Name: "evictions", Unit: "entries", Kind: skill.Counter, Doc: "entries that had to go"},
		},
		Rules: []skill.Rule{
			{Metric: "entries", Growth: &skill.Growth{Factor: 1.5, Min: 20_000, Over: 90 * time.Second, Steady: true}, Severity: beamlens.SeverityWarning, Doc: "entries are added and not removed"},
		},
		Edges: []beamlens.Edge{
			{From: "cache.entries", To: "heap.live_mb", Why: "entries are alive"},
			{From: "cache.hit_pct_min", To: "http.slowdown", Why: "what is not found has to be fetched"},
			{From: "cache.evictions", To: "cache.hit_pct_min", Why: "what had to go is not found"},
		},
		Playbooks: []skill.Playbook{playbook("caches", "which cache grows, or is asked in vain", "entries", "hit_pct_min", "evictions")},
	}
}

type caches struct{ kept *cacheList }

func (c *caches) snapshot(context.Context) (map[string]any, error) {
	entries, evicted, least := 0, uint64(0), 100.0
	rows := c.kept.look()
	for _, r := range rows {
		entries += r.Entries
		evicted += r.Evicted
		const asked = 10 // a second, at least
		if r.Hits+r.Misses >= asked {
			least = min(least, r.HitPct)
		}
	}
	return map[string]any{"caches": len(rows), "entries": entries, "hit_pct_min": least, "evictions": int64(evicted)}, nil
}

func (c *caches) list(_ context.Context, in limitIn) ([]cacheRow, error) {
	rows := c.kept.look()
	return rows[:min(len(rows), in.Limit)], nil
}
