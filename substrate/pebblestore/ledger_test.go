package pebblestore

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

func TestWhatIsDeletedDuringACompactionIsStillGarbage(t *testing.T) {
	var l ledger
	table := pebble.SSTableInfo{}
	table.Smallest.UserKey, table.Largest.UserKey, table.Size = []byte("a"), []byte("z"), 1000
	l.draw([][]pebble.SSTableInfo{{table}})
	l.addBytes(keyRange{[]byte("c"), []byte("d")}, 600)
	runs := l.worth()
	if len(runs) != 1 {
		t.Fatalf("%d runs are worth it", len(runs))
	}
	l.addBytes(keyRange{[]byte("e"), []byte("f")}, 300) // while that is compacted
	l.rewritten(runs[0])
	if n := l.garbage(); n != 300 {
		t.Errorf("%d bytes of garbage are left, want 300", n)
	}
}
