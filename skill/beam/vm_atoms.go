package beam

import "context"

type newestAtomsOut struct {
	Count  int64       `json:"atom_count"`
	Limit  int64       `json:"atom_limit"`
	Looked int64       `json:"looked_at"`
	Shapes []atomShape `json:"shapes"`
}

type atomShape struct {
	Shape  string `json:"shape"` // session_<n>
	Count  int64  `json:"count"`
	Newest string `json:"newest"`
}

// newestAtoms tells what the newest atoms look like.
func (v *vm) newestAtoms(ctx context.Context, in limitIn) (newestAtomsOut, error) {
	return ask[newestAtomsOut](ctx, v.caller, "atoms", "newest", in.Limit)
}
