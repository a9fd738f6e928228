package netherite

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	cmdline "flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

var remake = cmdline.Bool("accept", false, "make the data directory of the present format in testdata/formats anew")

// madeAt is when the directories were made, on their own clock. What waits for an
// hour to pass waits as long as a test opens them at that time.
var madeAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// shifted is the system's clock with another wall time.
type shifted struct {
	substrate.Clock
	by time.Duration
}

func (c shifted) Wall() time.Time { return c.Clock.Wall().Add(c.by) }

// clockAt is a clock that runs on from a time.
func clockAt(t time.Time) substrate.Clock {
	c := sysclock.New()
	return shifted{c, t.Sub(c.Wall())}
}

// making is a hub's directory with small files. While sick, one of its partitions
// cannot be read, so that it is parked and gets a side file. When trap is set, the
// core panics once, as it looks for the entity of heldKey.
type making struct {
	*directory
	sick bool
	trap atomic.Bool
}

const (
	sickPartition    = 1
	formatPartitions = 3
)

// newMaking takes a directory and begins a hub in it.
func newMaking(t *testing.T, dir string) *making {
	t.Helper()
	m := &making{directory: &directory{
		dir: dir, fs: vfs.Default, partitions: formatPartitions, inline: true, segments: [2]int64{8 << 10, 8 << 10}, logger: slog.New(slog.DiscardHandler),
	}}
	m.reopen(t)
	if err := m.open(); err != nil {
		t.Fatal(err)
	}
	return m
}

// OpenStore implements core.Storage.
func (m *making) OpenStore(memory int64) (substrate.Store, error) {
	s, err := m.directory.OpenStore(memory)
	switch {
	case err != nil:
		return nil, err
	case m.sick:
		return unreadable{s}, nil
	}
	return trapped{s, m}, nil
}

type trapped struct {
	substrate.Store
	m *making
}

func (s trapped) Get(space substrate.Space, key []byte) ([]byte, error) {
	if bytes.HasSuffix(key, []byte(oldCounters.Key(heldKey()).InstanceID())) && s.m.trap.CompareAndSwap(true, false) {
		panic("as it was told to")
	}
	return s.Store.Get(space, key)
}

type unreadable struct{ substrate.Store }

func (s unreadable) Get(space substrate.Space, key []byte) ([]byte, error) {
	if space == substrate.Main && string(key) == string([]byte{0, sickPartition, 'M'}) {
		return nil, substrate.ErrDamaged
	}
	return s.Store.Get(space, key)
}

// in makes up an instance ID that lives in a partition.
func in(partition int, prefix string) string {
	for i := 0; ; i++ {
		if id := fmt.Sprintf("%s-%d", prefix, i); model.PartitionOf(id, formatPartitions) == partition {
			return id
		}
	}
}

// heldKey is the key of an entity of partition 0 that is set aside.
func heldKey() string {
	for i := 0; ; i++ {
		if key := fmt.Sprintf("held-%d", i); model.PartitionOf(oldCounters.Key(key).InstanceID(), formatPartitions) == 0 {
			return key
		}
	}
}

// setAside sends signals to the entity of heldKey, of which the first cannot be
// applied.
func setAside(t *testing.T, hub *Hub, m *making) {
	t.Helper()
	m.trap.Store(true)
	run := start(t, oldSends, hub, heldKey(), in(0, "sends-held"))
	if _, err := run.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := oldCounters.Key(heldKey()).InstanceID()
	if i, err := hub.Engine().Get(t.Context(), id, engine.GetOptions{Waits: true}); err != nil || i.Waits.Quarantine == nil || i.Waits.Messages != 3 {
		t.Fatalf("it is not set aside: %+v, %v", i, err)
	}
}

// makeDirectory makes a directory in which everything occurs: instances of every
// status, with and without history; what waits for events, timers, activities,
// children, locks and retries; entities; a log of several incarnations and
// segments, of which the last ones are not in the store; a partition that was
// parked, and messages to it that are not delivered; an entity that is set aside and
// holds what came for it.
func makeDirectory(t *testing.T, dir string) {
	t.Helper()
	m := newMaking(t, dir)
	hub := m.run(t)
	startOld(t, hub)
	quiet(t, hub)
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.reopen(t)
	hub = m.run(t)
	setAside(t, hub, m)
	for _, p := range []int{0, 1, 2} {
		start(t, oldWaits, hub, "again", in(p, "second"))
		start(t, oldHello, hub, 3, in(p, "greets"))
	}
	quiet(t, hub)
	hub.Kill()
	m.reopen(t)
	m.sick = true
	hub = m.run(t)
	start(t, oldSends, hub, in(sickPartition, "unreached"), in(0, "sends"))
	for i := range 20 { // enough that the log would be cut, but for the parked partition
		start(t, oldHello, hub, 3, in(2*(i%2), fmt.Sprint("more-", i)))
	}
	quiet(t, hub)
	if err := hub.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	for round := range 2 { // none of this is in the store
		if round > 0 {
			m.reopen(t)
			hub = m.run(t)
		}
		start(t, oldWaits, hub, "last", in(2, fmt.Sprint("last-", round)))
		if err := oldAdd.Post(t.Context(), hub, oldCounters.Key(heldKey()), 100); err != nil {
			t.Fatal(err)
		}
		for i := range 25 {
			start(t, oldHello, hub, 3, in(2*(i%2), fmt.Sprint("tail-", round, "-", i)))
		}
		quiet(t, hub)
		hub.Kill()
	}
}

