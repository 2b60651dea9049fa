package shopgo

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"
)

// Load has so many customers buy until the shop stops.
func (s *Shop) Load(customers int) {
	s.buy(s.ctx, customers, func(time.Duration) int { return customers })
}

// The day of LoadDay.
const (
	day       = 90 * time.Second
	dayMost   = 30
	dayFewest = 1
)

// LoadDay has customers come and go as over a day, which takes a minute and a half here: from nearly nobody to many, and back.
func (s *Shop) LoadDay() {
	s.buy(s.ctx, dayMost, func(at time.Duration) int {
		noon := (1 - math.Cos(2*math.Pi*at.Seconds()/day.Seconds())) / 2
		return dayFewest + int(noon*(dayMost-dayFewest)+0.5)
	})
}

// buy has at most so many customers buy until ctx ends, as many at a time as now says.
func (s *Shop) buy(ctx context.Context, most int, now func(at time.Duration) int) {
	began := time.Now()
	for i := range most {
		s.work.Go(func() {
			client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				if i >= now(time.Since(began)) {
					client.CloseIdleConnections() // gone for now
					pause(ctx, time.Second)
					continue
				}
				for _, what := range []string{"GET /products", fmt.Sprintf("POST /cart/c%d", i), fmt.Sprintf("POST /order/c%d", i), "GET /coupon/SPRING"} {
					method, path, _ := strings.Cut(what, " ")
					s.ask(ctx, client, method, path)
					pause(ctx, 25*time.Millisecond)
				}
			}
		})
	}
}

func (s *Shop) ask(ctx context.Context, client *http.Client, method, path string) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, nil)
	if err != nil {
		return // unreachable: the address is good
	}
	resp, err := client.Do(req)
	if err != nil {
		return // it is slow, or closes
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// every calls f so often until ctx ends.
func every(ctx context.Context, d time.Duration, f func()) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			f()
		}
	}
}
