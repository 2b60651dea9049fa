package shopgo

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// The mistakes of this file are as small as they often are, and what looks like one and is none stands beside them. How fast and how large they are was drawn
// by lot, and not looked for.

// The lots.
const (
	sessionBytes   = 16 << 10
	sessionsEvery  = 6224 * time.Microsecond // 2.5 MB a second
	webhooksEvery  = 1944 * time.Millisecond
	receiptsEvery  = 515 * time.Millisecond
	pricesHeld     = 11866 * time.Microsecond
	pricesEvery    = 50 * time.Millisecond
	batchWorkers   = 150
	batchBytes     = 46 << 20
	warmBytes      = 66 << 20
	warmOver       = 23 * time.Second
	campaignBuyers = 93 // where ten are usual
)

// sessions keeps the sixteen first bytes of what customers send, and with them all of it.
func (s *Shop) sessions(ctx context.Context) {
	var tokens [][]byte
	every(ctx, sessionsEvery, func() { tokens = append(tokens, token(sessionBytes)) })
	clear(tokens)
}

func token(size int) []byte {
	sent := make([]byte, size) // culprit: sessions
	return sent[:16]
}

// webhook tells a partner of an order, and waits for an answer that whoever should give it has given up to give.
func (s *Shop) webhook(ctx context.Context) {
	every(ctx, webhooksEvery, func() {
		answer := make(chan error)
		go s.deliver(ctx, answer)
		select {
		case <-answer:
		case <-time.After(5 * time.Millisecond):
		}
	})
}

func (s *Shop) deliver(ctx context.Context, answer chan<- error) {
	pause(ctx, 20*time.Millisecond)
	select { // culprit: webhook
	case answer <- nil:
	case <-ctx.Done():
	}
}

// receipts are printed into files that are not closed.
func (s *Shop) receipts(ctx context.Context) {
	dir, err := os.MkdirTemp("", "shop-go-receipts")
	if err != nil {
		s.log.Error("receipt", "err", err)
		return
	}
	var open []*os.File
	every(ctx, receiptsEvery, func() {
		f, err := os.Create(filepath.Join(dir, "receipt.txt")) // culprit: receipts
		if err == nil {
			open = append(open, f)
		}
	})
	for _, f := range open {
		_ = f.Close()
	}
	_ = os.RemoveAll(dir)
}

// prices are read by who looks at products, and written now and then.
type prices struct {
	mu   sync.RWMutex // guards what follows
	more int
}

func (p *prices) price(i int) int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return 100 + i + p.more
}

// reload holds the lock while it fetches.
func (p *prices) reload(ctx context.Context) {
	p.mu.Lock()
	pause(ctx, pricesHeld)
	p.more = 1
	p.mu.Unlock() // culprit: prices
}

// prices reloads them many times a second.
func (s *Shop) prices(ctx context.Context) { every(ctx, pricesEvery, func() { s.list.reload(ctx) }) }

// poll looks for new orders without a rest.
func (s *Shop) poll(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-s.mailer.resume: // culprit: poll
		default:
		}
	}
}

// batch has workers go through the day's orders for a while, and ends.
func (s *Shop) batch(ctx context.Context) {
	var all sync.WaitGroup
	work := make(chan []byte)
	for range batchWorkers {
		all.Go(func() {
			var mine [][]byte
			for order := range work {
				mine = append(mine, order)
				pause(ctx, 10*time.Millisecond)
			}
			sink.Store(int64(len(mine)))
		})
	}
	const orders = 3000
	for range orders {
		work <- make([]byte, batchBytes/orders)
		pause(ctx, 10*time.Millisecond)
	}
	close(work)
	all.Wait()
	<-ctx.Done()
}

// warm fills a cache up to its size, and keeps it.
func (s *Shop) warm(ctx context.Context) {
	const entries = 1000
	kept := make(map[int][]byte, entries)
	every(ctx, warmOver/entries, func() {
		if len(kept) < entries {
			kept[len(kept)] = make([]byte, warmBytes/entries)
		}
	})
	clear(kept)
}

// campaign brings many customers for half a minute.
func (s *Shop) campaign(ctx context.Context) {
	few, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	s.buy(few, campaignBuyers, func(time.Duration) int { return campaignBuyers })
	<-ctx.Done()
}
