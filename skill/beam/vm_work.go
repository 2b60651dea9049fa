package beam

import (
	"context"
	"fmt"
	"math"
	"time"
)

// work adds to a snapshot what another part of the probe samples, and what is derived from the newest pid. Without the probe there is neither.
func (v *vm) work(ctx context.Context, r raw, s map[string]any) {
	for _, name := range []string{"processes_spawned", "processes_exited", "scheduler_utilization_pct", "hottest_process_pct"} {
		s[name] = nil
	}
	if r.Spawned == nil {
		return
	}
	s["processes_spawned"], s["processes_exited"] = *r.Spawned, *r.Spawned-r.Processes
	if rates := v.rates(); rates.Spawns != nil {
		s["spawns_per_s"], s["exits_per_s"] = *rates.Spawns, *rates.Exits
	}
	// The rest of the snapshot is worth having without this.
	u, err := ask[workReading](ctx, v.caller, "work", "snapshot")
	if err != nil {
		return
	}
	if u.Mean != nil {
		s["scheduler_utilization_pct"], s["scheduler_utilization_max_pct"] = *u.Mean, *u.Max
	}
	if h := u.Hottest; h != nil && h.Pct != nil {
		s["hottest_process_pct"] = *h.Pct
		if h.Pid != nil {
			s["hottest_process_pid"] = *h.Pid
			if h.Name != nil {
				s["hottest_process_name"] = *h.Name
			}
		}
	}
}

type workReading struct {
	Mean    *float64    `json:"utilization_pct"`
	Max     *float64    `json:"max_pct"`
	Hottest *hottestOut `json:"hottest"`
}

type hottestOut struct {
	Pid  *string  `json:"pid"`
	Name *string  `json:"name"`
	Pct  *float64 `json:"pct"`
}

func (v *vm) hottest(ctx context.Context, _ none) (hottestOut, error) {
	r, err := ask[workReading](ctx, v.caller, "work", "snapshot")
	if r.Hottest == nil {
		return hottestOut{}, err
	}
	return *r.Hottest, err
}

type utilizationIn struct {
	Window int64 `json:"ms" default:"5000" min:"1000" max:"60000" doc:"over the last milliseconds"`
}

type utilizationOut struct {
	Over       int64          `json:"over_ms"`
	Mean       *float64       `json:"utilization_pct"`
	Max        *float64       `json:"max_pct"`
	Min        *float64       `json:"min_pct"`
	Dirty      *float64       `json:"dirty_pct"`
	Schedulers []schedulerRow `json:"schedulers"`
}

type schedulerRow struct {
	ID     int64   `json:"id"`
	Kind   string  `json:"kind"`
	Online bool    `json:"online"`
	Used   float64 `json:"utilization_pct"`
}

func (v *vm) utilization(ctx context.Context, in utilizationIn) (utilizationOut, error) {
	return ask[utilizationOut](ctx, v.caller, "work", "utilization", in.Window)
}

// The original's thresholds of utilization, in per cent, and the difference of schedulers that is no longer even.
const busySchedulers, fullSchedulers, uneven = 70, 90, 40

type capacityOut struct {
	Available *bool    `json:"available"`
	Used      *float64 `json:"utilization_pct"`
	Over      int64    `json:"over_ms"`
}

func (v *vm) capacity(ctx context.Context, _ none) (capacityOut, error) {
	u, err := v.utilization(ctx, utilizationIn{5000})
	out := capacityOut{Used: u.Mean, Over: u.Over}
	if u.Mean != nil {
		available := *u.Mean < busySchedulers
		out.Available = &available
	}
	return out, err
}

type healthOut struct {
	Level     string   `json:"level"` // unknown, healthy, busy, saturated
	Used      *float64 `json:"utilization_pct"`
	Dirty     *float64 `json:"dirty_pct"`
	Imbalance *float64 `json:"imbalance_pct"`
	Even      *bool    `json:"even"`
	RunQueue  int64    `json:"run_queue"`
	Online    int64    `json:"schedulers_online"`
	Advice    string   `json:"advice"`
}

