package arch

// Exceptions lists where a rule need not hold, and why.
var Exceptions = []Exception{
	{Rule: "panic", Path: "engine/netherite/partition/state.go", Why: "a broken invariant of the core: the host recovers, then quarantines the instance or parks the partition"},
	{Rule: "panic", Path: "engine/netherite/partition/record.go", Unit: "AppendRecord", Why: "an event type without a format is a bug that every test meets"},
	{Rule: "pure core", Path: "engine/netherite/partition/clients.go", Why: "the session of those who have none: empty, and never written to"},
	{Rule: "panic", Path: "engine/netherite/batch.go", Unit: "host.admit", Why: "state is half changed: the host recovers, drops it and reloads, as for a panic in Step"},
	{Rule: "panic", Path: "engine/netherite/panics.go", Unit: "loud", Why: "passes on what it recovered and cannot handle"},
	{Rule: "panic", Path: "engine/netherite/recover.go", Unit: "host.open", Why: "the replay checker, on in tests only, cannot begin"},
	{Rule: "panic", Path: "engine/netherite/replica.go", Unit: "replica.check", Why: "the replay checker, on in tests only, found a difference"},
	{Rule: "panic", Path: "worker/replay/execution.go", Unit: "misuse", Why: "a durable call from a foreign goroutine has no error result to return; the worker recovers it if it is the orchestration's"},
	{Rule: "panic", Path: "bench/wordcount.go", Why: "the embedded text is part of the program"},
	{Rule: "fuzzed", Path: "durable/entity.go", Unit: "EntityOf.Read", Why: "asks the hub; what it decodes is FuzzEntityState's"},
	{Rule: "fuzzed", Path: "engine/netherite/partition/read.go", Unit: "State.Read", Why: "describes what is in memory already"},
	{Rule: "fuzzed", Path: "options.go", Unit: "ParseRelease", Why: "another name of the engine's, which has a target"},
	{Rule: "fuzzed", Path: "sim/plan.go", Unit: "ParseFaults", Why: "looks names of the command line up in a fixed list"},
	{Rule: "panic", Path: "sim/task.go", Unit: "world.park", Why: "unwinds a coroutine whose process is gone; runTask or the client recovers it"},
	{Rule: "panic", Path: "sim/process.go", Unit: "world.onEvent", Why: "is the fault: the core cannot apply an event, and the host recovers"},
	{Rule: "panic", Path: "sim/client.go", Unit: "client.once", Why: "passes on what it recovered and is not meant for it"},
	{Rule: "banned calls", Path: "durable/durabletest/durabletest.go", Unit: "Hub.settle", Why: "bounds in real time how long it waits for code under test; virtual time stands still meanwhile"},
	{Rule: "banned calls", Path: "substrate/dirlock/dirlock.go", Why: "tells people since when the directory is held; nothing depends on it"},
	{Rule: "banned calls", Path: "substrate/pebblestore/fence.go", Why: "slows down a store that retries without end on a full disk; runs in the store's own goroutines"},
	{Rule: "banned calls", Path: "substrate/filelog/log.go", Unit: "Log.sync", Why: "measures how long a sync took, for statistics; nothing depends on it"},
	{Rule: "banned calls", Path: "substrate/filelog/prepare.go", Unit: "prepared.run", Why: "looks now and then whether a full disk has space again; nothing else depends on it"},
	{Rule: "banned calls", Path: "substrate/pebblestore/pace.go", Why: "rests in Pebble's own goroutines, in proportion to how long they have worked"},
	{Rule: "banned calls", Path: "substrate/pebblestore/flush.go", Unit: "Store.unstall", Why: "it waits for goroutines of Pebble's, which no clock of ours drives"},
}
