// Command core is the program web with the engine in it: one skill, the analyst, a store in memory.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/skill"
)

func main() {
	url := flag.String("url", "", "")
	flag.Parse()
	s := &skill.Skill{ID: "queue", Title: "Queue", Summary: "a queue", Prompt: "You watch a queue.", Metrics: []skill.Metric{{Name: "length", Kind: skill.Gauge}},
		Snapshot: func(context.Context) (map[string]any, error) { return map[string]any{"length": 0}, nil }}
	e, err := engine.New(engine.Options{Target: beamlens.Target{Kind: "go", Name: "embed"}, Skills: []*skill.Skill{s}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if *url == "" {
		fmt.Println("ready")
		return
	}
	client := &http.Client{Timeout: time.Minute}
	response, err := client.Get(*url)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	response.Body.Close()
	fmt.Println(e.Serve(context.Background()))
}
