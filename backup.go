package netherite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/backup"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// exportName is where the store is exported to for a backup. Its tables are
// links, so that it costs no space to speak of.
const exportName = "backup.tmp"

// BackupResult says what a backup has copied.
type BackupResult struct {
	Number      int              // counts the backups in the directory
	Files       int              // of the whole copy
	Bytes       int64            // that they take
	CopiedFiles int              // that were not there from an earlier backup
	CopiedBytes int64            //
	LogBegin    substrate.Offset // the copy holds all that was logged before LogEnd
	LogEnd      substrate.Offset
}

// Backup copies the hub to a directory while it runs: the copy is the hub as a
// crash during the call would have left it, with everything that was acknowledged
// before the call. If the directory holds an earlier backup of the hub, only what
// has changed is copied, and the earlier one stays valid until this one is
// complete. Restore makes a hub of it.
//
// Errors wrap engine.ErrInvalid (the directory is part of the hub, or the hub has
// none), ErrForeign (it holds something else), ErrHeld (another backup to it is
// under way), ErrBusy (another backup of this hub is), ErrDamaged (of the
// backup that is there), ErrDiskFull, or ErrUnavailable (the hub failed meanwhile
// and recovers).
func (h *Hub) Backup(ctx context.Context, dest string) (BackupResult, error) {
	r, err := h.backup(ctx, dest)
	if err != nil {
		return r, fmt.Errorf("back up the hub: %w", backupError(err))
	}
	return r, nil
}

// backupError translates the errors of files into those of the contract.
func backupError(err error) error {
	for _, t := range [...]struct{ from, to error }{
		{backup.ErrOther, engine.ErrForeign},
		{dirlock.ErrHeld, engine.ErrHeld},
		{substrate.ErrDamaged, engine.ErrDamaged},
		{substrate.ErrNewerFormat, engine.ErrNewerFormat},
		{substrate.ErrDiskFull, engine.ErrDiskFull},
	} {
		if errors.Is(err, t.from) && !errors.Is(err, t.to) {
			return fmt.Errorf("%w: %w", t.to, err)
		}
	}
	if vfs.IsNoSpaceError(err) && !errors.Is(err, engine.ErrDiskFull) {
		return fmt.Errorf("%w: %w", engine.ErrDiskFull, err)
	}
	return err
}

func (h *Hub) backup(ctx context.Context, dest string) (r BackupResult, err error) {
	d := h.place
	if d == nil {
		return r, fmt.Errorf("%w: it is not in a directory", engine.ErrInvalid)
	}
	if !h.copying.TryLock() {
		return r, fmt.Errorf("%w: a backup of it is under way", engine.ErrBusy)
	}
	defer h.copying.Unlock()
	if err := apart(d.dir, dest); err != nil {
		return r, err
	}
	if d.fs == vfs.Default {
		lock, lockErr := dirlock.Acquire(dest)
		if lockErr != nil {
			return r, lockErr
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	source := backup.Source{Hub: d.params.Hub, Lineage: d.lineage, Partitions: d.params.Partitions}
	w, err := backup.Begin(d.fs, dest, source, besides...)
	if err != nil {
		return r, err
	}
	end, err := h.fill(ctx, w)
	if err != nil {
		return r, err
	}
	end.Taken = h.clock.Wall().UTC()
	done, err := w.Commit(end)
	return BackupResult(done), err
}

// besides are names that may lie beside a backup.
var besides = []string{"LOCK", "HOLDER", "HOLDER.tmp", "lost+found"}

// fill copies everything. What changes while the hub runs is copied before the
// tables of the store, which are many and do not.
func (h *Hub) fill(ctx context.Context, w *backup.Writer) (m backup.Manifest, err error) {
	d := h.place
	exported := d.fs.PathJoin(d.dir, exportName)
	if err := d.fs.RemoveAll(exported); err != nil {
		return m, fmt.Errorf("remove what an earlier backup has left: %w", err)
	}
	defer func() { err = errors.Join(err, d.fs.RemoveAll(exported)) }()
	var files substrate.Manifest
	err = h.engine.Copy(ctx, func(log substrate.Log, store substrate.Store) (err error) {
		if files, err = store.Export(exported); err != nil {
			return err
		}
		m.LogBegin = log.Begin()
		m.LogEnd, err = log.(substrate.LogExporter).Export(func(f substrate.ExportedFile) error {
			f.Name = logName + "/" + f.Name
			return w.Add(ctx, f)
		})
		if err != nil {
			return err
		}
		return d.backupSideFiles(ctx, w)
	})
	for i := 0; i < len(files.Files) && err == nil; i++ {
		f := files.Files[i]
		add := substrate.ExportedFile{Name: storeName + "/" + f.Name, Size: f.Size, Stored: f.Size}
		if strings.HasSuffix(f.Name, ".sst") {
			add.ID = "table" // its number is never used again
		}
		err = d.backupFile(ctx, w, d.fs.PathJoin(exported, f.Name), add)
	}
	return m, err
}

func (d *directory) backupSideFiles(ctx context.Context, w *backup.Writer) error {
	for p := range d.params.Partitions {
		path := d.fs.PathJoin(d.dir, sideName, sidefile.Name(p))
		info, err := d.fs.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = d.backupFile(ctx, w, path, substrate.ExportedFile{Name: sideName + "/" + sidefile.Name(p), Size: info.Size(), Stored: info.Size()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *directory) backupFile(ctx context.Context, w *backup.Writer, path string, f substrate.ExportedFile) error {
	in, err := d.fs.Open(path)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	f.Content = in
	return errors.Join(w.Add(ctx, f), in.Close())
}

// apart makes sure that neither of two directories is in the other.
func apart(dir, dest string) error {
	a, err := resolved(dir)
	if err != nil {
		return err
	}
	b, err := resolved(dest)
	if err != nil {
		return err
	}
	switch {
	case within(b, a):
		return fmt.Errorf("%w: %s is inside of the hub's directory %s: name a directory elsewhere, best on another disk", engine.ErrInvalid, dest, dir)
	case within(a, b):
		return fmt.Errorf("%w: the hub's directory %s is inside of %s: name a directory elsewhere, best on another disk", engine.ErrInvalid, dir, dest)
	}
	return nil
}

func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// resolved is an absolute path without links, of what may not exist yet.
func resolved(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", path, err)
	}
	real, err := filepath.EvalSymlinks(abs)
	if err == nil {
		return real, nil
	}
	if parent := filepath.Dir(abs); errors.Is(err, os.ErrNotExist) && parent != abs {
		real, err = resolved(parent)
		return filepath.Join(real, filepath.Base(abs)), err
	}
	return "", fmt.Errorf("find %s: %w", path, err)
}

// BackupInfo describes a backup.
type BackupInfo struct {
	Hub        string // identity, hexadecimal
	Partitions int
	Number     int // counts the backups in the directory
	Taken      time.Time
	Files      int
	Bytes      int64 // that they take in the backup
	LogBegin   substrate.Offset
	LogEnd     substrate.Offset
}

func infoOf(m *backup.Manifest) BackupInfo {
	i := BackupInfo{
		Hub: m.Hub, Partitions: m.Partitions, Number: m.Number, Taken: m.Taken,
		Files: len(m.Files), LogBegin: m.LogBegin, LogEnd: m.LogEnd,
	}
	for _, f := range m.Files {
		i.Bytes += f.Stored
	}
	return i
}
