package web

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// Bounds of questions.
const (
	maxAsked    = 20 // that are remembered
	maxAsking   = 4  // at once
	maxQuestion = 2000
	askIn       = 2 * time.Minute
)

// question is one that was asked.
type question struct {
	ID     string    `json:"id"`
	Text   string    `json:"question"`
	By     string    `json:"by"`
	Target string    `json:"target"`
	At     time.Time `json:"at"`
	State  string    `json:"state"` // asking, answered, stopped or failed
	Answer string    `json:"answer,omitempty"`
	Run    string    `json:"run_id,omitempty"` // its transcript
	Took   string    `json:"took,omitempty"`

	stop context.CancelFunc
}

// asked are the newest questions. A question lives as long as the request that asks it: who goes away stops it.
type asked struct {
	mu   sync.Mutex // guards what follows
	list []*question
}

// follow finds the transcript of a question that is being asked.
func (a *asked) follow(ev beamlens.Event) {
	if ev.Name != "coordinator.iteration_start" || ev.Fields["reason"] != "asked" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range slices.Backward(a.list) {
		if q.State == "asking" && q.Run == "" && q.Target == ev.Target.String() {
			q.Run = ev.TraceID
			return
		}
	}
}

func (a *asked) begin(q *question) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	asking := 0
	for _, old := range a.list {
		if old.State == "asking" {
			asking++
		}
		if old.ID == q.ID {
			return badRequest("This question was asked already.")
		}
	}
	if asking >= maxAsking {
		return &failure{429, "Four questions are being answered already. Try again soon."}
	}
	if len(a.list) >= maxAsked {
		i := slices.IndexFunc(a.list, func(old *question) bool { return old.State != "asking" })
		a.list = slices.Delete(a.list, i, i+1) // not all are being asked
	}
	a.list = append(a.list, q)
	return nil
}

func (a *asked) end(q *question, answer string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q.Took = span(time.Since(q.At))
	switch {
	case err == nil:
		q.State, q.Answer = "answered", answer
	case errors.Is(err, context.Canceled):
		q.State = "stopped"
	case errors.Is(err, context.DeadlineExceeded):
		q.State, q.Answer = "failed", "There was no answer within "+span(askIn)+"."
	default:
		q.State, q.Answer = "failed", err.Error()
	}
}

// newest gives copies, the newest first.
func (a *asked) newest() []question {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]question, 0, len(a.list))
	for _, q := range slices.Backward(a.list) {
		own := *q
		own.stop = nil
		out = append(out, own)
	}
	return out
}

// askPage is the page of questions.
type askPage struct {
	ID       string // of the next question
	Question string // that is proposed
	List     []question
	Can      bool
	Targets  []string
	Open     []incident
}

func (d *Dashboard) ask(r *request) (any, error) {
	p := askPage{ID: beamlens.NewID(), Question: cut(maxQuestion, r.URL.Query().Get("q")), List: d.asked.newest()}
	for _, s := range r.sources() {
		if s.Ask != nil {
			p.Can = true
			p.Targets = append(p.Targets, s.Target.String())
		}
	}
	open, err := r.incidents(r.Context(), true)
	if err != nil {
		return nil, err
	}
	p.Open = open[:min(len(open), 3)]
	return shown{"ask", "Ask", "ask", p}, nil
}

// put puts a question, and waits for the answer.
func (d *Dashboard) put(r *request) (string, error) {
	text, id := strings.TrimSpace(r.FormValue("q")), r.FormValue("key")
	if text == "" {
		return "", badRequest("There is no question.")
	}
	if len(text) > maxQuestion {
		return "", badRequest("The question is longer than %d bytes.", maxQuestion)
	}
	if id == "" || len(id) > 40 {
		id = beamlens.NewID()
	}
	i := slices.IndexFunc(r.sources(), func(s Source) bool { return s.Ask != nil })
	if i < 0 {
		return "", badRequest("Nobody can be asked here.")
	}
	s := r.sources()[i]
	ctx, cancel := context.WithTimeout(r.Context(), askIn)
	defer cancel()
	q := &question{ID: id, Text: text, By: d.user(r.Request), Target: s.Target.String(), At: clockNow(), State: "asking", stop: cancel}
	if err := d.asked.begin(q); err != nil {
		return "", err
	}
	d.feed.take(beamlens.Event{Name: "ask.started", At: q.At, Target: s.Target, Subject: q.By, Fields: map[string]any{"question": text}})
	answer, err := s.Ask(ctx, text)
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	d.asked.end(q, answer, err)
	d.feed.take(beamlens.Event{Name: "ask.ended", At: clockNow(), Target: s.Target, Subject: q.By, Fields: map[string]any{"question": text}})
	return "ask#" + "q-" + id, nil
}

// stop stops a question.
func (d *Dashboard) stop(r *request) (string, error) {
	d.asked.mu.Lock()
	defer d.asked.mu.Unlock()
	for _, q := range d.asked.list {
		if q.ID == r.FormValue("key") && q.State == "asking" {
			q.stop()
			return "ask", nil
		}
	}
	return "", notFound("That question is not being asked.")
}

func (d *Dashboard) settings(r *request) (any, error) {
	type group struct {
		Name string
		List []Setting
	}
	var groups []group
	add := func(s Setting) {
		i := slices.IndexFunc(groups, func(g group) bool { return g.Name == s.Group })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{Name: s.Group})
		}
		groups[i].List = append(groups[i].List, s)
	}
	who := "Whoever can send requests to this address; only loopback is answered."
	switch {
	case d.options.Open:
		who = "Whoever what is in front of it lets in."
	case d.options.Token != "":
		who = "Whoever has the token."
	}
	for _, s := range []Setting{{"Dashboard", "Who may look", who}, {"Dashboard", "Read-only", yesNo(d.options.ReadOnly)}} {
		add(s)
	}
	for _, s := range d.options.Settings {
		add(s)
	}
	for _, src := range r.sources() {
		for _, s := range stateOf(r.Context(), src).Settings {
			if len(d.all()) > 1 {
				s.Group = src.Target.Name + ": " + s.Group
			}
			add(s)
		}
	}
	return shown{"settings", "Settings", "settings", groups}, nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
