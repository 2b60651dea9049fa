package erlang

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// Stdio is a connection to the VM that has started this program as a port: frames with a length of four bytes, each a term, over
// standard input and output. The other end is Beamlens.Engine of the Elixir package.
//
// The VM makes an atom of no text that comes from us: modules, functions and names go as binaries and are looked up there, and its
// decoder refuses atoms that it does not know. When it does not know a function, that call fails, and nothing else.
//
//	we to the VM                                          the VM to us
//	{hello, 1, Map}                                       {hello, 1, Map}
//	{call, Id, Module, Function, Args}                    {reply, Id, Term}
//	{skill, Id, Name, Callback, Args}                     {error, Id, Class, Reason, Stack}
//	{cancel, Id}                                          what else it sends is read from Messages:
//	{notify, Map}, {status, Map}, {log, Level, Text}      {ask, Id, Text}, {payload, Id, Name}, {add, Id, Map}, {remove, Id, Name}, {stop}
//	{answer, Id, Term}
type Stdio struct {
	in      io.ReadCloser
	out     io.Writer
	options StdioOptions
	peer    Peer // without the counters

	slots    chan struct{} // a token for each call that the VM works on
	calls    chan []byte
	told     chan []byte
	messages chan etf.Term
	greeting chan etf.Map
	done     chan struct{} // closed when the reader has ended
	ended    sync.WaitGroup

	dropped, ignored, bytesIn, bytesOut atomic.Uint64

	mu      sync.Mutex // guards what follows
	reason  error
	last    int64
	waiting map[int64]chan stdioReply
}

type stdioReply struct {
	value etf.Term
	err   error
}

var _ Conn = (*Stdio)(nil)

// StdioOptions of a connection. Nil and zero values mean the defaults.
type StdioOptions struct {
	MaxFrame int         // bytes of one message; default 16 MiB
	Limits   *etf.Limits // of decoding
	Log      *slog.Logger
}

const (
	// stdioCalls is how many calls the VM is asked to work on at once; it refuses more.
	stdioCalls = 8
	// stdioTold is how much that the VM is told waits to be written. When it does not read, the newest is dropped.
	stdioTold = 1024

	stdioVersion = 1
)

// NewStdio returns a connection over in and out; see [Standard].
func NewStdio(in io.ReadCloser, out io.Writer, o *StdioOptions) *Stdio {
	s := &Stdio{
		in: in, out: out, slots: make(chan struct{}, stdioCalls), calls: make(chan []byte), told: make(chan []byte, stdioTold),
		messages: make(chan etf.Term, messageBuffer), greeting: make(chan etf.Map, 1), done: make(chan struct{}), waiting: map[int64]chan stdioReply{},
	}
	if o != nil {
		s.options = *o
	}
	if s.options.MaxFrame <= 0 {
		s.options.MaxFrame = 16 << 20
	}
	if s.options.Log == nil {
		s.options.Log = slog.New(slog.DiscardHandler)
	}
	// The VM puts the process that owns the port in the place of this atom when it calls the probe.
	s.peer = Peer{Node: "the VM", Name: "beamlens_engine", NameAtom: etf.A("beamlens_engine"), Transport: "port"}
	s.ended.Add(2)
	go s.readLoop()
	go s.writeLoop()
	return s
}

var (
	atomHello  = etf.A("hello")
	atomCall   = etf.A("call")
	atomSkill  = etf.A("skill")
	atomCancel = etf.A("cancel")
	atomReply  = etf.A("reply")
	atomAnswer = etf.A("answer")
)

// Hello greets the VM and returns what it says of itself. It comes first.
func (s *Stdio) Hello(ctx context.Context, ours etf.Map) (etf.Map, error) {
	if err := s.send(ctx, etf.Tuple{atomHello, int64(stdioVersion), ours}); err != nil {
		return nil, s.failed("greet", err)
	}
	select {
	case <-ctx.Done():
		return nil, s.failed("greet", ctx.Err())
	case <-s.done:
		return nil, s.failed("greet", s.why())
	case m := <-s.greeting:
		s.mu.Lock()
		defer s.mu.Unlock()
		if node, ok := m.Get(etf.A("node")); ok {
			s.peer.Node = fmt.Sprint(etf.Plain(node))
		}
		return m, nil
	}
}

