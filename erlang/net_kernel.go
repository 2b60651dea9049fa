package erlang

import "github.com/beamlens/beamlens-go/erlang/etf"

var (
	atomNetKernel = etf.A("net_kernel")
	atomGenCall   = etf.A("$gen_call")
	atomIsAuth    = etf.A("is_auth")
	atomYes       = etf.A("yes")
	atomAlias     = etf.A("alias")
)

// named takes a message to a registered name. There is one that must be answered: net_adm:ping/1 asks our net_kernel, and takes
// the connection down if it is not there.
func (d *conn) named(to etf.Term, payload []byte) {
	if to != etf.Term(atomNetKernel) || !d.pinged(payload) {
		d.ignored.Add(1)
	}
}

// pinged answers {'$gen_call', {Pid, Tag}, {is_auth, Node}}, and says whether it was that.
func (d *conn) pinged(payload []byte) bool {
	t, _, err := etf.Decode(payload, d.options.Limits)
	if err != nil {
		return false
	}
	call, ok := t.(etf.Tuple)
	if !ok || len(call) != 3 || call[0] != etf.Term(atomGenCall) {
		return false
	}
	from, ok := call[1].(etf.Tuple)
	request, ok2 := call[2].(etf.Tuple)
	if !ok || !ok2 || len(from) != 2 || len(request) != 2 || request[0] != etf.Term(atomIsAuth) {
		return false
	}
	answer := etf.Tuple{from[1], atomYes}
	if alias, ok := aliasOf(from[1]); ok {
		d.post(etf.Tuple{int64(opAliasSend), d.self, alias}, answer)
	} else {
		d.post(etf.Tuple{int64(opSend), atomEmpty, from[0]}, answer)
	}
	return true
}

// aliasOf gives the alias of a tag of gen: [alias|Ref], or [[alias|Ref]|_].
func aliasOf(tag etf.Term) (etf.Ref, bool) {
	var first, rest etf.Term
	switch l := tag.(type) {
	case etf.ImproperList:
		if len(l.Items) != 1 {
			return etf.Ref{}, false
		}
		first, rest = l.Items[0], l.Tail
	case etf.List:
		if len(l) == 0 {
			return etf.Ref{}, false
		}
		first = l[0]
	default:
		return etf.Ref{}, false
	}
	if first == etf.Term(atomAlias) {
		r, ok := rest.(etf.Ref)
		return r, ok
	}
	if inner, ok := first.(etf.ImproperList); ok {
		return aliasOf(inner)
	}
	return etf.Ref{}, false
}
