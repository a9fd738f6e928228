package netherite

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/hubnames"
	"github.com/netherite-go/netherite/internal/shellword"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/backup"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/netherite-go/netherite/substrate/dirsync"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// Restore makes a hub from a backup, in a directory that is new or empty, or in which
// a restore was interrupted. It checks all that it reads. What goes wrong leaves
// nothing in the directory, or, if that cannot be removed, an interrupted restore.
//
// The hub is the one that was backed up, with the same identity; but it is a
// copy of its own: a backup of it is not taken for one of the original, nor are
// the files of its log. Do not run it beside the original, unless both may do
// all the work that was under way.
//
// Errors wrap fs.ErrNotExist (there is no backup), engine.ErrDamaged (naming file
// and offset in the backup), ErrForeign (the directory is not empty), ErrInvalid (one
// of the directories is in the other, or the hub's is in another hub or backup), ErrHeld, ErrNewerFormat or ErrDiskFull.
func Restore(ctx context.Context, from, dir string) (BackupInfo, error) {
	return RestoreFiles(ctx, vfs.Default, from, dir)
}

// RestoreFiles is Restore for a backup and a hub on another file system, see Files.
// Whether somebody uses one of them, or one lies in the other, is not known there: the
// caller has to know.
func RestoreFiles(ctx context.Context, files vfs.FS, from, dir string) (BackupInfo, error) {
	info, err := restore(ctx, files, from, dir)
	if err != nil {
		return info, fmt.Errorf("restore a hub: %w", backupError(err))
	}
	return info, nil
}

func restore(ctx context.Context, files vfs.FS, from, dir string) (info BackupInfo, err error) {
	if dir == "" || from == "" {
		return info, fmt.Errorf("%w: the directory of the backup is %q, and that of the hub %q: name both", engine.ErrInvalid, from, dir)
	}
	if files == vfs.Default {
		if err := apartAndOutside(dir, from, "the backup"); err != nil {
			return info, err
		}
		shared, err := dirlock.Share(from)
		if err != nil {
			return info, err
		}
		defer func() { err = errors.Join(err, shared.Close()) }()
	}
	m, err := backup.Read(files, from)
	if err != nil {
		return info, err
	}
	info = infoOf(m)
	d := &directory{dir: dir, fs: files}
	if err := d.vacant(); err != nil {
		return info, err
	}
	if files == vfs.Default {
		if d.lock, err = dirlock.AcquireIf(dir, d.vacant); err != nil {
			return info, err
		}
	}
	if err = d.beginRestore(from); err == nil {
		err = d.restore(ctx, m, from)
	}
	if err != nil {
		return info, errors.Join(err, d.endRestore(true), d.discard())
	}
	return info, errors.Join(d.endRestore(false), d.Close())
}

// restoringName is there while a restore goes on: it is made first and removed last.
// What it names is the backup.
const restoringName = hubnames.Restoring

// beginRestore notes that a restore goes on, and removes what an interrupted one left.
func (d *directory) beginRestore(from string) error {
	backup, err := filepath.Abs(from)
	if err != nil {
		return fmt.Errorf("find %s: %w", from, err)
	}
	if err := dirsync.Make(d.fs, d.dir); err != nil {
		return err
	}
	if err := dirsync.Replace(d.fs, d.dir, restoringName, []byte(strconv.Quote(backup)+"\n")); err != nil {
		return fmt.Errorf("note that a restore begins: %w", err)
	}
	return d.clearRestore()
}

// clearRestore removes what a restore has made, the hub file first: without it there
// is no hub.
func (d *directory) clearRestore() (err error) {
	for _, name := range []string{hubName, hubName + ".tmp", logName, storeName, sideName} {
		err = errors.Join(err, d.fs.RemoveAll(d.fs.PathJoin(d.dir, name)))
	}
	return errors.Join(err, dirsync.Sync(d.fs, d.dir))
}

