// Package shopgo is a small HTTP shop with a switch for each fault: what a Go program looks like that is watched from the inside, and the subject of
// scenarios. It sells from memory, and from a database when it is given one.
//
// What a program of one's own needs of it is in [Shop.Watch]: five lines.
package shopgo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/skill"
	"github.com/beamlens/beamlens-go/skill/goruntime"
	"github.com/beamlens/beamlens-go/skill/host"
	"github.com/beamlens/beamlens-go/skill/sqldb"
	"github.com/thejerf/suture/v4"
)

// Options of a shop. The zero value is ready.
type Options struct {
	Address  string         // to listen on; default 127.0.0.1 and a free port
	DB       *sql.DB        // orders are kept in it; nil: in memory
	Queries  *sqldb.Queries // what DB was opened with
	Log      io.Writer      // default: nowhere
	Evidence string         // see goruntime.Options
	Every    time.Duration  // see goruntime.Options
}

// Shop is a running one.
type Shop struct {
	URL   string
	Probe *goruntime.Probe

	options Options
	log     *slog.Logger
	server  *http.Server
	bank    *bank
	client  *http.Client
	carts   carts
	stock   stock
	mailer  mailer
	points  points
	list    prices

	ctx    context.Context // of all that runs in it: it outlives the call that starts it
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	faults map[string]context.CancelFunc
}

// Start opens the shop. Stop closes it.
func Start(ctx context.Context, o Options) (*Shop, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	s := &Shop{options: o, faults: map[string]context.CancelFunc{}, Probe: goruntime.New(&goruntime.Options{Evidence: o.Evidence, Every: o.Every})}
	s.log = slog.New(s.Probe.Log(slog.NewJSONHandler(o.Log, nil)))
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	bank, err := openBank()
	if err != nil {
		return nil, err
	}
	s.bank = bank
	s.client = &http.Client{Transport: s.Probe.Transport(&http.Transport{MaxIdleConnsPerHost: 64}), Timeout: 30 * time.Second}
	s.mailer.open()
	s.work.Go(func() { s.mailer.serve(s.ctx) })
	s.work.Go(func() { s.carts.serve(s.ctx) })

	mux := http.NewServeMux()
	mux.HandleFunc("GET /products", s.products)
	mux.HandleFunc("POST /cart/{customer}", s.addToCart)
	mux.HandleFunc("POST /order/{customer}", s.order)
	mux.HandleFunc("GET /coupon/{code}", s.coupon)
	mux.HandleFunc("POST /fault/{name}", s.fault)
	mux.HandleFunc("DELETE /fault/{name}", s.fault)
	s.server = &http.Server{Handler: s.Probe.HTTP(mux), ErrorLog: s.Probe.ErrorLog(o.Log), ReadHeaderTimeout: 10 * time.Second}
	l, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), s.bank.close())
	}
	s.URL = "http://" + l.Addr().String()
	s.work.Go(func() { _ = s.server.Serve(l) }) // it ends with Close
	return s, nil
}

// Watch is all that a program has to do to be watched: it gives the skills to an engine, and serves that.
func (s *Shop) Watch(ctx context.Context, o engine.Options) error {
	o.Target, o.Skills = s.Probe.Target("shop-go"), s.Skills()
	e, err := engine.New(o)
	if err != nil {
		return err
	}
	return e.Serve(ctx)
}

// Skills are those by which the shop is watched.
func (s *Shop) Skills() []*skill.Skill {
	skills := append(s.Probe.Skills(), host.New(nil))
	if s.options.DB != nil {
		skills = append(skills, sqldb.Pool(s.options.DB, s.options.Queries))
	}
	return skills
}

// Stop closes the shop, and ends its faults.
func (s *Shop) Stop() error {
	s.mu.Lock()
	for _, off := range s.faults {
		off()
	}
	s.mu.Unlock()
	s.cancel()
	err := errors.Join(s.server.Close(), s.bank.close())
	s.client.CloseIdleConnections()
	s.work.Wait()
	return err
}

// supervised runs a service under a supervisor that tells the probe.
func (s *Shop) supervised(ctx context.Context, name string, serve func(context.Context) error) {
	sup := suture.New("shop", suture.Spec{EventHook: func(e suture.Event) { s.Probe.Supervised(e) }, FailureThreshold: 1000, FailureBackoff: time.Second})
	sup.Add(named{name, serve})
	_ = sup.Serve(ctx)
}

