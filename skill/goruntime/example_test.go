package goruntime_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/skill/goruntime"
)

// A program that watches itself.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	mux := http.NewServeMux()

	p := goruntime.New(nil)
	log := slog.New(p.Log(slog.NewJSONHandler(os.Stderr, nil)))
	e, err := engine.New(engine.Options{Target: p.Target("shop"), Skills: p.Skills(), OnEvent: func(ev beamlens.Event) {
		if ev.Alert != nil {
			log.Warn(ev.Alert.Summary)
		}
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	go e.Serve(ctx)
	_ = &http.Server{Handler: p.HTTP(mux)}

	fmt.Println(len(e.Skills()), "skills watch", p.Target("shop").Kind)
	// Output: 11 skills watch go
}