func (v *vm) health(ctx context.Context, _ none) (healthOut, error) {
	r, err := v.raw(ctx)
	if err != nil {
		return healthOut{}, err
	}
	out := healthOut{Level: "unknown", RunQueue: r.RunQueue, Online: r.Online, Advice: "Not sampled for long enough; ask again in some seconds."}
	u, err := v.utilization(ctx, utilizationIn{10000})
	if err != nil || u.Mean == nil {
		return out, err
	}
	imbalance := *u.Max - *u.Min
	even := imbalance < uneven
	out.Used, out.Dirty, out.Imbalance, out.Even = u.Mean, u.Dirty, &imbalance, &even
	switch {
	case *u.Mean >= fullSchedulers:
		out.Level, out.Advice = "saturated", "All schedulers work all the time. See beam_top_reducers_window and beam_hot_functions."
	case *u.Mean >= busySchedulers:
		out.Level, out.Advice = "busy", "Little is left for a burst."
	default:
		out.Level, out.Advice = "healthy", "There is capacity."
		if !even {
			out.Advice = "There is capacity, but one scheduler does much more than another: few processes do most of the work, or one does not yield."
		}
	}
	return out, nil
}

type reducersIn struct {
	Limit  int64 `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
	Window int64 `json:"ms" default:"10000" min:"1000" max:"60000" doc:"over the last milliseconds"`
}

type reducersOut struct {
	Over      int64        `json:"over_ms"`
	Processes []reducerRow `json:"processes"`
}

type reducerRow struct {
	Pid     string  `json:"pid"`
	Name    *string `json:"name"`
	Label   *string `json:"label"`
	Current *string `json:"current_function"`
	Queue   *int64  `json:"message_queue"`
	Rate    int64   `json:"reductions_per_s"`
}

func (v *vm) reducers(ctx context.Context, in reducersIn) (reducersOut, error) {
	return ask[reducersOut](ctx, v.caller, "work", "reducers", in.Limit, in.Window)
}

type reductionRateIn struct {
	Process string `json:"process" doc:"a pid like <0.123.0>, or a registered name"`
	Window  int64  `json:"ms" default:"1000" min:"50" max:"60000" doc:"over the last milliseconds; at most 200 are waited for"`
}

type reductionRateOut struct {
	Pid        string  `json:"pid"`
	Name       *string `json:"name"`
	Rate       int64   `json:"reductions_per_s"`
	Measured   int64   `json:"measured_ms"`
	Reductions int64   `json:"reductions"`
	Level      string  `json:"level"`
	Window     *int64  `json:"window_reductions_per_s"`
	Over       int64   `json:"window_ms"`
}

func (v *vm) reductionRate(ctx context.Context, in reductionRateIn) (reductionRateOut, error) {
	return ask[reductionRateOut](ctx, v.caller, "work", "rate", in.Process, in.Window)
}

type burstsIn struct {
	Window  int64 `json:"ms" default:"5000" min:"1000" max:"30000" doc:"the last milliseconds, against what is left of the minute"`
	Percent int64 `json:"threshold_pct" default:"200" min:"10" max:"100000" doc:"the least growth"`
}

type burstsOut struct {
	Recent    int64      `json:"recent_ms"`
	Before    int64      `json:"before_ms"`
	Processes []burstRow `json:"processes"`
}

type burstRow struct {
	reducerRow
	Before int64  `json:"before_per_s"`
	Growth *int64 `json:"growth_pct"`
}

func (v *vm) bursts(ctx context.Context, in burstsIn) (burstsOut, error) {
	return ask[burstsOut](ctx, v.caller, "work", "bursts", in.Window, in.Percent)
}

type hotFunctionsIn struct {
	Limit  int64 `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
	Window int64 `json:"ms" default:"200" min:"40" max:"60000" doc:"of the hottest processes of the last milliseconds; they are looked at for at most 200"`
}