// endRestore notes that a restore has ended; one that has failed leaves nothing.
func (d *directory) endRestore(failed bool) error {
	if failed {
		if err := d.clearRestore(); err != nil {
			return err
		}
	}
	for _, name := range []string{restoringName + ".tmp", restoringName} {
		if err := d.fs.Remove(d.fs.PathJoin(d.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("note that the restore has ended: %w", err)
		}
	}
	return dirsync.Sync(d.fs, d.dir)
}

// interruptedRestore is the error of a directory in which a restore was interrupted.
func (d *directory) interruptedRestore() error {
	from := "BACKUP"
	if data, err := readFile(d.fs, d.fs.PathJoin(d.dir, restoringName)); err == nil {
		if name, err := strconv.Unquote(strings.TrimSpace(string(data))); err == nil {
			from = name
		}
	}
	return &advised{
		fmt.Errorf("%s: %w: a restore into this directory was interrupted", d.dir, engine.ErrDamaged),
		fmt.Sprintf("run it again: netherite restore %s %s", shellword.Quote(from), shellword.Quote(d.dir)),
	}
}

// vacant makes sure that there is nothing in a directory but what an interrupted
// restore has left.
func (d *directory) vacant() error {
	names, err := d.fs.List(d.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look into %s: %w", d.dir, err)
	}
	if slices.Contains(names, restoringName) {
		return nil
	}
	for _, name := range names {
		if name != restoringName+".tmp" && !slices.Contains(besides, name) {
			return ofKind{fmt.Errorf("%s holds %q: name a new or empty directory", d.dir, name), engine.ErrForeign}
		}
	}
	return nil
}

// restore writes everything, the hub file last: without it there is no hub.
func (d *directory) restore(ctx context.Context, m *backup.Manifest, from string) error {
	hub, err := hex.DecodeString(m.Hub)
	if err != nil || len(hub) != len(d.params.Hub) || m.Partitions < core.MinPartitions || m.Partitions > core.MaxPartitions {
		return &substrate.Damage{File: backup.ManifestName, Kind: "crc", Detail: "it does not name a hub"}
	}
	copy(d.params.Hub[:], hub)
	d.params.Partitions = m.Partitions
	if err := m.Restore(ctx, d.fs, from, d.dir); err != nil {
		return err
	}
	var ahead [4]byte
	if _, err := rand.Read(ahead[:]); err != nil {
		return fmt.Errorf("number the log anew: %w", err)
	}
	if err := filelog.Renumber(d.fs, d.fs.PathJoin(d.dir, logName), 1+uint64(binary.BigEndian.Uint32(ahead[:]))); err != nil {
		return err
	}
	if err := d.newLineage(); err != nil {
		return err
	}
	d.created = true
	return d.writeHub(hubName)
}

// IsBackup reports whether a directory holds a backup. It does not say whether
// that is whole.
func IsBackup(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, backup.ManifestName)); err != nil {
		return false
	}
	hub, err := Exists(dir)
	return !hub && err == nil
}

// IsUnfinishedBackup reports whether a directory holds what a first backup has left
// that was interrupted. Nothing can be restored of it; the next backup begins anew.
func IsUnfinishedBackup(dir string) bool {
	return backup.Unfinished(vfs.Default, dir, copiedParts, besides...)
}

// InspectBackup reads a whole backup and lists all damage, with files relative
// to its directory. One that only a newer program reads is damage of kind version,
// as in Inspect. An error says which files could not be read; the others are.
func InspectBackup(ctx context.Context, dir string) (BackupInfo, []Damage, error) {
	info, damage, err := inspectBackup(ctx, dir)
	if err != nil {
		return info, damage, fmt.Errorf("inspect backup: %w", backupError(err))
	}
	return info, damage, nil
}

func inspectBackup(ctx context.Context, dir string) (info BackupInfo, damage []Damage, err error) {
	lock, err := dirlock.Share(dir)
	if err != nil {
		return info, nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	m, err := backup.Read(vfs.Default, dir)
	var found []*substrate.Damage
	hurt, damaged := errors.AsType[*substrate.Damage](err)
	switch {
	case damaged:
		found, err = append(found, hurt), nil
	case errors.Is(err, substrate.ErrNewerFormat):
		found, err = append(found, &substrate.Damage{File: backup.ManifestName, Kind: "version", Detail: err.Error()}), nil
	case err == nil:
		info = infoOf(m)
		found, err = m.Verify(ctx, vfs.Default, dir)
	}
	for _, f := range found {
		damage = append(damage, Damage{File: f.File, Offset: f.Offset, Kind: f.Kind, Detail: f.Detail, Partition: -1})
	}
	return info, damage, err
}
