package goruntime

import (
	"cmp"
	"context"
	"slices"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Descriptors is the skill "fds": files, sockets and pipes that the program has open.
func (p *Probe) Descriptors() *skill.Skill {
	d := &descriptors{probe: p}
	return &skill.Skill{
		ID: "fds", Title: "descriptors", Summary: "Open files and sockets, what they are, who opens them and does not close them.",
		Prompt:   text("prompt/fds.md"),
		Snapshot: d.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("fds_kinds", "Open descriptors by what they are: files by name, sockets, pipes; most first. Linux only.", "fds_kinds(10)", d.kinds).Costs(skill.Costly),
			skill.Func("fds_sockets", "TCP sockets of this process by state and peer. Linux only.", "fds_sockets(10)", d.sockets).Costs(skill.Costly),
			skill.Func("fds_openers", "Traces the program for so many milliseconds: the places that open or accept descriptors, the program's own first, and how often anything is closed.", "fds_openers(1000, 5)", d.openers).Costs(skill.Costly),
			p.captures("fds", captureTrace),
			skill.Func("fds_bodies", "Responses of the program's HTTP clients that were read through our Transport and whose body is still open, by the function that asked.", "fds_bodies(5)", d.bodies),
		},
		Metrics: []skill.Metric{
			{Name: "open", Unit: "descriptors", Kind: skill.Gauge, Quiet: true, Doc: "open descriptors; Linux only"},
			{Name: "used_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Quiet: true, Doc: "of the limit (RLIMIT_NOFILE); Linux only"},
			{Name: "open_bodies", Unit: "responses", Kind: skill.Gauge, Quiet: true, Doc: "responses whose body has been open for longer than ten seconds"},
		},
		Rules: []skill.Rule{
			{Metric: "open", Growth: &skill.Growth{Factor: 1.3, Min: 60, Over: 60 * time.Second, Steady: true}, Severity: beamlens.SeverityWarning, Doc: "descriptors are opened and not closed"},
			{Metric: "open", Growth: &skill.Growth{Factor: 2, Min: 500, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "descriptors are opened and not closed"},
			{Metric: "used_pct", Above: 80, For: 5 * time.Second, Severity: beamlens.SeverityCritical, Doc: "at the limit nothing can be opened, and nobody can connect"},
			{Metric: "open_bodies", Above: 30, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "a response whose body is not closed keeps its connection"},
		},
		Edges: []beamlens.Edge{
			{From: "fds.open_bodies", To: "fds.open", Why: "each open body keeps a connection"},
			{From: "fds.open_bodies", To: "runtime.goroutines", Why: "each open body keeps two goroutines"},
			{From: "fds.open", To: "fds.used_pct", Why: "they count against the limit"},
			{From: "http.in_flight", To: "fds.open", Why: "requests have connections"},
			{From: "runtime.goroutines", To: "fds.open", Why: "goroutines have files and connections"},
		},
		Playbooks: []skill.Playbook{
			playbook("bodies", "who does not close the bodies of responses", "open_bodies"),
			playbook("fd_leak", "what they are, and who opens them", "open", "used_pct"),
		},
	}
}

type descriptors struct{ probe *Probe }

func (d *descriptors) snapshot(context.Context) (map[string]any, error) {
	open, limit := openDescriptors(), descriptorLimit()
	return map[string]any{
		"open": maybe(open), "limit": maybe(limit), "used_pct": maybe(round(100*open/limit, 2)), "open_bodies": d.probe.client.openBodies(10 * time.Second),
	}, nil
}

type kindRow struct {
	What  string `json:"what"`
	Count int    `json:"count"`
}

type kindsOut struct {
	Total int       `json:"total"`
	Kinds []kindRow `json:"kinds"`
}

func (d *descriptors) kinds(_ context.Context, in limitIn) (kindsOut, error) {
	all, err := descriptorKinds()
	if err != nil {
		return kindsOut{}, err
	}
	out := kindsOut{Kinds: []kindRow{}}
	for what, n := range all {
		out.Total += n
		out.Kinds = append(out.Kinds, kindRow{what, n})
	}
	slices.SortFunc(out.Kinds, func(a, b kindRow) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.What, b.What)) })
	out.Kinds = out.Kinds[:min(len(out.Kinds), in.Limit)]
	return out, nil
}

