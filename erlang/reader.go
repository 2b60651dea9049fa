package erlang

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// readChunk is what is read of a frame before the next piece of memory for it is taken.
const readChunk = 1 << 20

// readLoop takes frames until the connection ends, then fails what waits.
func (d *conn) readLoop() {
	defer d.ended.Done()
	r := bufio.NewReaderSize(d.net, 64<<10)
	for {
		b, err := d.next(r)
		if err == nil && len(b) > 0 {
			err = d.handle(b)
		}
		if err != nil {
			d.end(explainEnd(err))
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
	close(d.messages)
	for _, c := range waiting {
		c.answer <- reply{err: fmt.Errorf("%w: %w", ErrClosed, reason)}
	}
}

func explainEnd(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the node closed the connection: it stopped, or another with our name took our place")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the node is silent: it hangs, or the network does")
	}
	return err
}

// alive notes that the node was heard of.
func (d *conn) alive() error { return d.net.SetReadDeadline(time.Now().Add(d.options.Silence)) }

// next reads one frame; an empty one is a tick.
func (d *conn) next(r *bufio.Reader) ([]byte, error) {
	if err := d.alive(); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	d.bytesIn.Add(4 + uint64(n))
	if n > int64(d.options.MaxFrame) {
		return nil, d.skip(r, n)
	}
	return d.body(r, int(n))
}

// body reads n bytes. The memory grows with what comes, and every piece may take the whole time of silence.
func (d *conn) body(r *bufio.Reader, n int) ([]byte, error) {
	b := make([]byte, min(n, readChunk))
	for read := 0; ; {
		m, err := io.ReadFull(r, b[read:])
		if err != nil {
			return nil, err
		}
		if read += m; read == n {
			return b, nil
		}
		grown := make([]byte, min(n, 2*len(b)))
		copy(grown, b)
		b = grown
		if err := d.alive(); err != nil {
			return nil, err
		}
	}
}

// skip passes over a frame that is too large. If it is the answer of a call, that call fails, and the others go on.
func (d *conn) skip(r *bufio.Reader, n int64) error {
	first, err := d.body(r, int(min(n, 64<<10)))
	if err != nil {
		return err
	}
	for left := n - int64(len(first)); left > 0; {
		m, err := io.CopyN(io.Discard, r, min(left, readChunk))
		if err != nil {
			return err
		}
		left -= m
		if err := d.alive(); err != nil {
			return err
		}
	}
	t, _, err := etf.Decode(first[1:], d.options.Limits)
	if c, ok := t.(etf.Tuple); err == nil && ok && len(c) >= 3 && (c[0] == etf.Term(int64(opPayloadExit)) || c[0] == etf.Term(int64(opPayloadExitTT))) {
		d.exited(c[1], reply{err: fmt.Errorf("%w: %d MB, at most %d are taken", ErrTooLarge, n>>20, d.options.MaxFrame>>20)})
		return nil
	}
	d.ignored.Add(1)
	return nil
}
