// Package spans turns durable work into OpenTelemetry spans: one for each
// execution of an orchestration, each attempt of an activity, each operation of
// an entity, and each request of a client that begins such work.
//
// # How work keeps together
//
// Messages and events carry a W3C trace context (model.Trace): that of the span
// which asked for the work, and which is the parent of the work's own span. So a
// trace goes on across processes, restarts and days.
//
// # Replay
//
// A span leaves the process only when it is ended, and it is ended only when the
// engine has taken the result that it stands for. Whatever runs again before
// that, in a replay or because a batch starts over, begins a span that nobody
// ends. A crash between the result and its commit repeats the work, and with it
// the span: traces of running code may be ahead of what is durable.
//
// An execution may last longer than the process in which it began, and no
// program can end another program's span. So the copy of the orchestration that
// reaches the end begins the span with the time at which the execution did, and
// ends it. What the execution asked for before refers to the span by its ID: it
// takes the program's help (see IDs) for the late span to have that ID too.
// Without it, the late span has an ID of its own and a link to the lost one.
//
// # Work of other programs
//
// A server makes the spans of work that it gives to workers that make none (Given,
// GivenActivity, GivenOperation). Their IDs are all derived from the work.
package spans
