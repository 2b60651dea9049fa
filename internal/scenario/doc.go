// Package scenario has faults with their ground truth, and runs them: a real subject is started under a real engine, broken, and what the
// engine says is compared with what is true.
//
// A [Truth] is a file. It says what is done to which subject, who is to blame, who must not be blamed, and how long a user of a
// monitor would wait. It is never bent to what the engine can do.
//
// A scenario passes when, in time, for each of its causes an alert of one of the right skills blames one of the right culprits, no alert of
// any skill blames anybody else, and no forbidden word is in a field that is no prose. Where nothing is wrong, no alert passes.
//
// The subject of the scenarios of this package is the shop in examples/shop. Other subjects bring their own [Start], so that their modules
// stay out of this one.
package scenario
