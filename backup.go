package netherite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/kind"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/backup"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// exportName is where the store is exported to for a backup. Its tables are
// links, so that it costs no space to speak of, where the file system has them.
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
// What is copied is looked over, but for what is of now only. A hub that is damaged is
// copied all the same, with the result and an ErrDamaged that names file and offset in the
// hub; what an earlier backup has of it from before it was damaged stays as it is.
//
// Errors wrap engine.ErrInvalid (the directory is part of the hub, or of another hub,
// backup or data directory of a server, or the hub has none), ErrForeign (it holds something else), ErrHeld (another backup to it is
// under way), ErrBusy (another backup of this hub is), ErrClosed (the hub is, or was
// closed meanwhile), ErrDamaged (of the hub, or of the backup that is there), ErrDiskFull, or ErrUnavailable (the hub failed meanwhile
// and recovers).
func (h *Hub) Backup(ctx context.Context, dest string) (BackupResult, error) {
	r, err := h.backup(ctx, dest)
	if err != nil {
		return r, fmt.Errorf("back up the hub: %w", backupError(err))
	}
	return r, nil
}

// underWay is the engine.ErrBusy of a hub that is being copied already; it has nothing
// to do with memory, as that otherwise has.
type underWay struct{}

// Error implements error.
func (underWay) Error() string {
	return "another backup of this hub is under way: wait until it has ended"
}

// Is makes errors.Is(underWay{}, engine.ErrBusy) hold.
func (underWay) Is(target error) bool { return target == engine.ErrBusy }

// backupError translates the errors of files into those of the contract.
func backupError(err error) error {
	switch { // which say where and what by themselves
	case errors.Is(err, backup.ErrOther):
		return ofKind{err, engine.ErrForeign}
	case errors.Is(err, dirlock.ErrHeld):
		return ofKind{err, engine.ErrHeld}
	}
	for _, t := range [...]struct{ from, to error }{
		{substrate.ErrDamaged, engine.ErrDamaged},
		{substrate.ErrNewerFormat, engine.ErrNewerFormat},
		{substrate.ErrDiskFull, engine.ErrDiskFull},
	} {
		if errors.Is(err, t.from) && !errors.Is(err, t.to) {
			return kind.Of(t.to, err)
		}
	}
	if vfs.IsNoSpaceError(err) {
		return kind.Of(engine.ErrDiskFull, err)
	}
	return err
}

func (h *Hub) backup(ctx context.Context, dest string) (r BackupResult, err error) {
	d := h.place
	if d == nil {
		return r, fmt.Errorf("%w: it is not in a directory", engine.ErrInvalid)
	}
	if dest == "" {
		return r, fmt.Errorf("%w: the directory of the backup has no name", engine.ErrInvalid)
	}
	ctx, release, err := h.copying.begin(ctx)
	if err != nil {
		return r, err
	}
	defer release()
	if err := apartAndOutside(dest, d.dir, "the hub's directory"); err != nil {
		return r, err
	}
	if err := outsideServers(dest); err != nil {
		return r, err
	}
	source := backup.Source{Hub: d.params.Hub, Lineage: d.lineage, Partitions: d.params.Partitions, Parts: copiedParts}
	if d.fs == vfs.Default {
		lock, lockErr := dirlock.AcquireIf(dest, func() error { return backup.Fits(d.fs, dest, source, besides...) })
		if lockErr != nil {
			return r, lockErr
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	w, err := backup.Begin(d.fs, dest, source, besides...)
	if err != nil {
		return r, err
	}
	end, hurt, err := h.fill(ctx, w)
	if err != nil {
		return r, err
	}
	end.Taken = h.clock.Wall().UTC()
	done, err := w.Commit(end)
	if n := h.Stats().Parked; n > 0 {
		hurt = append(hurt, fmt.Errorf("%w: %d of its partitions are parked", engine.ErrDamaged, n))
	}
	if err == nil && len(hurt) > 0 {
		err = &advised{
			fmt.Errorf("backup %d in %s is complete, but the hub is damaged, and so is what was copied of that: %w", done.Number, dest, errors.Join(hurt...)),
			"close the hub and run netherite inspect --verify on it, then netherite repair",
		}
	}
	return BackupResult(done), err
}

// copiedParts are the directories in which the files are that a backup copies.
var copiedParts = []string{logName, storeName, sideName}

// besides are names that may lie beside a backup.
var besides = []string{"LOCK", "HOLDER", "HOLDER.tmp", "lost+found"}

// fill copies everything. What changes while the hub runs is copied before the
// tables of the store, which are many and do not. It also returns what it has found
// damaged in the hub.
func (h *Hub) fill(ctx context.Context, w *backup.Writer) (m backup.Manifest, hurt []error, err error) {
	d := h.place
	exported := d.fs.PathJoin(d.dir, exportName)
	if err := d.fs.RemoveAll(exported); err != nil {
		return m, nil, fmt.Errorf("remove what an earlier backup has left: %w", err)
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
			content, ok := f.Content.(io.ReaderAt)
			if f.ID == "" || f.Check == nil || !ok {
				return w.Add(ctx, f)
			}
			id, unread := segmentID(&f, content)
			f.ID = cmp.Or(id, f.ID)
			damage, err := addNamed(ctx, w, f, content, unread)
			hurt = append(hurt, damage...)
			return err
		})
		if err != nil {
			return err
		}
		return d.backupSideFiles(ctx, w)
	})
	for i := 0; i < len(files.Files) && err == nil; i++ {
		f := files.Files[i]
		add := substrate.ExportedFile{Name: storeName + "/" + f.Name, Size: f.Size, Stored: f.Size}
		path := d.fs.PathJoin(exported, f.Name)
		if strings.HasSuffix(f.Name, ".sst") {
			var damage []error
			damage, err = d.backupTable(ctx, w, f.Name, path, add)
			hurt = append(hurt, damage...)
		} else {
			err = d.backupFile(ctx, w, path, add)
		}
	}
	return m, hurt, err
}

