package erlang

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// Options of a connection. Nil and zero values mean the defaults.
type Options struct {
	// Name is our node name, name@host. The default is beamlens-1@<this host>, or the next number if another engine has
	// that name at the node: every name is an atom there for ever, so there are eight and no more.
	Name string

	Cookie     string // default: the content of CookieFile
	CookieFile string // default: ~/.erlang.cookie

	TLS *tls.Config // not nil: TLS distribution; ServerName defaults to the node's host

	Port int    // where the node listens; default: ask epmd
	Epmd string // host:port of epmd; default: port 4369 of the node's host

	DialTimeout  time.Duration // of the whole handshake; default 10 s
	TickInterval time.Duration // default 10 s
	Silence      time.Duration // without a byte the node counts as dead; default 75 s
	WriteTimeout time.Duration // that the node takes no byte; default 10 s
	MaxFrame     int           // bytes of one message; default 64 MiB
	MaxHeap      int           // words of a call's process; default 8 million
	Limits       *etf.Limits   // of decoding
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&out.DialTimeout, 10 * time.Second}, {&out.TickInterval, 10 * time.Second}, {&out.Silence, 75 * time.Second}, {&out.WriteTimeout, 10 * time.Second}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if out.MaxFrame <= 0 {
		out.MaxFrame = 64 << 20
	}
	if out.MaxHeap <= 0 {
		out.MaxHeap = 8_000_000
	}
	return out
}

func (o *Options) cookie() (string, error) {
	if o.Cookie != "" {
		return o.Cookie, nil
	}
	file := o.CookieFile
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("%w: give one, or the file that holds it", ErrNoCookie)
		}
		file = filepath.Join(home, ".erlang.cookie")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		hint := "give the node's cookie, or the file that holds it"
		if errors.Is(err, fs.ErrPermission) {
			hint = "run as the user who owns the file, or give the cookie"
		}
		return "", fmt.Errorf("%w: %w; %s (a RabbitMQ from a package keeps it in /var/lib/rabbitmq/.erlang.cookie)", ErrNoCookie, err, hint)
	}
	cookie := strings.TrimSpace(string(text))
	if cookie == "" {
		return "", fmt.Errorf("%w: %s is empty", ErrNoCookie, file)
	}
	return cookie, nil
}

// split gives name and host of a node name. A name without a host is one of this machine.
func split(node string) (name, host string, err error) {
	name, host, ok := strings.Cut(node, "@")
	if !ok {
		host = shortHost()
	}
	if name == "" || host == "" || strings.Contains(host, "@") {
		return "", "", fmt.Errorf("%w, like shop@%s", ErrBadName, shortHost())
	}
	return name, host, nil
}

func shortHost() string {
	host, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	short, _, _ := strings.Cut(host, ".")
	return short
}

// resolve finds a short host name that the resolver does not know, but that is this machine's.
func resolve(ctx context.Context, host string) string {
	if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil && strings.EqualFold(host, shortHost()) {
		return "localhost"
	}
	return host
}