func (s *Stdio) failed(op string, err error) error { return &OpError{op, s.Peer().Node, err} }

// Call runs a function on the VM, in a process of its own with a heap limit and low priority. Only functions of the probe are served.
func (s *Stdio) Call(ctx context.Context, module, function etf.Atom, args ...etf.Term) (etf.Term, error) {
	v, err := s.call(ctx, func(id int64) etf.Tuple {
		return etf.Tuple{atomCall, id, module.String(), function.String(), etf.List(args)}
	})
	if err != nil {
		var remote *RemoteError
		if errors.As(err, &remote) {
			remote.module, remote.function, remote.arity = module, function, len(args)
		}
		return nil, s.failed(fmt.Sprintf("call %s:%s/%d on", module, function, len(args)), err)
	}
	return v, nil
}

// Skill calls a callback of a skill that is written in the VM; the empty callback is its snapshot.
func (s *Stdio) Skill(ctx context.Context, name, callback string, args ...etf.Term) (etf.Term, error) {
	v, err := s.call(ctx, func(id int64) etf.Tuple { return etf.Tuple{atomSkill, id, name, callback, etf.List(args)} })
	if err != nil {
		if callback == "" {
			callback = "snapshot"
		}
		return nil, s.failed("call "+callback+" of skill "+name+" on", err)
	}
	return v, nil
}

func (s *Stdio) call(ctx context.Context, message func(id int64) etf.Tuple) (etf.Term, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.done:
		return nil, fmt.Errorf("%w: %w", ErrClosed, s.why())
	}
	answer := make(chan stdioReply, 1)
	s.mu.Lock()
	s.last++
	id := s.last
	s.waiting[id] = answer
	s.mu.Unlock()
	if err := s.send(ctx, message(id)); err != nil {
		s.take(id)
		return nil, err
	}
	select {
	case r := <-answer:
		return r.value, r.err
	case <-ctx.Done():
		if s.take(id) != nil {
			s.Tell(etf.Tuple{atomCancel, id})
		}
		return nil, ctx.Err()
	case <-s.done:
		return nil, fmt.Errorf("%w: %w", ErrClosed, s.why())
	}
}

func (s *Stdio) take(id int64) chan stdioReply {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.waiting[id]
	delete(s.waiting, id)
	return c
}

// Tell sends a message that nobody waits for, and says whether there was room for it. It never blocks.
func (s *Stdio) Tell(message etf.Tuple) bool {
	b, err := stdioFrame(message)
	if err != nil {
		s.options.Log.Warn("a message for the VM", "error", err)
		return false
	}
	select {
	case s.told <- b:
		return true
	default:
		s.dropped.Add(1)
		return false
	}
}

// Answer answers a question of the VM.
func (s *Stdio) Answer(ctx context.Context, id, term etf.Term) error {
	return s.send(ctx, etf.Tuple{atomAnswer, id, term})
}

func stdioFrame(message etf.Tuple) ([]byte, error) {
	b, err := etf.Append(append(make([]byte, 0, 256), 0, 0, 0, 0), message)
	if err != nil {
		return nil, err
	}
	if uint64(len(b)-4) > maxMessage {
		return nil, fmt.Errorf("%w: %d bytes are too many for one message", etf.ErrEncode, len(b))
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b, nil
}

func (s *Stdio) send(ctx context.Context, message etf.Tuple) error {
	b, err := stdioFrame(message)
	if err != nil {
		return err
	}
	select {
	case s.calls <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return fmt.Errorf("%w: %w", ErrClosed, s.why())
	}
}

// writeLoop writes what there is, calls first. A VM that does not read holds it up, and nobody else.
func (s *Stdio) writeLoop() {
	defer s.ended.Done()
	for {
		var b []byte
		select {
		case b = <-s.calls:
		default:
			select {
			case b = <-s.calls:
			case b = <-s.told:
			case <-s.done:
				return
			}
		}
		n, err := s.out.Write(b)
		s.bytesOut.Add(uint64(n))
		if err != nil {
			s.end(fmt.Errorf("the VM does not read: %w", err))
			return
		}
	}
}

// readLoop reads until the VM is gone.
func (s *Stdio) readLoop() {
	defer s.ended.Done()
	r := bufio.NewReaderSize(s.in, 64<<10)
	for {
		b, err := s.frame(r)
		if err == nil {
			err = s.handle(b)
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = ErrGone
			}
			s.end(err)
			close(s.done)
			close(s.messages)
			return
		}
	}
}

