// Command openai is a program with OpenAI's SDK, beside which ours is measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

func main() {
	url := flag.String("url", "", "")
	flag.Parse()
	client := openai.NewClient(option.WithAPIKey("none"), option.WithBaseURL(*url))
	if *url == "" {
		fmt.Println("ready")
		return
	}
	r, err := client.Responses.New(context.Background(), responses.ResponseNewParams{Model: "gpt-5.4-mini", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hi")}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(r.Status)
}
