package pebblestore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// sweep applies batches whose rows refer to chunks of history, and keeps what a
// crash at every k-th operation on the file system would leave.
type sweep struct {
	mu    sync.Mutex
	floor int // so many batches were flushed
	found []crashed
}

type crashed struct {
	fs    *faultfs.FS
	floor int
	at    faultfs.Op
}

// run returns the crashed file systems of a workload of large and small batches.
func (s *sweep) run(t *testing.T, every int, lie func(faultfs.Op) bool) {
	t.Helper()
	fs := faultfs.New()
	rng := rand.New(rand.NewPCG(11, 1))
	n := 0
	fs.SetFault(func(op faultfs.Op) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if n++; n%every == 0 && (op.Kind != faultfs.OpRead && op.Kind != faultfs.OpOpen) {
			c := faultfs.Crash{Rand: rng}
			if n/every%2 == 0 {
				c = faultfs.Crash{Rand: rng, KeepSectors: 0.5, KeepNames: 0.9}
			}
			s.found = append(s.found, crashed{fs: fs.CrashClone(c), floor: s.floor, at: op})
		}
		if lie != nil && lie(op) {
			return faultfs.ErrLie
		}
		return nil
	})
	st, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 24; i++ {
		if err := applyNumbered(st, i); err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			if err := st.Flush(); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			s.floor = i
			s.mu.Unlock()
		}
	}
	fs.SetFault(nil)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

// applyNumbered applies batch i: a row that names its chunk, and the deletion of
// the row and the chunk of three batches before. Every fifth is larger than half
// a memtable, so that Pebble flushes it by itself.
func applyNumbered(s substrate.Store, i int) error {
	return s.Apply(numbered(s, i), 0, substrate.Stamp{Offset: substrate.Offset(i)})
}

func numbered(s substrate.Store, i int) substrate.Batch {
	size := 2000
	if i%5 == 0 {
		size = 500_000
	}
	rng := rand.New(rand.NewPCG(uint64(i), 5))
	value := make([]byte, size) // noise, so that files are as large as they look
	for j := range value {
		value[j] = byte(rng.Uint32())
	}
	b := s.NewBatch()
	b.Set(substrate.Main, fmt.Appendf(nil, "row%04d", i), value)
	b.Set(substrate.History, fmt.Appendf(nil, "chunk%04d", i), value[:1000])
	if i > 3 {
		b.Delete(substrate.Main, fmt.Appendf(nil, "row%04d", i-3))
		b.Delete(substrate.History, fmt.Appendf(nil, "chunk%04d", i-3))
	}
	return b
}

var errBroken = errors.New("contract is broken")

// check opens what a crash left: the stamp says which batches are there, and
// every row must find its chunk.
func (c *crashed) check() error {
	s, err := open(c.fs, dir)
	if err != nil {
		return fmt.Errorf("%w: open: %w", errBroken, err)
	}
	stamp, err := s.Stamp(0)
	if err != nil || int(stamp.Offset) < c.floor {
		return fmt.Errorf("%w: at batch %d, %d were flushed, %w", errBroken, stamp.Offset, c.floor, err)
	}
	rows := 0
	if err := s.Scan(substrate.Main, nil, nil, func(k, _ []byte) bool {
		rows++
		chunk := strings.Replace(string(k), "row", "chunk", 1)
		if v, getErr := s.Get(substrate.History, []byte(chunk)); getErr != nil || len(v) != 1000 {
			err = fmt.Errorf("%w: %s has no history, %w", errBroken, k, getErr)
		}
		return err == nil
	}); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	if err != nil || rows != min(int(stamp.Offset), 3) {
		return fmt.Errorf("%w: %d rows at batch %d, %w", errBroken, rows, stamp.Offset, err)
	}
	return s.Close()
}

func TestHistoryIsNeverBehindAfterACrashAtAnyOperation(t *testing.T) {
	var s sweep
	s.run(t, 5, nil)
	for i := range s.found {
		if err := s.found[i].check(); err != nil {
			t.Fatalf("crash before %s %s: %v", s.found[i].at.Kind, s.found[i].at.Path, err)
		}
	}
	if len(s.found) < 40 {
		t.Fatalf("only %d crashes", len(s.found))
	}
}

