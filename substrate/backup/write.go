package backup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// ErrOther: the directory holds something else than backups of this hub.
var ErrOther = errors.New("not a place for backups of this hub")

// Source is what is backed up.
type Source struct {
	Hub [16]byte
	// Lineage tells copies of one hub apart: after a restore, or a repair that
	// builds files anew, files of the same name and ID may differ.
	Lineage    string
	Partitions int
	// Parts are the directories in which its files are: the first words of their names.
	Parts []string
}

// Writer makes one backup.
type Writer struct {
	fs     vfs.FS
	dest   string
	parts  []string        // see Source
	before map[string]File // of the backup that is there, by name
	m      Manifest
	result Result
	made   map[string]bool // directories
}

// Result says what a backup has copied.
type Result struct {
	Number      int   // counts the backups in the directory
	Files       int   // of the whole copy
	Bytes       int64 // that they take in the backup
	CopiedFiles int   // that were not there from an earlier backup
	CopiedBytes int64
	LogBegin    substrate.Offset // the copy holds all that was logged before LogEnd
	LogEnd      substrate.Offset
}

// Begin starts a backup in a directory that is new, empty, or holds backups of
// the same hub and lineage: ErrOther if not. What is there stays valid until Commit.
// The caller keeps other writers out. Names in others may lie there, too.
func Begin(fsys vfs.FS, dest string, s Source, others ...string) (*Writer, error) {
	w := newWriter(fsys, dest, s)
	if err := w.begin(others); err != nil {
		return nil, fmt.Errorf("back up to %s: %w", dest, err)
	}
	return w, nil
}

func newWriter(fsys vfs.FS, dest string, s Source) *Writer {
	w := &Writer{fs: fsys, dest: dest, parts: s.Parts, before: map[string]File{}, made: map[string]bool{}}
	w.m = Manifest{Format: FormatVersion, Hub: hex.EncodeToString(s.Hub[:]), Lineage: s.Lineage, Partitions: s.Partitions, Number: 1}
	return w
}

// Fits refuses a directory for what Begin would refuse it, and makes nothing.
func Fits(fsys vfs.FS, dest string, s Source, others ...string) error {
	w := newWriter(fsys, dest, s)
	if _, err := w.look(others); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("back up to %s: %w", dest, err)
	}
	return nil
}

func (w *Writer) begin(others []string) error {
	if err := dirsync.Make(w.fs, w.dest); err != nil {
		return err
	}
	old, err := w.look(others)
	if err != nil {
		return err
	}
	if old != nil {
		w.m.Number = max(w.m.Number, old.Number+1)
		for _, f := range old.Files {
			w.before[f.Name] = f
		}
	}
	w.result.Number = w.m.Number
	return w.tidy(old)
}

// look reads the backup that is there, nil if there is none, and refuses what is not for
// backups of the hub.
func (w *Writer) look(others []string) (*Manifest, error) {
	names, err := w.fs.List(w.dest)
	if err != nil {
		return nil, err
	}
	old, err := read(w.fs, w.dest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		old = nil
	case err != nil:
		return nil, fmt.Errorf("the backup that is there cannot be brought up to date, name another directory: %w", err)
	case old.Hub != w.m.Hub:
		return nil, fmt.Errorf("%w: it holds a backup of hub %s, this is hub %s: name another directory", ErrOther, old.Hub, w.m.Hub)
	case old.Lineage != w.m.Lineage:
		return nil, fmt.Errorf("%w: it holds a backup of the hub from which this one was restored or repaired: name another directory", ErrOther)
	}
	for _, name := range names {
		if n, ok := w.copied(old, name); ok {
			w.m.Number = max(w.m.Number, n+1)
		} else if name != ManifestName && name != ManifestName+".tmp" && !slices.Contains(others, name) {
			return nil, fmt.Errorf("%w: it holds %q: name a new or empty directory", ErrOther, name)
		}
	}
	return old, nil
}

// copied reads the number of a directory of files that a backup has copied: the one of a
// manifest, if there is one, or another.
func (w *Writer) copied(m *Manifest, name string) (int, bool) {
	n, ok := backupNumber(name)
	named := m != nil && slices.ContainsFunc(m.Files, func(f File) bool { return f.Number == n })
	return n, ok && (named || holdsOnly(w.fs, w.place(name), w.parts))
}

// backupNumber reads the name of a directory of files.
func backupNumber(name string) (int, bool) {
	n, err := strconv.Atoi(name)
	return n, err == nil && n > 0 && fmt.Sprintf("%06d", n) == name
}

// holdsOnly reports whether there is nothing in a directory but parts of a hub. One that
// is only named like a backup's, as by a date, has other things in it: it is somebody
// else's, and not to be removed.
func holdsOnly(fsys vfs.FS, dir string, parts []string) bool {
	names, err := fsys.List(dir)
	return err == nil && !slices.ContainsFunc(names, func(name string) bool {
		info, err := fsys.Stat(fsys.PathJoin(dir, name))
		return err != nil || !info.IsDir() || !slices.Contains(parts, name)
	})
}

