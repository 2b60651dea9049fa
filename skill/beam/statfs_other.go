//go:build !linux

package beam

// disk is a file system of the host.
type disk struct {
	Mount   string  `json:"mount"`
	TotalMB float64 `json:"total_mb"`
	UsedPct float64 `json:"used_pct"`
}

// sameHost is known on Linux only.
func sameHost(_, _ string) bool { return false }

func localDisks() []disk { return nil }
