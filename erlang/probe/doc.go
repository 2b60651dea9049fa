// Package probe runs our module inside the VM that is observed, and keeps the link to it.
//
// A [Probe] dials the node, loads the module beamlens_probe there, and calls its functions; when the node goes, it dials again
// until it is back. When the last engine leaves a node, or the link to it drops, the module removes itself: nothing stays.
//
// What the module may do in the VM, and what it costs, is said in beamlens_probe.erl.
//
// # Versions
//
// A node has one version of the module, for all engines that are attached to it. The same version is used as it is and a newer one
// too, so functions and fields may be added but not changed without raising ?VSN; an older one is replaced, and its owners are
// taken over. beamlens_probe.beam is built with the oldest OTP that is supported, by build.sh, and is the same on every machine.
//
// # Blocking
//
// Serve blocks until its context ends. Call blocks for as long as its context allows and the node needs; without a link it fails at
// once. A process that does not yield, as in a native function that hangs, is given up after less than half a second and told as
// unanswering; what the VM itself needs of the scheduler that it holds (memory by kind, garbage collections) is then null.
//
// # Without the module
//
// With Options.Plain nothing is loaded, and the same functions are answered from plain calls of the VM's own functions. They cost
// more round trips and tell less; [Probe.Missing] says what.
package probe
