// Command anthropic is a program with Anthropic's SDK, beside which ours is measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

func main() {
	url := flag.String("url", "", "")
	flag.Parse()
	client := anthropic.NewClient(option.WithAPIKey("none"), option.WithBaseURL(*url))
	if *url == "" {
		fmt.Println("ready")
		return
	}
	m, err := client.Messages.New(context.Background(), anthropic.MessageNewParams{Model: "claude-haiku-5-5", MaxTokens: 100,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hi"))}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(m.StopReason)
}
