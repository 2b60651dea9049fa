package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// Bounds of what is shown of one piece of evidence.
const (
	maxRows   = 200
	maxCols   = 16
	maxCell   = 300
	maxNodes  = 400
	maxDepth  = 40
	maxBlocks = 24
	maxRaw    = 64 << 10
)

// block is a part of evidence in the form that suits it. One of its fields is set.
type block struct {
	Title string
	Facts []fact
	Table *table
	Tree  []treeLine
	Flame *flame
	Text  string
}

type fact struct{ Name, Value string }

type table struct {
	Cols   []string
	Rows   [][]string
	Wide   []bool // columns of text, by their number
	Hidden int    // rows that are not shown
}

// treeLine is a node of a tree, at its depth. Depth is at most 12, so that it has a style.
type treeLine struct {
	Depth      int
	Head, Tail string
	Part       int // of 100, when the node has a share; -1: none
}

// evidencePage is a piece of evidence.
type evidencePage struct {
	Alert  beamlens.Alert
	Title  string
	At     time.Time
	N      int
	Titles []string
	Blocks []block
	Raw    string
	Cut    bool
	What   string // "Evidence" or "Snapshot"
	Kind   string // of its address
}

func (d *Dashboard) evidence(r *request) (any, error) {
	a, _, err := r.alert(r.Context(), r.PathValue("alert"))
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 || n > len(a.Evidence) {
		return nil, notFound("Alert %s has %d pieces of evidence.", a.ID, len(a.Evidence))
	}
	e := a.Evidence[n-1]
	p := evidencePage{Alert: a, Title: e.Title, At: e.At, N: n, What: "Evidence", Kind: "evidence"}
	for _, other := range a.Evidence {
		p.Titles = append(p.Titles, other.Title)
	}
	p.fill(e.Data)
	return shown{"evidence", cut(60, e.Title), "incidents", p}, nil
}

func (d *Dashboard) snapshot(r *request) (any, error) {
	a, _, err := r.alert(r.Context(), r.PathValue("alert"))
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 || n > len(a.Snapshots) {
		return nil, notFound("Alert %s has %d snapshots.", a.ID, len(a.Snapshots))
	}
	s := a.Snapshots[n-1]
	p := evidencePage{Alert: a, Title: "Snapshot of " + s.Skill, At: s.CapturedAt, N: n, What: "Snapshot", Kind: "snapshots"}
	for _, other := range a.Snapshots {
		p.Titles = append(p.Titles, "Snapshot of "+other.Skill)
	}
	p.fill(map[string]any(s.Data))
	return shown{"evidence", p.Title, "incidents", p}, nil
}

func (p *evidencePage) fill(data any) {
	raw, err := encode(data)
	if err != nil {
		raw = []byte(fmt.Sprintf("%v", data)) // unreachable: evidence is JSON-safe
	}
	p.Raw = string(raw)
	if len(p.Raw) > maxRaw {
		p.Raw, p.Cut = strings.ToValidUTF8(p.Raw[:maxRaw], ""), true
	}
	var plain any
	if json.Unmarshal(raw, &plain) == nil {
		p.Blocks = blocks("", plain, 0)
	}
}

// blocks finds the forms that suit a value.
func blocks(title string, v any, depth int) []block {
	switch v := v.(type) {
	case []any:
		return []block{listBlock(title, v)}
	case map[string]any:
		if isTree(v) {
			b := block{Title: title}
			grow(&b.Tree, v, 0)
			return []block{b}
		}
		return mapBlocks(title, v, depth)
	case nil:
		return []block{{Title: title, Text: "nothing"}}
	case string:
		return []block{{Title: title, Text: cut(maxRaw, v)}}
	}
	return []block{{Title: title, Text: cell(v)}}
}

func mapBlocks(title string, v map[string]any, depth int) []block {
	first := block{Title: title}
	var rest []block
	for _, k := range keys(v) {
		switch x := v[k].(type) {
		case []any:
			if len(x) > 0 && (!scalars(x) || len(x) > 8) {
				rest = append(rest, blocks(words(k), x, depth+1)...)
				continue
			}
		case map[string]any:
			if depth < 3 && len(x) > 0 {
				rest = append(rest, blocks(words(k), x, depth+1)...)
				continue
			}
		case string:
			if strings.Count(x, "\n") > 0 {
				rest = append(rest, block{Title: words(k), Text: cut(maxRaw, x)})
				continue
			}
		}
		first.Facts = append(first.Facts, fact{words(k), cell(v[k])})
	}
	out := rest
	if len(first.Facts) > 0 {
		out = append([]block{first}, rest...)
		if len(rest) > 0 && len(first.Facts) <= 6 {
			// A few facts about a list stand better behind it.
			out = append(slices.Clone(rest), first)
		}
	}
	return out[:min(len(out), maxBlocks)]
}

