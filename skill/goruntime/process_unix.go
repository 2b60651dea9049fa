//go:build unix

package goruntime

import (
	"errors"
	"syscall"
)

// processCPU is the CPU time of this process in seconds.
func processCPU() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0 // unreachable: the arguments are right
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// descriptorLimit is how many descriptors this process may have.
func descriptorLimit() float64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0 // unreachable: the arguments are right
	}
	return float64(l.Cur)
}

// lives says whether there is such a process.
func lives(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
