package sim

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/histories"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim/check"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/mem"
)

// copied is a backup, with what it has to hold.
type copied struct {
	fs     *faultfs.FS
	store  *mem.StoreDisk
	prefix check.Prefix
	ledger *check.Ledger
}

// exported names the copy of the store.
const exported = "backup"

// backUp copies the hub at some time in chaos, in the runs that do.
func (w *world) backUp() {
	if !w.plan.backup || w.copied != nil {
		return
	}
	w.after(time.Duration(w.faulty.IntN(60_000))*time.Millisecond, func() {
		p := w.serving()
		if !w.chaos || p == nil || p.eng.Failed() {
			w.retryBackUp()
			return
		}
		w.beginBackUp(p)
	})
}

// beginBackUp copies the hub of a process.
func (w *world) beginBackUp(p *process) {
	w.note("backup begins", uint64(p.nr), 0)
	w.copying = p
	w.spawn("backup", p, func() {
		c, err := w.copy(p)
		w.copying = nil
		if err != nil {
			w.note("backup fails", uint64(p.nr), 0)
			w.retryBackUp()
			return
		}
		w.note("backup", uint64(p.nr), uint64(c.prefix.Synced()))
		w.copied = c
	})
}

// backUpAfterAll copies the hub when chaos has ended before its time had come, while
// clients still get what they have asked for.
func (w *world) backUpAfterAll() {
	p := w.serving()
	switch {
	case !w.plan.backup, w.copied != nil, w.copying != nil && !w.copying.dead:
	case p == nil || p.eng.Failed():
		w.after(100*time.Millisecond, w.backUpAfterAll)
	default:
		w.beginBackUp(p)
	}
}

func (w *world) retryBackUp() {
	if w.chaos {
		w.backUp()
	}
}

// copy copies the store and then the log, as Backup does; meanwhile the hub goes on.
func (w *world) copy(p *process) (*copied, error) {
	before, synced := w.ledger.Clone(), w.prefix.Synced()
	c := &copied{fs: faultfs.New()}
	if err := c.fs.MkdirAll(hubDir, 0o755); err != nil {
		return nil, err
	}
	err := p.eng.Engine().Copy(context.Background(), func(log substrate.Log, store substrate.Store) error {
		if _, err := store.Export(exported); err != nil {
			return err
		}
		c.store, _ = w.store.Exported(exported)
		pause := time.Duration(w.faulty.IntN(3_000)) * time.Millisecond
		if !w.chaos {
			pause *= 10 // less happens then
		}
		w.sleep(pause)
		_, err := log.(*wal).Log.(substrate.LogExporter).Export(func(f substrate.ExportedFile) error { return copyChecked(c.fs, f) })
		return cmp.Or(err, w.copySideFiles(c.fs))
	})
	c.ledger, c.prefix = w.ledger.AsOf(before), w.prefix.AsOf(synced)
	return c, err
}

// copySideFiles copies what parked partitions do not have in store and log.
func (w *world) copySideFiles(to *faultfs.FS) error {
	names, err := w.fs.List(sideDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err = cmp.Or(err, to.MkdirAll(sideDir, 0o755))
	for _, name := range names {
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, ".tmp") {
			continue // unfinished
		}
		var data []byte
		err = w.fs.Alter(sideDir+"/"+name, func(b []byte) []byte { data = slices.Clone(b); return b })
		size := int64(len(data))
		err = cmp.Or(err, writeFile(to, sideDir, substrate.ExportedFile{Name: name, Size: size, Stored: size, Content: bytes.NewReader(data)}))
	}
	return err
}

// copyChecked copies a file of the log, which is whole whatever has happened to the hub.
func copyChecked(to *faultfs.FS, f substrate.ExportedFile) error {
	if f.Check != nil {
		if err := f.Check(); err != nil {
			return fmt.Errorf("check %s: %w", f.Name, err)
		}
	}
	return writeFile(to, hubDir, f)
}

func writeFile(fs *faultfs.FS, dir string, f substrate.ExportedFile) error {
	data := make([]byte, f.Size)
	if _, err := io.ReadFull(f.Content, data[:f.Stored]); err != nil {
		return fmt.Errorf("copy %s: %w", f.Name, err)
	}
	out, err := fs.Create(dir+"/"+f.Name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err = out.Write(data); err == nil {
		err = out.Sync()
	}
	if err != nil {
		return err
	}
	return out.Close()
}

// settling is how long what is under way in a copy takes to end, without clients.
const settling = 10 * time.Minute

// restored opens the copy as a hub in a world of its own, without faults, and
// checks that it holds what was acknowledged before it was begun, and goes on.
func (w *world) restored() {
	if w.copied == nil || w.failure != nil {
		return
	}
	mark.Hit(mark.BackupRestored)
	plan := w.plan
	plan.faults, plan.resend, plan.retention, plan.reread = [faultKinds]bool{}, 0, -1, false
	v := newWorld(^w.seed, plan) // no two openings of a hub have the same session
	v.jumped = w.clockJumps()
	v.trace, v.now, v.skew, v.lowest = w.trace, w.now, w.skew, w.skew
	v.showTime()
	v.fs, v.store, v.prefix, v.ledger = w.copied.fs, w.copied.store, w.copied.prefix, w.copied.ledger
	v.workload, v.keys = newWorkload(v), w.keys
	v.workload.mended = w.workload.mended
	v.guarded(func() {
		v.open()
		v.run(v.now+settling, func() bool { return false })
		v.visit("auditor", 5000, func(c *client) {
			c.retryAll(w.poisons.aside)
			v.audit(c)
		})
	})
	v.guarded(v.close)
	w.note("restored", v.hash, uint64(v.steps))
	if v.failure != nil {
		w.fail("backup: %w", v.failure)
	}
}

// audit is judge where clients have stopped asking in the middle.
func (w *world) audit(c *client) {
	for _, id := range slices.Sorted(maps.Keys(w.ledger.Instances)) {
		got := c.see(id)
		if got == nil || got.Status != model.Completed {
			continue
		}
		if err := w.ledger.Ended(id, got); err != nil && w.ledger.Instances[id].Status == model.Completed {
			w.fail("%w", err)
		}
		w.readPast(c, id)
	}
	w.count(c)
}

// readPast reads a history without what clients may not have asked for yet.
func (w *world) readPast(c *client, id string) {
	err := c.request("history of", id, func(ctx context.Context, e *netherite.Engine, _ string) error {
		events, err := e.History(ctx, id)
		if err != nil {
			return err
		}
		if err := histories.Check(events); err != nil {
			return fmt.Errorf("history of %q: %w", id, err)
		}
		return nil
	})
	if err != nil && !isAnswer(err) {
		w.fail("%w", err)
	}
}
