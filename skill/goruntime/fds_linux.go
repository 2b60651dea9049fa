package goruntime

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// openDescriptors is how many there are. Since Linux 6.2 the size of the directory says it, without a look at each.
func openDescriptors() float64 {
	info, err := os.Stat("/proc/self/fd")
	if err != nil {
		return math.NaN()
	}
	if n := info.Size(); n > 0 {
		return float64(n)
	}
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return math.NaN()
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return math.NaN()
	}
	return float64(len(names) - 1) // without the one that reads them
}

// processRSS is the memory of this process that is in use, in bytes.
func processRSS() float64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return math.NaN()
	}
	f := strings.Fields(string(raw))
	if len(f) < 2 {
		return math.NaN()
	}
	pages, err := strconv.ParseFloat(f[1], 64)
	if err != nil {
		return math.NaN()
	}
	return pages * float64(os.Getpagesize())
}

// mostDescriptors are looked at.
const mostDescriptors = 20_000

// descriptorKinds counts what the descriptors are. Files are counted by name.
func descriptorKinds() (map[string]int, error) {
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(mostDescriptors)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	out := map[string]int{}
	for _, n := range names {
		link, err := os.Readlink(filepath.Join("/proc/self/fd", n))
		if err != nil {
			continue // it has been closed
		}
		if kind, _, ok := strings.Cut(link, ":["); ok {
			link = kind
		}
		if len(out) > 1000 && out[link] == 0 {
			link = "other"
		}
		out[link]++
	}
	return out, nil
}

var tcpStates = []string{"", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"}

// socketStates counts the TCP sockets of this process by state and peer.
func socketStates() (map[[2]string]int, error) {
	own, err := ownSockets()
	if err != nil {
		return nil, err
	}
	out := map[[2]string]int{}
	for _, name := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(raw)) {
			f := strings.Fields(line)
			if len(f) < 10 || !own[f[9]] {
				continue
			}
			n, err := strconv.ParseUint(f[3], 16, 8)
			if err != nil || int(n) >= len(tcpStates) {
				continue
			}
			peer := peerOf(f[2])
			if tcpStates[n] == "LISTEN" {
				peer = "on " + peerOf(f[1])
			}
			out[[2]string{tcpStates[n], peer}]++
		}
	}
	return out, nil
}

func ownSockets() (map[string]bool, error) {
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(mostDescriptors)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	own := map[string]bool{}
	for _, n := range names {
		if link, err := os.Readlink(filepath.Join("/proc/self/fd", n)); err == nil {
			if inode, ok := strings.CutPrefix(link, "socket:["); ok {
				own[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	return own, nil
}

// peerOf reads an address as the kernel writes it: hexadecimal words in the order of this machine (little endian), a colon, the port. Of clients the
// port is of no interest, but nothing says who is one: ports from 32768 on are left out.
func peerOf(text string) string {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	n, perr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || perr != nil || len(raw)%4 != 0 {
		return text
	}
	for i := 0; i < len(raw); i += 4 {
		raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
	}
	a, ok := netip.AddrFromSlice(raw)
	if !ok {
		return text
	}
	const ephemeral = 32768
	if n >= ephemeral {
		return a.Unmap().String()
	}
	return fmt.Sprintf("%s:%d", a.Unmap(), n)
}

// memoryGroup is the directory in which the kernel tells of the memory of this process's control group, "" where there is none.
func memoryGroup() string {
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		root := "/sys/fs/cgroup"
		switch {
		case f[0] == "0" && f[1] == "":
		case slices.Contains(strings.Split(f[1], ","), "memory"):
			root += "/memory"
		default:
			continue
		}
		// In a container what is mounted may begin at its own group.
		for _, dir := range []string{filepath.Join(root, f[2]), root} {
			for _, name := range []string{"memory.events", "memory.oom_control"} {
				if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
					return dir
				}
			}
		}
	}
	return ""
}

// oomKills is how many processes of a control group were killed for want of memory, as far as it tells.
func oomKills(group string) float64 {
	for _, name := range []string{"memory.events", "memory.oom_control"} {
		raw, err := os.ReadFile(filepath.Join(group, name))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(raw)) {
			if x, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
				if n, err := strconv.ParseFloat(x, 64); err == nil {
					return n
				}
			}
		}
	}
	return 0
}
