package erlang

import (
	"errors"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// Control messages (ERTS User's Guide, "Protocol between Connected Nodes"). TT means: with a trace token.
const (
	opLink           = 1
	opSend           = 2
	opExit           = 3
	opUnlink         = 4
	opRegSend        = 6
	opGroupLeader    = 7
	opExit2          = 8
	opSendTT         = 12
	opExitTT         = 13
	opRegSendTT      = 16
	opExit2TT        = 18
	opMonitor        = 19
	opDemonitor      = 20
	opMonitorExit    = 21
	opSendSender     = 22
	opSendSenderTT   = 23
	opPayloadExit    = 24
	opPayloadExitTT  = 25
	opPayloadExit2   = 26
	opPayloadExit2TT = 27
	opPayloadMonitor = 28
	opSpawnRequest   = 29
	opSpawnRequestTT = 30
	opSpawnReply     = 31
	opSpawnReplyTT   = 32
	opAliasSend      = 33
	opAliasSendTT    = 34
	opUnlinkID       = 35
	opUnlinkIDAck    = 36

	passThrough = 112 // the type of every message when atom cache and fragments are not agreed on
)

// The atoms that we send.
var (
	atomEmpty   = etf.A("")
	atomErpc    = etf.A("erpc")
	atomExecute = etf.A("execute_call")
	atomKill    = etf.A("kill")
	atomIOReply = etf.A("io_reply")
	atomOK      = etf.A("ok")
	atomError   = etf.A("error")
	atomEnotsup = etf.A("enotsup")
	atomNotsup  = etf.A("notsup")
	atomNoproc  = etf.A("noproc")
)

// control is what to do with one kind of control message of at least size elements.
type control struct {
	size int
	run  func(*conn, etf.Tuple, []byte)
}

// controls has all that a node of OTP 25 to 29 may send.
var controls = func() map[int64]control {
	nothing := control{1, func(*conn, etf.Tuple, []byte) {}}
	exit := control{3, func(d *conn, t etf.Tuple, payload []byte) { d.exited(t[1], reply{payload: payload}) }}
	inline := func(reason int) control {
		return control{reason + 1, func(d *conn, t etf.Tuple, _ []byte) {
			b, err := etf.Encode(t[reason])
			d.exited(t[1], reply{payload: b, err: err})
		}}
	}
	send := func(to int) control {
		return control{to + 1, func(d *conn, t etf.Tuple, payload []byte) { d.message(t[to], payload) }}
	}
	named := control{4, func(d *conn, t etf.Tuple, payload []byte) { d.named(t[3], payload) }}
	spawned := control{5, func(d *conn, t etf.Tuple, _ []byte) { d.spawned(t[1], t[4]) }}
	refuse := control{3, func(d *conn, t etf.Tuple, _ []byte) {
		d.post(etf.Tuple{int64(opSpawnReply), t[1], t[2], int64(0), atomNotsup}, nil)
	}}
	return map[int64]control{
		opSend: send(2), opSendTT: send(2), opSendSender: send(2), opSendSenderTT: send(2), opAliasSend: send(2), opAliasSendTT: send(2),
		opRegSend: named, opRegSendTT: named,

		// The answers of calls.
		opSpawnReply: spawned, opSpawnReplyTT: spawned,
		opPayloadExit: exit, opPayloadExitTT: exit, opExit: inline(3), opExitTT: inline(4),

		// There is one process here, and no name but net_kernel: who links to or monitors another one hears that there is none. The node tells its
		// processes itself when the connection ends, so nothing has to be kept of those that watch ours.
		opLink: {3, func(d *conn, t etf.Tuple, _ []byte) {
			if !d.isSelf(t[2]) {
				d.post(etf.Tuple{int64(opPayloadExit), t[2], t[1]}, atomNoproc)
			}
		}},
		opMonitor: {4, func(d *conn, t etf.Tuple, _ []byte) {
			if !d.isSelf(t[2]) && t[2] != etf.Term(atomNetKernel) {
				d.post(etf.Tuple{int64(opPayloadMonitor), t[2], t[1], t[3]}, atomNoproc)
			}
		}},
		// A node keeps a link it has removed in mind until we say that we have seen it.
		opUnlinkID: {4, func(d *conn, t etf.Tuple, _ []byte) {
			d.post(etf.Tuple{int64(opUnlinkIDAck), t[1], t[3], t[2]}, nil)
		}},
		opSpawnRequest: refuse, opSpawnRequestTT: refuse,

		// Nobody can kill our process, nor is it watching anybody.
		opUnlink: nothing, opGroupLeader: nothing, opExit2: nothing, opExit2TT: nothing, opDemonitor: nothing, opMonitorExit: nothing,
		opPayloadExit2: nothing, opPayloadExit2TT: nothing, opPayloadMonitor: nothing, opUnlinkIDAck: nothing,
	}
}()

func (d *conn) isSelf(t etf.Term) bool {
	pid, ok := t.(etf.Pid)
	return ok && pid == d.self
}

// handle takes one message.
func (d *conn) handle(b []byte) error {
	if b[0] != passThrough {
		return fmt.Errorf("a message of type %d; fragments and the atom cache were not agreed on", b[0])
	}
	t, payload, err := etf.Decode(b[1:], d.options.Limits)
	if err != nil {
		return fmt.Errorf("control message: %w", err)
	}
	message, ok := t.(etf.Tuple)
	if !ok || len(message) == 0 {
		return errors.New("a control message that is no tuple")
	}
	op, _ := message[0].(int64)
	c, known := controls[op]
	if !known || len(message) < c.size {
		d.ignored.Add(1)
		d.options.Log.Debug("unknown control message", "node", d.peer.Node, "message", etf.Format(t))
		return nil
	}
	c.run(d, message, payload)
	return nil
}

// message takes a message to a process here. A request of the I/O protocol is answered, because its sender waits; the rest is
// handed on.
func (d *conn) message(to etf.Term, payload []byte) {
	if !d.isSelf(to) {
		d.ignored.Add(1)
		return
	}
	m, _, err := etf.Decode(payload, d.options.Limits)
	if err != nil {
		d.ignored.Add(1)
		d.options.Log.Debug("message", "node", d.peer.Node, "error", err)
		return
	}
	if t, ok := m.(etf.Tuple); ok && len(t) == 4 && t[0] == etf.Term(atomIOReq) {
		d.answerIO(t)
		return
	}
	select {
	case d.messages <- m:
	default:
		d.dropped.Add(1)
	}
}
