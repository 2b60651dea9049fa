// Command web is what a Go program is before anything of ours is in it: one that speaks HTTP with TLS.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	url := flag.String("url", "", "")
	flag.Parse()
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
	fmt.Println(response.Status)
	response.Body.Close()
}
