package pebblestore_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// layer adds a layer to level 0 of a database: each lies over all of the others.
func layer(s substrate.Store, space substrate.Space, n int) error {
	rng, b := rand.New(rand.NewPCG(uint64(n), 4)), s.NewBatch()
	for i := range uint32(20) {
		value := make([]byte, 1000)
		for j := range value {
			value[j] = byte(rng.Uint32())
		}
		b.Set(space, binary.BigEndian.AppendUint32([]byte{0, 0}, i), value)
	}
	if err := s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(n)}); err != nil {
		return err
	}
	return s.Flush()
}

// damagedLayer makes a store with some layers in level 0, one of them damaged, and
// returns the name of its table.
func damagedLayer(t *testing.T, space substrate.Space) (fs *faultfs.FS, damaged string) {
	t.Helper()
	fs = faultfs.New()
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := layer(s, space, i+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range tablesOf(t, fs) {
		if strings.Contains(name, "/"+databaseOf(space)+"/") && size(t, fs, name) > 10_000 {
			damaged = name
		}
	}
	fs.Harm(damaged, 0, 5000, 4)
	return fs, damaged
}

func databaseOf(space substrate.Space) string {
	if space == substrate.Main {
		return "main"
	}
	return "history"
}

// inTime fails the test if a call does not return.
func inTime(t *testing.T, what string, call func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s does not return", what)
		return nil
	}
}

