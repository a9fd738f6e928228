package netherite

import (
	"errors"
	"testing"

	"github.com/netherite-go/netherite/substrate"
)

// untouchedSide is for side files that nobody writes.
type untouchedSide struct {
	substrate.SideFiles
}

// What parked partitions need of the log is of no use beside it as long as the note of it
// cannot be flushed: the log is kept, and has it.
func TestNothingIsSetAsideWhileTheStoreMakesNothingDurable(t *testing.T) {
	k := newKeeperLog(2, Checkpoint{}).k
	k.n.side = untouchedSide{}
	k.n.hosts[1].parked.Store(&parking{})
	k.parts[0].aside.state = asideSaved
	k.stuck = errors.New("damage")
	if k.setAside(0) || k.asideUnflushed() {
		t.Error("it is tried again and again")
	}
}
