// Package operator runs one skill with one model: it is woken by findings, investigates, and fires alerts.
//
// An [Operator] has two entries. Serve is continuous: it sleeps until a finding arrives, a heartbeat is due or the model's wait is
// over, and then runs the agent loop until the model waits again. Run is on demand and ends with the tool done.
//
// # Promises
//
// An operator never stops for ever: whatever its model does, a run ends, and a finding that arrives is looked at. Notify never
// blocks. While the health is healthy and nothing is found, the model is asked only once a heartbeat. An alert with the
// fingerprint of an open one updates it; an alert is cleared when all of its findings have cleared, whether or not a
// model is there to notice.
//
// Tools are one file each, tool_*.go; prompts are in prompt/.
package operator
