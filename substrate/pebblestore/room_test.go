package pebblestore_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"
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

// A flush that cannot begin, as memtables wait for a full disk already, leaves what it
// was to flush where it is: the next batches do not find an empty memtable.
func TestFlushThatDoesNotBeginLeavesTheMemtableAsFull(t *testing.T) {
	fs := faultfs.New()
	opened, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*pebblestore.Store)
	fs.SetFault(func(op faultfs.Op) error {
		if strings.HasPrefix(op.Path, dir+"/main/") && op.Kind == faultfs.OpCreate {
			return syscall.ENOSPC
		}
		return nil
	})
	kept := false
	for n := 0; n < 10 && !kept; n++ {
		b := s.NewBatch()
		b.Set(substrate.Main, fmt.Appendf(nil, "row%d", n), make([]byte, 1000))
		if err := s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(n + 1)}); err != nil {
			t.Fatal(err)
		}
		before, memtables := s.MainFill(), s.MainMemtables()
		if err := s.Flush(); !errors.Is(err, substrate.ErrDiskFull) {
			t.Fatal(err)
		}
		if kept = s.MainMemtables() == memtables; kept && s.MainFill() != before {
			t.Errorf("the memtable counts as filled with %d bytes, of %d, by a flush that did not begin", s.MainFill(), before)
		}
	}
	if !kept {
		t.Error("each flush has begun")
	}
	fs.SetFault(nil)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
