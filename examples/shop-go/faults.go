package shopgo

import (
	"context"
	"embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// The lines that are to blame have a comment that says of which fault; source lets [Line] find them.
//
//go:embed shop.go faults.go mild.go
var source embed.FS

// bank is another program, as far as the shop knows.
type bank struct {
	url    string
	server *http.Server
	delay  atomic.Int64
	served sync.WaitGroup
}

func openBank() (*bank, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the bank: %w", err)
	}
	b := &bank{url: "http://" + l.Addr().String()}
	b.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pause(r.Context(), 2*time.Millisecond+time.Duration(b.delay.Load()))
		_, _ = w.Write(make([]byte, 4096))
	})}
	b.served.Go(func() { _ = b.server.Serve(l) }) // it ends with Close
	return b, nil
}

func (b *bank) close() error {
	err := b.server.Close()
	b.served.Wait()
	return err
}

// slowBank has the bank take a second and a half.
func (s *Shop) slowBank(ctx context.Context) {
	s.bank.delay.Store(int64(1500 * time.Millisecond))
	<-ctx.Done()
	s.bank.delay.Store(0)
}

// rates asks the bank for rates, and forgets to close what it gets.
func (s *Shop) rates(ctx context.Context) {
	var open []io.Closer
	every(ctx, 100*time.Millisecond, func() {
		resp, err := s.client.Get(s.bank.url + "/rates") // culprit: bodies
		if err == nil {
			open = append(open, resp.Body)
		}
	})
	for _, c := range open {
		_ = c.Close()
	}
}

// carts are swept when they are old.
type carts struct {
	mu    sync.Mutex // guards what follows
	kept  map[string][]byte
	stays bool
}

func (c *carts) add(customer string, item []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = map[string][]byte{}
	}
	c.kept[customer] = item
}

func (c *carts) serve(ctx context.Context) {
	every(ctx, time.Second, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.stays {
			clear(c.kept)
		}
	})
}

func (c *carts) keep(stays bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stays = stays
}

// robots fill carts, which are swept no more.
func (s *Shop) robots(ctx context.Context) {
	s.carts.keep(true)
	defer s.carts.keep(false)
	n := 0
	every(ctx, 10*time.Millisecond, func() {
		for range 8 {
			n++
			s.carts.add(fmt.Sprintf("robot%d", n), page(16<<10))
		}
	})
}

func page(size int) []byte {
	return make([]byte, size) // culprit: carts
}

// reminders are timers that come in a day and hold an order until then.
func (s *Shop) reminders(ctx context.Context) {
	var timers []*time.Timer
	every(ctx, 10*time.Millisecond, func() {
		for range 8 {
			order := make([]byte, 16<<10) // culprit: reminders
			timers = append(timers, time.AfterFunc(24*time.Hour, func() { order[0]++ }))
		}
	})
	for _, t := range timers {
		t.Stop()
	}
}

// stock is counted under one lock.
type stock struct {
	mu    sync.Mutex // guards what follows
	count int
}

func (s *stock) take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
}

// recount looks at everything, and holds the lock meanwhile.
func (s *stock) recount(ctx context.Context) {
	s.mu.Lock()
	pause(ctx, 40*time.Millisecond)
	s.count = 1000
	s.mu.Unlock() // culprit: holds
}

// holds recounts the stock all the time, while many take from it.
func (s *Shop) holds(ctx context.Context) {
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { every(ctx, 5*time.Millisecond, s.stock.take) })
	}
	for ctx.Err() == nil {
		s.stock.recount(ctx)
	}
	all.Wait()
}

// mailer writes a mail for each order: a goroutine each, which one worker takes from.
type mailer struct {
	mails  chan string
	paused atomic.Bool
	resume chan struct{}
}

func (m *mailer) open() { m.mails, m.resume = make(chan string), make(chan struct{}) }

