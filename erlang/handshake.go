package erlang

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// handshake is one handshake, version 6 (ERTS User's Guide, "Distribution Handshake").
type handshake struct {
	node, own, cookie string
	c                 net.Conn
	options           Options
	wide              bool // over TLS lengths have 4 bytes from the first
}

func (h *handshake) run(host string) (Peer, error) {
	p := Peer{Name: h.own, Transport: "tcp", Creation: random32() | 4} // 0 to 3 were creations of old nodes
	if h.options.TLS != nil {
		config := h.options.TLS.Clone()
		if config.ServerName == "" {
			config.ServerName = host
		}
		t := tls.Client(h.c, config)
		if err := t.Handshake(); err != nil {
			return p, fmt.Errorf("%w: %w; check the certificates of both sides, and that the node runs with -proto_dist inet_tls", ErrTLS, err)
		}
		h.c, h.wide, p.Transport = t, true, "tls"
	}
	if err := h.sendName(p.Creation); err != nil {
		return p, err
	}
	if err := h.status(); err != nil {
		return p, err
	}
	var challenge uint32
	var err error
	if p.Flags, challenge, p.Node, err = h.challenge(); err != nil {
		return p, err
	}
	if err := h.prove(challenge); err != nil {
		return p, err
	}
	if p.NameAtom, err = nameAtom(p.Name); err != nil {
		return p, err
	}
	if p.NodeAtom, err = nameAtom(p.Node); err != nil {
		return p, err
	}
	p.Self = etf.Pid{Node: p.NameAtom, ID: 1, Creation: p.Creation}
	return p, nil
}

// nameAtom makes an atom that the node has: both names are in its list of nodes now.
func nameAtom(name string) (etf.Atom, error) {
	const version, smallAtomUTF8 = 131, 119
	t, _, err := etf.Decode(append([]byte{version, smallAtomUTF8, byte(len(name))}, name...), nil)
	if err != nil {
		return etf.Atom{}, fmt.Errorf("%w: %.80q: %w", ErrBadName, name, err)
	}
	return t.(etf.Atom), nil
}

func (h *handshake) sendName(creation uint32) error {
	b := binary.BigEndian.AppendUint64([]byte{'N'}, ourFlags)
	b = binary.BigEndian.AppendUint32(b, creation)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.own)))
	return h.send(append(b, h.own...))
}

// prove answers the node's challenge and checks its answer to ours.
func (h *handshake) prove(challenge uint32) error {
	mine := random32()
	if err := h.send(append(binary.BigEndian.AppendUint32([]byte{'r'}, mine), digest(h.cookie, challenge)...)); err != nil {
		return err
	}
	ack, err := h.receive()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		// The node closes the connection without a word.
		return fmt.Errorf("%w: the node refused our answer to its challenge; take the cookie of the user who runs it", ErrCookie)
	}
	if err != nil {
		return fmt.Errorf("%w: no answer to our challenge: %w", ErrHandshake, err)
	}
	if len(ack) != 17 || ack[0] != 'a' || subtle.ConstantTimeCompare(ack[1:], digest(h.cookie, mine)) != 1 {
		return fmt.Errorf("%w: the node could not prove that it knows ours", ErrCookie)
	}
	return nil
}

func (h *handshake) status() error {
	s, err := h.receive()
	if err != nil {
		return fmt.Errorf("%w: no answer to our name: %w; is this the port of an Erlang node, and with TLS if it has that?", ErrHandshake, err)
	}
	if len(s) < 1 || s[0] != 's' {
		return fmt.Errorf("%w: what listens there is no Erlang node", ErrHandshake)
	}
	switch text := string(s[1:]); text {
	case "ok", "ok_simultaneous":
		return nil
	case "alive":
		// There is a connection with our name. "false" leaves it alone.
		if err := h.send([]byte("sfalse")); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s is connected to the node already; give this engine another name", ErrNameInUse, h.own)
	case "not_allowed":
		return fmt.Errorf("%w: net_kernel:allow/1 there does not list %s", ErrNotAllowed, h.own)
	case "nok":
		return fmt.Errorf("%w: a connection with our name is being made; try again", ErrNameInUse)
	default:
		return fmt.Errorf("%w: the node answered our name with %.40q", ErrHandshake, text)
	}
}

func (h *handshake) challenge() (flags uint64, challenge uint32, node string, err error) {
	m, err := h.receive()
	if err != nil {
		return 0, 0, "", fmt.Errorf("%w: no challenge: %w", ErrHandshake, err)
	}
	if len(m) < 19 || m[0] != 'N' {
		return 0, 0, "", fmt.Errorf("%w: it speaks an older handshake; OTP 25 or later is needed", ErrTooOld)
	}
	flags, challenge = binary.BigEndian.Uint64(m[1:]), binary.BigEndian.Uint32(m[9:])
	n := int(binary.BigEndian.Uint16(m[17:]))
	if len(m) < 19+n || n > maxName {
		return 0, 0, "", fmt.Errorf("%w: the challenge is cut off", ErrHandshake)
	}
	node = string(m[19 : 19+n])
	if node != h.node {
		return 0, 0, "", fmt.Errorf("%w: another node is there: %.80q", ErrNodeNotFound, node)
	}
	if lacks := missing(flags); lacks != "" {
		return 0, 0, "", fmt.Errorf("%w: it lacks %s; OTP 25 or later is needed", ErrTooOld, lacks)
	}
	return flags, challenge, node, nil
}

func digest(cookie string, challenge uint32) []byte {
	d := md5.Sum([]byte(cookie + strconv.FormatUint(uint64(challenge), 10)))
	return d[:]
}

func random32() uint32 {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint32(b[:])
}

func (h *handshake) send(m []byte) error {
	var frame []byte
	if h.wide {
		frame = binary.BigEndian.AppendUint32(nil, uint32(len(m)))
	} else {
		frame = binary.BigEndian.AppendUint16(nil, uint16(len(m)))
	}
	if _, err := h.c.Write(append(frame, m...)); err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	return nil
}

// maxHandshake bounds a handshake message: a name of 255 characters and some numbers.
const maxHandshake = 2048

func (h *handshake) receive() ([]byte, error) {
	head := make([]byte, 2, 4)
	if h.wide {
		head = head[:4]
	}
	if _, err := io.ReadFull(h.c, head); err != nil {
		return nil, err
	}
	n := int(head[len(head)-2])<<8 | int(head[len(head)-1])
	if n > maxHandshake || (h.wide && (head[0] != 0 || head[1] != 0)) {
		return nil, fmt.Errorf("a handshake message of %d bytes", n)
	}
	m := make([]byte, n)
	_, err := io.ReadFull(h.c, m)
	return m, err
}
