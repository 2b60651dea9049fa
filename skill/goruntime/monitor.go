package goruntime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
)

// monitorName is the name under which a program is its own monitor.
const monitorName = "beamlens-monitor"

// RunMonitor returns at once, unless this process is the monitor of another: then it waits for the end of that, writes the report, and leaves. A program that wants a
// monitor calls it first of all in main.
//
// then is called in the monitor when the program has died: to tell somebody at once, with an engine of its own for example, whose skill is that of the black
// box it gets (see engine.Explain). When it returns nil the death counts as told, and the next start does not tell it again. It may be nil.
func RunMonitor(then func(*BlackBox) error) {
	if len(os.Args) != 3 || filepath.Base(os.Args[0]) != monitorName {
		return
	}
	// A signal to the group is meant for the program; its monitor has to see it out.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	if err := watchOver(os.Stdin, os.Args[1], os.Args[2], then); err != nil {
		fmt.Fprintln(os.Stderr, "beamlens monitor:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// startMonitor starts one. Its input is where the runtime writes when it crashes; it ends when nobody has that open any more.
func startMonitor(ctx context.Context, record, crash string) (stop func() error, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	// It outlives ctx by a moment: the end of the pipe tells it that all is over.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), exe)
	cmd.Args = []string{monitorName, record, crash}
	cmd.Stdin, cmd.Stderr = r, os.Stderr
	cmd.Env = monitorEnv()
	err = cmd.Start()
	_ = r.Close()
	if err == nil {
		err = debug.SetCrashOutput(w, debug.CrashOptions{})
	}
	if err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("start monitor: %w", err)
	}
	return func() error {
		// The record is gone by now: the monitor finds that all is well.
		return errors.Join(debug.SetCrashOutput(nil, debug.CrashOptions{}), w.Close(), cmd.Wait())
	}, nil
}

// monitorEnv is the environment without what limits or tunes the runtime: the monitor is small, and must not be taken for the program.
func monitorEnv() []string {
	var out []string
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); name != "GOMEMLIMIT" && name != "GOGC" && name != "GODEBUG" && name != "GOTRACEBACK" {
			out = append(out, e)
		}
	}
	return append(out, "GOMAXPROCS=1")
}

// watchOver waits for the end of the process that has the other end, and explains it.
func watchOver(r io.Reader, record, crash string, then func(*BlackBox) error) error {
	text, err := io.ReadAll(io.LimitReader(r, mostCrash))
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, r)
	if _, err := os.Stat(record); errors.Is(err, os.ErrNotExist) && len(text) == 0 {
		return nil // it was told to end
	}
	if err := os.WriteFile(crash, text, 0o600); err != nil {
		return err
	}
	d, err := explain(record, true)
	if err != nil || d == nil {
		return err
	}
	report := strings.Replace(strings.TrimSuffix(record, ".jsonl")+".json", recordPrefix, reportPrefix, 1)
	fmt.Fprintf(os.Stderr, "beamlens: %s [%d] died: %s %s (%s); report: %s\n", d.Module, d.PID, d.What, d.Function, d.At, report)
	if then != nil {
		box := New(nil).BlackBox(BlackBoxOptions{Dir: filepath.Dir(record), NoCrashOutput: true})
		box.look.Do(func() { box.last = d })
		if err = then(box); err == nil {
			return nil // it has been told
		}
	}
	// For the next start, which has not seen it.
	return errors.Join(err, os.Rename(report, report+".new"))
}