type socketRow struct {
	State string `json:"state"`
	Peer  string `json:"peer"`
	Count int    `json:"count"`
}

func (d *descriptors) sockets(_ context.Context, in limitIn) ([]socketRow, error) {
	all, err := socketStates()
	if err != nil {
		return nil, err
	}
	out := []socketRow{}
	for k, n := range all {
		out = append(out, socketRow{k[0], k[1], n})
	}
	slices.SortFunc(out, func(a, b socketRow) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.State, b.State), cmp.Compare(a.Peer, b.Peer))
	})
	return out[:min(len(out), in.Limit)], nil
}

type openersIn struct {
	MS    int `json:"ms" default:"1000" min:"100" max:"2000" doc:"how long"`
	Limit int `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

type openersOut struct {
	Over    float64     `json:"over_ms"`
	Opened  int         `json:"opened"`
	Closed  int         `json:"closed"`
	Openers []openerRow `json:"openers"`
}

type openerRow struct {
	Function string   `json:"function"`
	At       string   `json:"at"`
	Call     string   `json:"call"`
	Opened   int      `json:"opened"`
	Stack    []string `json:"stack"`
	from     int
}

// opening are the innermost functions by which a descriptor is made or closed.
var opening = map[string]string{
	"syscall.openat": "open", "syscall.open": "open", "syscall.socket": "socket", "syscall.accept4": "accept", "syscall.accept": "accept", "syscall.pipe2": "pipe", "syscall.pipe": "pipe",
	"syscall.close": callClose, "syscall.Close": callClose,
}

const callClose = "close"

// opens says what a system call makes by the frames that are nearest to it.
func opens(frames []site) string {
	const near = 4
	for _, f := range frames[:min(len(frames), near)] {
		if call, ok := opening[f.full]; ok {
			return call
		}
	}
	return ""
}

func (d *descriptors) openers(ctx context.Context, in openersIn) (openersOut, error) {
	raw, err := takeTrace(ctx, time.Duration(in.MS)*time.Millisecond)
	if err != nil {
		return openersOut{}, err
	}
	t, err := readTrace(raw)
	if err != nil {
		return openersOut{}, err
	}
	out := openersOut{Over: float64(in.MS), Openers: []openerRow{}}
	rows := map[site]*openerRow{}
	for text, n := range t.syscalls {
		frames := t.stacks[text]
		call := opens(frames)
		if call == callClose {
			out.Closed += n
		}
		if call == "" || call == callClose {
			continue
		}
		p := placeOfSites(frames)
		if p.own {
			continue
		}
		out.Opened += n
		if rows[p.site] == nil {
			rows[p.site] = &openerRow{Function: p.Function, At: p.At, Call: call, Stack: p.frames, from: p.from}
		}
		rows[p.site].Opened += n
	}
	for _, r := range rows {
		out.Openers = append(out.Openers, *r)
	}
	slices.SortFunc(out.Openers, func(a, b openerRow) int {
		return cmp.Or(cmp.Compare(b.from, a.from), cmp.Compare(b.Opened, a.Opened), cmp.Compare(a.At, b.At))
	})
	out.Openers = out.Openers[:min(len(out.Openers), in.Limit)]
	return out, nil
}

type bodyRow struct {
	Function string  `json:"function"`
	At       string  `json:"at"`
	Host     string  `json:"host"`
	Open     int     `json:"open"`
	Oldest   float64 `json:"oldest_s"`
}

func (d *descriptors) bodies(_ context.Context, in limitIn) ([]bodyRow, error) {
	rows := d.probe.client.bodies(10 * time.Second)
	return rows[:min(len(rows), in.Limit)], nil
}