// reopen takes the lock, which the hub has released at its end.
func (m *making) reopen(t *testing.T) {
	t.Helper()
	lock, err := dirlock.Acquire(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	m.lock = lock
}

func (m *making) run(t *testing.T) *Hub {
	t.Helper()
	hub, err := Open(m.dir, Storage(m), Serve(oldCode(false)...), Clock(clockAt(madeAt)), CheckpointEvery(1<<40, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	hub.files, hub.place = true, m.directory // so that Kill lets go of them, and that it can be backed up
	if err := m.complete(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Kill)
	return hub
}

func start[In, Out any](t *testing.T, o *durable.OrchestrationOf[In, Out], hub *Hub, input In, id string, opts ...durable.StartOption) *durable.Run[Out] {
	t.Helper()
	run, err := o.Start(t.Context(), hub, input, append(opts, durable.ID(id))...)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// startOld starts what is in a directory first.
func startOld(t *testing.T, hub *Hub) {
	t.Helper()
	ctx := t.Context()
	start(t, oldHello, hub, 5, "hello", durable.Tags{"color": "red", "size": "5"})
	start(t, oldHello, hub, 40, "fan-out")
	start(t, oldFails, hub, "error", "fails")
	start(t, oldFails, hub, "panic", "panics")
	start(t, oldAgain, hub, 0, "again")
	start(t, oldSleeps, hub, time.Hour, "sleeps")
	start(t, oldHello, hub, 1, "scheduled", durable.At(madeAt.Add(2*time.Hour)))
	start(t, oldLocks, hub, []string{"a", "b"}, "locks")
	quiet(t, hub)
	start(t, oldLocks, hub, []string{"b", "c"}, "queues")
	start(t, oldParent, hub, "child", "parent")
	start(t, oldPending, hub, 7, "pending")
	for _, id := range []string{"waits", "suspended", "terminated"} {
		start(t, oldWaits, hub, id, id)
	}
	quiet(t, hub)
	for i := range 3 {
		for _, key := range []string{"free", heldKey()} {
			if err := oldAdd.Post(ctx, hub, oldCounters.Key(key), i); err != nil {
				t.Fatal(err)
			}
		}
	}
	err := errors.Join(hub.Engine().Suspend(ctx, "suspended", "for a while"), oldGo.Raise(ctx, hub, "suspended", "later"),
		hub.Engine().Terminate(ctx, engine.TerminateRequest{Instance: "terminated", Output: []byte(`"enough"`)}))
	if err != nil {
		t.Fatal(err)
	}
}

// quiet returns when nothing goes on but what waits, and all of it is durable.
func quiet(t *testing.T, hub *Hub) {
	t.Helper()
	for working := true; working; working, _ = hub.Working() {
		runtime.Gosched()
	}
	// An answer is given when all before it is durable. A parked partition answers
	// that it is not there.
	if _, err := hub.Engine().Query(t.Context(), engine.Query{}); err != nil && !errors.Is(err, engine.ErrUnavailable) && !errors.Is(err, engine.ErrDamaged) {
		t.Fatal(err)
	}
}

// pack writes a directory into an archive, without what is there only while it is
// open and what is made anew.
func pack(t *testing.T, dir, archive string) {
	t.Helper()
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, name)
		switch {
		case err != nil || rel == ".":
			return err
		case passing(filepath.Base(name)):
			return nil
		}
		h := &tar.Header{Name: filepath.ToSlash(rel), Mode: 0o600, ModTime: madeAt, Format: tar.FormatUSTAR}
		if d.IsDir() {
			h.Typeflag, h.Mode = tar.TypeDir, 0o700
			return w.WriteHeader(h)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		h.Size = int64(len(data))
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err := errors.Join(err, w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// passing reports whether a file is there only while a directory is open, or made anew.
func passing(base string) bool {
	return strings.HasPrefix(base, "LOCK") || base == "HOLDER" || base == "ballast" || base == "spare" || strings.HasSuffix(base, ".sock")
}

// unpack makes the directory of an archive.
func unpack(t testing.TB, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(name, 0o700)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(name, data, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
