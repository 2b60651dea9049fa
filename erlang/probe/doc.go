// Package probe runs our module inside the VM that is observed, and keeps the link to it.
//
// A [Probe] dials the node, loads the module beamlens_probe there, and calls its functions; when the node goes, it dials again
// until it is back. When the last engine leaves a node, or the link to it drops, the module removes itself: nothing stays.
//
// What the module may do in the VM, and what it costs, is said in beamlens_probe.erl.
//
// # Without the module
//
// With Options.Plain nothing is loaded, and the same functions are answered from plain calls of the VM's own functions. They cost
// more round trips and tell less; [Probe.Missing] says what.
package probe
