package erlang

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/beamlens/beamlens-go/erlang/etf"
)

// Options of a connection. Nil and zero values mean the defaults.
type Options struct {
	// Name is our node name, name@host, or without a host one of this machine. The default is beamlens-1@<this host>, or the next number if another engine has
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

	// Dial makes connections, to the node and not to epmd; default: net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	Log *slog.Logger // what is of use in finding a fault; default: none
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
	if out.Dial == nil {
		out.Dial = new(net.Dialer).DialContext
	}
	if out.Log == nil {
		out.Log = slog.New(slog.DiscardHandler)
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

// Resolve gives the two parts of a node name. A name without a host is one of this machine, under its short host name. Whether
// a node has a long name shows in its host: that has a dot, or is an IPv6 address.
func Resolve(node string) (name, host string, err error) {
	name, host, ok := strings.Cut(node, "@")
	if !ok {
		host = shortHost()
	}
	if name == "" || host == "" || strings.ContainsAny(host, "@ /") || strings.ContainsAny(name, " /") || len(node) > maxName {
		return "", "", fmt.Errorf("%w, like shop@%s", ErrBadName, shortHost())
	}
	return name, host, nil
}

// maxName is the length of a node name, which is an atom.
const maxName = 255

// isLong says whether a host is that of a long name.
func isLong(host string) bool { return strings.ContainsAny(host, ".:") }

// ownNames gives the names under which we may introduce ourselves to a node.
func (o *Options) ownNames(theirHost string) ([]string, error) {
	if o.Name == "" {
		names := make([]string, defaultNames)
		for i := range names {
			names[i] = fmt.Sprintf("beamlens-%d@%s", i+1, ownHost(theirHost))
		}
		return names, nil
	}
	name, host, ok := strings.Cut(o.Name, "@")
	if !ok {
		host = ownHost(theirHost)
	}
	own := name + "@" + host
	if name == "" || host == "" || strings.Contains(host, "@") || len(own) > maxName || !utf8.ValidString(own) {
		return nil, fmt.Errorf("%w: ours is %.40q", ErrBadName, o.Name)
	}
	return []string{own}, nil
}

// defaultNames is how many default names an engine may try at one node.
const defaultNames = 8

// ownHost is the host part of our name: this machine's, long if theirs is.
func ownHost(theirs string) string {
	if ip := net.ParseIP(theirs); ip != nil && ip.IsLoopback() {
		return theirs
	}
	if full, err := os.Hostname(); err == nil && isLong(theirs) {
		return full
	}
	return shortHost()
}

func shortHost() string {
	host, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	short, _, _ := strings.Cut(host, ".")
	return short
}

// reachable gives what to dial for a host: itself, but a short name of this machine that no resolver knows is localhost.
func reachable(ctx context.Context, host string) string {
	if !strings.EqualFold(host, shortHost()) {
		return host
	}
	if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return "localhost"
	}
	return host
}
