package erlang

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// Control messages (ERTS User's Guide, "Protocol between Connected Nodes").
const (
	opSend          = 2
	opExit          = 3
	opRegSend       = 6
	opExit2         = 8
	opSendTT        = 12
	opExitTT        = 13
	opRegSendTT     = 16
	opSendSender    = 22
	opSendSenderTT  = 23
	opPayloadExit   = 24
	opPayloadExitTT = 25
	opPayloadExit2  = 26
	opSpawnRequest  = 29
	opSpawnReply    = 31
	opSpawnReplyTT  = 32
	opAliasSend     = 33
	opAliasSendTT   = 34
	opUnlinkID      = 35
	opUnlinkIDAck   = 36

	passThrough = 112
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
	atomIOReq   = etf.A("io_request")
)

// messageBuffer is how many messages wait for a reader before they are dropped.
const messageBuffer = 1024

// conn is a distribution connection.
type conn struct {
	net     net.Conn
	options Options
	spawn   etf.List // options of a call's process

	messages chan etf.Term
	done     chan struct{} // closed when the reader has ended
	ended    sync.WaitGroup
	dropped  atomic.Uint64
	ignored  atomic.Uint64

	write sync.Mutex // held while a frame is written

	mu     sync.Mutex // guards what follows
	peer   Peer
	reason error
	refs   uint32
	calls  map[etf.Ref]*call // asked for, process not yet known
	pids   map[etf.Pid]*call // process known
}

// call is one call that waits for its answer.
type call struct {
	ref       etf.Ref
	pid       etf.Pid
	started   bool
	abandoned bool
	answer    chan reply // buffered: one reply and never a second
}

type reply struct {
	payload []byte // the exit reason, still encoded
	err     error
}

func newConn(c net.Conn, p Peer, o Options) *conn {
	heap := etf.Map{{Key: etf.A("size"), Value: o.MaxHeap}, {Key: etf.A("kill"), Value: true}, {Key: etf.A("error_logger"), Value: false}}
	d := &conn{
		net: c, options: o, peer: p,
		// Linked only, not monitored: the exit reason carries the answer, and a monitor would send it a second time.
		spawn:    etf.List{etf.A("link"), etf.Tuple{etf.A("priority"), etf.A("low")}, etf.Tuple{etf.A("max_heap_size"), heap}},
		messages: make(chan etf.Term, messageBuffer), done: make(chan struct{}),
		calls: map[etf.Ref]*call{}, pids: map[etf.Pid]*call{},
	}
	d.ended.Add(2)
	go d.read()
	go d.tick()
	return d
}

func (d *conn) Messages() <-chan etf.Term { return d.messages }

func (d *conn) Peer() Peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.peer
	p.Dropped, p.Ignored = d.dropped.Load(), d.ignored.Load()
	return p
}

func (d *conn) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-d.done:
		return &OpError{"connection to", d.peer.Node, d.why()}
	}
}

func (d *conn) why() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reason
}

func (d *conn) Close() error {
	d.end(ErrClosed)
	d.ended.Wait()
	return nil
}

// end closes the connection once, for the reason given first.
func (d *conn) end(reason error) {
	d.mu.Lock()
	first := d.reason == nil
	if first {
		d.reason = reason
	}
	d.mu.Unlock()
	if first {
		d.net.Close() // the reader notices
	}
}

// tick keeps the connection alive: four zero bytes are an empty message.
func (d *conn) tick() {
	defer d.ended.Done()
	t := time.NewTicker(d.options.TickInterval)
	defer t.Stop()
	for {
		select {
		case <-d.done:
			return
		case <-t.C:
			if err := d.frame([]byte{0, 0, 0, 0}); err != nil {
				d.end(err)
				return
			}
		}
	}
}

// frame writes bytes that are one whole frame. A node that takes nothing for WriteTimeout is given up.
func (d *conn) frame(b []byte) error {
	d.write.Lock()
	defer d.write.Unlock()
	if err := d.net.SetWriteDeadline(time.Now().Add(d.options.WriteTimeout)); err != nil {
		return err
	}
	if _, err := d.net.Write(b); err != nil {
		// A frame that was written in part cannot be taken back.
		err = fmt.Errorf("the node takes nothing: %w", err)
		d.end(err)
		return err
	}
	return nil
}

// send writes a control message, with a payload if it is not nil.
func (d *conn) send(control etf.Tuple, payload etf.Term) error {
	b := append(make([]byte, 0, 256), 0, 0, 0, 0, passThrough)
	b, err := etf.Append(b, control)
	if err == nil && payload != nil {
		b, err = etf.Append(b, payload)
	}
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return d.frame(b)
}

