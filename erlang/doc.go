// Package erlang is a link to a BEAM node.
//
// [Dial] joins a node over Erlang distribution as a hidden node: the node does not list us among its nodes, connects nobody to
// us, and needs nothing installed. The result is a [Conn], on which functions of the node are called.
//
// # Calls
//
// A call runs in a process of its own on the node, of low priority, with a bounded heap, linked to us: it is killed when the
// context of the call ends, and dies with the connection. Calls are concurrent and their answers may be large; other calls
// go on while a large answer comes in.
//
// # Blocking and ownership
//
// A Conn owns two goroutines: one reads, one writes and sends ticks. Close waits for both. Nothing that the node does can block them
// for ever: messages that nobody reads are dropped and counted, and a node that takes nothing, or says nothing, for a while is
// given up. A Call never outlasts its context.
//
// # Names
//
// Every node name is an atom for ever at the node that we join. We take one of eight by default, never a random one.
//
// # Protocol
//
// Handshake version 6 (ERTS User's Guide, "Distribution Protocol"; OTP 23 and later); a node must be of OTP 25 or later. We announce
// neither the atom cache nor fragments, so every message is one frame: control message, payload. An answer of any size up
// to Options.MaxFrame comes as one frame; a larger one fails its call and no other.
package erlang
