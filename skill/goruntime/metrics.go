package goruntime

import (
	"math"
	"runtime/metrics"
	"sync"
)

// reader reads some of the runtime's metrics. A metric that this runtime does not have is NaN.
type reader struct {
	mu      sync.Mutex // guards what follows
	samples []metrics.Sample
}

func newReader(names ...string) *reader {
	r := &reader{samples: make([]metrics.Sample, len(names))}
	for i, n := range names {
		r.samples[i].Name = n
	}
	return r
}

// read gives the values by name. Histograms are given to hist.
func (r *reader) read(hist func(name string, h *metrics.Float64Histogram)) map[string]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	metrics.Read(r.samples)
	out := make(map[string]float64, len(r.samples))
	for _, s := range r.samples {
		switch s.Value.Kind() {
		case metrics.KindUint64:
			out[s.Name] = float64(s.Value.Uint64())
		case metrics.KindFloat64:
			out[s.Name] = s.Value.Float64()
		case metrics.KindFloat64Histogram:
			if hist != nil {
				hist(s.Name, s.Value.Float64Histogram())
			}
		default:
			out[s.Name] = math.NaN()
		}
	}
	return out
}

// window gives quantiles of what came into a histogram between two readings. It is used under the lock of its reader.
type window struct{ before []uint64 }

// quantiles of what is new, NaN where nothing is.
func (w *window) quantiles(h *metrics.Float64Histogram, qs ...float64) []float64 {
	fresh := make([]uint64, len(h.Counts))
	var total uint64
	for i, c := range h.Counts {
		if i < len(w.before) {
			c -= w.before[i]
		}
		fresh[i] = c
		total += c
	}
	w.before = append(w.before[:0], h.Counts...)
	out := make([]float64, len(qs))
	for i, q := range qs {
		out[i] = math.NaN()
		if total == 0 {
			continue
		}
		at := uint64(math.Ceil(q * float64(total)))
		var sum uint64
		for j, c := range fresh {
			if sum += c; sum >= max(at, 1) {
				// The upper bound of the bucket, or the lower one of the last.
				if out[i] = h.Buckets[j+1]; math.IsInf(out[i], 1) {
					out[i] = h.Buckets[j]
				}
				break
			}
		}
	}
	return out
}

// known is the value, or null when the system does not tell it.
func maybe(x float64) any {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return x
}

func round(x float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(x*p) / p
}

// mb are bytes as megabytes.
func mb(bytes float64) float64 { return round(bytes/(1<<20), 2) }
