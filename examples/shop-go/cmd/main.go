// Command cmd is the shop as a program of its own, watched by an engine inside it. Its only argument is the address to listen on; POST /fault/NAME
// switches a fault on, and what the engine says is printed.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	shopgo "github.com/beamlens/beamlens-go/examples/shop-go"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	address := "127.0.0.1:8080"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	shop, err := shopgo.Start(ctx, shopgo.Options{Address: address, Log: os.Stderr})
	if err != nil {
		return err
	}
	shop.Load(10)
	fmt.Println("the shop is open at", shop.URL)
	err = shop.Watch(ctx, engine.Options{OnEvent: func(ev beamlens.Event) {
		if ev.Alert != nil {
			fmt.Printf("%s %s: %s\n", ev.Alert.Severity, ev.Name, ev.Alert.Summary)
		}
		if ev.Insight != nil {
			fmt.Printf("insight: %s\n", ev.Insight.Summary)
		}
	}})
	if ctx.Err() != nil {
		err = nil
	}
	if cerr := shop.Stop(); err == nil {
		err = cerr
	}
	return err
}
