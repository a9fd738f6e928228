// Package worker runs work items: steps of orchestrations, attempts of
// activities, batches of entity operations. It connects code, in whatever
// language it is described (see Handler), with any engine (see engine.Feed).
//
// # Steps
//
// Orchestrations and entities run on a few goroutines. Between two steps an
// orchestration stays alive as a coroutine (package replay), an entity as its
// decoded state, in caches that are bounded in number and bytes: the next step
// goes on with the live copy if it is exactly the one that made the last
// committed step, and is rebuilt otherwise. A step that computes for long is
// reported with its stack, and another goroutine takes its place.
//
// # Activities
//
// Activities may block, so each has a goroutine to itself while it runs, up to a
// limit. One goroutine runs many activities, and another joins only when there
// is something left to take: trivial activities need as many goroutines as there
// are processors, blocking ones as many as there are activities.
//
// # Faults of user code
//
// A panic, or the end of a goroutine by runtime.Goexit, fails the activity,
// operation or orchestration that did it, with its stack, and nothing else.
package worker
