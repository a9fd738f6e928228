package pebblestore_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// TestBatchesBetweenFlushesShareAMemtable applies ten times as much as the first
// memtable holds, in small batches: history becomes durable once for each
// memtable, not once for each batch.
func TestBatchesBetweenFlushesShareAMemtable(t *testing.T) {
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: faultfs.New(), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	before := s.Stats().Syncs
	const batches, size = 2_500, 1000
	for i := range batches {
		b := s.NewBatch()
		b.Set(substrate.Main, fmt.Appendf(nil, "row%04d", i), make([]byte, size))
		b.Set(substrate.History, fmt.Appendf(nil, "chunk%04d", i), make([]byte, size))
		if err := s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if syncs := s.Stats().Syncs - before; syncs > batches/10 {
		t.Errorf("%d syncs for %d batches", syncs, batches)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A history that grows makes many layers of tables, of which each overlaps only its
// neighbours. No compaction is due for that, so that nobody may wait for one.
func TestManyLayersThatHardlyOverlapHoldUpNobody(t *testing.T) {
	s, err := open(faultfs.New(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key := func(n int) []byte { return binary.BigEndian.AppendUint32([]byte{'h'}, uint32(n)) }
	for n := range 80 {
		b := s.NewBatch()
		b.Set(substrate.History, key(n), []byte("x"))
		b.Set(substrate.History, key(n+1), []byte("x"))
		if err := s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(n + 1), Epoch: 1, Record: uint64(n + 1)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}
