package erlang

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/erlang/epmd"
)

// Dial joins a node, "shop@host". Errors are *OpError; errors.Is tells the causes apart.
func Dial(ctx context.Context, node string, o *Options) (Conn, error) {
	options := o.withDefaults()
	name, host, err := Resolve(node)
	if err != nil {
		return nil, &OpError{"dial", node, err}
	}
	node = name + "@" + host
	cookie, err := options.cookie()
	if err != nil {
		return nil, &OpError{"dial", node, err}
	}
	names, err := options.ownNames(host)
	if err != nil {
		return nil, &OpError{"dial", node, err}
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

func dial(ctx context.Context, node, name, host, own, cookie string, o Options) (*conn, error) {
	inTime, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	c, err := connect(inTime, node, name, host, own, cookie, o)
	switch {
	case err == nil || ctx.Err() == nil && inTime.Err() == nil:
		return c, err
	case ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("%w: it took longer than %s; %w: %w", ErrTimeout, o.DialTimeout, inTime.Err(), err)
	}
	return nil, ctx.Err()
}

func connect(ctx context.Context, node, name, host, own, cookie string, o Options) (*conn, error) {
	reach := reachable(ctx, host)
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
	c, err := o.Dial(ctx, "tcp", net.JoinHostPort(reach, strconv.Itoa(port)))
	if err != nil {
		return nil, explainDial(err, host, port)
	}
	h := &handshake{node: node, own: own, cookie: cookie, c: c, options: o}
	// The handshake ends with ctx.
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	p, err := h.run(host)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return newConn(h.c, p, o), nil
}

func explainDial(err error, host string, port int) error {
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsNotFound {
		return fmt.Errorf("%w: %s", ErrHostUnknown, host)
	}
	return fmt.Errorf("%w on port %d: %w; it may have just stopped", ErrUnreachable, port, err)
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
	case errors.Is(err, epmd.ErrHostUnknown):
		return fmt.Errorf("%w: is what follows the @ right, and does this machine's resolver know it?", err)
	}
	return err
}
