package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/probe"
	"github.com/beamlens/beamlens-go/ext/postgres"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/beam"
	"github.com/beamlens/beamlens-go/skill/sqldb"
	"github.com/spf13/cobra"
)

// link is how a node is reached.
type link struct {
	node   string
	dist   erlang.Options
	plain  bool // without the probe
	secure tlsFiles
	url    string // of the application's database
}

func (l *link) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.dist.CookieFile, "cookie-file", "", "file with the node's cookie (default ~/.erlang.cookie)")
	f.StringVar(&l.dist.Name, "name", "", "our own node name (default beamlens-1@<host>, or the next that is free)")
	f.StringVar(&l.dist.Epmd, "epmd", "", "host:port of the port mapper (default: port 4369 of the node's host)")
	f.StringVar(&l.secure.ca, "tls-ca", "", "TLS distribution: file with the certificate authority of the node (PEM)")
	f.StringVar(&l.secure.cert, "tls-cert", "", "TLS distribution: file with our certificate (PEM)")
	f.StringVar(&l.secure.key, "tls-key", "", "TLS distribution: file with our key (PEM)")
	f.StringVar(&l.url, "database", "", "connection string of the application's PostgreSQL, for the skill ecto (or $BEAMLENS_DATABASE)")
	f.BoolVar(&l.plain, "no-probe", false, "load nothing into the node; tells less")
}

// to names the node, and reads what the flags name.
func (l *link) to(node string) error {
	l.node = node
	config, err := l.secure.config()
	if err != nil {
		return &exit{exitUnable, err}
	}
	l.dist.TLS = config
	return nil
}

// probe returns a probe of the node, which does nothing until it is served.
func (l *link) probe(onState func(probe.State)) *probe.Probe {
	options := l.dist
	if options.Cookie == "" {
		options.Cookie = os.Getenv("BEAMLENS_COOKIE")
	}
	return probe.New(l.node, func(ctx context.Context) (erlang.Conn, error) { return erlang.Dial(ctx, l.node, &options) },
		&probe.Options{Plain: l.plain, OnState: onState})
}

// skills gives those that are asked for, or all that work over this link.
func (l *link) skills(c beam.Caller, only []string) ([]*skill.Skill, error) {
	all := beam.All(c)
	if l.plain {
		all = beam.Plain(c)
	}
	url := l.url
	if url == "" {
		url = os.Getenv("BEAMLENS_DATABASE")
	}
	if url != "" {
		db, err := postgres.Open(url)
		if err != nil {
			return nil, &exit{exitUsage, fmt.Errorf("--database: %w", err)}
		}
		all = append(all, sqldb.Postgres(db, "ecto"))
	}
	if len(only) == 0 {
		return all, nil
	}
	var out []*skill.Skill
	for _, id := range only {
		i := slices.IndexFunc(all, func(s *skill.Skill) bool { return s.ID == id })
		if i < 0 {
			return nil, noSkill(id, all)
		}
		out = append(out, all[i])
	}
	return out, nil
}

func noSkill(id string, all []*skill.Skill) error {
	ids := make([]string, len(all))
	for i, s := range all {
		ids[i] = s.ID
	}
	return &exit{exitUsage, fmt.Errorf("there is no skill %q; there are %s", id, strings.Join(ids, ", "))}
}

// once joins the node, does one thing, and leaves.
func (l *link) once(ctx context.Context, do func(context.Context, *probe.Probe) error) error {
	states := make(chan probe.State, 1)
	p := l.probe(func(s probe.State) {
		select {
		case states <- s:
		default:
		}
	})
	serving, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Serve(serving) // it ends with its context, and says nothing else
	}()
	defer func() {
		stop()
		<-done
	}()
	select {
	case <-ctx.Done():
		return nil
	case s := <-states:
		if !s.Up {
			return &exit{exitUnable, s.Err}
		}
	}
	return do(ctx, p)
}