// Unfinished reports whether a directory has what a first backup leaves that was
// interrupted: copied files, and no manifest of them, which the next backup removes.
// They are in parts, as Source has them. Names in others may lie there, too.
func Unfinished(fsys vfs.FS, dir string, parts []string, others ...string) bool {
	names, err := fsys.List(dir)
	found := false
	for _, name := range names {
		_, numbered := backupNumber(name)
		copied := numbered && holdsOnly(fsys, fsys.PathJoin(dir, name), parts)
		if found = found || copied; !copied && name != ManifestName+".tmp" && !slices.Contains(others, name) {
			return false
		}
	}
	return found && err == nil
}

// tidy removes what the manifest that counts does not name: files of backups
// before it, and of one that was interrupted.
func (w *Writer) tidy(m *Manifest) error {
	keep := map[string]bool{}
	if m != nil {
		for _, f := range m.Files {
			for path := f.Path(); path != "."; path = parent(path) {
				keep[path] = true
			}
		}
	}
	names, err := w.fs.List(w.dest)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := w.copied(m, name); ok {
			if err := w.prune(name, keep); err != nil {
				return err
			}
		}
	}
	return nil
}

// prune removes what is not to be kept under a path of the backup.
func (w *Writer) prune(path string, keep map[string]bool) error {
	if !keep[path] {
		return w.fs.RemoveAll(w.place(path))
	}
	info, err := w.fs.Stat(w.place(path))
	if err != nil || !info.IsDir() {
		return ignoreMissing(err) // a file that the manifest names and that is gone: Add copies it again
	}
	names, err := w.fs.List(w.place(path))
	for _, name := range names {
		err = errors.Join(err, w.prune(path+"/"+name, keep))
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func parent(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return "."
}

// place is where a path of the backup is in the file system.
func (w *Writer) place(path string) string { return w.fs.PathJoin(w.dest, path) }

// Add makes a file part of the backup. It is copied unless the backup that is
// there has it, by name and ID and of the right length.
func (w *Writer) Add(ctx context.Context, f substrate.ExportedFile) error {
	if err := w.add(ctx, f); err != nil {
		return fmt.Errorf("back up %s to %s: %w", f.Name, w.dest, err)
	}
	return nil
}

// Has reports whether Add would copy nothing, as the backup that is there has the file.
func (w *Writer) Has(f substrate.ExportedFile) bool {
	old, ok := w.before[f.Name]
	if !ok || f.ID == "" || old.ID != f.ID || old.Size != f.Size || old.Stored != f.Stored {
		return false
	}
	info, err := w.fs.Stat(w.place(old.Path()))
	return err == nil && info.Size() == old.Stored
}

func (w *Writer) add(ctx context.Context, f substrate.ExportedFile) error {
	w.result.Files++
	w.result.Bytes += f.Stored
	if w.Has(f) {
		w.m.Files = append(w.m.Files, w.before[f.Name])
		return nil
	}
	to := File{Name: f.Name, ID: f.ID, Number: w.m.Number, Size: f.Size, Stored: f.Stored}
	if err := w.directory(parent(to.Path())); err != nil {
		return err
	}
	sums, err := w.copy(ctx, w.place(to.Path()), f)
	if err != nil {
		return err
	}
	to.Blocks = hex.EncodeToString(sums)
	w.m.Files = append(w.m.Files, to)
	w.result.CopiedFiles++
	w.result.CopiedBytes += f.Stored
	return nil
}

func (w *Writer) directory(path string) error {
	if w.made[path] {
		return nil
	}
	w.made[path] = true
	return dirsync.Make(w.fs, w.place(path))
}

// copy writes a file, synced, and returns the checksums of its blocks.
func (w *Writer) copy(ctx context.Context, path string, f substrate.ExportedFile) (sums []byte, err error) {
	out, err := w.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, min(blockBytes, max(f.Stored, 1)))
	for left := f.Stored; left > 0 && err == nil; {
		n := min(left, int64(len(buf)))
		if _, err = io.ReadFull(f.Content, buf[:n]); err != nil {
			err = fmt.Errorf("%d bytes before its end: %w", left, err)
			break
		}
		sum := crc32.Checksum(buf[:n], castagnoli)
		sums = append(sums, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
		if _, err = out.Write(buf[:n]); err == nil {
			err = context.Cause(ctx)
		}
		left -= n
	}
	if err == nil {
		err = out.Sync()
	}
	return sums, errors.Join(err, out.Close())
}

// Commit makes the backup the one that counts and removes what is not needed
// any more. An error of the removal is returned with the result: the backup is
// made, and the next one tries again.
func (w *Writer) Commit(m Manifest) (Result, error) {
	w.m.Taken, w.m.LogBegin, w.m.LogEnd = m.Taken, m.LogBegin, m.LogEnd
	w.result.LogBegin, w.result.LogEnd = m.LogBegin, m.LogEnd
	for path := range w.made {
		if err := dirsync.Sync(w.fs, w.place(path)); err != nil {
			return Result{}, fmt.Errorf("back up to %s: %w", w.dest, err)
		}
	}
	if err := w.m.write(w.fs, w.dest); err != nil {
		return Result{}, fmt.Errorf("back up to %s: write the manifest: %w", w.dest, err)
	}
	if err := w.tidy(&w.m); err != nil {
		return w.result, fmt.Errorf("backup %d in %s is complete, but files of earlier ones could not be removed; the next backup tries again: %w", w.m.Number, w.dest, err)
	}
	return w.result, nil
}
