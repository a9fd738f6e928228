// Package partition is the pure core of the engine: one partition as a function
// of its state and an event. It knows no clock, disk, network, goroutine, lock,
// logger or random source; time and randomness arrive inside events. It is the
// only place where a log record's meaning lives, so recovery is "load the
// checkpoint, Step through the rest of the log".
//
// # How a shell drives it
//
//	for each input of a batch, in the order of its arrival:
//	    load keys(event)                    State.Missing, State.Load
//	    State.Check(event)                  refused or a duplicate: answer, log nothing
//	    AppendRecord(buf, event)            one encoding, before any change
//	    State.Step(input)                   changes memory, collects Effects
//	    while State.FollowUp(...)           load what it names, State.Continue
//	append the records, their position is assigned
//	State.Dispatch(now)                     work items, built once per batch
//	release effects by position
//
// # Durable and volatile
//
// The durable part of the state is exactly what records change and rows hold;
// State.EncodeShared and State.EncodeInstance cover it. The volatile part (hand-outs of work, cursors
// of what was sent, caches) never influences the durable part, and all of it
// can be rebuilt: replay discards effects, State.Resume re-issues them.
//
// # Keys
//
// The unit of loading, checkpointing and eviction is an instance with all that
// belongs to it: its inbox, tasks, timers, children, locks, entity state.
// Everything else (counters, dedup, outbox, client sessions) is small and
// always in memory. An event names the instances it touches before Step runs;
// what only state can name becomes a follow-up under the same record. Absence
// is a loaded fact; touching an instance that was not loaded is a bug and panics.
//
// # Nouns, one file each
//
// instances.go (life and death), sessions.go (inbox and the batch in flight),
// results.go and outgoing.go (what a step asked for, and whether it may),
// activities.go, timers.go, entities.go, locks.go, rewind.go, outbox.go (with
// dedup.go), clients.go (request dedup), commands.go. On the way to and from the
// store: history.go, checkpoint.go, meta.go, rows.go, keys.go, load.go, cache.go,
// query.go. testdata holds scripts that show each of them at work.
package partition
