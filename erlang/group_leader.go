package erlang

import "github.com/beamlens/beamlens-go/erlang/etf"

var (
	atomIOReq    = etf.A("io_request")
	atomPutChars = etf.A("put_chars")
	atomRequests = etf.A("requests")
	atomGetopts  = etf.A("getopts")
	atomSetopts  = etf.A("setopts")
)

// answerIO answers {io_request, From, ReplyAs, Request} (STDLIB, "The Erlang I/O Protocol"). We are the group leader of what we
// start there, and it waits for us: what it prints goes to the log, what it wants to read is refused.
func (d *conn) answerIO(t etf.Tuple) {
	from, ok := t[1].(etf.Pid)
	if !ok {
		return
	}
	d.post(etf.Tuple{int64(opSend), atomEmpty, from}, etf.Tuple{atomIOReply, t[2], d.io(t[3], 0)})
}

// maxRequests bounds how deep {requests, [...]} may contain itself.
const maxRequests = 8

func (d *conn) io(request etf.Term, depth int) etf.Term {
	refused := etf.Tuple{atomError, atomEnotsup}
	if request == etf.Term(atomGetopts) {
		return etf.List{}
	}
	r, ok := request.(etf.Tuple)
	if !ok || len(r) == 0 || depth > maxRequests {
		return refused
	}
	switch r[0] {
	case etf.Term(atomPutChars):
		d.options.Log.Debug("printed by a call", "node", d.peer.Node, "text", etf.Format(r[len(r)-1]))
		return atomOK
	case etf.Term(atomSetopts):
		return atomOK
	case etf.Term(atomRequests):
		// All are done, in order, until one fails; the answer of the last one counts.
		all, _ := r[len(r)-1].(etf.List)
		var last etf.Term = atomOK
		for _, x := range all {
			if last = d.io(x, depth+1); last != etf.Term(atomOK) {
				break
			}
		}
		return last
	}
	return refused
}