func TestSweepCatchesHistoryThatIsNotFlushed(t *testing.T) {
	var s sweep
	s.run(t, 5, func(op faultfs.Op) bool {
		return op.Kind == faultfs.OpSync && strings.Contains(op.Path, "history/")
	})
	for i := range s.found {
		if err := s.found[i].check(); errors.Is(err, errBroken) {
			return
		}
	}
	t.Fatal("the sweep found nothing wrong")
}

func TestFullDiskIsWaitedOut(t *testing.T) {
	fs := faultfs.New()
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: fs, Dir: dir, MemoryBytes: 4 << 20, BallastBytes: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(path.Join(dir, "ballast")); err != nil {
		t.Fatalf("no ballast: %v", err)
	}
	usage, err := fs.GetDiskUsage(dir)
	if err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(int64(usage.UsedBytes))
	if err := applyNumbered(s, 1); err != nil {
		t.Fatal(err)
	}
	big := numbered(s, 5)
	if err := s.Apply(big, 0, substrate.Stamp{Offset: 5}); !errors.Is(err, substrate.ErrDiskFull) {
		t.Fatalf("apply what needs a flush on a full disk: %v", err)
	}
	if err := s.Flush(); !errors.Is(err, substrate.ErrDiskFull) || errors.Is(err, substrate.ErrFailed) {
		t.Fatalf("flush on a full disk: %v", err)
	}
	if _, err := fs.Stat(path.Join(dir, "ballast")); err == nil {
		t.Fatal("the ballast was not released")
	}
	if v, err := s.Get(substrate.Main, []byte("row0001")); err != nil || len(v) != 2000 {
		t.Fatalf("what was applied: %d bytes, %v", len(v), err)
	}
	if v, err := s.Get(substrate.Main, []byte("row0005")); err != nil || v != nil {
		t.Fatalf("what was refused: %d bytes, %v", len(v), err)
	}
	fs.SetCapacity(1 << 40)
	if err := s.Flush(); err != nil && !errors.Is(err, substrate.ErrDiskFull) {
		t.Fatal(err)
	}
	for err = s.Apply(big, 0, substrate.Stamp{Offset: 5}); errors.Is(err, substrate.ErrDiskFull); err = s.Apply(big, 0, substrate.Stamp{Offset: 5}) {
	}
	if err != nil {
		t.Fatalf("apply again: %v", err)
	}
	for err = s.Flush(); errors.Is(err, substrate.ErrDiskFull); err = s.Flush() {
	}
	if err != nil {
		t.Fatalf("flush after space came back: %v", err)
	}
	if _, err := fs.Stat(path.Join(dir, "ballast")); err != nil {
		t.Fatalf("the ballast was not made again: %v", err)
	}
	c := crashed{fs: fs.CrashClone(faultfs.Crash{})}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s2, err := open(c.fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s2.Get(substrate.Main, []byte("row0005")); err != nil || len(v) != 500_000 {
		t.Fatalf("after a crash: %d bytes, %v", len(v), err)
	}
	if err := s2.Close(); err != nil {
		t.Fatal(err)
	}
}

// openWithRoom opens a small store on a disk that has so many bytes left then.
func openWithRoom(t *testing.T, room int64) (*faultfs.FS, *pebblestore.Store) {
	t.Helper()
	fs := faultfs.New()
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: fs, Dir: dir, MemoryBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	usage, err := fs.GetDiskUsage(dir)
	if err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(int64(usage.UsedBytes) + room)
	return fs, s
}

// However much is missing, no call waits for the space, reads go on, and all
// goes on when it is there.
func TestFullDiskNeverKillsTheStoreNorHoldsACall(t *testing.T) {
	for _, room := range []int64{0, 300, 1000, 2200, 2300, 2400, 2500, 2600, 2 << 10, 5000, 30 << 10, 300 << 10, 1200 << 10} {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			t.Parallel()
			fs, s := openWithRoom(t, room)
			refused, last := 0, 0
			for i := 1; i <= 30; i++ {
				b := numbered(s, i)
				for {
					err := s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(i)})
					if err == nil {
						last = i
						err = s.Flush()
					}
					if err == nil {
						break
					}
					if !errors.Is(err, substrate.ErrDiskFull) || errors.Is(err, substrate.ErrFailed) {
						t.Fatalf("batch %d: %v", i, err)
					}
					if v, err := s.Get(substrate.Main, fmt.Appendf(nil, "row%04d", last)); err != nil || last > 0 && len(v) == 0 {
						t.Fatalf("read on a full disk: %d bytes, %v", len(v), err)
					}
					if refused++; refused >= 5 {
						fs.SetCapacity(1 << 40)
					}
					if last == i {
						break
					}
				}
			}
			fs.SetCapacity(1 << 40)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			c := crashed{fs: fs, floor: 30}
			if err := c.check(); err != nil || refused == 0 {
				t.Fatalf("afterwards, with %d refusals: %v", refused, err)
			}
		})
	}
}