// frame reads one message; the memory grows with what comes.
func (s *Stdio) frame(r *bufio.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n > int64(s.options.MaxFrame) {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooLarge, n, s.options.MaxFrame)
	}
	b := make([]byte, min(n, readChunk))
	for read := 0; ; {
		m, err := io.ReadFull(r, b[read:])
		if err != nil {
			return nil, err
		}
		if read += m; int64(read) == n {
			s.bytesIn.Add(uint64(n) + 4)
			return b, nil
		}
		grown := make([]byte, min(int(n), 2*len(b)))
		copy(grown, b)
		b = grown
	}
}

// handle takes one message. Only what no VM of the package would send is an error.
func (s *Stdio) handle(b []byte) error {
	t, _, err := etf.Decode(b, s.options.Limits)
	if err != nil {
		return fmt.Errorf("a message of the VM: %w", err)
	}
	m, ok := t.(etf.Tuple)
	if !ok || len(m) == 0 {
		return errors.New("the VM sent what is no message: is this program run as a port by the Elixir package?")
	}
	switch {
	case m[0] == etf.Term(atomReply) && len(m) == 3:
		s.answered(m[1], stdioReply{value: m[2]})
	case m[0] == etf.Term(atomError) && len(m) == 5:
		s.answered(m[1], stdioReply{err: stdioError(m[2], m[3], m[4])})
	case m[0] == etf.Term(atomHello) && len(m) == 3:
		theirs, ok := m[2].(etf.Map)
		if m[1] != etf.Term(int64(stdioVersion)) || !ok {
			return fmt.Errorf("the Elixir package speaks version %s of the protocol, this program %d: install the two together", etf.Format(m[1]), stdioVersion)
		}
		select {
		case s.greeting <- theirs:
		default: // it has greeted before
		}
	default:
		select {
		case s.messages <- m:
		default:
			s.dropped.Add(1)
		}
	}
	return nil
}

func (s *Stdio) answered(id etf.Term, r stdioReply) {
	n, ok := id.(int64)
	if c := s.take(n); ok && c != nil {
		c <- r
		return
	}
	s.ignored.Add(1) // it was cancelled
}

// stdioErrors are the classes that are not those of an exception.
var stdioErrors = map[string]error{"killed": ErrKilled, "busy": ErrBusy, "timeout": ErrTimeout, "too_large": ErrTooLarge, "refused": ErrRefused}

func stdioError(class, reason, stack etf.Term) error {
	c, _ := class.(etf.Atom)
	if known := stdioErrors[c.String()]; known != nil {
		return fmt.Errorf("%w: %v", known, etf.Plain(reason))
	}
	e := &RemoteError{Class: c.String(), Reason: reason}
	e.Stack, _ = stack.(etf.List)
	return e
}

// end notes why the connection ends, and stops the reader.
func (s *Stdio) end(reason error) {
	s.mu.Lock()
	first := s.reason == nil
	if first {
		s.reason = reason
	}
	s.mu.Unlock()
	if first {
		_ = s.in.Close() // it ends what is being read; there is nothing to be lost
	}
}

func (s *Stdio) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

// Messages gives what the VM asks. It is closed when the VM is gone.
func (s *Stdio) Messages() <-chan etf.Term { return s.messages }

// Peer describes both ends.
func (s *Stdio) Peer() Peer {
	s.mu.Lock()
	p := s.peer
	s.mu.Unlock()
	p.Dropped, p.Ignored = s.dropped.Load(), s.ignored.Load()
	p.BytesIn, p.BytesOut = s.bytesIn.Load(), s.bytesOut.Load()
	return p
}

// Wait blocks until the connection has ended, and says why.
func (s *Stdio) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return s.failed("connection to", s.why())
	}
}

// Close ends the connection. What is still to be written is lost.
func (s *Stdio) Close() error {
	s.end(ErrClosed)
	if c, ok := s.out.(io.Closer); ok {
		_ = c.Close() // it ends what is being written
	}
	s.ended.Wait()
	return nil
}
