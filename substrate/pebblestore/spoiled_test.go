package pebblestore_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// Pebble takes a quarter of a second to look into a damaged block, at each read. So a
// block is read once: what the disk has of it later counts when the store is opened again.
func TestDamagedBlockIsRememberedUntilTheStoreIsOpenedAgain(t *testing.T) {
	fs, rng := faultfs.New(), rand.New(rand.NewPCG(6, 6))
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	for i := range 2000 {
		value := make([]byte, 100)
		for i := range value {
			value[i] = byte(rng.Uint32())
		}
		b.Set(substrate.History, binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(i)), value)
	}
	if err := errors.Join(s.Apply(b, 0, substrate.Stamp{Offset: 1, Epoch: 1, Record: 1}), s.Close()); err != nil {
		t.Fatal(err)
	}
	names := tablesOf(t, fs)
	slices.SortFunc(names, func(a, b string) int { return size(t, fs, b) - size(t, fs, a) })
	fs.Harm(names[0], 0, 100_000, 4)
	if s, err = open(fs, dir); err != nil {
		t.Fatal(err)
	}
	read := func() (rows int, damage *substrate.Damage) {
		err := s.Scan(substrate.History, []byte{0, 0}, []byte{0, 1}, func(_, _ []byte) bool { rows++; return true })
		damage, _ = errors.AsType[*substrate.Damage](err)
		return rows, damage
	}
	before, first := read()
	fs.Harm(names[0], 0, 100_000, 4) // it is as it was
	after, second := read()
	if first == nil || second == nil || second.File != first.File || before != after || before == 0 {
		t.Errorf("%d rows, %v; then %d rows, %v", before, first, after, second)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = open(fs, dir); err != nil {
		t.Fatal(err)
	}
	if rows, damage := read(); rows != 2000 || damage != nil {
		t.Errorf("%d rows, %v", rows, damage)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