// leading are the names of fields that a person looks for first.
var leading = []string{"name", "registered_name", "pid", "id", "table", "module", "query", "message_queue", "memory_kb", "memory_mb", "size", "count", "total", "status", "current_function", "type"}

func keys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	place := func(k string) int {
		if i := slices.Index(leading, k); i >= 0 {
			return i
		}
		return len(leading)
	}
	slices.SortFunc(out, func(a, b string) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return out
}

func scalars(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool {
		switch v.(type) {
		case []any, map[string]any:
			return true
		}
		return false
	})
}

// listBlock shows a list: as a flame graph when it is stacks, as trees, as a table.
func listBlock(title string, list []any) block {
	b := block{Title: title}
	if f := flameOf(list); f != nil {
		b.Flame = f
		return b
	}
	trees := 0
	var cols []string
	known := map[string]bool{}
	for _, v := range list {
		m, ok := v.(map[string]any)
		if !ok {
			continue
		}
		if isTree(m) {
			trees++
		}
		for _, k := range keys(m) {
			if !known[k] && len(cols) < maxCols {
				known[k] = true
				cols = append(cols, k)
			}
		}
	}
	if trees > 0 {
		for _, v := range list {
			grow(&b.Tree, v, 0)
		}
		return b
	}
	t := &table{}
	b.Table = t
	if len(cols) == 0 {
		cols = []string{"value"}
	}
	all := map[string]any{}
	for _, c := range cols {
		all[c] = nil
	}
	cols = keys(all)
	for _, c := range cols {
		t.Cols = append(t.Cols, words(c))
	}
	t.Wide = make([]bool, len(cols))
	for n, v := range list {
		if n == maxRows {
			t.Hidden = len(list) - maxRows
			break
		}
		row := make([]string, len(cols))
		if m, ok := v.(map[string]any); ok {
			for i, c := range cols {
				row[i] = cell(m[c])
				if _, number := m[c].(float64); !number && m[c] != nil {
					t.Wide[i] = true
				}
			}
		} else {
			row[0], t.Wide[0] = cell(v), true
		}
		t.Rows = append(t.Rows, row)
	}
	return b
}

// cell is a value in a line.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "–"
	case string:
		return cut(maxCell, v)
	case bool:
		return yesNo(v)
	case float64:
		return num(v)
	}
	raw, err := encode(v)
	if err != nil {
		return "?" // unreachable: it came from JSON
	}
	return cut(maxCell, string(raw))
}

// below are the names under which trees keep their branches: supervision trees, query plans.
var below = []string{"children", "Plans", "Plan", "tree", "plan"}

func isTree(m map[string]any) bool { return len(branches(m)) > 0 }

func branches(m map[string]any) []any {
	for _, k := range below {
		switch v := m[k].(type) {
		case []any:
			if len(v) > 0 && !scalars(v) {
				return v
			}
		case map[string]any:
			return []any{v}
		}
	}
	return nil
}

// grow adds a node and what is below it.
func grow(out *[]treeLine, v any, depth int) {
	if len(*out) >= maxNodes || depth > maxDepth {
		return
	}
	m, ok := v.(map[string]any)
	if !ok {
		*out = append(*out, treeLine{Depth: min(depth, 12), Head: cell(v), Part: -1})
		return
	}
	head, tail := "", []string{}
	for _, k := range keys(m) {
		x := m[k]
		switch x.(type) {
		case []any, map[string]any, nil:
			continue
		}
		if head == "" && slices.Contains([]string{"name", "registered_name", "id", "Node Type", "module", "pid"}, k) {
			head = cell(x)
			continue
		}
		if len(tail) < 8 {
			tail = append(tail, words(k)+" "+cell(x))
		}
	}
	if head == "" {
		head = "node"
		if len(tail) > 0 {
			head, tail = tail[0], tail[1:]
		}
	}
	*out = append(*out, treeLine{Depth: min(depth, 12), Head: head, Tail: strings.Join(tail, " · "), Part: -1})
	for _, b := range branches(m) {
		grow(out, b, depth+1)
	}
}

// encode gives indented JSON in which < and > stay what they are.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}
