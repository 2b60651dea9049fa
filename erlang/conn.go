package erlang

import (
	"context"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// Conn is a connection to a node. It is safe for concurrent use.
type Conn interface {
	// Call runs module:function(args...) on the node and returns its value. Errors are *OpError; one that the function
	// raised wraps a *RemoteError. When ctx ends, Call returns at once and what it started on the node is killed.
	Call(ctx context.Context, module, function etf.Atom, args ...etf.Term) (etf.Term, error)

	// Messages gives what processes of the node sent to our pid, [Peer.Self]. What nobody reads in time is dropped. The
	// channel is closed when the connection has ended.
	Messages() <-chan etf.Term

	// Peer describes both ends.
	Peer() Peer

	// Wait blocks until the connection has ended, and says why.
	Wait(ctx context.Context) error

	// Close ends the connection. The node kills what we started there.
	Close() error
}

// Peer describes both ends of a connection.
type Peer struct {
	Node      string   // theirs
	Name      string   // ours
	NodeAtom  etf.Atom // theirs
	NameAtom  etf.Atom // ours, which they know: to be handed to monitor_node
	Self      etf.Pid  // our pid, to be sent to
	Creation  uint32   // ours
	Transport string   // "tcp" or "tls"
	Flags     uint64   // theirs
	Dropped   uint64   // messages that nobody read in time
	Ignored   uint64   // messages for nobody here, and control messages that we do not know
	BytesIn   uint64   // frames, since the handshake
	BytesOut  uint64
}
