package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// twoDisks is a hub whose log and store lie on disks of their own.
type twoDisks struct {
	log, store *faultfs.FS
	openings
}

func newTwoDisks() *twoDisks { return &twoDisks{log: faultfs.New(), store: faultfs.New()} }

func (d *twoDisks) Parameters() netherite.Parameters {
	return netherite.Parameters{Hub: [16]byte{9}, Partitions: 2, Place: "/hub"}
}

func (d *twoDisks) OpenLog() (substrate.Log, error) {
	l, err := filelog.Open(filelog.Options{FS: d.log, Dir: "/hub/log", Hub: [16]byte{9}, MinSegmentBytes: 64 << 10, MaxSegmentBytes: 64 << 10})
	if err == nil {
		d.add(l)
	}
	return l, err
}

func (d *twoDisks) OpenStore(int64) (substrate.Store, error) {
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: d.store, Dir: "/hub/store", MemoryBytes: 4 << 20})
	if err == nil {
		d.add(s)
	}
	return s, err
}

func (d *twoDisks) Close() error { return nil }

// crash leaves what survives a power failure, of a hub that was killed.
func (d *twoDisks) crash() {
	log, store := d.log.CrashClone(faultfs.Crash{}), d.store.CrashClone(faultfs.Crash{})
	d.empty() // or the store could not end
	d.end()
	d.log, d.store = log, store
}

// fill leaves no space on a disk, and empty returns it.
func fill(t *testing.T, fs *faultfs.FS) {
	usage, err := fs.GetDiskUsage("/")
	if err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(int64(usage.UsedBytes))
}

func empty(fs *faultfs.FS) { fs.SetCapacity(1 << 40) }

// diskCase says which disks are full.
type diskCase struct {
	name       string
	log, store bool
}

var diskCases = []diskCase{{"log", true, false}, {"store", false, true}, {"both", true, true}}

func (c *diskCase) fill(t *testing.T, d *twoDisks) {
	if c.log {
		fill(t, d.log)
	}
	if c.store {
		fill(t, d.store)
	}
}

// met reports whether the hub has noticed; of two full disks the one that it
// needs first.
func (c *diskCase) met(s netherite.Stats) bool { return c.log && s.LogFull || c.store && s.StoreFull }

func (d *twoDisks) empty() { empty(d.log); empty(d.store) }

// openOn opens a hub that checkpoints all the time and looks often for space.
func openOn(t *testing.T, d *twoDisks) *netherite.Engine {
	return openHub(t, d, fastRecovery, func(o *netherite.Options) {
		o.Checkpoint = netherite.Checkpoint{Records: 20, Idle: time.Millisecond}
		o.FullPause(time.Millisecond)
	})
}

// writers lists all requests that have to be written.
func writers(ctx context.Context, e *netherite.Engine) map[string]func() error {
	return map[string]func() error{
		"start":     func() error { _, err := e.Start(ctx, engine.StartRequest{Name: "Hello5"}); return err },
		"raise":     func() error { return e.Raise(ctx, engine.RaiseRequest{Instance: "open", Event: "e"}) },
		"signal":    func() error { return e.Signal(ctx, engine.SignalRequest{Entity: "@a@b", Operation: "c"}) },
		"suspend":   func() error { return e.Suspend(ctx, "open", "") },
		"resume":    func() error { return e.Resume(ctx, "open", "") },
		"terminate": func() error { return e.Terminate(ctx, engine.TerminateRequest{Instance: "open"}) },
		"rewind":    func() error { return e.Rewind(ctx, "open", "") },
	}
}

// swallow sends signals too large for what is left of a full disk, until there
// is word of it. It returns what comes of those that were accepted.
func swallow(t *testing.T, e *netherite.Engine, full func(netherite.Stats) bool) (outcomes []<-chan error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	t.Cleanup(cancel)
	big := make([]byte, 100<<10)
	for i := 0; !full(e.Stats()); i++ {
		if ctx.Err() != nil {
			t.Fatalf("the disk never became full: %+v", e.Stats())
		}
		done := make(chan error, 1)
		go func() {
			done <- e.Signal(ctx, engine.SignalRequest{Entity: fmt.Sprintf("@big@%d", i), Operation: "c", Input: big})
		}()
		outcomes = append(outcomes, done)
		short, end := context.WithTimeout(ctx, 20*time.Millisecond)
		_ = e.Checkpoint(short) // waits as long as it is full
		end()
	}
	return outcomes
}