// read takes frames until the connection ends, then fails what waits.
func (d *conn) read() {
	defer d.ended.Done()
	r := bufio.NewReaderSize(d.net, 64<<10)
	for {
		b, err := d.next(r)
		if err == nil && len(b) > 0 {
			err = d.handle(b)
		}
		if err != nil {
			d.end(ended(err))
			break
		}
	}
	d.mu.Lock()
	reason := d.reason
	waiting := make([]*call, 0, len(d.calls)+len(d.pids))
	for _, c := range d.calls {
		waiting = append(waiting, c)
	}
	for _, c := range d.pids {
		waiting = append(waiting, c)
	}
	d.calls, d.pids = nil, nil
	d.mu.Unlock()
	close(d.done)
	for _, c := range waiting {
		c.answer <- reply{err: reason}
	}
}

func ended(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the node closed the connection: it stopped, or another with our name took our place")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the node is silent: it hangs, or the network does")
	}
	return err
}

// next reads one frame; an empty one is a tick.
func (d *conn) next(r *bufio.Reader) ([]byte, error) {
	if err := d.net.SetReadDeadline(time.Now().Add(d.options.Silence)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > d.options.MaxFrame {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooLarge, n, d.options.MaxFrame)
	}
	// The buffer grows with what comes, and every chunk may take the whole time of silence.
	const chunk = 1 << 20
	b := make([]byte, 0, min(n, chunk))
	for len(b) < n {
		m := min(n-len(b), chunk)
		b = append(b, make([]byte, m)...)
		if _, err := io.ReadFull(r, b[len(b)-m:]); err != nil {
			return nil, err
		}
		if err := d.net.SetReadDeadline(time.Now().Add(d.options.Silence)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// handle takes one message.
func (d *conn) handle(b []byte) error {
	if b[0] != passThrough {
		return fmt.Errorf("a message of type %d; fragments and the atom cache were not agreed on", b[0])
	}
	control, payload, err := etf.Decode(b[1:], d.options.Limits)
	if err != nil {
		return fmt.Errorf("control message: %w", err)
	}
	t, ok := control.(etf.Tuple)
	if !ok || len(t) == 0 {
		return errors.New("a control message that is no tuple")
	}
	op, _ := t[0].(int64)
	take, known := controls[op]
	if !known || len(t) < take.size {
		d.ignored.Add(1)
		return nil
	}
	take.run(d, t, payload)
	return nil
}

// controls says what to do with the control messages that matter to us. Links, monitors and group leaders of a node with one
// pid and no names do not.
var controls map[int64]struct {
	size int
	run  func(*conn, etf.Tuple, []byte)
}

func init() {
	type entry = struct {
		size int
		run  func(*conn, etf.Tuple, []byte)
	}
	exit := entry{3, func(d *conn, t etf.Tuple, payload []byte) { d.exited(t[1], reply{payload: payload}) }}
	inline := func(reason int) entry {
		return entry{reason + 1, func(d *conn, t etf.Tuple, _ []byte) {
			b, err := etf.Encode(t[reason])
			d.exited(t[1], reply{payload: b, err: err})
		}}
	}
	message := entry{1, func(d *conn, _ etf.Tuple, payload []byte) { d.message(payload) }}
	controls = map[int64]entry{
		opSend: message, opSendTT: message, opSendSender: message, opSendSenderTT: message,
		opRegSend: message, opRegSendTT: message, opAliasSend: message, opAliasSendTT: message,
		opPayloadExit: exit, opPayloadExitTT: exit, opExit: inline(3), opExitTT: inline(4),
		opSpawnReply:   {5, func(d *conn, t etf.Tuple, _ []byte) { d.spawned(t[1], t[4]) }},
		opSpawnReplyTT: {5, func(d *conn, t etf.Tuple, _ []byte) { d.spawned(t[1], t[4]) }},
		opUnlinkID: {4, func(d *conn, t etf.Tuple, _ []byte) {
			d.send(etf.Tuple{int64(opUnlinkIDAck), t[1], t[3], t[2]}, nil)
		}},
	}
}

// message takes a message to our pid: a request of the I/O protocol is answered, because its sender waits; the rest is handed on.
func (d *conn) message(payload []byte) {
	m, _, err := etf.Decode(payload, d.options.Limits)
	if err != nil {
		d.ignored.Add(1)
		return
	}
	if t, ok := m.(etf.Tuple); ok && len(t) == 4 && t[0] == atomIOReq {
		d.answerIO(t)
		return
	}
	select {
	case d.messages <- m:
	default:
		d.dropped.Add(1)
	}
}

// answerIO answers {io_request, From, ReplyAs, Request} (STDLIB, "The Erlang I/O Protocol"). We are the group leader of what we
// start there: what it prints is thrown away, what it wants to read is refused.
func (d *conn) answerIO(t etf.Tuple) {
	from, ok := t[1].(etf.Pid)
	if !ok {
		return
	}
	var result etf.Term = etf.Tuple{atomError, atomEnotsup}
	if request, ok := t[3].(etf.Tuple); ok && len(request) > 0 && (request[0] == etf.A("put_chars") || request[0] == etf.A("requests")) {
		result = atomOK
	}
	d.send(etf.Tuple{int64(opSend), atomEmpty, from}, etf.Tuple{atomIOReply, t[2], result})
}