// Compactions that meet a damaged table fail again and again, so that nothing ends the
// layers above it. Whoever writes is told of the damage in the end; nobody waits for
// what never comes, also when the store is opened again.
func TestDamageInTheWayOfCompactionsEndsWhoeverWrites(t *testing.T) {
	for _, space := range []substrate.Space{substrate.Main, substrate.History} {
		t.Run(databaseOf(space), func(t *testing.T) {
			fs, damaged := damagedLayer(t, space)
			for opening := range 2 {
				s, err := open(fs, dir)
				if err != nil {
					t.Fatal(err)
				}
				var met *substrate.Damage
				for n := range 80 {
					err := inTime(t, "a flush", func() error { return layer(s, space, 100*opening+n+10) })
					if damage, ok := errors.AsType[*substrate.Damage](err); ok {
						met = damage
					} else if err != nil {
						t.Fatal(err)
					}
					err = inTime(t, "a snapshot", func() error { return s.Snapshot().Close() })
					if err != nil {
						t.Fatal(err)
					}
				}
				if met == nil || dir+"/"+met.File != damaged {
					t.Errorf("opening %d: %v, of %s", opening, met, damaged)
				}
				if err := inTime(t, "a close", s.Close); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Pebble reports a compaction that has failed with a lock held that every read needs:
// nothing rests there.
func TestNothingRestsWhereACompactionThatMetDamageIsReported(t *testing.T) {
	fs, _ := damagedLayer(t, substrate.Main)
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 30 {
		if err := layer(s, substrate.Main, n+10); err != nil {
			t.Fatal(err)
		}
	}
	st := s.(*pebblestore.Store)
	for st.FailedCompactions() < 3 {
		<-st.Progress()
	}
	if n := st.Pauses(); n != 0 {
		t.Errorf("%d rests with a lock held", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A store that has come to as many layers as Pebble lets it have is opened, and says the same.
func TestStoreOfTooManyLayersIsOpenedAndTellsOfDamage(t *testing.T) {
	fs := faultfs.New()
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	s.(*pebblestore.Store).HoldCompactions()
	for n := range 63 {
		if err := layer(s, substrate.Main, n+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range tablesOf(t, fs) {
		if strings.Contains(name, "/main/") {
			fs.Harm(name, 0, 5000, 4)
			break
		}
	}
	for opening := range 4 {
		err := inTime(t, "an opening", func() (err error) { s, err = open(fs, dir); return err })
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := inTime(t, "a flush", func() error { return layer(s, substrate.Main, 100+opening) }); !errors.Is(err, substrate.ErrDamaged) {
				t.Errorf("opening %d: %v", opening, err)
			}
		}
		if err := inTime(t, "a close", s.Close); err != nil {
			t.Error(err)
		}
	}
}

// A compaction that is asked for has its turn after those that are due. These fail for
// ever where damage is in their way: nobody waits for it then, least of all with what
// keeps batches out.
func TestDamageInTheWayOfCompactionsEndsTheOneThatGivesSpaceBack(t *testing.T) {
	fs, _ := damagedLayer(t, substrate.Main)
	opened, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*pebblestore.Store)
	for n := range 30 {
		if err := layer(s, substrate.Main, n+10); err != nil {
			t.Fatal(err)
		}
	}
	for s.FailedCompactions() == 0 {
		<-s.Progress()
	}
	if err := inTime(t, "a compaction", s.RewriteMain); err == nil || !strings.Contains(err.Error(), "damage") {
		t.Error(err)
	}
	if err := inTime(t, "a flush", func() error { return layer(s, substrate.Main, 99) }); err != nil {
		t.Error(err)
	}
	if err := inTime(t, "a close", s.Close); err != nil {
		t.Error(err)
	}
}

// Damage below level 0 is in the way of some compactions, and Pebble goes on to others that
// merge layers with each other. Nothing is given up before these have had their turn, after
// the rest that follows the one that failed.
func TestDamageThatCompactionsGoAroundEndsNobodyWhoWrites(t *testing.T) {
	if pebblestore.GivenUpDuringARest() {
		t.Error("it is given up while nothing may begin")
	}
	for range 3 { // chance has to do with it
		fs := faultfs.New()
		opened, err := open(fs, dir)
		if err != nil {
			t.Fatal(err)
		}
		s := opened.(*pebblestore.Store)
		if err := errors.Join(layer(s, substrate.Main, 1), s.RewriteMain()); err != nil {
			t.Fatal(err)
		}
		s.HoldCompactions()
		var below []string
		for _, name := range tablesOf(t, fs) {
			if strings.Contains(name, "/main/") {
				below = append(below, name)
			}
		}
		for n := range 61 {
			if err := layer(s, substrate.Main, n+2); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range below {
			if size(t, fs, name) > 10_000 {
				fs.Harm(name, 0, 5000, 4)
			}
		}
		if opened, err = open(fs, dir); err != nil {
			t.Fatal(err)
		}
		for n := range 14 {
			if err := inTime(t, "a flush", func() error { return layer(opened, substrate.Main, n+100) }); err != nil {
				t.Fatal(err)
			}
		}
		if s = opened.(*pebblestore.Store); !s.MetDamage() {
			t.Error("no compaction met the damage: the test is to make one")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A compaction that is asked for ends by the damage that is met while it waits. What was met
// before is no reason: space is given back elsewhere, with damage in one place.
func TestCompactionThatIsAskedForEndsByDamageThatIsMetMeanwhile(t *testing.T) {
	if err := pebblestore.EndedByDamage("before", "meanwhile"); err == nil || !strings.Contains(err.Error(), "meanwhile") {
		t.Error(err)
	}
}

// A flush reads memory only: damage that it meets does not go away when Pebble tries it again
// and again, and nothing else ends the wait for it. The store dies, and the log has it all.
func TestFlushThatMeetsDamageEndsTheStore(t *testing.T) {
	leaktest.StoresDie(t)
	fs := faultfs.New()
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	fs.SetFault(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			return pebble.ErrCorruption
		}
		return nil
	})
	if err := inTime(t, "a flush", func() error { return layer(s, substrate.Main, 1) }); !errors.Is(err, substrate.ErrFailed) {
		t.Error(err)
	}
	fs.SetFault(nil)
	_ = inTime(t, "a close", s.Close) // which tells of its death, too
}
