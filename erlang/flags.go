package erlang

import (
	"fmt"
	"strings"
)

// The distribution flags (ERTS User's Guide, "Distribution Flags").
const (
	flagExtendedReferences = 0x4
	flagDistMonitor        = 0x8
	flagFunTags            = 0x10
	flagDistMonitorName    = 0x20
	flagNewFunTags         = 0x80
	flagExtendedPidsPorts  = 0x100
	flagExportPtrTag       = 0x200
	flagBitBinaries        = 0x400
	flagNewFloats          = 0x800
	flagUnicodeIO          = 0x1000
	flagSmallAtomTags      = 0x4000
	flagUTF8Atoms          = 0x10000
	flagMapTag             = 0x20000
	flagBigCreation        = 0x40000
	flagExitPayload        = 0x400000
	flagHandshake23        = 0x1000000
	flagUnlinkID           = 0x2000000
	flagMandatory25        = 0x4000000 // stands for the group that OTP 25 demands
	flagSpawn              = 1 << 32
	flagV4NC               = 1 << 34
	flagAlias              = 1 << 35

	mandatory25 = flagExtendedReferences | flagFunTags | flagNewFunTags | flagExtendedPidsPorts | flagExportPtrTag | flagBitBinaries |
		flagNewFloats | flagUTF8Atoms | flagMapTag | flagBigCreation | flagHandshake23
	ourFlags = mandatory25 | flagDistMonitor | flagDistMonitorName | flagUnicodeIO | flagSmallAtomTags | flagExitPayload | flagUnlinkID |
		flagMandatory25 | flagSpawn | flagV4NC | flagAlias
)

// We leave out PUBLISHED, which makes us hidden, and DIST_HDR_ATOM_CACHE and FRAGMENTS, so that every message is one frame.

// missing names what a node must be able to do for a call, and cannot. A node of OTP 25 or later lacks nothing.
func missing(flags uint64) string {
	var names []string
	if flags&mandatory25 != mandatory25 && flags&flagMandatory25 == 0 {
		names = append(names, fmt.Sprintf("MANDATORY_25 (it has %#x)", flags&mandatory25))
	}
	for _, f := range []struct {
		bit  uint64
		name string
	}{{flagSpawn, "SPAWN"}, {flagV4NC, "V4_NC"}, {flagUnlinkID, "UNLINK_ID"}, {flagExitPayload, "EXIT_PAYLOAD"}} {
		if flags&f.bit == 0 {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}
