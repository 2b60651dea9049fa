package erlang

import (
	"errors"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang/epmd"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// OpError says what failed, at which node.
type OpError struct {
	Op   string // "dial", "call"
	Node string
	Err  error
}

func (e *OpError) Error() string { return e.Op + " " + e.Node + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// The causes that callers tell apart.
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
	ErrTooOld      = errors.New("the node is too old")
	ErrClosed      = errors.New("the connection is closed")
	ErrKilled      = errors.New("the call was killed on the node")
	ErrTooLarge    = errors.New("the answer is too large")
)

// RemoteError is an exception that the called function raised.
type RemoteError struct {
	Class  string // "error", "exit", "throw"
	Reason etf.Term
}

func (e *RemoteError) Error() string {
	return fmt.Sprintf("exception %s: %s", e.Class, etf.Format(e.Reason))
}

// Undef says whether the function does not exist on the node.
func (e *RemoteError) Undef() bool { return e.Class == "error" && e.Reason == etf.A("undef") }
