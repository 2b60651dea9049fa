package scenario

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Score is how one scenario went.
type Score struct {
	ID       string    `json:"id"`
	Group    string    `json:"group"`
	Wrong    []string  `json:"wrong,omitempty"` // what the judge said
	Healthy  bool      `json:"healthy"`
	Causes   int       `json:"causes"`   // to be found
	Found    int       `json:"found"`    // in time, by the right skill
	Took     []float64 `json:"took_s"`   // of those that were found
	Top1     bool      `json:"top1"`     // all causes are first among what is blamed
	Top3     bool      `json:"top3"`     // all causes are among the first three
	Grounded bool      `json:"grounded"` // top1, and every step of every path is a true one
	Alarms   int       `json:"alarms"`   // alerts where nothing was wrong: of a control, or before the onset
	Hours    float64   `json:"hours"`    // in which nothing was wrong
	Claims   []Judged  `json:"claims"`
}

// Judged is a claim, and whether it was right.
type Judged struct {
	Who         string  `json:"who"`
	Probability float64 `json:"probability"`
	Right       bool    `json:"right"`
}

// Score scores a run, of which the judge said what was wrong.
func (t Truth) Score(r *Result, judged error) Score {
	s := Score{ID: t.ID, Group: t.Group, Healthy: len(t.Wanted()) == 0, Causes: len(t.Wanted())}
	if judged != nil {
		s.Wrong = strings.Split(judged.Error(), "\n")
	}
	onset := r.Settled.Add(seconds(t.begin()))
	for _, a := range fired(r.Alerts) {
		if t.Healthy && !Matches(t.Also, a.Culprit) || !t.Healthy && a.DetectedAt.Before(onset) {
			s.Alarms++
		}
	}
	s.Hours = (Settle + seconds(t.begin())).Hours()
	if s.Healthy {
		s.Hours = (Settle + seconds(t.RecordS)).Hours()
	}
	for _, n := range t.named(r) {
		if n.Alert != nil && n.Took <= seconds(t.WithinS) {
			s.Found++
			s.Took = append(s.Took, max(n.Took, 0).Seconds())
		}
	}
	claims := r.Claims()
	var order []Claim // each culprit once
	for _, c := range claims {
		if c.Culprit == nil || Matches(t.Also, c.Culprit) && !t.Blames(c.Culprit) {
			continue // who may be named without being wrong counts for neither
		}
		right := t.Blames(c.Culprit)
		s.Claims = append(s.Claims, Judged{c.Culprit.String(), c.Probability, right})
		if !slices.ContainsFunc(order, func(d Claim) bool { return d.Culprit.Kind == c.Culprit.Kind && d.Culprit.Key() == c.Culprit.Key() }) {
			order = append(order, c)
		}
	}
	s.Top1, s.Top3 = t.within(order, 1), t.within(order, 3)
	s.Grounded = s.Top1
	for _, c := range claims {
		s.Grounded = s.Grounded && t.leads(c.Path)
	}
	return s
}

// begin is when the first fault begins, in seconds after the subject has settled.
func (t Truth) begin() float64 {
	for _, s := range t.Steps {
		if s.On != "" {
			return max(s.AtS, 0)
		}
	}
	return t.RecordS
}

// within says whether all causes are among the first n culprits that are blamed; of several causes, among as many more. Several names of one
// cause take one place: to blame a table and its owner is to blame one thing.
func (t Truth) within(order []Claim, n int) bool {
	wanted := t.Wanted()
	places := n + len(wanted) - 1
	seen := map[int]bool{}
	for _, c := range order {
		cause := slices.IndexFunc(wanted, func(names []string) bool { return Matches(names, c.Culprit) })
		if seen[cause] {
			continue
		}
		if places--; places < 0 {
			break
		}
		if cause >= 0 {
			seen[cause] = true
		}
	}
	return len(seen) == len(wanted)
}

// Card is the scorecard over many scenarios.
type Card struct {
	Model     string  `json:"model"`
	Scenarios int     `json:"scenarios"`
	Causes    int     `json:"causes"`
	Detected  float64 `json:"detected"`                     // share of the causes
	Hard      float64 `json:"time_to_detect_hard_median_s"` // of the group fault: what breaks at once
	Median    float64 `json:"time_to_detect_median_s"`
	P90       float64 `json:"time_to_detect_p90_s"`
	Top1      float64 `json:"culprit_top1"`
	Top3      float64 `json:"culprit_top3"`
	Grounded  float64 `json:"path_correct"`

	Controls     int     `json:"controls"`
	Invented     int     `json:"invented"` // controls with an alert
	HealthyHours float64 `json:"healthy_hours"`
	FalseAlarms  int     `json:"false_alarms"`
	Wrongly      int     `json:"others_blamed"` // scenarios in which somebody else was blamed

	Claims           int     `json:"claims"`
	Brier            float64 `json:"brier"`
	ConfidentlyWrong float64 `json:"confidently_wrong"` // share of the claims of 0.8 and more that are wrong
	Bins             []Bin   `json:"reliability"`

	Spent *Spent `json:"spent,omitempty"` // of a language model

	SecondsPerRun float64 `json:"seconds_per_run"` // of replaying, on this machine
	MicrosPerStep float64 `json:"micros_per_sample"`
	Scores        []Score `json:"scores"`
}

// Spent is what a language model was asked, and what that took.
type Spent struct {
	Calls  int   `json:"calls"`
	Failed int   `json:"failed"`
	Input  int64 `json:"input_tokens"`
	Output int64 `json:"output_tokens"`
}

// Bin is a line of the reliability table.
type Bin struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	N     int     `json:"n"`
	Mean  float64 `json:"mean"`  // what was said
	Right float64 `json:"right"` // what was true
}

