package netherite

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
	"github.com/netherite-go/netherite/substrate/pebblestore"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// remains is the storage of a hub that is being rebuilt: the log as far as it can
// be read, the copy of the store, the side files as they are.
type remains struct{ m *mender }

var _ core.SideStorage = (*remains)(nil)

// Parameters implements core.Storage.
func (r *remains) Parameters() core.Parameters { return r.m.d.Parameters() }

// OpenLog implements core.Storage.
func (r *remains) OpenLog() (substrate.Log, error) { return &remainingLog{m: r.m}, nil }

// OpenStore implements core.Storage.
func (r *remains) OpenStore(memory int64) (substrate.Store, error) {
	return pebblestore.Open(r.m.storeOptions(memory))
}

// OpenSideFiles implements core.SideStorage.
func (r *remains) OpenSideFiles() (substrate.SideFiles, error) {
	d := r.m.d
	return sidefile.Open(d.fs, d.fs.PathJoin(d.dir, sideName), d.params.Hub), nil
}

// Close implements core.Storage.
func (r *remains) Close() error { return nil }

func (m *mender) storeOptions(memory int64) pebblestore.Options {
	return pebblestore.Options{
		FS: m.d.fs, Dir: m.path(storeName), Hub: m.d.params.Hub, Logger: m.o.Logger, MemoryBytes: memory, Create: true,
	}
}

// remainingLog is a log that is only read.
type remainingLog struct{ m *mender }

var _ substrate.Log = (*remainingLog)(nil)

var errReadOnly = errors.New("the log is only being read")

// Incarnation implements substrate.Log.
func (l *remainingLog) Incarnation() uint64 { return l.m.salvaged.Incarnation }

// Begin implements substrate.Log.
func (l *remainingLog) Begin() substrate.Offset { return l.m.salvaged.Begin }

// End implements substrate.Log.
func (l *remainingLog) End() substrate.Offset { return l.m.salvaged.End }

// Write implements substrate.Log.
func (*remainingLog) Write([]byte) error { return errReadOnly }

// Sync implements substrate.Log.
func (*remainingLog) Sync() error { return errReadOnly }

// Owned implements substrate.Log.
func (*remainingLog) Owned() error { return nil }

// Replay implements substrate.Log. What cannot be read is left out.
func (l *remainingLog) Replay(_ substrate.Offset, f func(at substrate.Offset, group []byte) error) error {
	return l.m.salvaged.Groups(f)
}

// Trim implements substrate.Log.
func (*remainingLog) Trim(substrate.Offset) error { return nil }

// LowOnSpace implements substrate.Log.
func (*remainingLog) LowOnSpace() bool { return false }

// Stats implements substrate.Log.
func (*remainingLog) Stats() substrate.LogStats { return substrate.LogStats{} }

// Close implements substrate.Log.
func (*remainingLog) Close() error { return nil }

// copyStore makes the new store: of a store that is whole, with links to its
// tables; of another one, with the rows that are.
func (m *mender) copyStore(ctx context.Context) error {
	if len(m.hurt) > 0 {
		return m.copyRows(ctx)
	}
	from := m.d.fs.PathJoin(m.d.dir, storeName)
	for _, database := range []string{"history", "main"} {
		to := m.path(storeName, database)
		if err := dirsync.Make(m.d.fs, to); err != nil {
			return err
		}
		names, err := m.d.fs.List(m.d.fs.PathJoin(from, database))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, name := range names {
			if name == "LOCK" || strings.HasPrefix(name, "OPTIONS-") {
				continue // they are made anew
			}
			if err := m.take(m.d.fs.PathJoin(from, database, name), m.d.fs.PathJoin(to, name)); err != nil {
				return err
			}
		}
		if err := dirsync.Sync(m.d.fs, to); err != nil {
			return err
		}
	}
	return nil
}

// take makes a table, which never changes, another name, and copies other files. What is
// none, such as the folder of a disk that is mounted there, is not of the store; but of a
// marker the name is all that counts.
func (m *mender) take(from, to string) error {
	switch info, err := m.d.fs.Stat(from); {
	case err != nil:
		return err
	case info.Mode().IsRegular():
	case strings.HasPrefix(m.d.fs.PathBase(from), "marker."):
		f, err := m.d.fs.Create(to, vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	default:
		return nil
	}
	if len(from) > 4 && from[len(from)-4:] == ".sst" {
		return linkOrCopy(m.d.fs, from, to)
	}
	return vfs.Copy(m.d.fs, from, to)
}

// linkOrCopy copies a file if it cannot have a second name. Linux says that a link is
// not permitted where a file system has none, which vfs.LinkOrCopy takes for a refusal.
func linkOrCopy(files vfs.FS, from, to string) error {
	err := vfs.LinkOrCopy(files, from, to)
	if errors.Is(err, fs.ErrPermission) {
		return vfs.Copy(files, from, to)
	}
	return err
}
