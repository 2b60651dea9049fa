//go:build unix

package erlang

import (
	"fmt"
	"os"
	"syscall"
)

// Standard takes standard input and output for a connection: read and written by the runtime's poller, which halves the time of a
// call, and out of the reach of whoever prints, whose text then goes to standard error.
func Standard() (in, out *os.File, err error) {
	files := [2]*os.File{}
	for fd, name := range []string{"port input", "port output"} {
		n, err := syscall.Dup(fd)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		syscall.CloseOnExec(n)
		if err := syscall.SetNonblock(n, true); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		files[fd] = os.NewFile(uintptr(n), name)
	}
	os.Stdout = os.Stderr
	return files[0], files[1], nil
}