// sure is the probability from which on a claim counts as confident.
const sure = 0.8

// Sum makes the scorecard of scores.
func Sum(model string, scores []Score, samples int, took time.Duration) Card {
	c := Card{Model: model, Scenarios: len(scores), Scores: scores}
	var times, hard []float64
	found, sick, top1, top3, grounded, confident, wrong := 0, 0, 0, 0, 0, 0, 0
	for _, s := range scores {
		c.Causes += s.Causes
		found += s.Found
		times = append(times, s.Took...)
		if s.Group == "fault" {
			hard = append(hard, s.Took...)
		}
		c.HealthyHours += s.Hours
		c.FalseAlarms += s.Alarms
		if s.Causes > 0 {
			sick++
			top1, top3, grounded = top1+one(s.Top1), top3+one(s.Top3), grounded+one(s.Grounded)
		}
		if s.Group == "control" {
			c.Controls++
			c.Invented += one(s.Alarms > 0)
		}
		c.Wrongly += one(slices.ContainsFunc(s.Claims, func(j Judged) bool { return !j.Right }))
		for _, j := range s.Claims {
			c.Claims++
			miss := j.Probability - float64(one(j.Right))
			c.Brier += miss * miss
			if j.Probability >= sure {
				confident++
				wrong += one(!j.Right)
			}
		}
	}
	c.Detected, c.Top1, c.Top3, c.Grounded = share(found, c.Causes), share(top1, sick), share(top3, sick), share(grounded, sick)
	c.Hard = quantile(hard, 0.5)
	c.Median, c.P90 = quantile(times, 0.5), quantile(times, 0.9)
	c.ConfidentlyWrong = share(wrong, confident)
	if c.Claims > 0 {
		c.Brier /= float64(c.Claims)
	}
	c.Bins = bins(scores)
	if len(scores) > 0 {
		c.SecondsPerRun = took.Seconds() / float64(len(scores))
	}
	if samples > 0 {
		c.MicrosPerStep = float64(took.Microseconds()) / float64(samples)
	}
	return c
}

func bins(scores []Score) []Bin {
	out := []Bin{{From: 0, To: 0.5}, {From: 0.5, To: 0.7}, {From: 0.7, To: 0.8}, {From: 0.8, To: 0.9}, {From: 0.9, To: 1.01}}
	for _, s := range scores {
		for _, j := range s.Claims {
			for i := range out {
				if b := &out[i]; j.Probability >= b.From && j.Probability < b.To {
					b.N++
					b.Mean += j.Probability
					b.Right += float64(one(j.Right))
				}
			}
		}
	}
	out = slices.DeleteFunc(out, func(b Bin) bool { return b.N == 0 })
	for i := range out {
		out[i].Mean /= float64(out[i].N)
		out[i].Right /= float64(out[i].N)
	}
	return out
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(v))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// Print writes the scorecard for people, with what it is measured against.
func (c Card) Print(out io.Writer) {
	fmt.Fprintf(out, "Scorecard of %s: %d scenarios\n\n", c.Model, c.Scenarios)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value, goal string) { fmt.Fprintf(w, "  %s\t%s\t%s\n", name, value, goal) }
	row("faults found in time", fmt.Sprintf("%.1f %%  (%d)", 100*c.Detected, c.Causes), "≥ 95 %")
	row("time to detect a hard fault, median", fmt.Sprintf("%.1f s", c.Hard), "≤ 10 s")
	row("time to detect any, median · p90", fmt.Sprintf("%.1f s · %.1f s", c.Median, c.P90), "")
	row("culprit first", fmt.Sprintf("%.1f %%", 100*c.Top1), "≥ 85 %")
	row("culprit among the first three", fmt.Sprintf("%.1f %%", 100*c.Top3), "≥ 95 %")
	row("culprit first, and every step of the path true", fmt.Sprintf("%.1f %%", 100*c.Grounded), "≥ 80 %")
	row("incidents invented on controls", fmt.Sprintf("%d of %d", c.Invented, c.Controls), "0")
	row("false alarms, in healthy hours", fmt.Sprintf("%d in %.2f h", c.FalseAlarms, c.HealthyHours), "0")
	row("scenarios in which somebody else was blamed too", fmt.Sprintf("%d of %d", c.Wrongly, c.Scenarios), "")
	row("confidently wrong (said ≥ 0.8)", fmt.Sprintf("%.1f %%", 100*c.ConfidentlyWrong), "≤ 2 %")
	row("Brier score", fmt.Sprintf("%.3f  (%d claims)", c.Brier, c.Claims), "")
	for _, b := range c.Bins {
		row(fmt.Sprintf("  said %.0f to %.0f %%", 100*b.From, 100*min(b.To, 1)), fmt.Sprintf("%.0f %% on average", 100*b.Mean), fmt.Sprintf("%.0f %% right, of %d", 100*b.Right, b.N))
	}
	if s := c.Spent; s != nil {
		row("calls of the model", fmt.Sprintf("%d, %d of them failed", s.Calls, s.Failed), "")
		row("tokens", fmt.Sprintf("%d in, %d out", s.Input, s.Output), "")
	}
	row("cost of a sample of one skill", fmt.Sprintf("%.0f µs", c.MicrosPerStep), "")
	w.Flush()
	var bad []Score
	for _, s := range c.Scores {
		if len(s.Wrong) > 0 {
			bad = append(bad, s)
		}
	}
	if len(bad) == 0 {
		return
	}
	fmt.Fprintf(out, "\nWhat was wrong, in %d scenarios:\n", len(bad))
	for _, s := range bad {
		for _, line := range s.Wrong {
			fmt.Fprintf(out, "  %s: %.300s\n", s.ID, line)
		}
	}
}
