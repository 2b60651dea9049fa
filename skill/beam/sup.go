package beam

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/skill"
)

// Supervisors is the skill "sup": the trees, what is restarted and why, and what belongs to no tree.
func Supervisors(c Caller) *skill.Skill {
	s := &sup{caller: c}
	return &skill.Skill{
		ID: "sup", Title: "supervisors", Summary: "Supervision trees, restarts by child with their reasons, busy supervisors, orphans.",
		Prompt:   text("prompt/sup.md"),
		Snapshot: s.snapshot,
		Callbacks: []skill.Callback{
			skill.Func("sup_list", "The supervisors with the most children, and whether each is idle.", "sup_list(10)", s.list).Costs(skill.Cheap),
			skill.Func("sup_children", "The children of a supervisor: those that are missing first. asked is false when it was busy, and then only those are known that are there.", `sup_children("kernel_sup")`, s.children).Costs(skill.Scan),
			skill.Func("sup_tree", "The tree below a supervisor, three levels deep.", `sup_tree("kernel_sup")`, s.tree).Costs(skill.Scan),
			skill.Func("sup_restarts", "Children that ended in the last five minutes, by child, with the last reasons: most first. And supervisors that gave up.", "sup_restarts(5)", s.restarts).Costs(skill.Cheap),
			skill.Func("sup_unlinked_processes", "Processes that no supervisor started and that are linked to nobody.", "sup_unlinked_processes(5)", s.unlinked).Costs(skill.Scan),
			skill.Func("sup_orphaned_processes", "Processes of OTP behaviours whose parent is gone.", "sup_orphaned_processes(5)", s.orphans).Costs(skill.Scan),
			skill.Func("sup_tree_integrity", "What is wrong with the children of a supervisor: undefined, restarting, dead, not linked.", `sup_tree_integrity("kernel_sup")`, s.integrity).Costs(skill.Scan),
			skill.Func("sup_zombie_children", "Children that a supervisor has and that are dead, or alive and not linked to it.", `sup_zombie_children("kernel_sup")`, s.zombies).Costs(skill.Scan),
		},
		Metrics: []skill.Metric{
			{Name: "supervisor_count", Unit: "supervisors", Kind: skill.Gauge, Quiet: true, Doc: "supervisors"},
			{Name: "total_children", Unit: "processes", Kind: skill.Gauge, Quiet: true, Doc: "their children that are alive"},
			{Name: "orphans", Unit: "processes", Kind: skill.Gauge, Quiet: true, Doc: "processes of OTP behaviours whose parent is gone"},
			{Name: "restarts_1m", Unit: "restarts", Kind: skill.Gauge, Doc: "children that ended with an error in the last minute and are started again"},
			{Name: "restarts_max_child", Unit: "restarts", Kind: skill.Gauge, Quiet: true, Doc: "the same of one child"},
			{Name: "start_errors_1m", Unit: "errors", Kind: skill.Gauge, Quiet: true, Doc: "children that could not be started in the last minute"},
			{Name: "gave_up_1m", Unit: "supervisors", Kind: skill.Gauge, Quiet: true, Doc: "supervisors that reached their limit of restarts in the last minute"},
			{Name: "busy_queue_max", Unit: "messages", Kind: skill.Gauge, Quiet: true, Doc: "the longest mailbox of a supervisor"},
		},
		Rules: []skill.Rule{
			{Metric: "gave_up_1m", Above: 0, Severity: beamlens.SeverityCritical, Doc: "it ended, and all its children with it; the one above it may be next"},
			{Metric: "restarts_max_child", Above: 20, Severity: beamlens.SeverityWarning, Doc: "a child that is started every three seconds does not do its work"},
			{Metric: "restarts_max_child", Above: 4.5, For: 45 * time.Second, Severity: beamlens.SeverityWarning, Doc: "five times a minute, and not only once: what it needs comes and goes"},
			{Metric: "restarts_1m", Above: 300, For: 5 * time.Second, Severity: beamlens.SeverityWarning, Doc: "five a second: what they all need is not there"},
			{Metric: "busy_queue_max", Above: 20, For: 20 * time.Second, Severity: beamlens.SeverityWarning, Doc: "it starts a child that takes long, and nobody else gets one"},
		},
		Edges: []beamlens.Edge{
			{From: "sup.restarts_1m", To: "exception.exceptions_1m", Why: "a child that is restarted has ended with an error"},
			{From: "sup.restarts_max_child", To: "exception.exceptions_1m", Why: "a child that is restarted has ended with an error"},
			{From: "sup.restarts_max_child", To: "sup.gave_up_1m", Why: "restarts reach the limit of the supervisor"},
			{From: "sup.busy_queue_max", To: "beam.message_queue_max", Why: "who asks a busy supervisor waits"},
			{From: "sup.total_children", To: "beam.process_count", Why: "children are processes"},
			{From: "sup.orphans", To: "beam.process_count", Why: "processes that nobody stops stay"},
		},
		Playbooks: []skill.Playbook{
			playbook("restarts", "the supervisor that reached its limit and the child it could not keep, or the child that is restarted most; with the last reasons", "gave_up_1m", "restarts_max_child", "restarts_1m", "start_errors_1m"),
			playbook("busy_supervisor", "the supervisor with the longest mailbox, and what it is in", "busy_queue_max"),
			playbook("orphans", "processes whose parent is gone", "orphans"),
		},
	}
}

