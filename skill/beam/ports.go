package beam

import (
	"context"
	"math"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Ports is the skill "ports": ports, sockets of both kinds, and file descriptors.
func Ports(c Caller) *skill.Skill {
	p := &ports{caller: c}
	return &skill.Skill{
		ID: "ports", Title: "ports and sockets", Summary: "Ports, sockets, file descriptors, their limits and queues, and who opens them.",
		Prompt:   text("prompt/ports.md"),
		Snapshot: p.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("ports_list", "The ports, newest first.", "ports_list(10)", p.list),
			skill.Func("ports_info", "All about one port, by its id.", `ports_info(ports_list(1).ports[1].id)`, p.one),
			skill.Func("ports_top", "The ports with most bytes read, written, or most memory.", `ports_top(5, "output")`, p.top).Costs(skill.Scan),
			skill.Func("ports_top_by_buffer", "The ports with most memory in their buffers.", "ports_top_by_buffer(5)", p.buffers).Costs(skill.Scan),
			skill.Func("ports_top_by_queue", "The ports with most bytes waiting to be written: who should read does not keep up.", "ports_top_by_queue(5)", p.topQueue).Costs(skill.Scan),
			skill.Func("ports_queue_growth", "The longest queues, and how they grew while they were watched.", "ports_queue_growth(5)", p.queues),
			skill.Func("ports_list_inet", "Sockets of both kinds, inet ports and those of the module socket, worst first. Of addresses only the kind is told.", `ports_list_inet(5, "output")`, p.inet).Costs(skill.Scan),
			skill.Func("ports_inet_stats", "Sockets and their traffic in all.", "ports_inet_stats()", p.inetStats).Costs(skill.Scan),
			skill.Func("ports_by_owner", "Ports and sockets counted by kind and by who opens them. by is owner or parent: with parent, each owner has few, and the parent started the owners.", "ports_by_owner(5)", p.owners).Costs(skill.Scan),
			skill.Func("ports_suspended_processes", "Processes that are suspended, as those are that write to a busy port, and those that wait for a port with a queue to take what they send; port is that one.", "ports_suspended_processes(10)", p.suspended).Costs(skill.Scan),
			skill.Func("ports_saturation_prediction", "When ports and file descriptors are used up if they go on as measured. Null if there is no steady growth.", "ports_saturation_prediction()", p.saturation),
			skill.Func("ports_busy_events", "Processes that were suspended by a busy port, newest first.", "ports_busy_events(10)", p.busy),
			skill.Func("ports_busy_dist_events", "Processes that were suspended by a busy connection to another node, newest first.", "ports_busy_dist_events(10)", p.busyDist),
		},
		Metrics: []skill.Metric{
			{Name: "port_count", Unit: "ports", Kind: skill.Gauge, Doc: "ports"},
			{Name: "port_utilization_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Quiet: true, Doc: "ports of the limit"},
			{Name: "socket_count", Unit: "sockets", Kind: skill.Gauge, Doc: "sockets of the module socket, which are no ports"},
			{Name: "fds_open", Unit: "descriptors", Kind: skill.Gauge, Quiet: true, Doc: "open file descriptors of the VM, counted every few seconds"},
			{Name: "fd_utilization_pct", Unit: "%", Kind: skill.Ratio, Limit: 100, Quiet: true, Doc: "file descriptors of the limit"},
			{Name: "queue_total_mb", Unit: "MB", Kind: skill.Gauge, Doc: "bytes that wait in ports to be written"},
			{Name: "queue_max_mb", Unit: "MB", Kind: skill.Gauge, Quiet: true, Doc: "the longest queue of a port", Largest: true},
			{Name: "ports_with_queue", Unit: "ports", Kind: skill.Gauge, Quiet: true, Doc: "ports in which something waits"},
		},
		Rules: []skill.Rule{
			{Metric: "fd_utilization_pct", Above: 80, Severity: beamlens.SeverityWarning, Doc: "at the limit no socket is accepted and no file opened"},
			{Metric: "fd_utilization_pct", Above: 95, Severity: beamlens.SeverityCritical, Doc: "at the limit no socket is accepted and no file opened"},
			{Metric: "port_utilization_pct", Above: 70, Severity: beamlens.SeverityWarning, Doc: "the original's threshold; at the limit no port can be opened"},
			// Four times as many within a minute is no busy hour; a reconnect of all clients ends where it was before. Where there are many, twice is enough.
			{Metric: "port_count", Growth: &skill.Growth{Factor: 4, Min: 250, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "ports are opened and not closed"},
			{Metric: "port_count", Growth: &skill.Growth{Factor: 2, Min: 2000, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "ports are opened and not closed"},
			{Metric: "socket_count", Growth: &skill.Growth{Factor: 4, Min: 250, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "sockets are opened and not closed"},
			{Metric: "socket_count", Growth: &skill.Growth{Factor: 2, Min: 2000, Over: time.Minute}, Severity: beamlens.SeverityWarning, Doc: "sockets are opened and not closed"},
			{Metric: "port_count", Growth: &skill.Growth{Factor: 2, Min: 100, Over: 90 * time.Second, Steady: true}, Severity: beamlens.SeverityWarning, Doc: "some ports are not closed"},
			{Metric: "socket_count", Growth: &skill.Growth{Factor: 2, Min: 100, Over: 90 * time.Second, Steady: true}, Severity: beamlens.SeverityWarning, Doc: "some sockets are not closed"},
			// The drivers stop their writers at some kilobytes: so much is written by processes that do not let themselves be stopped.
			{Metric: "queue_total_mb", Above: 64, For: 20 * time.Second, Severity: beamlens.SeverityWarning, Doc: "who should read does not, and what waits is memory"},
		},
		Edges: []beamlens.Edge{
			{From: "ports.port_count", To: "ports.port_utilization_pct", Why: "the limit is of the count"},
			{From: "ports.port_count", To: "beam.port_count", Why: "it is the same number"},
			{From: "ports.port_count", To: "ports.fds_open", Why: "most ports have a file descriptor"},
			{From: "ports.socket_count", To: "ports.fds_open", Why: "every socket has a file descriptor"},
			{From: "ports.fds_open", To: "ports.fd_utilization_pct", Why: "the limit is of the count"},
			{From: "beam.process_count", To: "ports.port_count", Why: "a process for each connection"},
			{From: "ports.queue_max_mb", To: "ports.queue_total_mb", Why: "the longest queue is part of the total"},
			{From: "ports.queue_total_mb", To: "beam.binary_memory_mb", Why: "what waits to be written is binaries"},
			{From: "ports.ports_with_queue", To: "beam.message_queue_max", Why: "a process that is suspended by a busy port takes no messages"},
		},
		Playbooks: []skill.Playbook{
			playbook("ports_leak", "ports and sockets counted by who opens them", "port_count", "socket_count", "fds_open", "fd_utilization_pct", "port_utilization_pct"),
			playbook("ports_queue", "the longest queues, and the processes that wait for them", "queue_total_mb", "queue_max_mb", "ports_with_queue"),
		},
	}
}

type ports struct {
	caller Caller
	trend  trend // of portsTrend and fdsTrend
}

const (
	portsTrend = iota
	fdsTrend
)

type portsReading struct {
	Count   int64  `json:"port_count"`
	Limit   int64  `json:"port_limit"`
	Sockets *int64 `json:"sockets"`
	Fds     *struct {
		Open  *int64 `json:"open"`
		Limit *int64 `json:"limit"`
	} `json:"fds"`
	QueueTotal int64 `json:"queue_total"`
	QueueMax   int64 `json:"queue_max"`
	WithQueue  int64 `json:"with_queue"`
}

func (r portsReading) fds() (open, limit float64) {
	open = math.NaN()
	if r.Fds != nil && r.Fds.Open != nil {
		open = float64(*r.Fds.Open)
	}
	if r.Fds != nil && r.Fds.Limit != nil {
		limit = float64(*r.Fds.Limit)
	}
	return open, limit
}

func (p *ports) read(ctx context.Context) (portsReading, error) {
	r, err := ask[portsReading](ctx, p.caller, "ports", "snapshot")
	if err == nil {
		open, _ := r.fds()
		p.trend.add(time.Now(), float64(r.Count), open)
	}
	return r, err
}

// snapshot has null for what this system does not tell: descriptors where there is no /proc, sockets where OTP has no list of them.
func (p *ports) snapshot(ctx context.Context) (map[string]any, error) {
	r, err := p.read(ctx)
	if err != nil {
		return nil, err
	}
	s := map[string]any{
		"port_count": r.Count, "port_limit": r.Limit, "port_utilization_pct": pct(r.Count, r.Limit),
		"socket_count": nil, "fds_open": nil, "fd_limit": nil, "fd_utilization_pct": nil,
		"queue_total_mb": mb(r.QueueTotal), "queue_max_mb": mb(r.QueueMax), "ports_with_queue": r.WithQueue,
	}
	if r.Sockets != nil {
		s["socket_count"] = *r.Sockets
	}
	if r.Fds != nil && r.Fds.Open != nil {
		s["fds_open"] = *r.Fds.Open
		if r.Fds.Limit != nil {
			s["fd_limit"], s["fd_utilization_pct"] = *r.Fds.Limit, pct(*r.Fds.Open, *r.Fds.Limit)
		}
	}
	return s, nil
}

type portRow struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Connected *string `json:"connected_pid"`
	OwnerName *string `json:"owner_name"`
	OSPid     *int64  `json:"os_pid"`
	Input     int64   `json:"input_bytes"`
	Output    int64   `json:"output_bytes"`
	Queue     *int64  `json:"queue_size"`
	MemoryKB  *int64  `json:"memory_kb"`
}

type portsOut struct {
	Count int64     `json:"port_count"`
	Ports []portRow `json:"ports"`
}

func (p *ports) list(ctx context.Context, in limitIn) (portsOut, error) {
	return ask[portsOut](ctx, p.caller, "ports", "list", in.Limit)
}

type portIn struct {
	ID string `json:"id" doc:"as a row has it: #Port<0.5>"`
}

type portOut struct {
	portRow
	States    []string `json:"states"`
	RecvBytes *int64   `json:"recv_bytes"`
	SendBytes *int64   `json:"send_bytes"`
	Local     *string  `json:"local"`
	Remote    *string  `json:"remote"`
}

func (p *ports) one(ctx context.Context, in portIn) (portOut, error) {
	return ask[portOut](ctx, p.caller, "ports", "one", in.ID)
}

type topPortsIn struct {
	Limit  int64  `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
	SortBy string `json:"sort_by" default:"input" enum:"input,output,memory,queue" doc:"most first by this"`
}

func (p *ports) top(ctx context.Context, in topPortsIn) (portsOut, error) {
	return ask[portsOut](ctx, p.caller, "ports", "top", in.SortBy, in.Limit)
}

func (p *ports) buffers(ctx context.Context, in limitIn) (portsOut, error) {
	return ask[portsOut](ctx, p.caller, "ports", "top", "memory", in.Limit)
}

func (p *ports) topQueue(ctx context.Context, in limitIn) (portsOut, error) {
	return ask[portsOut](ctx, p.caller, "ports", "top", "queue", in.Limit)
}

type queuesOut struct {
	Ports []struct {
		portRow
		Growth *int64 `json:"growth_bytes_per_s"`
		Over   int64  `json:"over_ms"`
	} `json:"ports"`
}

func (p *ports) queues(ctx context.Context, in limitIn) (queuesOut, error) {
	return ask[queuesOut](ctx, p.caller, "ports", "queues", in.Limit)
}

type inetIn struct {
	Limit  int64  `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
	SortBy string `json:"sort_by" default:"queue" enum:"queue,input,output" doc:"most first by this"`
}

type inetOut struct {
	InetPorts   int64     `json:"inet_ports"`
	Sockets     *int64    `json:"sockets"`
	Connections []inetRow `json:"connections"`
}

type inetRow struct {
	ID        string   `json:"id"`
	Backend   string   `json:"backend"`
	Kind      string   `json:"kind"`
	Owner     *string  `json:"owner"`
	OwnerName *string  `json:"owner_name"`
	States    []string `json:"states"`
	Recv      int64    `json:"recv_bytes"`
	Send      int64    `json:"send_bytes"`
	Queue     *int64   `json:"queue_size"`
	Writers   *int64   `json:"waiting_writers"`
	Local     *string  `json:"local"`
	Remote    *string  `json:"remote"`
}

func (p *ports) inet(ctx context.Context, in inetIn) (inetOut, error) {
	return ask[inetOut](ctx, p.caller, "ports", "inet", in.SortBy, in.Limit)
}

type inetStatsOut struct {
	TCP       int64  `json:"tcp"`
	UDP       int64  `json:"udp"`
	SCTP      int64  `json:"sctp"`
	Sockets   *int64 `json:"sockets"`
	Recv      int64  `json:"recv_bytes"`
	Send      int64  `json:"send_bytes"`
	Queue     int64  `json:"queue_bytes"`
	WithQueue int64  `json:"with_queue"`
	Complete  bool   `json:"complete"`
}

func (p *ports) inetStats(ctx context.Context, _ none) (inetStatsOut, error) {
	return ask[inetStatsOut](ctx, p.caller, "ports", "inet_stats")
}

type openersOut struct {
	Counted int64       `json:"counted"`
	Since   *int64      `json:"since_ms"`
	Openers []openerRow `json:"openers"`
}

type openerRow struct {
	Kind       string  `json:"kind"`
	Count      int64   `json:"count"`
	Opener     string  `json:"opener"`
	Name       *string `json:"opener_name"`
	Label      *string `json:"opener_label"`
	Of         *parent `json:"opener_of"` // the nearest above it that has a name
	By         string  `json:"by"`
	OwnerLabel *string `json:"owner_label"`
	Growth     *int64  `json:"growth"`
}

func (p *ports) owners(ctx context.Context, in limitIn) (openersOut, error) {
	return ask[openersOut](ctx, p.caller, "ports", "owners", in.Limit)
}

type suspendedOut struct {
	Total     int64 `json:"total_processes"`
	Suspended int64 `json:"suspended"`
	Processes []struct {
		Pid     string  `json:"pid"`
		Name    *string `json:"name"`
		Initial string  `json:"initial_call"`
		Queue   int64   `json:"message_queue"`
		Parent  *string `json:"parent"`
		Port    *string `json:"port"`
	} `json:"processes"`
}

func (p *ports) suspended(ctx context.Context, in limitIn) (suspendedOut, error) {
	return ask[suspendedOut](ctx, p.caller, "ports", "suspended", in.Limit)
}

type saturationOut struct {
	Resources []exhaustion `json:"resources"`
}

// saturation is told from what the snapshots showed, and from nothing else.
func (p *ports) saturation(ctx context.Context, _ none) (saturationOut, error) {
	r, err := p.read(ctx)
	if err != nil {
		return saturationOut{}, err
	}
	open, limit := r.fds()
	return saturationOut{[]exhaustion{
		p.trend.exhausts(portsTrend, "ports", float64(r.Count), float64(r.Limit)),
		p.trend.exhausts(fdsTrend, "file descriptors", open, limit),
	}}, nil
}

func (p *ports) busy(ctx context.Context, in limitIn) (monitoredOut, error) {
	return monitored(ctx, p.caller, "busy_ports", in.Limit)
}

func (p *ports) busyDist(ctx context.Context, in limitIn) (monitoredOut, error) {
	return monitored(ctx, p.caller, "busy_dist_ports", in.Limit)
}