func TestStoreClosesOnAFullDisk(t *testing.T) {
	_, s := openWithRoom(t, 0)
	if err := applyNumbered(s, 1); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Flush(); !errors.Is(err, substrate.ErrDiskFull) {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil && !errors.Is(err, substrate.ErrFailed) {
		t.Fatal(err)
	}
}

func TestFatalErrorOfEitherDatabaseEndsOnlyTheStore(t *testing.T) {
	leaktest.StoresDie(t)
	for _, database := range []string{"main", "history"} {
		for _, kind := range []faultfs.Kind{faultfs.OpSync, faultfs.OpWrite} {
			t.Run(fmt.Sprintf("%s/%s", database, kind), func(t *testing.T) {
				fs := faultfs.New()
				s, err := open(fs, dir)
				if err != nil {
					t.Fatal(err)
				}
				if err := applyNumbered(s, 1); err != nil {
					t.Fatal(err)
				}
				injected := errors.New("injected")
				fs.SetFault(func(op faultfs.Op) error {
					if op.Kind == kind && strings.Contains(op.Path, database+"/") {
						return injected
					}
					return nil
				})
				if err := s.Flush(); !errors.Is(err, substrate.ErrFailed) {
					t.Fatalf("flush: %v", err)
				}
				if _, err := s.Get(substrate.Main, []byte("row0001")); !errors.Is(err, substrate.ErrFailed) {
					t.Fatalf("get: %v", err)
				}
				if err := s.Close(); !errors.Is(err, substrate.ErrFailed) {
					t.Fatalf("close: %v", err)
				}
				// The same process opens it again, while the dead one is still there.
				fs.SetFault(nil)
				if s, err = open(fs, dir); err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(applyNumbered(s, 1), s.Flush(), s.Close()); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// closedStore returns the disk of a store that has been closed, and the paths of
// its tables of rows.
func closedStore(t *testing.T) (fs *faultfs.FS, tables []string) {
	t.Helper()
	fs = faultfs.New()
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(applyNumbered(s, 1), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, table := range tablesOf(t, fs) {
		if strings.HasPrefix(table, dir+"/main/") {
			tables = append(tables, table)
		}
	}
	if len(tables) == 0 {
		t.Fatal("the store has no table")
	}
	return fs, tables
}

func TestNewerLayoutIsRefused(t *testing.T) {
	fs := faultfs.New()
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: fs, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.RaiseVersion(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := open(fs, dir); !errors.Is(err, substrate.ErrNewerFormat) {
		t.Fatalf("got %v", err)
	}
}

func TestMemoryStaysWithinItsBudget(t *testing.T) {
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: faultfs.New(), Dir: dir, MemoryBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if err := applyNumbered(s, i); err != nil {
			t.Fatal(err)
		}
		if got := s.Stats().MemoryBytes; got > 8<<20 {
			t.Fatalf("%d bytes", got)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
