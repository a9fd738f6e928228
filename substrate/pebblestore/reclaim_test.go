package pebblestore_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// ended is a store of instances that have ended: each has a row and a chunk of
// history of rowBytes, which cannot be compressed, and a small row of an index.
type ended struct {
	*pebblestore.Store
	t  *testing.T
	fs *faultfs.FS
	n  int // batches applied
}

const rowBytes = 4000

func newEnded(t *testing.T, instances int) *ended {
	t.Helper()
	e := &ended{t: t, fs: faultfs.New()}
	e.open()
	e.add(0, instances)
	return e
}

func (e *ended) open() {
	e.t.Helper()
	s, err := open(e.fs, dir)
	if err != nil {
		e.t.Fatal(err)
	}
	e.Store = s.(*pebblestore.Store)
}

func instanceKey(n int) []byte { return binary.BigEndian.AppendUint32([]byte{'i'}, uint32(n)) }
func chunkKey(n int) []byte    { return binary.BigEndian.AppendUint32([]byte{'h'}, uint32(n)) }
func indexKey(n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{'x'}, uint32(n)*2654435761) // in no order
}

func payload(n int) []byte {
	b := make([]byte, rowBytes)
	r := rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%032d", n)))
	_, _ = r.Read(b) // never fails
	return b
}

// apply applies changes of some instances, some hundred at a time, and flushes.
func (e *ended) apply(list []int, change func(b substrate.Batch, n int)) {
	e.t.Helper()
	for len(list) > 0 {
		some := list[:min(len(list), 200)]
		list = list[len(some):]
		b := e.NewBatch()
		for _, n := range some {
			change(b, n)
		}
		e.n++
		if err := e.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(e.n)}); err != nil {
			e.t.Fatal(err)
		}
	}
	if err := e.Flush(); err != nil {
		e.t.Fatal(err)
	}
}

func (e *ended) add(from, to int) {
	e.t.Helper()
	e.apply(between(from, to, func(int) bool { return true }), func(b substrate.Batch, n int) {
		b.Set(substrate.History, chunkKey(n), payload(n))
		b.Set(substrate.Main, instanceKey(n), payload(n))
		b.Set(substrate.Main, indexKey(n), []byte("index"))
	})
}

func (e *ended) purge(list []int) {
	e.t.Helper()
	e.apply(list, func(b substrate.Batch, n int) {
		b.DeleteRange(substrate.History, chunkKey(n), chunkKey(n+1))
		b.Delete(substrate.Main, instanceKey(n))
		b.Delete(substrate.Main, indexKey(n))
	})
}

// holds checks that exactly some instances are there, whole.
func (e *ended) holds(list []int) {
	e.t.Helper()
	for space, key := range map[substrate.Space]func(int) []byte{substrate.Main: instanceKey, substrate.History: chunkKey} {
		i := 0
		if err := e.Scan(space, key(0)[:1], append(key(0)[:1], 0xff, 0xff, 0xff, 0xff), func(k, v []byte) bool {
			if i >= len(list) || !bytes.Equal(k, key(list[i])) || !bytes.Equal(v, payload(list[i])) {
				e.t.Errorf("key %x is not what should be there", k)
				return false
			}
			i++
			return true
		}); err != nil {
			e.t.Fatal(err)
		}
		if i != len(list) {
			e.t.Errorf("%d of %d are there", i, len(list))
		}
	}
}

func between(from, to int, fits func(int) bool) (list []int) {
	for n := from; n < to; n++ {
		if fits(n) {
			list = append(list, n)
		}
	}
	return list
}

const many = 1500

// A purge is of what ended long ago, or of a kind that is spread over all.
func TestTheSpaceOfWhatWasPurgedIsGivenBack(t *testing.T) {
	leaktest.StoresDie(t)
	for name, gone := range map[string]func(int) bool{
		"all": func(int) bool { return true }, "the oldest": func(n int) bool { return n < many*3/4 }, "every other": func(n int) bool { return n%2 == 0 },
		"most, spread": func(n int) bool { return n%10 != 0 },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnded(t, many)
			defer func() { _ = e.Close() }()
			before := e.Stats().DiskBytes
			purged := between(0, many, gone)
			e.purge(purged)
			written := e.Stats().WrittenBytes
			if err := e.Reclaim(); err != nil {
				t.Fatal(err)
			}
			freed, written := before-e.Stats().DiskBytes, e.Stats().WrittenBytes-written
			garbage := int64(len(purged)) * 2 * rowBytes
			t.Logf("%d bytes before, %d of them purged, %d given back, %d written for that", before, garbage, freed, written)
			if freed < garbage*8/10 {
				t.Errorf("%d of %d bytes were given back", freed, garbage)
			}
			if written > 3*garbage {
				t.Errorf("%d bytes were written to free %d", written, garbage)
			}
			kept := between(0, many, func(n int) bool { return !gone(n) })
			e.holds(kept)
			e.Die()
			e.Abandon()
			e.fs = e.fs.CrashClone(faultfs.Crash{})
			e.open()
			e.holds(kept)
		})
	}
}

// What lives changes all the time, a little of it everywhere: to rewrite it all for
// that would cost more than it frees.
func TestALittleGarbageEverywhereIsLeftAlone(t *testing.T) {
	e := newEnded(t, many)
	defer func() { _ = e.Close() }()
	e.purge(between(0, many, func(n int) bool { return n%10 == 0 }))
	compactions, written := e.Compactions(), e.Stats().WrittenBytes
	if err := e.Reclaim(); err != nil {
		t.Fatal(err)
	}
	if n := e.Compactions() - compactions; n != 0 {
		t.Errorf("%d compactions, %d bytes written", n, e.Stats().WrittenBytes-written)
	}
}

