// Command wire is the program core with a language model: one wire, and what goes around it.
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
	"github.com/beamlens/beamlens-go/llm/anthropic"
	"github.com/beamlens/beamlens-go/llm/route"
	"github.com/beamlens/beamlens-go/skill"
)

func main() {
	url := flag.String("url", "", "")
	flag.Parse()
	s := &skill.Skill{ID: "queue", Title: "Queue", Summary: "a queue", Prompt: "You watch a queue.", Metrics: []skill.Metric{{Name: "length", Kind: skill.Gauge}},
		Snapshot: func(context.Context) (map[string]any, error) { return map[string]any{"length": 0}, nil }}
	model := route.Client(anthropic.New(anthropic.Options{Key: "none"}), route.ClientOptions{})
	e, err := engine.New(engine.Options{Model: model, Target: beamlens.Target{Kind: "go", Name: "embed"}, Skills: []*skill.Skill{s}})
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
