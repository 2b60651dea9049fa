package erlang

import (
	"errors"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang/epmd"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// OpError says what failed, at which node.
type OpError struct {
	Op   string // "dial", "call m:f/1 on", "connection to"
	Node string
	Err  error
}

func (e *OpError) Error() string { return e.Op + " " + e.Node + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// The causes that callers tell apart. The text around them says what to do.
var (
	ErrNoEpmd       = epmd.ErrNotRunning
	ErrHostUnknown  = epmd.ErrHostUnknown
	ErrNodeNotFound = epmd.ErrNotFound

	ErrCookie      = errors.New("the cookie is wrong")
	ErrNoCookie    = errors.New("there is no cookie")
	ErrNameInUse   = errors.New("our node name is in use")
	ErrNotAllowed  = errors.New("the node does not allow us")
	ErrBadName     = errors.New("the node name must be name@host")
	ErrUnreachable = errors.New("the node does not accept connections")
	ErrHandshake   = errors.New("the handshake broke off") // the node went down in it, or it is no node
	ErrTLS         = errors.New("the TLS handshake failed")
	ErrTimeout     = errors.New("the node does not answer in time")
	ErrTooOld      = errors.New("the node is too old")
	ErrClosed      = errors.New("the connection is closed")
	ErrKilled      = errors.New("the call was killed on the node")
	ErrTooLarge    = errors.New("the answer is too large")
	ErrBusy        = errors.New("the node is busy with other calls of ours")
	ErrGone        = errors.New("the VM is gone, or has closed the port")
	ErrRefused     = errors.New("the node refuses the call")
)

// RemoteError is an exception that the called function raised.
type RemoteError struct {
	Class  string // "error", "exit", "throw"
	Reason etf.Term
	Stack  etf.List // for errors: where, innermost first

	module, function etf.Atom // what was called
	arity            int
}

func (e *RemoteError) Error() string {
	if e.Undef() && e.module != (etf.Atom{}) {
		return fmt.Sprintf("undef: the node has no function %s:%s/%d", e.module, e.function, e.arity)
	}
	return fmt.Sprintf("exception %s: %s", e.Class, etf.Format(e.Reason))
}

// Undef says whether the function that was called does not exist on the node. One that exists and itself calls one that does not
// is another matter.
func (e *RemoteError) Undef() bool {
	if e.Class != "error" || e.Reason != etf.Term(etf.A("undef")) {
		return false
	}
	if len(e.Stack) == 0 {
		return true
	}
	// {Module, Function, Arguments, Location}
	top, ok := e.Stack[0].(etf.Tuple)
	if !ok || len(top) < 3 || e.module == (etf.Atom{}) {
		return true
	}
	args, ok := top[2].(etf.List)
	return top[0] == etf.Term(e.module) && top[1] == etf.Term(e.function) && (!ok || len(args) == e.arity)
}