type named struct {
	name  string
	serve func(context.Context) error
}

func (s named) Serve(ctx context.Context) error { return s.serve(ctx) }
func (s named) String() string                  { return s.name }

func (s *Shop) products(w http.ResponseWriter, _ *http.Request) {
	for i := range 20 {
		fmt.Fprintf(w, "product %d costs %d\n", i, s.list.price(i))
	}
}

func (s *Shop) addToCart(_ http.ResponseWriter, r *http.Request) {
	s.carts.add(r.PathValue("customer"), make([]byte, 200))
}

// order takes from stock, asks the bank, keeps the order and writes a mail.
func (s *Shop) order(w http.ResponseWriter, r *http.Request) {
	s.stock.take()
	if err := s.pay(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if db := s.options.DB; db != nil {
		if _, err := db.ExecContext(r.Context(), "update orders set total = total + 1 where id = 1 + floor(random() * 1000)"); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	s.mailer.order(s.ctx, r.PathValue("customer"))
}

func (s *Shop) pay(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.bank.url, strings.NewReader("100"))
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("pay: %w", err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// coupon has the mistake of the fault coupon.
func (s *Shop) coupon(w http.ResponseWriter, r *http.Request) {
	var discounts map[string]int
	if !s.on("coupon") {
		discounts = map[string]int{}
	}
	discounts[r.PathValue("code")]++ // culprit: coupon
	fmt.Fprintln(w, len(discounts))
}

// fault is the switch of a fault, over HTTP.
func (s *Shop) fault(w http.ResponseWriter, r *http.Request) {
	var err error
	if r.Method == http.MethodDelete {
		err = s.Off(r.PathValue("name"))
	} else {
		err = s.On(r.PathValue("name"))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (s *Shop) on(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults[name] != nil
}

// On switches a fault on.
func (s *Shop) On(name string) error {
	run := s.faultsByName()[name]
	if run == nil {
		return fmt.Errorf("the shop has no fault %q; it has %s", name, strings.Join(Faults, ", "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults[name] != nil {
		return fmt.Errorf("the fault %s is on already", name)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.faults[name] = cancel
	s.work.Go(func() { run(ctx) })
	return nil
}

// Off switches a fault off. What it has leaked is given back.
func (s *Shop) Off(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults[name] == nil {
		return fmt.Errorf("the fault %q is not on", name)
	}
	s.faults[name]()
	delete(s.faults, name)
	return nil
}

// Faults are what can be switched on.
var Faults = []string{
	"bank", "bodies", "carts", "coupon", "audit", "exports", "holds", "limit", "loyalty", "mailer", "newsletter", "pages", "reminders", "rows", "search", "slow",
	"sessions", "webhook", "receipts", "prices", "poll", "batch", "warm", "campaign",
}

func (s *Shop) faultsByName() map[string]func(context.Context) {
	all := map[string]func(context.Context){
		"bank": s.slowBank, "bodies": s.rates, "carts": s.robots, "coupon": func(ctx context.Context) { <-ctx.Done() }, "audit": s.audit, "exports": s.exports, "holds": s.holds,
		"limit": s.history, "loyalty": s.points.deadlock, "mailer": s.mailer.pause, "newsletter": s.newsletter, "pages": s.pages, "reminders": s.reminders, "search": s.search,
		"sessions": s.sessions, "webhook": s.webhook, "receipts": s.receipts, "prices": s.prices, "poll": s.poll, "batch": s.batch, "warm": s.warm, "campaign": s.campaign,
	}
	if s.options.DB != nil {
		all["rows"], all["slow"] = s.rows, s.slowReport
	}
	return all
}

// Line finds where a fault is in the source: file and line, as an alert names them. It is for tests.
func Line(fault string) string {
	for _, name := range []string{"shop.go", "faults.go", "mild.go"} {
		raw, err := source.ReadFile(name)
		if err != nil {
			continue // unreachable: it is embedded
		}
		lines := strings.Split(string(raw), "\n")
		if i := slices.IndexFunc(lines, func(l string) bool { return strings.HasSuffix(l, "// culprit: "+fault) }); i >= 0 {
			return fmt.Sprintf("shop-go/%s:%d", name, i+1)
		}
	}
	return ""
}

// exportDir is where exports are written.
var exportDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "shop-go-exports") })
