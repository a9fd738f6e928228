package netherite_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// ward is a hub of two partitions on one disk. While sick, what always has to be
// in memory of partition 1 cannot be read.
type ward struct {
	fs   *faultfs.FS
	sick bool
	openings
}

const sideName = "/hub/side/00001.records"

func (w *ward) Parameters() netherite.Parameters {
	return netherite.Parameters{Hub: [16]byte{5}, Partitions: 2}
}

func (w *ward) OpenLog() (substrate.Log, error) {
	l, err := filelog.Open(filelog.Options{FS: w.fs, Dir: "/hub/log", Hub: [16]byte{5}, MinSegmentBytes: 16 << 10, MaxSegmentBytes: 16 << 10, Inline: true})
	if err == nil {
		w.add(l)
	}
	return l, err
}

func (w *ward) OpenStore(int64) (substrate.Store, error) {
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: w.fs, Dir: "/hub/store", MemoryBytes: 4 << 20})
	if err == nil {
		w.add(s)
	}
	if err != nil || !w.sick {
		return s, err
	}
	return sickStore{s}, nil
}

func (w *ward) OpenSideFiles() (substrate.SideFiles, error) {
	return sidefile.Open(w.fs, "/hub/side", [16]byte{5}), nil
}

func (w *ward) Close() error { return nil }

type sickStore struct{ substrate.Store }

func (s sickStore) Get(space substrate.Space, key []byte) ([]byte, error) {
	if space == substrate.Main && len(key) == 3 && key[1] == 1 && key[2] == 'M' {
		return nil, substrate.ErrDamaged
	}
	return s.Store.Get(space, key)
}

