package sweep_test

import "github.com/netherite-go/netherite/substrate/faultfs"

// scenario is a workload that crashes interrupt, with what is to be held of a hub that
// recovers from one, beyond what holds for all of them (see recovery).
type scenario struct {
	name string
	// play creates a hub in an empty file system and asks it for things, always the
	// same. It leaves nothing open. Rounds are for a workload that can be longer.
	play func(w *workload, fs *faultfs.FS, rounds int) error
	// first does to what a crash has left what comes before it is opened as always.
	first func(*recovery, *faultfs.FS) error
	// before looks at the recovered hub as it is, and sees to it that all can come to its
	// end; after is called when all has.
	before, after func(*recovery) error
	// ways is in how many ways there is a crash after an operation, nested after which
	// share of the operations of a recovery: what a full sweep of it may take.
	ways   int
	nested float64
}

// scenarios are the workloads. Another one is another row; what its client knows is in
// the ledger, so that images of different knowledge are told apart.
var scenarios = []*scenario{
	{name: "mixed", play: mixed, first: nothingTo, before: nothing, after: nothing, ways: len(ways), nested: 0.02},
	{name: "trouble", play: trouble, first: stillSick, before: mend, after: booksAndLists, ways: 3, nested: 0.003},
}

func nothing(*recovery) error { return nil }

func nothingTo(*recovery, *faultfs.FS) error { return nil }
