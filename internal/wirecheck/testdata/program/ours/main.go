// Command ours is the same program with our wire of Anthropic, and with all that goes around it: retries, limits, checked answers.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/beamlens/beamlens-go/llm"
	"github.com/beamlens/beamlens-go/llm/anthropic"
	"github.com/beamlens/beamlens-go/llm/route"
	"github.com/beamlens/beamlens-go/llm/wire"
)

func main() {
	url := flag.String("url", "", "")
	flag.Parse()
	model := route.Client(anthropic.New(anthropic.Options{Key: "none", HTTP: wire.HTTP{Base: *url}}), route.ClientOptions{})
	if *url == "" {
		fmt.Println("ready")
		return
	}
	r, err := model.Turn(context.Background(), &llm.Request{MaxTokens: 100, Messages: []llm.Message{{Role: llm.User, Text: "hi"}}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(r.Stop)
}
