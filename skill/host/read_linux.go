package host

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// mostFile is what is read of a file.
const mostFile = 64 << 10

func read(root string) (reading, error) {
	proc := filepath.Join(root, "proc")
	if _, err := os.Stat(filepath.Join(proc, "stat")); err != nil {
		return reading{}, err
	}
	version, folders := group(root)
	file := func(name string) string {
		if own, ok := strings.CutPrefix(name, "cgroup/"); ok {
			controller, _, _ := strings.Cut(own, ".")
			folder := folders[""]
			if f := folders[controller]; f != "" {
				folder = f
			}
			if folder == "" {
				return ""
			}
			return content(filepath.Join(folder, own))
		}
		return content(filepath.Join(proc, name))
	}
	return parse(file, version, float64(os.Getpagesize())), nil
}

// content is the beginning of a file, nothing if it is not there.
func content(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 4096)
	n := 0
	for {
		k, err := f.Read(b[n:])
		n += k
		if err != nil || k == 0 || n >= mostFile {
			return string(b[:n])
		}
		if n == len(b) {
			b = append(b, make([]byte, len(b))...)
		}
	}
}

// group finds the folders of this process's control group, by controller; "" is that of version 2. In a container the group is often mounted as the root.
func group(root string) (version int, folders map[string]string) {
	folders = map[string]string{}
	mount := filepath.Join(root, "sys/fs/cgroup")
	at := func(controller, path string) bool {
		for _, p := range []string{path, "/"} {
			folder := filepath.Join(mount, controller, p)
			if info, err := os.Stat(folder); err == nil && info.IsDir() {
				folders[controller] = folder
				return true
			}
		}
		return false
	}
	for line := range strings.Lines(content(filepath.Join(root, "proc/self/cgroup"))) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		if f[1] == "" {
			if _, err := os.Stat(filepath.Join(mount, "cgroup.controllers")); err == nil && at("", f[2]) {
				version = 2
			}
			continue
		}
		for c := range strings.SplitSeq(f[1], ",") {
			if (c == "memory" || c == "cpu") && at(c, f[2]) {
				version = max(version, 1)
			}
		}
	}
	return version, folders
}

// kept are the types of file systems that data is kept on. Those of the network are not: asking one that is gone hangs.
var kept = map[string]bool{"ext2": true, "ext3": true, "ext4": true, "xfs": true, "btrfs": true, "zfs": true, "f2fs": true, "jfs": true, "overlay": true, "bcachefs": true, "tmpfs": true}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`)

// mounts reads the file systems, each device once.
func mounts(root string) ([]disk, error) {
	seen := map[string]bool{}
	out := []disk{}
	for line := range strings.Lines(content(filepath.Join(root, "proc/self/mountinfo"))) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 2 || !kept[g[0]] || seen[f[2]] || g[0] == "tmpfs" && (strings.HasPrefix(f[4], "/dev") || strings.HasPrefix(f[4], "/sys") || strings.HasPrefix(f[4], "/run") || strings.HasPrefix(f[4], "/proc")) {
			continue
		}
		seen[f[2]] = true
		mount := unescape.Replace(f[4])
		var s syscall.Statfs_t
		if syscall.Statfs(mount, &s) != nil || s.Blocks == 0 {
			continue
		}
		// As df has it: what only root may use counts as neither used nor free.
		used := s.Blocks - s.Bfree
		size := float64(s.Bsize)
		out = append(out, disk{mount, mb(float64(s.Blocks) * size), mb(float64(s.Bavail) * size), percent(float64(used), float64(used+s.Bavail))})
	}
	return out, nil
}

// mostProcesses are looked at, and jiffies is how many make a second on Linux for programs.
const (
	mostProcesses = 5000
	jiffies       = 100
)

func processes(ctx context.Context, root string) ([]processRow, error) {
	d, err := os.Open(filepath.Join(root, "proc"))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	out := []processRow{}
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil || len(out) == mostProcesses {
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		used, name := processTimes(content(filepath.Join(root, "proc", n, "stat")))
		f := strings.Fields(content(filepath.Join(root, "proc", n, "statm")))
		if name == "" || len(f) < 2 {
			continue // it has ended
		}
		out = append(out, processRow{pid, name, mb(number(f[1]) * float64(os.Getpagesize())), round(used / jiffies), pid == os.Getpid()})
	}
	return out, nil
}
