package erlangtest

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// Fault is a way in which a Fake misbehaves.
type Fault string

// The faults. Those of the handshake happen at each connection; the others from the first frame after it.
const (
	NotAllowed   Fault = "not_allowed"   // as net_kernel:allow/1 does
	Alive        Fault = "alive"         // the name is in use
	Nok          Fault = "nok"           // the name is connecting
	Old          Fault = "old"           // announces few flags
	OtherNode    Fault = "other node"    // has another name
	NoStatus     Fault = "no status"     // closes after our name
	NoChallenge  Fault = "no challenge"  // closes after the status
	WrongDigest  Fault = "wrong digest"  // does not know the cookie, but lets us in
	SilentAtName Fault = "silent"        // says nothing at all
	NotErlang    Fault = "not Erlang"    // answers as a web server
	Garbage      Fault = "garbage"       // answers a call with a message that is none
	Stall        Fault = "stall"         // reads and writes nothing after the handshake
	DropOnCall   Fault = "drop on call"  // closes when it is called
	NoAnswer     Fault = "no answer"     // starts the process of a call and no more
	NoProcess    Fault = "no process"    // starts no process
	UnknownOps   Fault = "unknown ops"   // sends control messages that nobody knows before it answers
	PartialFrame Fault = "partial frame" // closes in the middle of an answer
)

// Exception is an error of a Func that the caller gets as a RemoteError.
type Exception struct {
	Class  string // error, exit, throw
	Reason etf.Term
}

func (e *Exception) Error() string { return e.Class + ": " + etf.Format(e.Reason) }

// Func is a function of a Fake.
type Func func(args []etf.Term) (etf.Term, error)

// Fake is a node in memory: it speaks the handshake, and answers calls from a table. It is written from the User's Guide and not
// with package erlang, so that the two check each other. Fill the fields before the first connection.
type Fake struct {
	Name   string // name@host
	Cookie string
	Fault  Fault
	Funcs  map[string]Func // by "module:function"; erlang:node is there

	mu     sync.Mutex // guards what follows
	conns  map[*fakeConn]bool
	killed []etf.Pid // processes of calls that the other side killed
	closed bool
	work   sync.WaitGroup
}

// NewFake returns a node that is stopped when the test ends.
func NewFake(t testing.TB) *Fake {
	f := &Fake{Name: Unique() + "@127.0.0.1", Cookie: Cookie, Funcs: map[string]Func{}, conns: map[*fakeConn]bool{}}
	f.Funcs["erlang:node"] = func([]etf.Term) (etf.Term, error) { return Atom(f.Name), nil }
	t.Cleanup(f.stop)
	return f
}

// Listen serves connections on a port of the loopback interface, and returns the port.
func (f *Fake) Listen(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accept sync.WaitGroup
	accept.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.Accept(c)
		}
	})
	t.Cleanup(func() { l.Close(); accept.Wait() })
	return l.Addr().(*net.TCPAddr).Port
}

// Accept serves one connection, such as one end of a net.Pipe, and returns at once.
func (f *Fake) Accept(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		c.Close()
		return
	}
	n := &fakeConn{Fake: f, c: c, dropped: make(chan struct{})}
	f.conns[n] = true
	f.work.Go(func() {
		n.serve()
		f.mu.Lock()
		delete(f.conns, n)
		f.mu.Unlock()
		n.drop()
	})
}

// Drop closes all connections.
func (f *Fake) Drop() {
	for _, n := range f.all() {
		n.drop()
	}
}

func (f *Fake) all() []*fakeConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.conns))
}

// Killed says how many processes of calls the other side has killed.
func (f *Fake) Killed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.killed)
}

// Connections says how many there are.
func (f *Fake) Connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns)
}

// Send sends a message to the pid that a connection gave as its own.
func (f *Fake) Send(to etf.Pid, message etf.Term) error {
	err := errors.New("no connection")
	for _, n := range f.all() {
		err = n.send(etf.Tuple{2, Atom(""), to}, message)
	}
	return err
}

func (f *Fake) stop() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.Drop()
	f.work.Wait()
}

// Atom makes an atom of a name that is no literal. Tests only: see package etf.
func Atom(name string) etf.Atom {
	t, _, err := etf.Decode(append([]byte{131, 119, byte(len(name))}, name...), nil)
	if err != nil {
		panic(err)
	}
	return t.(etf.Atom)
}

// fakeConn is one connection to a Fake.
type fakeConn struct {
	*Fake
	c       net.Conn
	once    sync.Once
	dropped chan struct{} // closed with the connection
	write   sync.Mutex
	pids    uint32
}

func (n *fakeConn) drop() {
	n.once.Do(func() {
		close(n.dropped)
		n.c.Close()
	})
}

func (n *fakeConn) serve() {
	if err := n.handshake(); err != nil {
		return
	}
	if n.Fault == Stall {
		<-n.dropped
		return
	}
	for {
		b, err := receive(n.c, 4)
		if err != nil {
			return
		}
		if len(b) == 0 {
			continue
		}
		if err := n.message(b); err != nil {
			return
		}
	}
}

// receive reads a message with a length of so many bytes.
func receive(r io.Reader, width int) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head[4-width:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head))
	_, err := io.ReadFull(r, b)
	return b, err
}

func (n *fakeConn) say(b []byte) error {
	_, err := n.c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

var errFault = errors.New("as told")

// Flags of a node of OTP 25.
const fakeFlags = 0xd07df7fbd

func (n *fakeConn) handshake() error {
	name, err := receive(n.c, 2)
	if err != nil {
		return err
	}
	if len(name) < 15 || name[0] != 'N' || int(binary.BigEndian.Uint16(name[13:])) != len(name)-15 {
		return fmt.Errorf("bad name %x", name)
	}
	status := "ok"
	switch n.Fault {
	case NotAllowed, Alive, Nok:
		status = string(n.Fault)
	case NoStatus:
		return errFault
	case NotErlang:
		n.c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		return errFault
	case SilentAtName:
		io.Copy(io.Discard, n.c)
		return errFault
	}
	if err := n.say([]byte("s" + status)); err != nil {
		return err
	}
	if status != "ok" {
		receive(n.c, 2)
		return errFault
	}
	if n.Fault == NoChallenge {
		return errFault
	}
	return n.authenticate()
}

func (n *fakeConn) authenticate() error {
	flags, own := uint64(fakeFlags), n.Name
	switch n.Fault {
	case Old:
		flags &^= 1<<34 | 1<<32
	case OtherNode:
		own = "somebody@else"
	}
	const challenge = 0xcafe0001
	b := binary.BigEndian.AppendUint64([]byte{'N'}, flags)
	b = binary.BigEndian.AppendUint32(b, challenge)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint16(b, uint16(len(own)))
	if err := n.say(append(b, own...)); err != nil {
		return err
	}
	reply, err := receive(n.c, 2)
	if err != nil {
		return err
	}
	digest := func(cookie string, challenge uint32) string {
		d := md5.Sum(fmt.Appendf(nil, "%s%d", cookie, challenge))
		return string(d[:])
	}
	if len(reply) != 21 || reply[0] != 'r' || string(reply[5:]) != digest(n.Cookie, challenge) {
		return errors.New("wrong cookie")
	}
	theirs := digest(n.Cookie, binary.BigEndian.Uint32(reply[1:]))
	if n.Fault == WrongDigest {
		theirs = digest("wrong", 1)
	}
	return n.say([]byte("a" + theirs))
}