func TestAStoreThatIsQuietReclaimsByItself(t *testing.T) {
	e := newEnded(t, many)
	defer func() { _ = e.Close() }()
	e.ReclaimSoon(time.Millisecond)
	before := e.Stats().DiskBytes
	e.purge(between(0, many, func(int) bool { return true }))
	e.awaitSize(before / 4)
}

// A purge may come in parts that lie apart in time, the last of them small.
func TestTheLastOfWhatWasPurgedIsGivenBackToo(t *testing.T) {
	const last = 250 // 2 MB
	e := newEnded(t, many)
	defer func() { _ = e.Close() }()
	e.ReclaimSoon(time.Millisecond)
	before := e.Stats().DiskBytes
	e.purge(between(0, many-last, func(int) bool { return true }))
	e.awaitSize(before / 3)
	e.purge(between(many-last, many, func(int) bool { return true }))
	e.awaitSize(before / 20)
}

// awaitSize waits until the store is no larger.
func (e *ended) awaitSize(most int64) {
	e.t.Helper()
	for limit := time.After(time.Minute); e.Stats().DiskBytes > most; {
		select {
		case <-e.Progress():
		case <-time.After(10 * time.Millisecond): // tables are removed after the end that is told
		case <-limit:
			e.t.Fatalf("%d bytes are left, want at most %d", e.Stats().DiskBytes, most)
		}
	}
}

// What a reader still sees cannot be given back before it has ended.
func TestTheSpaceThatAReaderHoldsIsGivenBackAfterIt(t *testing.T) {
	e := newEnded(t, many)
	defer func() { _ = e.Close() }()
	before, reader := e.Stats().DiskBytes, e.Snapshot()
	e.purge(between(0, many, func(int) bool { return true }))
	if err := e.Reclaim(); err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Reclaim(); err != nil {
		t.Fatal(err)
	}
	if left := e.Stats().DiskBytes; left > before/4 {
		t.Errorf("%d bytes of %d are left", left, before)
	}
}

// Nor is a store that is read all the while forgotten.
func TestAStoreThatIsQuietReclaimsByItselfOnceItIsNotRead(t *testing.T) {
	e := newEnded(t, many)
	defer func() { _ = e.Close() }()
	e.ReclaimSoon(time.Millisecond)
	before, reader := e.Stats().DiskBytes, e.Snapshot()
	e.purge(between(0, many, func(int) bool { return true }))
	e.AwaitPostponed()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	e.awaitSize(before / 4)
}

// Neither are batches kept out for long, nor does closing wait for it all.
func TestAStoreThatReclaimsIsUsedAndClosed(t *testing.T) {
	e := newEnded(t, many)
	e.ReclaimSoon(time.Microsecond)
	e.purge(between(0, many, func(n int) bool { return n%2 == 0 }))
	for round := range 5 {
		e.add(many+round*100, many+round*100+100)
	}
	kept := between(0, many+500, func(n int) bool { return n >= many || n%2 == 1 })
	e.holds(kept)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e.open()
	defer func() { _ = e.Close() }()
	e.holds(kept)
}

func TestACrashWhileSpaceIsGivenBackLosesNothing(t *testing.T) {
	const instances = 800
	e := newEnded(t, instances)
	defer func() { _ = e.Close() }()
	gone := func(n int) bool { return n%3 != 0 }
	e.purge(between(0, instances, gone))
	var mu sync.Mutex
	var found []*faultfs.FS
	ops, rng := 0, rand.New(rand.NewPCG(7, 7))
	e.fs.SetFault(func(op faultfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind == faultfs.OpRead || op.Kind == faultfs.OpOpen {
			return nil
		}
		if ops++; ops%16 == 0 {
			found = append(found, e.fs.CrashClone(faultfs.Crash{Rand: rng, KeepSectors: 0.5, KeepNames: 0.9}))
		}
		return nil
	})
	if err := e.Reclaim(); err != nil {
		t.Fatal(err)
	}
	e.fs.SetFault(nil)
	if e.Compactions() == 0 || len(found) < 4 {
		t.Fatalf("%d compactions, %d crashes: the test shows nothing", e.Compactions(), len(found))
	}
	kept := between(0, instances, func(n int) bool { return !gone(n) })
	for _, fs := range found {
		after := &ended{t: t, fs: fs}
		after.open()
		after.holds(kept)
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A compaction needs space before it gives any back.
func TestADiskThatIsNearlyFullIsNotFilledToGiveSpaceBack(t *testing.T) {
	e := newEnded(t, many)
	defer func() { _ = e.Close() }()
	gone := func(n int) bool { return n%2 == 0 }
	e.purge(between(0, many, gone))
	u, err := e.fs.GetDiskUsage(dir)
	if err != nil {
		t.Fatal(err)
	}
	e.fs.SetCapacity(int64(u.UsedBytes) + 10<<20)
	compactions := e.Compactions()
	if err := e.Reclaim(); err != nil || e.Compactions() != compactions {
		t.Errorf("%d compactions, %v", e.Compactions()-compactions, err)
	}
	e.holds(between(0, many, func(n int) bool { return !gone(n) }))
}
