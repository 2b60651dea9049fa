package erlang

import (
	"context"
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
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/erlang/epmd"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// The distribution flags (ERTS User's Guide, "Distribution Flags").
const (
	flagExtendedReferences = 0x4
	flagDistMonitor        = 0x8
	flagFunTags            = 0x10
	flagDistMonitorName    = 0x20
	flagNewFunTags         = 0x80
	flagExtendedPidsPorts  = 0x100
	flagExportPtrTag       = 0x200
	flagBitBinaries        = 0x400
	flagNewFloats          = 0x800
	flagUnicodeIO          = 0x1000
	flagSmallAtomTags      = 0x4000
	flagUTF8Atoms          = 0x10000
	flagMapTag             = 0x20000
	flagBigCreation        = 0x40000
	flagExitPayload        = 0x400000
	flagHandshake23        = 0x1000000
	flagUnlinkID           = 0x2000000
	flagMandatory25        = 0x4000000 // stands for the group that OTP 25 demands
	flagSpawn              = 1 << 32
	flagV4NC               = 1 << 34
	flagAlias              = 1 << 35

	mandatory25 = flagExtendedReferences | flagFunTags | flagNewFunTags | flagExtendedPidsPorts | flagExportPtrTag | flagBitBinaries |
		flagNewFloats | flagUTF8Atoms | flagMapTag | flagBigCreation | flagHandshake23
	ourFlags = mandatory25 | flagDistMonitor | flagDistMonitorName | flagUnicodeIO | flagSmallAtomTags | flagExitPayload | flagUnlinkID |
		flagMandatory25 | flagSpawn | flagV4NC | flagAlias
	// neededFlags are what a call cannot do without.
	neededFlags = flagHandshake23 | flagBigCreation | flagSpawn | flagV4NC
)

// ownNames is how many default names an engine may try at one node.
const ownNames = 8

// Dial joins a node, "shop@host".
func Dial(ctx context.Context, node string, o *Options) (Conn, error) {
	options := o.withDefaults()
	name, host, err := split(node)
	if err != nil {
		return nil, &OpError{"dial", node, err}
	}
	node = name + "@" + host
	cookie, err := options.cookie()
	if err != nil {
		return nil, &OpError{"dial", node, err}
	}
	names := []string{options.Name}
	if options.Name == "" {
		names = nil
		for i := range ownNames {
			names = append(names, "beamlens-"+strconv.Itoa(i+1)+"@"+ownHost(host))
		}
	}
	for _, own := range names {
		var c *conn
		if c, err = dial(ctx, node, name, host, own, cookie, options); err == nil {
			return c, nil
		}
		if !errors.Is(err, ErrNameInUse) {
			break
		}
	}
	return nil, &OpError{"dial", node, err}
}

// ownHost is the host part of our name: this machine's, long if theirs is.
func ownHost(theirs string) string {
	if ip := net.ParseIP(theirs); ip != nil && ip.IsLoopback() {
		return theirs
	}
	return shortHost()
}

func dial(ctx context.Context, node, name, host, own, cookie string, o Options) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	reach := resolve(ctx, host)
	port := o.Port
	if port == 0 {
		addr := o.Epmd
		if addr == "" {
			addr = net.JoinHostPort(reach, strconv.Itoa(epmd.DefaultPort))
		}
		n, err := epmd.Lookup(ctx, addr, name)
		if err != nil {
			return nil, explainEpmd(ctx, err, addr, name, host)
		}
		port = n.Port
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(reach, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("%w on port %d: %w; it may have just stopped", ErrUnreachable, port, err)
	}
	h := &handshake{node: node, own: own, cookie: cookie, c: c, r: c, options: o}
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := h.run(host)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("the handshake took longer than %s: %w", o.DialTimeout, err)
		}
		return nil, errors.Join(err, c.Close())
	}
	return conn, nil
}

func explainEpmd(ctx context.Context, err error, addr, name, host string) error {
	switch {
	case errors.Is(err, epmd.ErrNotFound):
		known := "no node is"
		if nodes, e := epmd.Names(ctx, addr); e == nil && len(nodes) > 0 {
			all := make([]string, len(nodes))
			for i, n := range nodes {
				all[i] = n.Name + "@" + host
			}
			known = strings.Join(all, ", ") + " registered"
		}
		return fmt.Errorf("%w on %s; is it running, and with this name? There: %s", err, host, known)
	case errors.Is(err, epmd.ErrNotRunning):
		return fmt.Errorf("%w; the node is not running there, or was started without -sname or -name, or a firewall is between", err)
	}
	return err
}