func TestFullDiskRefusesAtOnceAndGoesOnByItself(t *testing.T) {
	for _, c := range diskCases {
		t.Run(c.name, func(t *testing.T) {
			d := newTwoDisks()
			e := openOn(t, d)
			ctx := t.Context()
			w := helloWorker()
			w.connect(t, e)
			defer w.close()
			startAndWait(t, e, "Hello5", 10, 4)
			if _, err := e.Start(ctx, engine.StartRequest{Instance: "open", Name: "Unknown"}); err != nil {
				t.Fatal(err)
			}
			if err := e.Health(); err != nil {
				t.Fatalf("healthy hub: %v", err)
			}
			c.fill(t, d)
			accepted := swallow(t, e, c.met)

			for name, f := range writers(ctx, e) {
				err := f()
				if !errors.Is(err, engine.ErrDiskFull) || !strings.Contains(err.Error(), "/hub") {
					t.Errorf("%s: %v, want ErrDiskFull with the directory", name, err)
				}
			}
			_, _, err := e.PurgeWhere(ctx, engine.Query{IDPrefix: "none"})
			if is := errors.Is(err, engine.ErrDiskFull); is != e.Stats().LogFull || err != nil && !is {
				t.Errorf("purge by query: %v", err)
			}
			if i, err := e.Get(ctx, "Hello5-3", engine.GetOptions{}); err != nil || !i.Status.Ended() {
				t.Errorf("get: %v", err)
			}
			if events, err := e.History(ctx, "Hello5-3"); err != nil || len(events) == 0 {
				t.Errorf("history: %v", err)
			}
			if _, err := e.Get(ctx, "nobody", engine.GetOptions{}); !errors.Is(err, engine.ErrNotFound) {
				t.Errorf("get of nobody: %v", err)
			}
			if err := e.Health(); !errors.Is(err, engine.ErrDiskFull) {
				t.Errorf("health: %v", err)
			}

			d.empty()
			for _, done := range accepted {
				if err := <-done; err != nil && !errors.Is(err, engine.ErrDiskFull) {
					t.Errorf("accepted before the disk was full: %v", err)
				}
			}
			if err := e.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
			untilAdmitted(t, e)
			startAndWait(t, e, "Hello5", 10, 4)
			if s := e.Stats(); s.Failures != 0 || s.LogFull || s.StoreFull || e.Health() != nil {
				t.Errorf("with space again: %+v, %v", s, e.Health())
			}
		})
	}
}

// untilAdmitted starts an instance as soon as the log has a segment ahead again,
// which it makes by itself.
func untilAdmitted(t *testing.T, e *netherite.Engine) {
	t.Helper()
	for {
		_, err := e.Start(t.Context(), engine.StartRequest{Instance: "admitted", Name: "Unknown"})
		if err == nil {
			return
		}
		if !errors.Is(err, engine.ErrDiskFull) {
			t.Fatalf("with space again: %v", err)
		}
		runtime.Gosched()
	}
}

// What was acknowledged is there after a crash on a disk that stays full, and the hub
// opens again once there is space.
func TestCrashOnAFullDiskLosesNothingAcknowledged(t *testing.T) {
	for _, c := range diskCases {
		t.Run(c.name, func(t *testing.T) {
			d := newTwoDisks()
			e := openOn(t, d)
			ctx := t.Context()
			c.fill(t, d)
			var acknowledged []string
			tries := 0
			accepted := swallow(t, e, func(s netherite.Stats) bool {
				tries++
				id := fmt.Sprint("i-", tries)
				short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
				defer cancel()
				if _, err := e.Start(short, engine.StartRequest{Instance: id, Name: "X"}); err == nil {
					acknowledged = append(acknowledged, id)
				} else if !errors.Is(err, engine.ErrDiskFull) && short.Err() == nil {
					t.Fatal(err)
				}
				return c.met(s)
			})
			e.Kill(false)
			for _, done := range accepted {
				<-done
			}
			d.crash()
			// The disk is as full as before: it opens, or says why not.
			e, err := netherite.Open(netherite.Options{Storage: d, Logger: testLogger(t)})
			if err == nil {
				e.Kill(false)
			} else if !errors.Is(err, engine.ErrDiskFull) {
				t.Fatalf("opened on a full disk: %v", err)
			}
			d.empty()
			e = openOn(t, d)
			for _, id := range acknowledged {
				if _, err := e.Get(ctx, id, engine.GetOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestCloseEndsWithItsContextOnAFullDisk(t *testing.T) {
	for _, c := range diskCases {
		t.Run(c.name, func(t *testing.T) {
			d := newTwoDisks()
			e, err := netherite.Open(netherite.Options{Storage: d, Logger: testLogger(t), Checkpoint: netherite.Checkpoint{Records: 20, Idle: time.Millisecond}})
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if _, err := e.Start(ctx, engine.StartRequest{Instance: "a", Name: "X"}); err != nil {
				t.Fatal(err)
			}
			c.fill(t, d)
			swallow(t, e, c.met)
			short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			if err := e.Close(short); !errors.Is(err, engine.ErrDiskFull) {
				t.Errorf("close: %v", err)
			}
			d.empty()
			e = openOn(t, d)
			if _, err := e.Get(ctx, "a", engine.GetOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// Starting on a full disk, and recovering there, is refused by name.
func TestOpenOnAFullDiskSaysSo(t *testing.T) {
	d := newTwoDisks()
	e := openOn(t, d)
	e.Kill(true)
	fill(t, d.log)
	if _, err := netherite.Open(netherite.Options{Storage: d, Logger: testLogger(t)}); !errors.Is(err, engine.ErrDiskFull) || !strings.Contains(err.Error(), "/hub/log") {
		t.Errorf("open: %v", err)
	}
}
