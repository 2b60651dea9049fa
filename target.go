package beamlens

// Target is the running system that is observed.
type Target struct {
	Kind string `json:"kind"` // "beam" or "go"
	Name string `json:"name"` // "shop@host", "checkout[4711]"
}

// String gives "beam shop@host".
func (t Target) String() string { return t.Kind + " " + t.Name }