// handshake is one handshake, version 6 (ERTS User's Guide, "Distribution Handshake").
type handshake struct {
	node, own, cookie string
	c                 net.Conn
	r                 io.Reader
	options           Options
	wide              bool // over TLS lengths have 4 bytes from the first
}

func (h *handshake) run(host string) (*conn, error) {
	transport := "tcp"
	if h.options.TLS != nil {
		config := h.options.TLS.Clone()
		if config.ServerName == "" {
			config.ServerName = host
		}
		t := tls.Client(h.c, config)
		if err := t.Handshake(); err != nil {
			return nil, fmt.Errorf("TLS: %w; check the certificate authority, and that the node speaks -proto_dist inet_tls", err)
		}
		h.c, h.r, h.wide, transport = t, t, true, "tls"
	}
	creation := random32() | 1
	name := binary.BigEndian.AppendUint64([]byte{'N'}, ourFlags)
	name = binary.BigEndian.AppendUint32(name, creation)
	name = binary.BigEndian.AppendUint16(name, uint16(len(h.own)))
	if err := h.send(append(name, h.own...)); err != nil {
		return nil, err
	}
	if err := h.status(); err != nil {
		return nil, err
	}
	flags, challenge, theirs, err := h.challenge()
	if err != nil {
		return nil, err
	}
	mine := random32()
	digest := digest(h.cookie, challenge)
	if err := h.send(append(binary.BigEndian.AppendUint32([]byte{'r'}, mine), digest[:]...)); err != nil {
		return nil, err
	}
	ack, err := h.receive()
	if err != nil {
		// The node closes the connection without a word.
		return nil, fmt.Errorf("%w: the node refused our answer to its challenge; take the cookie of the user who runs it", ErrCookie)
	}
	want := digestOf(h.cookie, mine)
	if len(ack) != 17 || ack[0] != 'a' || subtle.ConstantTimeCompare(ack[1:], want) != 1 {
		return nil, fmt.Errorf("%w: the node could not prove that it knows ours", ErrCookie)
	}
	if err := h.c.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return newConn(h.c, Peer{
		Node: theirs, Name: h.own, Transport: transport, Flags: flags,
		Self: etf.Pid{Node: etf.A(h.own), ID: 1, Creation: creation}, NameAtom: etf.A(h.own), NodeAtom: etf.A(theirs),
	}, h.options), nil
}

func (h *handshake) status() error {
	s, err := h.receive()
	if err != nil {
		return fmt.Errorf("no answer to our name: %w; is this the port of an Erlang node?", err)
	}
	if len(s) < 1 || s[0] != 's' {
		return errors.New("what listens there speaks no distribution handshake")
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
		return fmt.Errorf("the node answered our name with %.40q", text)
	}
}

func (h *handshake) challenge() (flags uint64, challenge uint32, node string, err error) {
	m, err := h.receive()
	if err != nil {
		return 0, 0, "", fmt.Errorf("no challenge: %w", err)
	}
	if len(m) < 19 || m[0] != 'N' {
		return 0, 0, "", fmt.Errorf("%w: it speaks an older handshake; OTP 25 or later is needed", ErrTooOld)
	}
	flags, challenge = binary.BigEndian.Uint64(m[1:]), binary.BigEndian.Uint32(m[9:])
	n := int(binary.BigEndian.Uint16(m[17:]))
	if len(m) < 19+n {
		return 0, 0, "", errors.New("the challenge is cut off")
	}
	node = string(m[19 : 19+n])
	if node != h.node {
		return 0, 0, "", fmt.Errorf("another node answers: %.80q", node)
	}
	if flags&neededFlags != neededFlags {
		return 0, 0, "", fmt.Errorf("%w: its flags are %#x; OTP 25 or later is needed", ErrTooOld, flags)
	}
	return flags, challenge, node, nil
}

func digest(cookie string, challenge uint32) [16]byte {
	return md5.Sum([]byte(cookie + strconv.FormatUint(uint64(challenge), 10)))
}

func digestOf(cookie string, challenge uint32) []byte {
	d := digest(cookie, challenge)
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
	_, err := h.c.Write(append(frame, m...))
	return err
}

// maxHandshake bounds a handshake message: a name of 255 characters and some numbers.
const maxHandshake = 2048

func (h *handshake) receive() ([]byte, error) {
	head := make([]byte, 2, 4)
	if h.wide {
		head = head[:4]
	}
	if _, err := io.ReadFull(h.r, head); err != nil {
		return nil, err
	}
	n := int(head[len(head)-2])<<8 | int(head[len(head)-1])
	if n > maxHandshake || (h.wide && (head[0] != 0 || head[1] != 0)) {
		return nil, fmt.Errorf("a handshake message of %d bytes", n)
	}
	m := make([]byte, n)
	_, err := io.ReadFull(h.r, m)
	return m, err
}
