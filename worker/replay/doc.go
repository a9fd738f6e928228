// Package replay runs an orchestration's code as coroutines and rebuilds them
// from history.
//
// An Execution is one live execution. Its code runs in a coroutine of its own,
// and in one more for each branch; at any time at most one of them runs, and
// only inside Step or Replay. What the code asks for becomes outgoing events;
// what it is told arrives as incoming events, one at a time, in the order of the
// inbox. After each of them every coroutine that can go on does so, in the order
// in which they became able to, until all wait. That makes the outgoing events a
// function of the incoming ones and of the times at which steps began, which is
// what a rebuild relies on.
//
// # Replay
//
// Replay feeds the incoming events of a history again. Each outgoing event that
// the code asks for is compared with the next one in the history: the same kind,
// name, instance and ID, or the execution fails as non-deterministic. Where steps
// began and ended in between does not matter: a step whose events were split over
// several commits, even with a crash in the middle, is rebuilt by the same rule,
// and what was not yet committed remains to be taken.
//
// # Unwinding
//
// A live copy that is given up early (evicted, its instance ended, the worker
// closed) is unwound with runtime.Goexit: its deferred functions run, recover
// cannot stop it, and every call on the Execution has no effect meanwhile.
//
// # Threads
//
// An Execution is used by one goroutine at a time. Calls that belong to the code
// must come from the coroutine that is running: anything else panics with a
// sentence that says so.
package replay
