package erlangtest

import (
	"encoding/binary"
	"errors"
	"strings"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

func (n *fakeConn) send(control etf.Tuple, payload etf.Term) error {
	b := []byte{0, 0, 0, 0, 112}
	b, err := etf.Append(b, control)
	if err == nil && payload != nil {
		b, err = etf.Append(b, payload)
	}
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return n.raw(b)
}

func (n *fakeConn) raw(b []byte) error {
	n.write.Lock()
	defer n.write.Unlock()
	_, err := n.c.Write(b)
	return err
}

// message takes a message from the other side: a call, or the end of one.
func (n *fakeConn) message(b []byte) error {
	if b[0] != 112 {
		return errors.New("not a message")
	}
	t, payload, err := etf.Decode(b[1:], nil)
	if err != nil {
		return err
	}
	control, ok := t.(etf.Tuple)
	if !ok || len(control) == 0 {
		return errors.New("not a control message")
	}
	switch control[0] {
	case int64(26): // PAYLOAD_EXIT2 From To
		if pid, ok := control[2].(etf.Pid); ok {
			n.mu.Lock()
			n.killed = append(n.killed, pid)
			n.mu.Unlock()
			return n.send(etf.Tuple{24, pid, control[1]}, etf.A("killed"))
		}
	case int64(29): // SPAWN_REQUEST ReqId From GroupLeader {M, F, A} Options
		return n.spawn(control, payload)
	}
	return nil
}

// spawn starts the process of a call, as erpc:execute_call(Ref, M, F, Args) is one.
func (n *fakeConn) spawn(control etf.Tuple, payload []byte) error {
	t, _, err := etf.Decode(payload, nil)
	if err != nil {
		return err
	}
	args, ok := t.(etf.List)
	if !ok || len(args) != 4 || len(control) != 6 {
		return errors.New("no call of erpc:execute_call/4")
	}
	ref, from := control[1], control[2]
	switch n.Fault {
	case DropOnCall:
		return errFault
	case Garbage:
		n.raw([]byte{0, 0, 0, 5, 112, 131, 200, 1, 2})
		return nil
	case NoProcess:
		return n.send(etf.Tuple{31, ref, from, 0, etf.A("system_limit")}, nil)
	case UnknownOps:
		for _, op := range []int{5, 99} {
			if err := n.send(etf.Tuple{op, from, from, from}, nil); err != nil {
				return err
			}
		}
	}
	n.mu.Lock()
	n.pids++
	pid := etf.Pid{Node: Atom(n.Name), ID: 100 + n.pids, Creation: 1}
	n.mu.Unlock()
	if err := n.send(etf.Tuple{31, ref, from, 1, pid}, nil); err != nil || n.Fault == NoAnswer {
		return err
	}
	if n.Fault == PartialFrame {
		n.raw([]byte{0, 0, 1, 0, 112, 131, 104})
		return errFault
	}
	n.work.Go(func() {
		// An error means that the connection is gone, and nobody waits.
		_ = n.send(etf.Tuple{24, pid, from}, n.run(args))
	})
	return nil
}

// run gives the reason with which the process of a call ends.
func (n *fakeConn) run(args etf.List) etf.Term {
	ref, module, function := args[0], args[1], args[2]
	params, _ := args[3].(etf.List)
	name := strings.Trim(etf.Format(module), "'") + ":" + strings.Trim(etf.Format(function), "'")
	f, ok := n.Funcs[name]
	if !ok {
		return etf.Tuple{ref, etf.A("error"), etf.A("undef"), etf.List{etf.Tuple{module, function, params, etf.List{}}}}
	}
	v, err := f(params)
	var e *Exception
	switch {
	case err == nil:
		return etf.Tuple{ref, etf.A("return"), v}
	case errors.As(err, &e) && e.Class == "error":
		return etf.Tuple{ref, etf.A("error"), e.Reason, etf.List{}}
	case errors.As(err, &e):
		return etf.Tuple{ref, etf.A(e.Class), e.Reason}
	}
	return etf.Tuple{ref, etf.A("error"), []byte(err.Error()), etf.List{}}
}