const keptReports = 2000

// report is one record of a supervisor's report.
type report struct {
	Seq        int64   `json:"seq"`
	AtUS       int64   `json:"at_us"`
	Context    *string `json:"context"`
	Pid        *string `json:"supervisor_pid"`
	Supervisor *string `json:"supervisor"`
	ReasonType string  `json:"reason_type"`
	Reason     string  `json:"reason"`
	Child      *string `json:"child"`
	ID         *string `json:"id"`
	Call       *string `json:"call"`
	Restart    *string `json:"restart"`
}

func or(texts ...*string) string {
	for _, t := range texts {
		if t != nil && *t != "" {
			return *t
		}
	}
	return ""
}

// child names what is the same from restart to restart.
func (r report) child() string { return or(r.ID, r.Call) }

func (r report) gaveUp() bool { return r.ReasonType == "reached_max_restart_intensity" }

// restarted says whether the child comes again.
func (r report) restarted() bool {
	return or(r.Context) == "child_terminated" && or(r.Restart) != "temporary"
}

type pulledReports struct {
	head
	Children    int64    `json:"children"`
	StartErrors int64    `json:"start_errors"`
	GaveUp      int64    `json:"gave_up"`
	Records     []report `json:"records"`
}

type supRaw struct {
	Supervisors *int64         `json:"supervisor_count"`
	Children    *int64         `json:"total_children"`
	Orphans     *int64         `json:"orphans"`
	Complete    bool           `json:"complete"`
	WalkMS      *int64         `json:"walk_ms"`
	Busiest     *busiest       `json:"busiest"`
	Log         *pulledReports `json:"log"`
}

type busiest struct {
	Pid   string `json:"pid"`
	Name  string `json:"name"`
	Queue int64  `json:"message_queue"`
}

type sup struct {
	caller Caller

	mu      sync.Mutex // guards what follows
	id      string
	newest  int64
	now     time.Time
	counts  counted // children that ended, start errors, supervisors that gave up
	reports []report
}

// pull takes the trees, and the reports that are new.
func (s *sup) pull(ctx context.Context) (supRaw, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := ask[supRaw](ctx, s.caller, "sup", "snapshot", s.newest)
	if err != nil {
		return r, err
	}
	if r.Log == nil || r.Log.ID != s.id && s.id != "" && s.newest > 0 {
		// The part that reads the logs is not loaded yet, or has begun anew.
		p, err := ask[pulledReports](ctx, s.caller, "log", "supervisors", int64(0))
		if err != nil {
			return r, err
		}
		r.Log = &p
	}
	if r.Log.ID != s.id {
		s.id, s.counts = r.Log.ID, counted{window: 5 * time.Minute}
	}
	s.newest, s.now = r.Log.Newest, time.UnixMicro(r.Log.NowUS)
	s.counts.add(time.Now(), r.Log.Children, r.Log.StartErrors, r.Log.GaveUp)
	s.reports = append(s.reports, r.Log.Records...)
	if n := len(s.reports) - keptReports; n > 0 {
		s.reports = slices.Delete(s.reports, 0, n)
	}
	return r, nil
}

