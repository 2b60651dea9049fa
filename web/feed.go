package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// Bounds of what is live.
const (
	maxHappened = 500                    // events that are kept
	maxViewers  = 64                     // pages that are live at once; the others are told to come back
	maxTold     = 40                     // events in one message: of more, the newest
	tellEvery   = 400 * time.Millisecond // to one page; hundreds of events a second are one message
	tickEvery   = 5 * time.Second        // so often numbers are read again without an event
	writeIn     = 10 * time.Second       // a browser that does not read for so long is let go
)

// happened is an event as pages are told it.
type happened struct {
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	Name    string    `json:"name"`
	Target  string    `json:"target"`
	Subject string    `json:"subject"`
	TraceID string    `json:"trace_id,omitempty"`
	Text    string    `json:"text,omitempty"`
}

// link is whether a target is reached.
type link struct {
	Up     bool      `json:"up"`
	Known  bool      `json:"known"` // whether anything was heard of it
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// feed is what happened lately, and who wants to know.
type feed struct {
	mu      sync.Mutex // guards what follows
	seq     uint64
	list    []happened
	links   map[beamlens.Target]link
	subject map[string]string // of a run, by its trace id
	runs    []string          // the keys of subject, oldest first
	viewers map[chan struct{}]bool
}

func newFeed() *feed {
	return &feed{links: map[beamlens.Target]link{}, subject: map[string]string{}, viewers: map[chan struct{}]bool{}}
}

// told are the fields of an event that are put into its line.
var told = []string{"reason", "tool_name", "state", "from", "to", "why", "question"}

func (f *feed) take(ev beamlens.Event) {
	h := happened{At: ev.At, Name: ev.Name, Target: ev.Target.String(), Subject: ev.Subject, TraceID: ev.TraceID}
	switch {
	case ev.Alert != nil:
		h.Text = cut(300, ev.Alert.Summary)
	case ev.Insight != nil:
		h.Text = cut(300, ev.Insight.Summary)
	case ev.Finding != nil:
		h.Text = cut(300, ev.Finding.Skill+"."+ev.Finding.Metric)
	default:
		for _, k := range told {
			if v, ok := ev.Fields[k]; ok {
				if h.Text != "" {
					h.Text += " · "
				}
				h.Text += cut(200, fmt.Sprint(v))
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch ev.Name {
	case beamlens.EventTargetUp:
		f.links[ev.Target] = link{Up: true, Known: true, At: ev.At}
	case beamlens.EventTargetDown:
		l := link{Known: true, At: ev.At, Reason: cut(500, fmt.Sprint(ev.Fields["reason"]))}
		if old := f.links[ev.Target]; old.Known && !old.Up {
			l.At = old.At // it has been down since then
		}
		f.links[ev.Target] = l
	}
	if ev.TraceID != "" && ev.Subject != "" && f.subject[ev.TraceID] == "" {
		f.subject[ev.TraceID] = ev.Subject
		if f.runs = append(f.runs, ev.TraceID); len(f.runs) > 2000 {
			delete(f.subject, f.runs[0])
			f.runs = slices.Delete(f.runs, 0, 1)
		}
	}
	f.seq++
	h.Seq = f.seq
	if f.list = append(f.list, h); len(f.list) > maxHappened {
		f.list = slices.Delete(f.list, 0, len(f.list)-maxHappened)
	}
	for v := range f.viewers {
		select {
		case v <- struct{}{}:
		default: // it has been told that there is something
		}
	}
}

// after gives what happened after a number, at most the newest maxTold, and the newest number.
func (f *feed) after(seq uint64, limit int) ([]happened, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.list, func(h happened) bool { return h.Seq > seq })
	if i < 0 {
		return nil, f.seq
	}
	return slices.Clone(f.list[max(i, len(f.list)-limit):]), f.seq
}

func (f *feed) link(t beamlens.Target) link {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.links[t]
}

// who ran a run, as far as events have told.
func (f *feed) who(trace string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.subject[trace]
}

func (f *feed) join() (chan struct{}, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.viewers) >= maxViewers {
		return nil, false
	}
	v := make(chan struct{}, 1)
	f.viewers[v] = true
	return v, true
}

func (f *feed) leave(v chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.viewers, v)
}

// stream sends what happens, as server-sent events: "happened" with a list of events, and "tick" now and then. A browser that comes back with
// another number than the newest is told what it has missed.
func (d *Dashboard) stream(w http.ResponseWriter, r *http.Request) {
	v, ok := d.feed.join()
	if !ok {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many pages are live already", http.StatusServiceUnavailable)
		return
	}
	defer d.feed.leave(v)
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	send := func(text string) bool {
		_ = out.SetWriteDeadline(time.Now().Add(writeIn)) // a server that knows no deadline has its own
		_, err := w.Write([]byte(text))
		return err == nil && out.Flush() == nil
	}
	last, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64)
	if err != nil {
		_, last = d.feed.after(0, 0)
	}
	if !send(fmt.Sprintf("retry: 2000\nid: %d\nevent: tick\ndata: {}\n\n", last)) {
		return
	}
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	pause := time.NewTicker(tellEvery)
	defer pause.Stop()
	for {
		list, seq := d.feed.after(last, maxTold)
		if seq != last { // also when it is smaller: the program was started anew
			raw, err := json.Marshal(list)
			if err != nil {
				return // unreachable: plain values
			}
			if !send(fmt.Sprintf("id: %d\nevent: happened\ndata: %s\n\n", seq, raw)) {
				return
			}
			last = seq
			select {
			case <-r.Context().Done():
				return
			case <-pause.C:
			}
			continue
		}
		select {
		case <-r.Context().Done():
			return
		case <-v:
		case <-tick.C:
			if !send("event: tick\ndata: {}\n\n") {
				return
			}
		}
	}
}
