package beam

import (
	"os"
	"strings"
	"syscall"
)

// disk is a file system of the host.
type disk struct {
	Mount   string  `json:"mount"`
	TotalMB float64 `json:"total_mb"`
	UsedPct float64 `json:"used_pct"`
}

// kept are the types of file systems that data is kept on. Those of the network are not: asking one that is gone hangs.
var kept = map[string]bool{"ext2": true, "ext3": true, "ext4": true, "xfs": true, "btrfs": true, "zfs": true, "f2fs": true, "jfs": true, "overlay": true, "bcachefs": true}

// sameHost says whether this program sees the file systems that the node sees: it runs in the same kernel and in the same mount namespace.
func sameHost(boot, space string) bool {
	own, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || strings.TrimSpace(string(own)) != strings.TrimSpace(boot) {
		return false
	}
	link, err := os.Readlink("/proc/self/ns/mnt")
	root, err2 := os.Readlink("/proc/self/root")
	return err == nil && err2 == nil && link == space && root == "/"
}

// localDisks reads this program's own mounts, each device once.
func localDisks() []disk {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	seen := map[string]bool{}
	var out []disk
	for line := range strings.Lines(string(text)) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 2 || !kept[g[0]] || seen[f[2]] {
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
		out = append(out, disk{mount, mb(int64(s.Blocks) * int64(s.Bsize)), pct(int64(used), int64(used+s.Bavail))})
	}
	return out
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`)
