package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/web"
	"github.com/beamlens/beamlens-go/web/live"
	"github.com/spf13/cobra"
)

// What the environment says of the dashboard.
const (
	listenAt  = "BEAMLENS_LISTEN" // an address, for an engine that runs as a port
	tokenHere = "BEAMLENS_TOKEN"  // what a visitor must have
)

// usualAddress is where the dashboard is when nobody says otherwise.
const usualAddress = "127.0.0.1:4040"

// dashboard is the dashboard of one command. Without an address there is none, and all its methods do nothing.
type dashboard struct {
	address  string
	token    string // file
	readOnly bool
	settings []web.Setting

	pages  *web.Dashboard
	listen net.Listener
}

func (d *dashboard) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.address, "listen", d.address, "serve the dashboard at this address, as "+usualAddress)
	f.StringVar(&d.token, "token-file", "", "file with a token that visitors of the dashboard must have (or "+tokenHere+"); needed for an address that is not loopback")
	f.BoolVar(&d.readOnly, "read-only", false, "nobody can acknowledge, resolve, judge or ask on the dashboard")
}

// open takes the address. What was wrong with it is the user's to mend.
func (d *dashboard) open() error {
	if d.address == "" {
		return nil
	}
	token := os.Getenv(tokenHere)
	if d.token != "" {
		raw, err := os.ReadFile(d.token)
		if err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
		if token = strings.TrimSpace(string(raw)); token == "" {
			return fmt.Errorf("--token-file: %s is empty", d.token)
		}
	}
	host, _, err := net.SplitHostPort(d.address)
	if err != nil {
		return fmt.Errorf("--listen: %q is no address; write it as %s", d.address, usualAddress)
	}
	if ip := net.ParseIP(host); token == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--listen: %s can be reached from elsewhere, so visitors need a token: give --token-file FILE, or %s; or listen at %s", d.address, tokenHere, usualAddress)
	}
	if d.listen, err = net.Listen("tcp", d.address); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	d.pages = web.New(&web.Options{Token: token, ReadOnly: d.readOnly, Settings: append([]web.Setting{{Group: "Program", Name: "Version", Value: version()}}, d.settings...)})
	return nil
}

// url is where the dashboard is, for people.
func (d *dashboard) url() string {
	if d.listen == nil {
		return ""
	}
	return "http://" + d.listen.Addr().String() + "/"
}

// tells gives notify, and the dashboard besides it.
func (d *dashboard) tells(notify func(beamlens.Event)) func(beamlens.Event) {
	if d == nil || d.pages == nil {
		return notify
	}
	return func(ev beamlens.Event) {
		d.pages.Event(ev)
		notify(ev)
	}
}

// show shows an engine.
func (d *dashboard) show(e *engine.Engine) {
	if d != nil && d.pages != nil {
		d.pages.Show(live.Source(e, &live.Options{ReadOnly: d.readOnly}))
	}
}

// Times of the server.
const (
	headerIn = 10 * time.Second
	idleFor  = 2 * time.Minute
	closeIn  = 2 * time.Second
)

// serve answers until ctx ends.
func (d *dashboard) serve(ctx context.Context) error {
	if d == nil || d.pages == nil {
		<-ctx.Done()
		return nil
	}
	// What is live ends with ctx; how long an answer takes is the dashboard's own affair.
	s := &http.Server{Handler: d.pages, ReadHeaderTimeout: headerIn, IdleTimeout: idleFor, MaxHeaderBytes: 64 << 10, BaseContext: func(net.Listener) context.Context { return ctx }}
	done := make(chan error, 1)
	go func() { done <- s.Serve(d.listen) }()
	select {
	case err := <-done:
		return fmt.Errorf("the dashboard: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), closeIn)
	defer cancel()
	err := s.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.Close()
	}
	<-done
	return err
}

// freeAddress gives the usual address if nobody has it, or another.
func freeAddress() string {
	for _, a := range []string{usualAddress, "127.0.0.1:0"} {
		if l, err := net.Listen("tcp", a); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	return usualAddress // it will say why not
}
