package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/probe"
)

// The probe beside recon, as it comes with RabbitMQ: who of 100,000 processes has the longest mailbox? Goals: a tenth of recon's
// memory, and on a busy node a tenth of its time.

// looked is what one way of looking costs the node.
type looked struct {
	took     time.Duration // median
	peak     float64       // MB by which the memory of all processes grew at most
	p50, p99 time.Duration // round trips between two other processes, meanwhile
	trips    int
}

var lookedText = regexp.MustCompile(`^\{(\d+),(\d+),\{(\d+),(\d+)\},(\d+)\}$`)

// benched starts a node with 100,000 idle processes, recon and the probe.
func benched(b *testing.B) *erlangtest.Node {
	recon, _ := filepath.Glob("/usr/lib/rabbitmq/lib/*/plugins/recon-*/ebin")
	if len(recon) == 0 {
		if os.Getenv("BEAMLENS_NEED_ERLANG") != "" {
			b.Fatal("recon is not installed: run scripts/setup")
		}
		b.Skip("recon is not installed: it comes with RabbitMQ")
	}
	erlangtest.Erl(b)
	dir := b.TempDir()
	if out, err := exec.Command("erlc", "-o", dir, "probebench.erl").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	n := erlangtest.StartNode(b, "-pa", recon[0], dir)
	up := make(chan probe.State, 10)
	p := probe.New(n.Name, func(ctx context.Context) (erlang.Conn, error) {
		return erlang.Dial(ctx, n.Name, &erlang.Options{Cookie: erlangtest.Cookie, Name: erlangtest.Unique() + "@localhost"})
	}, &probe.Options{OnState: func(s probe.State) { up <- s }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Serve(ctx)
	}()
	b.Cleanup(func() {
		cancel()
		<-done
	})
	if s := <-up; !s.Up {
		b.Fatal(s.Err)
	}
	n.Eval(b, "code:ensure_loaded(recon), probebench:idle(100000).")
	return n
}

func look(b *testing.B, n *erlangtest.Node, which string, times int) looked {
	text := n.Eval(b, fmt.Sprintf("probebench:look(%s, %d).", which, times))
	m := lookedText.FindStringSubmatch(text)
	if m == nil {
		b.Fatalf("look gave %s", text)
	}
	num := func(i int) int {
		v, err := strconv.Atoi(m[i])
		if err != nil {
			b.Fatal(err)
		}
		return v
	}
	us := func(i int) time.Duration { return time.Duration(num(i)) * time.Microsecond }
	return looked{us(1), float64(num(2)) / (1 << 20), us(3), us(4), num(5)}
}

func BenchmarkTop100k(b *testing.B) {
	n := benched(b)
	for _, load := range []struct {
		name         string
		probe, recon int // looks
	}{{"idle", 9, 5}, {"busy", 9, 3}} {
		b.Run(load.name, func(b *testing.B) {
			if load.name == "busy" {
				n.Eval(b, "Workers = probebench:load(), ok.")
				defer n.Eval(b, "[exit(W, kill) || W <- Workers], ok.")
			}
			nobody := look(b, n, "nobody", 3)
			var ours, theirs looked
			for b.Loop() {
				ours = look(b, n, "probe", load.probe)
			}
			theirs = look(b, n, "recon", load.recon)
			quicker, smaller := float64(theirs.took)/float64(ours.took), theirs.peak/max(ours.peak, 0.01)
			b.ReportMetric(0, "ns/op") // of all looks of an iteration: of no use
			b.ReportMetric(float64(ours.took.Microseconds())/1000, "ms/look")
			b.ReportMetric(ours.peak, "peak-MB")
			b.ReportMetric(float64(ours.p99.Microseconds()), "others-p99-us")
			b.ReportMetric(quicker, "x-quicker")
			b.ReportMetric(smaller, "x-smaller")
			b.Logf("top 10 of 100,000 processes by mailbox, %s node\n%-8s %12s %12s %12s %12s %8s\n%s%s%s%-8s %11.1fx %11.1fx", load.name,
				"", "time", "peak memory", "others p50", "others p99", "trips", ours.row("probe"), theirs.row("recon"), nobody.row("nobody"), "ratio", quicker, smaller)
			if smaller < 10 {
				b.Errorf("the probe takes 1/%.1f of recon's memory; the goal is 1/10", smaller)
			}
			if load.name == "busy" && quicker < 10 {
				b.Errorf("on a busy node the probe takes 1/%.1f of recon's time; the goal is 1/10", quicker)
			}
		})
	}
}

func (l looked) row(who string) string {
	return fmt.Sprintf("%-8s %12s %9.1f MB %12s %12s %8d\n", who, l.took.Round(100*time.Microsecond), l.peak, l.p50, l.p99, l.trips)
}