// open opens the hub; often says that it checkpoints as often as it can.
func (w *ward) open(t testing.TB, often bool, change ...func(*netherite.Options)) *netherite.Engine {
	t.Helper()
	o := netherite.Options{Storage: w, Logger: slog.New(slog.DiscardHandler), Gather: -1}
	o.KeeperTick(time.Millisecond)
	o.Checkpoint = netherite.Checkpoint{Records: 1 << 40, Bytes: 1 << 50, Idle: 1 << 60}
	if often {
		o.Checkpoint = netherite.Checkpoint{Records: 20, Bytes: 1 << 50, Idle: time.Millisecond}
	}
	for _, f := range change {
		f(&o)
	}
	e, err := netherite.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// parkedWard is an open hub of which partition 1 is parked, with instances in it that
// are in the log only.
func parkedWard(t testing.TB, instances int) (w *ward, e *netherite.Engine, ids []string) {
	t.Helper()
	w = &ward{fs: faultfs.New()}
	e = w.open(t, false)
	ids = startIn(t, e, "a", 1, instances, 100)
	w.crash(e)
	w.sick = true
	return w, w.open(t, true), ids
}

// crash ends the hub as a power failure would.
func (w *ward) crash(e *netherite.Engine) {
	e.Kill(false)
	after := w.fs.CrashClone(faultfs.Crash{})
	w.end()
	w.fs = after
}

// named makes up an instance ID that lives in a partition.
func named(prefix string, partition int) string {
	for i := 0; ; i++ {
		if id := fmt.Sprintf("%s-%d", prefix, i); model.PartitionOf(id, 2) == partition {
			return id
		}
	}
}

// startIn starts instances in a partition, with so many bytes of input each.
func startIn(t testing.TB, e *netherite.Engine, prefix string, partition, count, size int) (ids []string) {
	t.Helper()
	for i := range count {
		id := named(fmt.Sprintf("%s-%d", prefix, i), partition)
		if _, err := e.Start(t.Context(), engine.StartRequest{Instance: id, Name: "Hello5", Input: make([]byte, size)}); err != nil {
			t.Fatalf("start %s: %v", id, err)
		}
		ids = append(ids, id)
	}
	return ids
}

// finishAll runs instances to their ends.
func finishAll(t testing.TB, e *netherite.Engine, ids ...string) {
	t.Helper()
	w := helloWorker()
	w.connect(t, e)
	t.Cleanup(w.close) // when the hub has gone: it hands out other work, too
	for _, id := range ids {
		if got, err := ended(t.Context(), e, id); err != nil || string(got.Output) != "5 done" {
			t.Fatalf("%s: %v, %v", id, got, err)
		}
	}
}

// The log stays short though a parked partition has records in it that it needs:
// they go to its side file, come back from there when it runs again, and the file
// goes once they are in the store.
func TestParkedPartitionKeepsItsRecordsAndNotTheLog(t *testing.T) {
	w := &ward{fs: faultfs.New()}
	e := w.open(t, false)
	ids := startIn(t, e, "a", 1, 20, 100)
	startIn(t, e, "a", 0, 5, 0)
	w.crash(e)

	w.sick = true
	for round := range 3 {
		e = w.open(t, true)
		for i := range 10 {
			startIn(t, e, fmt.Sprintf("b-%d-%d", round, i), 0, 10, 2000)
			if err := e.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if s := e.Stats(); s.Log.Segments > 4 || s.Log.GroupBytes < 200_000 || s.Parked != 1 {
			t.Fatalf("round %d: the log was kept: %+v", round, s)
		}
		if _, err := w.fs.Stat(sideName); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			w.crash(e)
		} else if err := e.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}

	w.sick = false
	e = w.open(t, false)
	ids = append(ids, startIn(t, e, "c", 1, 5, 0)...)
	w.crash(e)    // nothing of it is in the store yet
	w.sick = true // it parks again, with records in the side file and in the log
	e = w.open(t, true)
	startIn(t, e, "d", 0, 30, 2000)
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.sick = false
	e = w.open(t, true)
	finishAll(t, e, ids...)
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.fs.Stat(sideName); err == nil {
		t.Error("the side file is still there")
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// The same for a partition that parks in the middle of its work.
func TestPartitionParkedAtWorkKeepsWhatItHasAppended(t *testing.T) {
	w := &ward{fs: faultfs.New()}
	var broken atomic.Bool
	e := w.open(t, true, func(o *netherite.Options) {
		// The keeper looks when there is something to keep; here that is never soon.
		o.Checkpoint = netherite.Checkpoint{Records: 1 << 40, Bytes: 1 << 50, Idle: 1 << 60}
		o.BeforeStep(func(id int, ev partition.Event) {
			if _, opened := ev.(*partition.Opened); id == 1 && broken.Load() && !opened {
				panic("beyond help")
			}
		})
	})
	ids := startIn(t, e, "a", 1, 10, 100)
	broken.Store(true)
	worker := helloWorker()
	worker.connect(t, e) // and the first result parks the partition
	if _, err := ended(t.Context(), e, ids[0]); !errors.Is(err, engine.ErrUnavailable) {
		t.Fatalf("wait in the partition that parks: %v", err)
	}
	t.Cleanup(worker.close)
	for i := range 6 {
		startIn(t, e, fmt.Sprint("c-", i), 0, 10, 2000)
		if err := e.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s := e.Stats(); s.Parked != 1 || s.Log.Segments > 4 {
		t.Errorf("the log was kept: %+v", s)
	}
	w.crash(e)
	e = w.open(t, true)
	finishAll(t, e, ids...)
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// crashesOf returns what is left by a crash after every operation that concerns the
// side files, and after some of the others: without all that was not synced, and
// with some of it and noise for the rest. What is left alike comes once.
type crashesOf struct {
	mu    sync.Mutex
	rng   *rand.Rand
	n     int
	seen  map[uint64]bool
	found []*faultfs.FS
}

func (c *crashesOf) watch(fs *faultfs.FS) {
	c.rng, c.seen = rand.New(rand.NewPCG(1, 1)), map[uint64]bool{}
	fs.SetAfter(func(op faultfs.Op) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.n++; !strings.Contains(op.Path, "/side") && c.n%7 != 0 {
			return
		}
		inStore := func(name string) bool { return strings.HasPrefix(name, "/hub/store/") } // which needs whole sectors
		for _, crash := range []faultfs.Crash{{}, {Rand: c.rng, KeepSectors: 0.5, KeepNames: c.rng.Float64(), Fill: faultfs.FillAny, Whole: inStore}} {
			if left := fs.CrashClone(crash); !c.seen[left.Sum()] {
				c.seen[left.Sum()] = true
				c.found = append(c.found, left)
			}
		}
	})
}

// A crash at any operation on the disk, from the opening with a parked partition
// to the trim of the log, loses nothing.
func TestCrashAtAnyMomentOfParkingLosesNothing(t *testing.T) {
	w := &ward{fs: faultfs.New()}
	e := w.open(t, false)
	ids := startIn(t, e, "a", 1, 5, 100)
	w.crash(e)

	crashes := crashesOf{found: []*faultfs.FS{w.fs.CrashClone(faultfs.Crash{})}}
	crashes.watch(w.fs)
	w.sick = true
	e = w.open(t, true)
	for i := range 4 {
		startIn(t, e, fmt.Sprint("b-", i), 0, 10, 2000)
		if err := e.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	e.Kill(false)
	w.fs.SetAfter(nil)
	w.crash(e)
	found := append(crashes.found, w.fs)
	for _, fs := range found {
		after := &ward{fs: fs, sick: true}
		e := after.open(t, true) // parks again, and goes on where it was
		startIn(t, e, "c", 0, 12, 2000)
		if err := e.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		after.crash(e)
		after.sick = false
		e = after.open(t, false)
		finishAll(t, e, ids...)
		after.crash(e)
	}
	if len(found) < 40 {
		t.Errorf("only %d crashes", len(found))
	}
	t.Logf("%d crashes", len(found))
}

// Messages to a parked partition wait in the store: those who send them keep
// little in memory, and when it runs again all arrive, once and in order.
func TestMessagesToAParkedPartitionWaitOnDisk(t *testing.T) {
	const senders, each, size = 20, 50, 10 << 10
	sink := model.EntityID{Name: "sink", Key: ""}
	for i := 0; sink.Key == "" || model.PartitionOf(sink.String(), 2) != 1; i++ {
		sink.Key = fmt.Sprint(i)
	}
	worker := func() *testWorker {
		w := newTestWorker()
		w.programs["Send"] = func(past, fresh []model.Event) (out []model.Event) {
			for i := range each {
				payload := make([]byte, size)
				payload[0] = byte(i)
				out = append(out, model.Event{
					Kind: model.EntitySignaled, ID: int32(i), Instance: sink.String(), Name: "op", Payload: payload, Ext: &model.Ext{},
				})
			}
			return append(out, completed(each, "sent"))
		}
		return w
	}
	// What partition 1 has in the log goes to a side file: it comes back from that.
	w, parked, _ := parkedWard(t, 5)
	w.crash(parked)
	for round := range 2 {
		e := w.open(t, true, func(o *netherite.Options) { o.Memory = 16 << 20 })
		code := worker()
		code.connect(t, e)
		for i := range senders / 2 {
			id := named(fmt.Sprintf("s-%d-%d", round, i), 0)
			if _, err := e.Start(t.Context(), engine.StartRequest{Instance: id, Name: "Send"}); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Wait(t.Context(), id, engine.UntilEnded, engine.GetOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := e.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if held := e.Stats().StateBytes; held > 2<<20 || e.Stats().Parked != 1 {
			t.Errorf("round %d: %d bytes of state: %+v", round, held, e.Stats())
		}
		if err := e.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		code.close()
	}

	// What is sent first does not arrive: it is missed unless it is kept for longer.
	var lost atomic.Bool
	loses := func(deliver func([]netherite.Frame)) netherite.Transport {
		return &between{deliver, func(f netherite.Frame, pass func(netherite.Frame)) {
			if f.Kind != netherite.FrameMessages || lost.Swap(true) {
				pass(f)
			}
		}}
	}
	w.sick = false
	e := w.open(t, true, func(o *netherite.Options) { o.Transport, o.Resend = loses, hubtest.Resend })
	defer e.Close(context.Background())
	code := newTestWorker()
	code.entities["sink"] = func(state []byte, op *model.Event) (next, out []byte) {
		counts := map[string]int{}
		_ = json.Unmarshal(state, &counts) // nil at first
		from := op.Extra().Parent.Instance
		if counts[from] != int(op.Payload[0]) {
			counts["disorder"]++
		}
		counts[from]++
		next, _ = json.Marshal(counts)
		return next, nil
	}
	code.connect(t, e)
	t.Cleanup(code.close)
	var counts map[string]int
	deadline, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	for total := 0; total < senders*each; {
		if err := e.Checkpoint(deadline); err != nil {
			t.Fatalf("%d of %d arrived: %v", total, senders*each, err)
		}
		i, err := e.Get(deadline, sink.String(), engine.GetOptions{Payloads: true, Fresh: true})
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		counts = map[string]int{}
		_ = json.Unmarshal(i.Entity.State, &counts)
		total = 0
		for _, n := range counts {
			total += n
		}
	}
	if len(counts) != senders || counts["disorder"] != 0 || !lost.Load() {
		t.Errorf("%v, after something was lost: %v", counts, lost.Load())
	}
}

// A side file that is missing or damaged keeps its partition parked, by name:
// what it had was acknowledged.
func TestDamagedSideFileKeepsThePartitionParked(t *testing.T) {
	w, e, ids := parkedWard(t, 5)
	for i := range 4 {
		startIn(t, e, fmt.Sprint("b-", i), 0, 10, 2000)
		if err := e.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.crash(e)
	for what, harm := range map[string]func(fs *faultfs.FS) error{
		"missing": func(fs *faultfs.FS) error { return fs.Remove(sideName) },
		"bit":     func(fs *faultfs.FS) error { return fs.Alter(sideName, func(b []byte) []byte { b[200] ^= 1; return b }) },
		"short":   func(fs *faultfs.FS) error { return fs.Alter(sideName, func(b []byte) []byte { return b[:len(b)-3] }) },
	} {
		t.Run(what, func(t *testing.T) {
			after := &ward{fs: w.fs.CrashClone(faultfs.Crash{})}
			intact := after.fs.CrashClone(faultfs.Crash{})
			if err := harm(after.fs); err != nil {
				t.Fatal(err)
			}
			e := after.open(t, true)
			_, err := e.Get(t.Context(), ids[0], engine.GetOptions{})
			if !errors.Is(err, engine.ErrUnavailable) || !errors.Is(err, substrate.ErrDamaged) && !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), "00001.records") {
				t.Errorf("get: %v", err)
			}
			startIn(t, e, "c", 0, 5, 0)
			after.crash(e)
			after.fs = intact
			e = after.open(t, true)
			finishAll(t, e, ids...)
			after.crash(e)
		})
	}
}
