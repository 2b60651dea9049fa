// Command beamlens watches live systems from the inside.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK      = 0
	exitProblem = 1
	exitUsage   = 2
	exitUnable  = 3 // the target cannot be reached, or something that is needed is missing
)

// exit is an error that has been told already, or is told as it is, with its code.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program, without the process.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := &cobra.Command{
		Use:           "beamlens",
		Short:         "Watches live systems from the inside, and says what is wrong and who is to blame.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	root.AddCommand(costCommand(), payloadCommand(), transcriptCommand(), askCommand(), attachCommand(), benchCommand(), demoCommand(), detectCommand(), execCommand(), skillsCommand(), snapshotCommand(), luaCommand(), portCommand(), replayCommand(), versionCommand())
	err := root.ExecuteContext(ctx)
	var e *exit
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		if e.err != nil {
			fmt.Fprintln(errs, "beamlens:", e.err)
		}
		return e.code
	default:
		fmt.Fprintf(errs, "beamlens: %v\nTry: beamlens --help\n", err)
		return exitUsage
	}
}
