package mem_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/substratetest"
)

func TestStore(t *testing.T) {
	for name, keep := range map[string]func(*rand.Rand) mem.Keep{
		"KeepNone":   func(*rand.Rand) mem.Keep { return mem.KeepNone },
		"KeepAll":    func(*rand.Rand) mem.Keep { return mem.KeepAll },
		"KeepRandom": mem.KeepRandom,
	} {
		t.Run(name, func(t *testing.T) {
			substratetest.TestStore(t, func(*testing.T) substratetest.StoreMedium { return storeMedium(keep) })
		})
	}
}

func storeMedium(keep func(*rand.Rand) mem.Keep) substratetest.StoreMedium {
	d := mem.NewStoreDisk()
	return substratetest.StoreMedium{
		Open:  func() (substrate.Store, error) { return d.Open() },
		Crash: func(rng *rand.Rand) { d.Crash(keep(rng), keep(rng)) },
		OpenExport: func(dir string) (substrate.Store, error) {
			copied, ok := d.Exported(dir)
			if !ok {
				return nil, fmt.Errorf("no export %s", dir)
			}
			return copied.Open()
		},
		ExportDir: "/copy",
		FailFlush: func(err error) {
			done := false
			d.SetFault(func(op mem.Op, _ int) error {
				if op != mem.OpFlush || done {
					return nil
				}
				done = true
				return err
			})
		},
	}
}

// Two processes may have a store open where the lock of its directory does not
// hold. The earlier one goes on with what it knows, and can undo what the later one
// has done: so it must be kept from that.
func TestEarlierOpeningOfAStoreIsNotCutOff(t *testing.T) {
	d := mem.NewStoreDisk()
	put := func(s *mem.Store, value string, stamp substrate.Offset, flush bool) {
		t.Helper()
		b := s.NewBatch()
		b.Set(substrate.Main, []byte("a"), []byte(value))
		err := s.Apply(b, 0, substrate.Stamp{Offset: stamp})
		if err == nil && flush {
			err = s.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	open := func() *mem.Store {
		t.Helper()
		s, err := d.Open()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := func(s *mem.Store, value string, stamp substrate.Offset) {
		t.Helper()
		got, err := s.Get(substrate.Main, []byte("a"))
		at, stampErr := s.Stamp(0)
		if err != nil || stampErr != nil || string(got) != value || at.Offset != stamp {
			t.Errorf("%q of %d, want %q of %d: %v, %v", got, at.Offset, value, stamp, err, stampErr)
		}
	}
	old := open()
	put(old, "first", 1, true)
	put(old, "of the earlier one", 2, false)
	later := open()
	want(later, "first", 1)
	put(later, "of the later one", 3, true)
	want(old, "of the earlier one", 2)
	if err := old.Flush(); err != nil {
		t.Fatal(err)
	}
	want(open(), "of the earlier one", 2)
	d.Crash(mem.KeepNone, mem.KeepNone)
	for _, s := range []*mem.Store{old, later} {
		if err := s.Flush(); !errors.Is(err, substrate.ErrFailed) {
			t.Errorf("flush after the power has failed: %v", err)
		}
	}
}

// What an earlier opening has applied is in the memory of its process alone, also
// once the later one is closed.
func TestPowerFailureKeepsNothingOfAnEarlierOpening(t *testing.T) {
	d := mem.NewStoreDisk()
	put := func(s *mem.Store, stamp substrate.Offset) {
		t.Helper()
		if err := s.Apply(s.NewBatch(), 0, substrate.Stamp{Offset: stamp}); err != nil {
			t.Fatal(err)
		}
	}
	old, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	put(old, 1)
	later, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	put(later, 2)
	if err := later.Close(); err != nil {
		t.Fatal(err)
	}
	all := func(n int) int { return n }
	d.Crash(all, all)
	s, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	if at, err := s.Stamp(0); err != nil || at.Offset != 2 {
		t.Errorf("the store is stamped %d, want 2, which was flushed: %v", at.Offset, err)
	}
}

func TestDamagedRowIsNotReadUntilItIsMended(t *testing.T) {
	d := mem.NewStoreDisk()
	s, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	for _, key := range []string{"a", "b", "c"} {
		b.Set(substrate.Main, []byte(key), []byte("of "+key))
	}
	if err := errors.Join(s.Apply(b, 0, substrate.Stamp{}), s.Flush()); err != nil {
		t.Fatal(err)
	}
	before := s.Snapshot()
	defer before.Close()
	if keys := d.Keys(substrate.Main, []byte("b"), nil); fmt.Sprintf("%s", keys) != "[b c]" {
		t.Errorf("keys %s", keys)
	}
	d.Damage(substrate.Main, []byte("b"))
	d.Crash(mem.KeepNone, mem.KeepNone)
	if s, err = d.Open(); err != nil {
		t.Fatal(err)
	}
	after := s.Snapshot()
	defer after.Close()
	for _, r := range []substrate.Reader{s, after} {
		found := ""
		err := r.Scan(substrate.Main, []byte("a"), nil, func(key, _ []byte) bool { found += string(key); return true })
		if found != "a" || !errors.Is(err, substrate.ErrDamaged) {
			t.Errorf("a scan has found %q: %v", found, err)
		}
		if got, err := r.Get(substrate.Main, []byte("b")); got != nil || !errors.Is(err, substrate.ErrDamaged) {
			t.Errorf("the damaged row is %q: %v", got, err)
		}
		if got, err := r.Get(substrate.Main, []byte("c")); string(got) != "of c" || err != nil {
			t.Errorf("the row beside it is %q: %v", got, err)
		}
	}
	d.Mend()
	if got, err := s.Get(substrate.Main, []byte("b")); string(got) != "of b" || err != nil {
		t.Errorf("the mended row is %q: %v", got, err)
	}
}
