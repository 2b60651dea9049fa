package web

import (
	"fmt"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// Sizes of the graph, in the units of its drawing. It is narrow, so that it can be read on a phone.
const (
	graphWidth  = 380
	nodeHeight  = 58
	nodeGap     = 42
	nodeLeft    = 1
	lineLetters = 46
)

// graph is the path from cause to effect, from top to bottom.
type graph struct {
	Height int
	Nodes  []graphNode
	Edges  []graphEdge
	Text   string // for who cannot see it
}

type graphNode struct {
	Kind     string // culprit, metric, alert or unknown
	Level    string
	Head     string
	Line     string
	Label    string
	Y        int
	HeadY    int
	LineY    int
	LabelY   int
	W        int
	Link     string // of the metric's page; "": none
	Accented bool
}

type graphEdge struct {
	X, Y1, Y2, TextY, Tip int
	Text                  string
	Sure                  bool // a declared cause, not only a coincidence
}

// drawGraph draws an incident's path.
func drawGraph(i incident, edges []beamlens.Edge) graph {
	var g graph
	if c := i.Culprit(); c != nil {
		g.add(graphNode{Kind: "culprit", Level: string(i.Severity), Label: "To blame", Head: c.Kind + " " + c.String(), Line: i.Where(), Accented: true})
	} else if i.Insight != nil && i.Insight.CorrelationType == beamlens.Symptomatic {
		g.add(graphNode{Kind: "unknown", Level: levelUnknown, Label: "Cause", Head: "a hidden cause", Line: "it shows in all that follows"})
	}
	var path []string
	if i.Insight != nil {
		path = i.Insight.Path
	}
	if len(path) == 0 {
		for _, a := range i.Alerts {
			for _, f := range a.Findings {
				path = appendNew(path, f.Skill+"."+f.Metric)
			}
		}
	}
	const most = 10
	for n, metric := range path[:min(len(path), most)] {
		node := graphNode{Kind: "metric", Level: levelUnknown, Label: metric, Head: metric, Link: metric}
		if f, a, ok := findingOf(i, metric); ok {
			node.Level = string(a.Severity)
			node.Head = with(f.Ordinary, "") + " → " + with(f.Value, f.Unit)
			node.Line = onsetOf(f) + " · " + words(a.AnomalyType)
			if n > 0 {
				if first, _, ok := findingOf(i, path[0]); ok {
					if lag := f.Onset.Sub(first.Onset); lag >= 100*time.Millisecond {
						node.Line = onsetOf(f) + ", " + span(lag) + " later"
					}
				}
			}
		}
		text, sure := "", i.Insight == nil || i.Insight.CorrelationType == beamlens.Causal
		if n > 0 {
			text = why(edges, path[n-1], metric)
		}
		g.link(text, sure)
		g.add(node)
	}
	g.Height = 4
	if n := len(g.Nodes); n > 0 {
		g.Height = g.Nodes[n-1].Y + nodeHeight + 2
	}
	g.describe()
	return g
}

func appendNew(list []string, s string) []string {
	for _, old := range list {
		if old == s {
			return list
		}
	}
	return append(list, s)
}

// findingOf gives the finding of a metric, the first one, and its alert.
func findingOf(i incident, metric string) (f beamlens.Finding, a beamlens.Alert, ok bool) {
	for _, alert := range i.Alerts {
		for _, found := range alert.Findings {
			if found.Skill+"."+found.Metric == metric && (!ok || found.Onset.Before(f.Onset)) {
				f, a, ok = found, alert, true
			}
		}
	}
	return f, a, ok
}

func onsetOf(f beamlens.Finding) string {
	s := f.Onset.UTC().Format(time.TimeOnly)
	if f.Uncertainty >= 100*time.Millisecond {
		s += " ± " + span(f.Uncertainty)
	}
	return s
}

func why(edges []beamlens.Edge, from, to string) string {
	for _, e := range edges {
		if e.From == from && e.To == to {
			return e.Why
		}
	}
	return ""
}

func (g *graph) add(n graphNode) {
	n.Y = 1
	if k := len(g.Nodes); k > 0 {
		n.Y = g.Nodes[k-1].Y + nodeHeight + nodeGap
	}
	n.W = graphWidth - 2*nodeLeft
	n.Head, n.Line, n.Label = cut(lineLetters-6, n.Head), cut(lineLetters+6, n.Line), cut(lineLetters, n.Label)
	n.LabelY, n.HeadY, n.LineY = n.Y+15, n.Y+33, n.Y+50
	g.Nodes = append(g.Nodes, n)
}

// link is the arrow to the node that is added next.
func (g *graph) link(text string, sure bool) {
	if len(g.Nodes) == 0 {
		return
	}
	y := g.Nodes[len(g.Nodes)-1].Y + nodeHeight
	g.Edges = append(g.Edges, graphEdge{X: 24, Y1: y, Y2: y + nodeGap - 7, Tip: y + nodeGap, TextY: y + nodeGap/2 + 4, Text: cut(lineLetters+4, text), Sure: sure})
}

// Points are the corners of an arrow's tip.
func (e graphEdge) Points() string {
	return fmt.Sprintf("%d,%d %d,%d %d,%d", e.X-5, e.Y2, e.X+5, e.Y2, e.X, e.Tip)
}

func (g *graph) describe() {
	var parts []string
	for _, n := range g.Nodes {
		s := n.Label
		if n.Head != n.Label {
			s += ", " + n.Head
		}
		if n.Line != "" {
			s += ", " + n.Line
		}
		parts = append(parts, s)
	}
	g.Text = "From cause to effect: " + strings.Join(parts, "; then ") + "."
}
