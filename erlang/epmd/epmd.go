// Package epmd asks the Erlang port mapper where a node listens (ERTS User's Guide, "Distribution Protocol", EPMD Protocol).
//
// It only asks. A hidden node that dials out and is never dialled needs no registration.
package epmd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// DefaultPort is where epmd listens.
const DefaultPort = 4369

// The errors that callers tell apart.
var (
	ErrNotRunning  = errors.New("no port mapper answers")
	ErrHostUnknown = errors.New("the host is not known")
	ErrNotFound    = errors.New("the node is not registered")
)

// Node is what epmd knows of a node.
type Node struct {
	Name            string
	Port            int
	Type            byte // 77 normal, 72 hidden
	Highest, Lowest int  // versions of the distribution protocol
}

// Requests and answers.
const (
	portPlease2 = 122
	port2Resp   = 119
	namesReq    = 110
)

// maxAnswer bounds what is read from something that may not be epmd.
const maxAnswer = 1 << 20

// Lookup asks the epmd at addr (host:port, or a host alone) for a node by its name, without the host.
func Lookup(ctx context.Context, addr, name string) (Node, error) {
	if name == "" || len(name) > 1024 {
		return Node{}, fmt.Errorf("%w: the name %.40q cannot be one", ErrNotFound, name)
	}
	answer, err := ask(ctx, addr, append([]byte{portPlease2}, name...))
	if err != nil {
		return Node{}, err
	}
	if len(answer) < 2 || answer[0] != port2Resp {
		return Node{}, fmt.Errorf("%w at %s: what listens there is no epmd", ErrNotRunning, addr)
	}
	if answer[1] != 0 {
		return Node{}, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	// 119, 0, port 2, type 1, protocol 1, highest 2, lowest 2, length 2, name
	if len(answer) < 12 {
		return Node{}, fmt.Errorf("%w at %s: the answer is cut off", ErrNotRunning, addr)
	}
	u16 := func(i int) int { return int(binary.BigEndian.Uint16(answer[i:])) }
	if u16(2) == 0 {
		return Node{}, fmt.Errorf("%w: %s, with port 0", ErrNotFound, name)
	}
	return Node{Name: name, Port: u16(2), Type: answer[4], Highest: u16(6), Lowest: u16(8)}, nil
}

// Names lists the nodes that are registered at addr.
func Names(ctx context.Context, addr string) ([]Node, error) {
	answer, err := ask(ctx, addr, []byte{namesReq})
	if err != nil {
		return nil, err
	}
	if len(answer) < 4 {
		return nil, fmt.Errorf("%w at %s: the answer is cut off", ErrNotRunning, addr)
	}
	var nodes []Node
	for line := range strings.Lines(string(answer[4:])) {
		var n Node
		if _, err := fmt.Sscanf(line, "name %s at port %d", &n.Name, &n.Port); err == nil {
			nodes = append(nodes, n)
		}
	}
	return nodes, nil
}

func ask(ctx context.Context, addr string, request []byte) ([]byte, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(strings.Trim(addr, "[]"), strconv.Itoa(DefaultPort))
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsNotFound {
			return nil, fmt.Errorf("%w: %s", ErrHostUnknown, dns.Name)
		}
		return nil, fmt.Errorf("%w at %s: %w", ErrNotRunning, addr, err)
	}
	defer c.Close()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(10 * time.Second)
	}
	if err := c.SetDeadline(deadline); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	frame := binary.BigEndian.AppendUint16(nil, uint16(len(request)))
	if _, err := c.Write(append(frame, request...)); err != nil {
		return nil, fmt.Errorf("%w at %s: ask it: %w", ErrNotRunning, addr, err)
	}
	var answer bytes.Buffer
	if _, err := io.Copy(&answer, io.LimitReader(c, maxAnswer)); err != nil {
		return nil, fmt.Errorf("%w at %s: read from it: %w", ErrNotRunning, addr, err)
	}
	return answer.Bytes(), nil
}