type hotFunctionsOut struct {
	Samples   int64 `json:"samples"`
	Processes int64 `json:"processes"`
	Functions []struct {
		Function string  `json:"function"`
		Samples  int64   `json:"samples"`
		Share    int64   `json:"share_pct"`
		Pid      string  `json:"pid"`
		Name     *string `json:"name"`
	} `json:"functions"`
}

func (v *vm) hotFunctions(ctx context.Context, in hotFunctionsIn) (hotFunctionsOut, error) {
	return ask[hotFunctionsOut](ctx, v.caller, "work", "hot_functions", in.Limit, in.Window)
}

type thresholdIn struct {
	Threshold int64 `json:"threshold" default:"1000" min:"1" max:"1000000000" doc:"the least messages"`
	Limit     int64 `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

type queuesReading struct {
	Total     int64        `json:"total_processes"`
	Complete  bool         `json:"complete"`
	Waiting   int64        `json:"with_messages"`
	Messages  int64        `json:"total_messages"`
	Large     int64        `json:"large"`
	Critical  int64        `json:"critical"`
	Over      int64        `json:"over_threshold"`
	Max       int64        `json:"max"`
	Processes []reducerRow `json:"processes"`
}

type queueProcessesOut struct {
	Threshold int64      `json:"threshold"`
	Over      int64      `json:"over_threshold"`
	Processes []queueRow `json:"processes"`
}

type queueRow struct {
	Pid     string  `json:"pid"`
	Name    *string `json:"name"`
	Label   *string `json:"label"`
	Current *string `json:"current_function"`
	Queue   *int64  `json:"message_queue"`
}

func (v *vm) queueProcesses(ctx context.Context, in thresholdIn) (queueProcessesOut, error) {
	r, err := ask[queuesReading](ctx, v.caller, "work", "queues", in.Threshold, in.Limit)
	out := queueProcessesOut{in.Threshold, r.Over, []queueRow{}}
	for _, p := range r.Processes {
		out.Processes = append(out.Processes, queueRow{p.Pid, p.Name, p.Label, p.Current, p.Queue})
	}
	return out, err
}

type queueStatsOut struct {
	Total    int64 `json:"total_processes"`
	Complete bool  `json:"complete"`
	Waiting  int64 `json:"with_messages"`
	Messages int64 `json:"total_messages"`
	Large    int64 `json:"large"`
	Critical int64 `json:"critical"`
	Max      int64 `json:"max"`
}

func (v *vm) queueStats(ctx context.Context, _ none) (queueStatsOut, error) {
	r, err := ask[queuesReading](ctx, v.caller, "work", "queues", 1, 1)
	return queueStatsOut{r.Total, r.Complete, r.Waiting, r.Messages, r.Large, r.Critical, r.Max}, err
}

type queueGrowthIn struct {
	Window int64 `json:"ms" default:"5000" min:"0" max:"5000" doc:"ignored beyond what is watched: the last five seconds"`
	Limit  int64 `json:"limit" default:"10" min:"1" max:"50" doc:"how many rows"`
}

func (v *vm) queueGrowth(ctx context.Context, in queueGrowthIn) (topOut, error) {
	return v.top(ctx, topIn{Limit: in.Limit, SortBy: "message_queue_growth"})
}

type processRatesOut struct {
	Spawns *float64 `json:"spawns_per_s"`
	Exits  *float64 `json:"exits_per_s"`
	Growth *float64 `json:"growth_per_s"`
	Over   int64    `json:"over_ms"`
}

// rates are those of the last ten seconds.
func (v *vm) rates() processRatesOut {
	spawned, ok := v.trend.over(spawnedTrend, 10*time.Second)
	count, ok2 := v.trend.over(processesTrend, 10*time.Second)
	if !ok || !ok2 || spawned.PerSecond < 0 {
		return processRatesOut{}
	}
	tenths := func(x float64) *float64 { x = math.Round(x*10) / 10; return &x }
	return processRatesOut{tenths(spawned.PerSecond), tenths(max(0, spawned.PerSecond-count.PerSecond)), tenths(count.PerSecond), spawned.Over.Milliseconds()}
}

func (v *vm) processRates(ctx context.Context, _ none) (processRatesOut, error) {
	_, err := v.raw(ctx)
	return v.rates(), err
}

type exhaustionOut struct {
	Resources []exhaustion `json:"resources"`
}

// exhaustion is told from what the snapshots showed, and from nothing else.
func (v *vm) exhaustion(ctx context.Context, _ none) (exhaustionOut, error) {
	r, err := v.raw(ctx)
	if err != nil {
		return exhaustionOut{}, err
	}
	return exhaustionOut{[]exhaustion{
		v.trend.exhausts(processesTrend, "processes", float64(r.Processes), float64(r.ProcessLimit)),
		v.trend.exhausts(portsOfVMTrend, "ports", float64(r.Ports), float64(r.PortLimit)),
		v.trend.exhausts(atomsTrend, "atoms", float64(r.Atoms), float64(r.AtomLimit)),
	}}, nil
}

type minutesIn struct {
	Minutes int64 `json:"minutes" default:"5" min:"1" max:"60" doc:"over the last minutes"`
}

type atomGrowthOut struct {
	Count     int64    `json:"atom_count"`
	Limit     int64    `json:"atom_limit"`
	PerMinute *float64 `json:"atoms_per_min"`
	Over      int64    `json:"over_s"`
	Readings  int      `json:"readings"`
}

func (v *vm) atomGrowth(ctx context.Context, in minutesIn) (atomGrowthOut, error) {
	r, err := v.raw(ctx)
	if err != nil {
		return atomGrowthOut{}, err
	}
	s, ok := v.trend.over(atomsTrend, time.Duration(in.Minutes)*time.Minute)
	out := atomGrowthOut{Count: r.Atoms, Limit: r.AtomLimit, Over: int64(s.Over.Seconds()), Readings: s.Readings}
	if ok {
		rate := math.Round(s.PerSecond*600) / 10
		out.PerMinute = &rate
	}
	return out, nil
}

type atomLeakOut struct {
	Leak    bool     `json:"leak_detected"`
	Used    float64  `json:"atom_utilization_pct"`
	Rate    *float64 `json:"atoms_per_min"`
	Hours   *float64 `json:"hours_to_exhaustion"`
	Urgency string   `json:"urgency"` // none, low, medium, high, critical
	Reason  string   `json:"reason"`
}

// The original's thresholds: atoms a minute that are a leak, per cent of the table and hours left for each urgency.
const leakingAtoms = 10

func (v *vm) atomLeak(ctx context.Context, _ none) (atomLeakOut, error) {
	r, err := v.raw(ctx)
	if err != nil {
		return atomLeakOut{}, err
	}
	e := v.trend.exhausts(atomsTrend, "atoms", float64(r.Atoms), float64(r.AtomLimit))
	return judgeAtoms(pct(r.Atoms, r.AtomLimit), e), nil
}

func judgeAtoms(used float64, e exhaustion) atomLeakOut {
	out := atomLeakOut{Used: used, Urgency: "none", Reason: "atoms: " + e.Note}
	if e.PerSecond != nil {
		rate := math.Round(*e.PerSecond*600) / 10
		out.Rate = &rate
	}
	steady := e.Seconds != nil && *out.Rate > leakingAtoms
	if steady {
		hours := math.Round(*e.Seconds/360) / 10
		out.Hours = &hours
		out.Reason = fmt.Sprintf("%.1f atoms a minute are made, and never removed; the table is full in %.1f hours", *out.Rate, hours)
	}
	out.Leak = steady && (used > 50 || *out.Hours < 24*7)
	switch left := out.Hours; {
	case used > 90 || left != nil && *left < 1:
		out.Urgency = "critical"
	case used > 80 || left != nil && *left < 24:
		out.Urgency = "high"
	case used > 50 || left != nil && *left < 168:
		out.Urgency = "medium"
	case out.Leak:
		out.Urgency = "low"
	}
	return out
}
