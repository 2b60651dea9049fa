package erlang

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// Frames go through one goroutine, so that nothing else ever waits long for the node to read: a caller waits for a place in the
// queue as long as its context lasts, and the reader, whose answers must not wait, has a queue of its own. Only when nothing
// else is being written does a caller write a small frame itself, which saves the round trip of a call a change of goroutine
// (about a quarter of its time); what the node does not take within directTime is left to the writer.
const (
	directSize = 16 << 10
	directTime = 2 * time.Millisecond

	queued     = 64        // frames of calls that wait to be written; more wait in Call
	maxPosted  = 4 << 20   // bytes of answers that wait; a node that lets them grow to this takes nothing
	writeChunk = 256 << 10 // what a node has WriteTimeout for
)

// postbox holds what the reader has to say.
type postbox struct {
	mu    sync.Mutex
	bytes []byte
	wake  chan struct{} // has one element when there is something
}

// message encodes a frame: length, type, control message, payload if there is one.
func message(control etf.Tuple, payload etf.Term) ([]byte, error) {
	b := append(make([]byte, 0, 256), 0, 0, 0, 0, passThrough)
	b, err := etf.Append(b, control)
	if err == nil && payload != nil {
		b, err = etf.Append(b, payload)
	}
	if err != nil {
		return nil, err
	}
	if uint64(len(b)-4) > maxMessage {
		return nil, fmt.Errorf("%w: %d bytes are too many for one message", etf.ErrEncode, len(b))
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b, nil
}

// maxMessage is what the length of a frame can say.
const maxMessage = 1<<32 - 1

// post sends a control message of ours without waiting. What cannot be encoded came wrong from the node, and is not answered.
func (d *conn) post(control etf.Tuple, payload etf.Term) {
	b, err := message(control, payload)
	if err != nil {
		d.ignored.Add(1)
		return
	}
	d.out.mu.Lock()
	full := len(d.out.bytes)+len(b) > maxPosted
	if !full {
		d.out.bytes = append(d.out.bytes, b...)
	}
	d.out.mu.Unlock()
	if full {
		d.end(errStalled)
		return
	}
	d.ring()
}

var errStalled = errors.New("the node does not take what we send")

// direct writes a frame at once if that is possible, and says whether it did, or left the rest to the writer.
func (d *conn) direct(b []byte) bool {
	// A TLS connection cannot go on after a write that timed out.
	if d.peer.Transport == "tls" || len(b) > directSize {
		return false
	}
	select {
	case d.writing <- struct{}{}:
	default:
		return false
	}
	defer func() { <-d.writing }()
	if len(d.rest) > 0 || len(d.queue) > 0 {
		return false
	}
	if err := d.net.SetWriteDeadline(time.Now().Add(directTime)); err != nil {
		return false // the reader finds out why
	}
	n, err := d.net.Write(b)
	d.bytesOut.Add(uint64(n))
	d.spoke.Store(true)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		if d.rest = b[n:]; n == 0 {
			d.rest = nil
			return false
		}
		d.ring()
	case err != nil:
		d.end(fmt.Errorf("%w: %w", errStalled, err))
	}
	return true
}

// ring wakes the writer.
func (d *conn) ring() {
	select {
	case d.out.wake <- struct{}{}:
	default:
	}
}

// writeLoop writes frames, and ticks when there are none: four zero bytes are an empty message.
func (d *conn) writeLoop() {
	defer d.ended.Done()
	t := time.NewTicker(d.options.TickInterval)
	defer t.Stop()
	var batch []byte
	for {
		batch = batch[:0]
		select {
		case <-d.done:
			return
		case <-t.C:
			if d.spoke.Swap(false) {
				continue
			}
			batch = append(batch, 0, 0, 0, 0)
		case <-d.out.wake:
			d.out.mu.Lock()
			batch = append(batch, d.out.bytes...)
			d.out.bytes = d.out.bytes[:0]
			d.out.mu.Unlock()
		case b := <-d.queue:
			batch = d.gather(batch, b)
		}
		if err := d.write(batch); err != nil {
			d.end(err)
			return
		}
		if cap(batch) > 4*writeChunk {
			batch = nil
		}
	}
}

// gather adds to a frame those that wait behind it, to write them at once.
func (d *conn) gather(batch, b []byte) []byte {
	batch = append(batch, b...)
	for len(batch) < writeChunk/4 {
		select {
		case b := <-d.queue:
			batch = append(batch, b...)
		default:
			return batch
		}
	}
	return batch
}

// write writes what a direct write left, and then b.
func (d *conn) write(b []byte) error {
	d.writing <- struct{}{}
	defer func() { <-d.writing }()
	d.spoke.Store(true)
	for _, b := range [][]byte{d.rest, b} {
		for len(b) > 0 {
			chunk := b[:min(len(b), writeChunk)]
			if err := d.net.SetWriteDeadline(time.Now().Add(d.options.WriteTimeout)); err != nil {
				return err
			}
			n, err := d.net.Write(chunk)
			d.bytesOut.Add(uint64(n))
			if err != nil {
				return fmt.Errorf("%w: %w", errStalled, err)
			}
			b = b[len(chunk):]
		}
	}
	d.rest = nil
	return nil
}