// restartsOf counts by child. In a storm not every report is kept: the counts are then scaled to all.
func (s *sup) restartsOf(d time.Duration) (rows []restartRow, total int64) {
	rows = []restartRow{}
	byChild := map[string]*restartRow{}
	kept := int64(0)
	for _, r := range slices.Backward(s.reports) {
		at := time.UnixMicro(r.AtUS)
		if s.now.Sub(at) > d {
			break
		}
		ended := or(r.Context) == "child_terminated"
		if ended {
			kept++
		}
		if !ended && or(r.Context) != "start_error" || r.gaveUp() {
			continue
		}
		key := or(r.Supervisor, r.Pid) + " " + r.child()
		row, ok := byChild[key]
		if !ok {
			row = &restartRow{Supervisor: or(r.Supervisor, r.Pid), SupervisorPid: r.Pid, Child: r.child(), Call: r.Call, Restart: or(r.Restart), Last: utc(r.AtUS / 1000), Reasons: []string{}}
			byChild[key] = row
		}
		if r.restarted() {
			row.Restarts++
		} else if ended {
			row.Ended++
		} else {
			row.StartErrors++
		}
		if reason := clip(r.Reason, 200); len(row.Reasons) < 3 && !slices.Contains(row.Reasons, reason) {
			row.Reasons = append(row.Reasons, reason)
		}
	}
	scale := 1.0
	if all := s.counts.within(d, 0); kept > 0 && all > kept {
		scale = float64(all) / float64(kept)
	}
	for _, row := range byChild {
		row.Restarts = int64(float64(row.Restarts) * scale)
		total += row.Restarts
		rows = append(rows, *row)
	}
	slices.SortFunc(rows, func(a, b restartRow) int {
		if x, y := a.Restarts+a.StartErrors, b.Restarts+b.StartErrors; x != y {
			return int(y - x)
		}
		return strings.Compare(a.Supervisor+a.Child, b.Supervisor+b.Child)
	})
	return rows, total
}