// backupTable backs up a table that was exported.
func (d *directory) backupTable(ctx context.Context, w *backup.Writer, name, path string, f substrate.ExportedFile) (hurt []error, err error) {
	in, err := d.fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	f.Content, f.Check = in, func() error { return pebblestore.CheckTable(d.fs, path) }
	id, unread := d.tableID(name, path, in, f.Size)
	f.ID = cmp.Or(id, plainTable)
	return addNamed(ctx, w, f, in, unread)
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

// apart makes sure that neither of two directories is in the other: one that is made,
// and one that is there and has a name for what it is.
func apart(dest, source, what string) error {
	a, err := resolved(source)
	if err != nil {
		return err
	}
	b, err := resolved(dest)
	if err != nil {
		return err
	}
	switch {
	case a == b:
		return fmt.Errorf("%w: %s is %s itself: name a directory elsewhere, best on another disk", engine.ErrInvalid, dest, what)
	case within(b, a):
		return fmt.Errorf("%w: %s is inside of %s %s: name a directory elsewhere, best on another disk", engine.ErrInvalid, dest, what, source)
	case within(a, b):
		return fmt.Errorf("%w: %s %s is inside of %s: name a directory elsewhere, best on another disk", engine.ErrInvalid, what, source, dest)
	}
	return nil
}

// apartAndOutside makes sure of both, one after the other: they have errors in common.
func apartAndOutside(path, source, what string) error {
	if err := apart(path, source, what); err != nil {
		return err
	}
	return outside(path)
}

// outside makes sure that a directory is in none that is a hub or a backup.
func outside(path string) error {
	dir, err := resolved(path)
	for parent := filepath.Dir(dir); err == nil && parent != dir; dir, parent = parent, filepath.Dir(parent) {
		switch {
		case isHub(parent):
			err = fmt.Errorf("%w: %s is inside of %s, which is a task hub: name a directory elsewhere", engine.ErrInvalid, path, parent)
		case IsBackup(parent):
			err = fmt.Errorf("%w: %s is inside of %s, which is a backup: name a directory elsewhere", engine.ErrInvalid, path, parent)
		}
	}
	return err
}

// hubsName is the folder of the hubs in the data directory of a server, see server.LockData.
const hubsName = "hubs"

// outsideServers makes sure that a directory is in no data directory of a server, which
// would take what is among its hubs for one of them.
func outsideServers(path string) error {
	dir, err := resolved(path)
	if err != nil {
		return err
	}
	for below, parent := dir, filepath.Dir(dir); parent != below; below, parent = parent, filepath.Dir(parent) {
		if isData(parent, filepath.Base(below)) {
			return fmt.Errorf("%w: %s is inside of %s, the data directory of a server: name a directory elsewhere, best on another disk", engine.ErrInvalid, path, parent)
		}
	}
	return nil
}

// isData reports whether a directory is the data directory of a server: it has a folder
// of hubs, or what is below it would be in one, and a lock, or a hub in that folder.
func isData(dir, below string) bool {
	hubs := filepath.Join(dir, hubsName)
	found, err := os.ReadDir(hubs)
	if _, noLock := os.Lstat(filepath.Join(dir, dirlock.FileName)); noLock == nil && (err == nil || below == hubsName) {
		return true
	}
	return slices.ContainsFunc(found, func(e fs.DirEntry) bool { return e.IsDir() && isHub(filepath.Join(hubs, e.Name())) })
}

// isHub reports whether a directory is a hub's, by what no other has: a hub file that
// can be read, or the identity of a log.
func isHub(dir string) bool {
	d := &directory{dir: dir, fs: vfs.Default}
	if _, err := filelog.Peek(d.fs, d.fs.PathJoin(dir, logName)); err == nil {
		return true
	}
	return d.has(hubName) && d.read() == nil
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
