package web

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Sizes of a flame graph, in the units of its drawing.
const (
	flameWidth = 960
	flameRow   = 20
	maxFrames  = 600
	letter     = 7.2 // the width of a letter
)

// flame is stacks that were seen together, their roots at the top; a frame is as wide as it was seen often.
type flame struct {
	Height int
	Frames []frame
	Total  float64
	Unit   string
	Stacks []stackLine // the same as text, the most frequent first
}

type frame struct {
	X, W    string
	TextX   string
	Y       int
	TextY   int
	Label   string // fits into the frame; "" when nothing does
	Name    string
	Percent string
	Tone    int // 0 to 5
}

type stackLine struct {
	Count float64
	Text  string
}

// node is a frame with what it called.
type node struct {
	name  string
	total float64
	below map[string]*node
}

// flameOf makes a flame graph of a list of stacks, {"stack": […] or "a;b;c", "count": n}; nil when it is none.
func flameOf(list []any) *flame {
	root := &node{below: map[string]*node{}}
	f := &flame{Unit: "times"}
	for _, v := range list {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		frames := framesOf(m)
		if len(frames) == 0 {
			return nil
		}
		count := 1.0
		for _, k := range []string{"count", "samples", "goroutines", "processes", "value"} {
			if n, ok := m[k].(float64); ok && n > 0 {
				count = n
				if k != "count" && k != "value" {
					f.Unit = k
				}
				break
			}
		}
		f.Stacks = append(f.Stacks, stackLine{count, strings.Join(frames, "\n")})
		at := root
		at.total += count
		for _, name := range frames[:min(len(frames), maxDepth)] {
			next := at.below[name]
			if next == nil {
				next = &node{name: name, below: map[string]*node{}}
				at.below[name] = next
			}
			next.total += count
			at = next
		}
	}
	if len(f.Stacks) == 0 {
		return nil
	}
	slices.SortStableFunc(f.Stacks, func(a, b stackLine) int { return cmp.Compare(b.Count, a.Count) })
	f.Stacks = f.Stacks[:min(len(f.Stacks), 50)]
	f.Total = root.total
	f.lay(root, 0, 0)
	return f
}

// framesOf gives the frames of a stack, the outermost first.
func framesOf(m map[string]any) []string {
	for _, k := range []string{"stack", "stacktrace", "frames"} {
		switch s := m[k].(type) {
		case string:
			if strings.Contains(s, ";") {
				return strings.Split(s, ";")
			}
			var out []string
			for line := range strings.Lines(s) {
				if line = strings.TrimSpace(line); line != "" {
					out = append(out, line)
				}
			}
			slices.Reverse(out) // a stack in lines has its innermost first
			return out
		case []any:
			var out []string
			for _, x := range s {
				out = append(out, cell(x))
			}
			slices.Reverse(out)
			return out
		}
	}
	return nil
}

// lay places what a node called, the widest first.
func (f *flame) lay(n *node, x float64, depth int) {
	for _, c := range slices.SortedFunc(maps.Values(n.below), func(a, b *node) int {
		return cmp.Or(cmp.Compare(b.total, a.total), strings.Compare(a.name, b.name))
	}) {
		w := c.total / f.Total * flameWidth
		if w < 1 || len(f.Frames) >= maxFrames {
			return
		}
		label := ""
		if letters := int((w - 8) / letter); letters >= 4 {
			label = cut(letters, c.name)
		}
		tone := 0
		for _, b := range []byte(c.name) {
			tone = (tone*31 + int(b)) % 6
		}
		f.Frames = append(f.Frames, frame{X: px(x), TextX: px(x + 4), W: px(max(w-1, 0.5)), Y: depth * flameRow, TextY: depth*flameRow + 14, Label: label, Name: cut(200, c.name), Percent: num(100*c.total/f.Total) + " %", Tone: tone})
		f.Height = max(f.Height, (depth+1)*flameRow)
		f.lay(c, x, depth+1)
		x += w
	}
}