func (m *mailer) serve(ctx context.Context) {
	for {
		if m.paused.Load() {
			select {
			case <-m.resume:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-m.mails:
		case <-ctx.Done():
			return
		}
	}
}

func (m *mailer) order(ctx context.Context, customer string) { go m.send(ctx, customer) }

func (m *mailer) send(ctx context.Context, customer string) {
	select { // culprit: mailer
	case m.mails <- customer:
	case <-ctx.Done():
	}
}

// pause has the worker take no more mails.
func (m *mailer) pause(ctx context.Context) {
	m.paused.Store(true)
	<-ctx.Done()
	m.paused.Store(false)
	select {
	case m.resume <- struct{}{}:
	case <-time.After(time.Second): // the shop closes
	}
}

// points are what customers collect.
type points struct{ alice, bob account }

type account struct {
	mu     sync.Mutex // guards what follows
	points int
}

func (a *account) give(to *account, n int, meanwhile, afterwards func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	meanwhile()
	a.points -= n
	to.take(n)
	afterwards()
}

func (a *account) take(n int) {
	a.mu.Lock() // culprit: loyalty
	a.points += n
	a.mu.Unlock()
}

// deadlock has two give to each other at the same time. Nothing in the program can free them. At the end the lock of one is taken away from it for a moment, so that
// what comes afterwards begins without them.
func (p *points) deadlock(ctx context.Context) {
	var both, bob, alice sync.WaitGroup
	both.Add(2)
	meet := func() {
		both.Done()
		both.Wait()
	}
	given := make(chan struct{})
	alice.Go(func() { p.alice.give(&p.bob, 1, meet, func() { <-given }) })
	bob.Go(func() { p.bob.give(&p.alice, 1, meet, func() {}) })
	both.Wait()
	<-ctx.Done()
	p.alice.mu.Unlock()
	bob.Wait()
	p.alice.mu.Lock()
	close(given)
	alice.Wait()
}

// exports writes files and does not close them.
func (s *Shop) exports(ctx context.Context) {
	dir, err := exportDir()
	if err != nil {
		s.log.Error("export", "err", err)
		return
	}
	var open []*os.File
	every(ctx, 20*time.Millisecond, func() {
		f, err := os.Create(filepath.Join(dir, "orders.csv")) // culprit: exports
		if err == nil {
			open = append(open, f)
		}
	})
	for _, f := range open {
		_ = f.Close()
	}
	_ = os.RemoveAll(dir)
}

// audit logs errors all the time.
func (s *Shop) audit(ctx context.Context) {
	every(ctx, 10*time.Millisecond, func() {
		s.log.Error("order is not in the books", "order", 7) // culprit: audit
	})
}

// newsletter is a service that cannot work.
func (s *Shop) newsletter(ctx context.Context) {
	s.supervised(ctx, "newsletter", func(ctx context.Context) error {
		pause(ctx, 500*time.Millisecond)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		panic("no template") // culprit: newsletter
	})
}

var sink atomic.Int64

// search ranks without end.
func (s *Shop) search(ctx context.Context) {
	var all sync.WaitGroup
	for range 8 * runtime.GOMAXPROCS(0) {
		all.Go(func() { rank(ctx) })
	}
	all.Wait()
}

func rank(ctx context.Context) {
	x := 0
	for i := 0; ctx.Err() == nil; i++ {
		for range 1000 {
			x = x*31 + i // culprit: search
		}
	}
	sink.Store(int64(x))
}

type element struct {
	next *element
	text [6]int
}

// pages makes trees of elements and throws them away, beside a catalogue that is alive.
func (s *Shop) pages(ctx context.Context) {
	var catalogue []*element
	for range 500_000 {
		catalogue = append(catalogue, &element{})
	}
	s.render(ctx)
	runtime.KeepAlive(catalogue)
}

func (s *Shop) render(ctx context.Context) {
	var all sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for ctx.Err() == nil {
				build()
			}
		})
	}
	all.Wait()
}

func build() {
	var head *element
	for range 1000 {
		head = &element{next: head} // culprit: pages
	}
	sink.Store(int64(head.text[0]))
}

// history keeps more than the memory limit allows, while pages are rendered.
func (s *Shop) history(ctx context.Context) {
	before := debug.SetMemoryLimit(48 << 20)
	defer debug.SetMemoryLimit(before)
	var kept []*element
	for len(kept) < 700_000 && ctx.Err() == nil {
		kept = append(kept, &element{}) // culprit: limit
	}
	s.render(ctx)
	runtime.KeepAlive(kept)
}

// rows reads one row and forgets the rest.
func (s *Shop) rows(ctx context.Context) {
	for ctx.Err() == nil {
		rows, err := s.options.DB.QueryContext(ctx, "select id from orders where customer <> 'nobody'") // culprit: rows
		if err != nil {
			return // the end
		}
		rows.Next()
	}
}

// slowReport joins what cannot be joined, several times at once.
func (s *Shop) slowReport(ctx context.Context) {
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				rows, err := s.options.DB.QueryContext(ctx, "select count(*) from orders a join orders b on a.total + b.total = 77 where a.customer <> 'secret'") // culprit: slow
				if err == nil {
					_ = rows.Close()
				}
			}
		})
	}
	all.Wait()
}