func (s *sup) snapshot(ctx context.Context) (map[string]any, error) {
	r, err := s.pull(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, total := s.restartsOf(minute)
	most := int64(0)
	out := map[string]any{"restarts_1m": total, "start_errors_1m": s.counts.within(minute, 1), "gave_up_1m": s.counts.within(minute, 2), "complete": r.Complete}
	for _, row := range rows {
		if row.Restarts > most {
			most = row.Restarts
			out["restarts_max_child_name"], out["restarts_max_child_supervisor"] = row.Child, row.Supervisor
		}
	}
	out["restarts_max_child"] = most
	// The first walk takes a moment.
	if r.Supervisors != nil {
		out["supervisor_count"], out["total_children"], out["orphans"] = *r.Supervisors, *r.Children, *r.Orphans
		out["busy_queue_max"] = int64(0)
		if r.Busiest != nil {
			out["busy_queue_max"], out["busy_queue_max_name"] = r.Busiest.Queue, r.Busiest.Name
		}
	}
	return out, nil
}

type supListOut struct {
	Count       int64    `json:"supervisor_count"`
	Supervisors []supRow `json:"supervisors"`
}

type supRow struct {
	Name       string   `json:"name"`
	Pid        string   `json:"pid"`
	Module     string   `json:"module"`
	Children   int64    `json:"child_count"`
	Active     int64    `json:"active_children"`
	Parent     *string  `json:"parent"`
	ParentName *string  `json:"parent_name"`
	Alive      bool     `json:"alive"`
	Idle       bool     `json:"idle"`
	Queue      *int64   `json:"message_queue"`
	Current    *string  `json:"current_function"`
	Stack      []string `json:"stacktrace"`
}

func (s *sup) list(ctx context.Context, in limitIn) (supListOut, error) {
	return ask[supListOut](ctx, s.caller, "sup", "list", in.Limit)
}

type supIn struct {
	Name string `json:"name" doc:"a registered name, a pid, or the module of a supervisor"`
}

type supOut struct {
	Name       string     `json:"name"`
	Pid        string     `json:"pid"`
	Module     string     `json:"module"`
	Idle       bool       `json:"idle"`
	Asked      bool       `json:"asked"`
	Queue      *int64     `json:"message_queue"`
	Current    *string    `json:"current_function"`
	Stack      []string   `json:"stacktrace"`
	Count      int64      `json:"child_count"`
	Active     int64      `json:"active_children"`
	Restarting []string   `json:"restarting"`
	Undefined  []string   `json:"undefined"`
	Dead       []childID  `json:"dead"`
	Unlinked   []childID  `json:"unlinked"`
	Children   []supChild `json:"children"`
}

type childID struct {
	ID  *string `json:"id"`
	Pid string  `json:"pid"`
}

type supChild struct {
	ID    *string `json:"id"`
	Pid   string  `json:"pid"` // or restarting, undefined
	Name  *string `json:"name"`
	Label *string `json:"label"`
	Type  *string `json:"type"`
	Queue *int64  `json:"message_queue"`
}

func (s *sup) children(ctx context.Context, in supIn) (supOut, error) {
	return ask[supOut](ctx, s.caller, "sup", "children", in.Name)
}

func (s *sup) integrity(ctx context.Context, in supIn) (supOut, error) {
	return ask[supOut](ctx, s.caller, "sup", "integrity", in.Name)
}

type zombiesOut struct {
	Name     string    `json:"name"`
	Asked    bool      `json:"asked"`
	Dead     []childID `json:"dead"`
	Unlinked []childID `json:"unlinked"`
}

func (s *sup) zombies(ctx context.Context, in supIn) (zombiesOut, error) {
	r, err := s.integrity(ctx, in)
	return zombiesOut{r.Name, r.Asked, r.Dead, r.Unlinked}, err
}

type treeOut struct {
	Tree any `json:"tree"`
}

func (s *sup) tree(ctx context.Context, in supIn) (treeOut, error) {
	return ask[treeOut](ctx, s.caller, "sup", "tree", in.Name)
}

type restartsOut struct {
	Total5m  int64        `json:"restarts_5m"`
	Total1m  int64        `json:"restarts_1m"`
	Children []restartRow `json:"children"`
	GaveUp   []gaveUpRow  `json:"gave_up"`
}

type restartRow struct {
	Supervisor    string   `json:"supervisor"`
	SupervisorPid *string  `json:"supervisor_pid"`
	Child         string   `json:"child"`
	Call          *string  `json:"call"`
	Restart       string   `json:"restart"`
	Restarts      int64    `json:"restarts"`
	Ended         int64    `json:"ended"` // and are not started again
	StartErrors   int64    `json:"start_errors"`
	Last          string   `json:"last"`
	Reasons       []string `json:"reasons"`
}

type gaveUpRow struct {
	Supervisor string  `json:"supervisor"`
	Pid        *string `json:"pid"`
	Child      string  `json:"child"`
	At         string  `json:"at"`
	Restarts   int64   `json:"restarts"` // of that child by this very process, in the minute before
}

func (s *sup) restarts(ctx context.Context, in limitIn) (restartsOut, error) {
	if _, err := s.pull(ctx); err != nil {
		return restartsOut{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, total := s.restartsOf(5 * time.Minute)
	_, last := s.restartsOf(minute)
	out := restartsOut{Total5m: total, Total1m: last, Children: rows[:min(int(in.Limit), len(rows))], GaveUp: []gaveUpRow{}}
	for _, r := range slices.Backward(s.reports) {
		if r.gaveUp() && len(out.GaveUp) < int(in.Limit) && s.now.Sub(time.UnixMicro(r.AtUS)) < 5*time.Minute {
			out.GaveUp = append(out.GaveUp, gaveUpRow{or(r.Supervisor, r.Pid), r.Pid, r.child(), utc(r.AtUS / 1000), s.restartsBefore(r)})
		}
	}
	return out, nil
}

// restartsBefore counts how often the supervisor that gave up had restarted the child in the minute before.
func (s *sup) restartsBefore(end report) (n int64) {
	for _, r := range s.reports {
		if r.restarted() && or(r.Pid) == or(end.Pid) && r.child() == end.child() && r.AtUS <= end.AtUS && end.AtUS-r.AtUS <= minute.Microseconds() {
			n++
		}
	}
	return n
}

type loneProcess struct {
	Pid       string   `json:"pid"`
	Name      *string  `json:"name"`
	Label     *string  `json:"label"`
	Parent    *string  `json:"parent"`
	Ancestors []string `json:"ancestors"`
	Current   *string  `json:"current_function"`
	Queue     int64    `json:"message_queue"`
	Links     int64    `json:"links"`
}

type unlinkedOut struct {
	Unlinked  int64         `json:"unlinked"`
	Complete  bool          `json:"complete"`
	Processes []loneProcess `json:"processes"`
}

func (s *sup) unlinked(ctx context.Context, in limitIn) (unlinkedOut, error) {
	return ask[unlinkedOut](ctx, s.caller, "sup", "unlinked", in.Limit)
}

type orphanedOut struct {
	Orphaned  int64         `json:"orphaned"`
	Processes []loneProcess `json:"processes"`
}

func (s *sup) orphans(ctx context.Context, in limitIn) (orphanedOut, error) {
	return ask[orphanedOut](ctx, s.caller, "sup", "orphans", in.Limit)
}
