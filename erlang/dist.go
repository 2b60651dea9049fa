package erlang

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// messageBuffer is how many messages wait for a reader before they are dropped.
const messageBuffer = 1024

// conn is a distribution connection.
type conn struct {
	net     net.Conn
	options Options
	peer    Peer     // without the counters
	self    etf.Pid  // peer.Self
	spawn   etf.List // options of a call's process

	messages chan etf.Term
	queue    chan []byte // frames of calls
	out      postbox
	writing  chan struct{} // full while bytes are written; guards rest
	rest     []byte        // of a frame that has been written in part, to be written before anything else
	spoke    atomic.Bool   // something was written since the last tick
	done     chan struct{} // closed when the reader has ended
	ended    sync.WaitGroup

	dropped, ignored, bytesIn, bytesOut atomic.Uint64

	mu     sync.Mutex // guards what follows
	reason error
	refs   uint64
	calls  map[etf.Ref]*call // asked for, process not yet known; nil at the end
	pids   map[etf.Pid]*call // process known
}

var _ Conn = (*conn)(nil)

func newConn(c net.Conn, p Peer, o Options) *conn {
	heap := etf.Map{{Key: etf.A("size"), Value: o.MaxHeap}, {Key: etf.A("kill"), Value: true}, {Key: etf.A("error_logger"), Value: false}}
	d := &conn{
		net: c, options: o, peer: p, self: p.Self,
		// Linked only, not monitored: the exit reason carries the answer, and a monitor would have it sent a second time.
		spawn:    etf.List{etf.A("link"), etf.Tuple{etf.A("priority"), etf.A("low")}, etf.Tuple{etf.A("max_heap_size"), heap}},
		messages: make(chan etf.Term, messageBuffer), queue: make(chan []byte, queued), writing: make(chan struct{}, 1), done: make(chan struct{}),
		out:   postbox{wake: make(chan struct{}, 1)},
		calls: map[etf.Ref]*call{}, pids: map[etf.Pid]*call{},
	}
	d.ended.Add(2)
	go d.readLoop()
	go d.writeLoop()
	return d
}

func (d *conn) Messages() <-chan etf.Term { return d.messages }

func (d *conn) Peer() Peer {
	p := d.peer
	p.Dropped, p.Ignored = d.dropped.Load(), d.ignored.Load()
	p.BytesIn, p.BytesOut = d.bytesIn.Load(), d.bytesOut.Load()
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
		d.net.Close() // the reader and the writer notice
	}
}
