// Package hubdir keeps a hub in a directory:
//
//	DIR/hub       JSON: format version, identity and fixed parameters; written once, atomically
//	DIR/LOCK      held while the hub is open, see substrate/dirlock
//	DIR/log/      the commit log, see substrate/filelog
//	DIR/store/    the state store, see substrate/pebblestore
//
// A directory without the hub file is a new one if it holds nothing else, and
// foreign otherwise: so a mistyped path is never taken over.
package hubdir

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// formatVersion is the layout that this package describes.
const formatVersion = 1

// Names in a hub's directory.
const (
	hubName   = "hub"
	logName   = "log"
	storeName = "store"
)

// ballastBytes is kept aside in the store for the day when the disk is full.
const ballastBytes = 16 << 20

// others lists what may lie in a directory before a hub is created in it: the
// lock, and what an interrupted creation leaves.
var others = []string{"LOCK", "HOLDER", "HOLDER.tmp", hubName + ".tmp", "lost+found"}

// Options say where a hub lives and how a new one is made.
type Options struct {
	Dir string
	// FS holds the files; nil means the operating system's. Only there the
	// directory is locked against other processes.
	FS vfs.FS
	// Partitions is for a new hub; default 8. An existing one must have as many,
	// unless it is zero.
	Partitions int
	// MustExist refuses to create a hub, with engine.ErrForeign.
	MustExist bool
	Logger    *slog.Logger
	Random    io.Reader // makes a new hub's identity; default crypto/rand
	// Inline makes the substrates start no goroutines where they can, for tests.
	Inline bool
}

// Directory is a hub's directory, locked. It is a netherite.Storage.
type Directory struct {
	opts   Options
	lock   *dirlock.Lock
	params netherite.Parameters
}

var _ netherite.Storage = (*Directory)(nil)

// Open locks a directory and reads what the hub in it was created with, or
// creates one. engine.ErrHeld names the process that holds it; ErrForeign,
// ErrNewerFormat and ErrDamaged say what is wrong with it.
func Open(o Options) (*Directory, error) {
	d := &Directory{opts: o}
	if o.FS == nil {
		d.opts.FS = vfs.Default
		lock, err := dirlock.Acquire(o.Dir)
		if errors.Is(err, dirlock.ErrHeld) {
			return nil, fmt.Errorf("%w: %w", engine.ErrHeld, err)
		}
		if err != nil {
			return nil, err
		}
		d.lock = lock
	}
	if d.opts.Random == nil {
		d.opts.Random = rand.Reader
	}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Directory) open() error {
	fs := d.opts.FS
	if err := fs.MkdirAll(d.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("create %s: %w", d.opts.Dir, err)
	}
	names, err := fs.List(d.opts.Dir)
	if err != nil {
		return fmt.Errorf("read %s: %w", d.opts.Dir, err)
	}
	if slices.Contains(names, hubName) {
		return d.read()
	}
	for _, name := range names {
		if !slices.Contains(others, name) {
			return fmt.Errorf("%s: %w: it holds %q and no hub file; a new hub needs an empty directory", d.opts.Dir, engine.ErrForeign, name)
		}
	}
	if d.opts.MustExist {
		return fmt.Errorf("%s: %w: it is empty", d.opts.Dir, engine.ErrForeign)
	}
	return d.create()
}

// hubFile is the content of the hub file. Fields are only ever added, unless
// Format grows.
type hubFile struct {
	Format     int    `json:"format"`
	Hub        string `json:"hub"`
	Partitions int    `json:"partitions"`
}

func (d *Directory) read() error {
	path := d.opts.FS.PathJoin(d.opts.Dir, hubName)
	data, err := readFile(d.opts.FS, path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	var f hubFile
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("%s: %w: %w", path, engine.ErrDamaged, err)
	}
	if f.Format > formatVersion {
		return fmt.Errorf("%s: %w: format %d, this program reads up to %d", path, engine.ErrNewerFormat, f.Format, formatVersion)
	}
	id, err := hex.DecodeString(f.Hub)
	if err != nil || len(id) != len(d.params.Hub) || f.Format < 1 ||
		f.Partitions < netherite.MinPartitions || f.Partitions > netherite.MaxPartitions {
		return fmt.Errorf("%s: %w: not what was written when the hub was created", path, engine.ErrDamaged)
	}
	if want := d.opts.Partitions; want != 0 && want != f.Partitions {
		return fmt.Errorf("%s: %w: the hub was created with %d partitions, which cannot be changed to %d", d.opts.Dir, engine.ErrInvalid, f.Partitions, want)
	}
	copy(d.params.Hub[:], id)
	d.params.Partitions = f.Partitions
	return nil
}

// create makes a new hub. Its file appears whole or not at all.
func (d *Directory) create() error {
	d.params.Partitions = d.opts.Partitions
	if d.params.Partitions == 0 {
		d.params.Partitions = netherite.DefaultPartitions
	}
	if p := d.params.Partitions; p < netherite.MinPartitions || p > netherite.MaxPartitions {
		return fmt.Errorf("create hub: %w: %d partitions, want %d to %d", engine.ErrInvalid, p, netherite.MinPartitions, netherite.MaxPartitions)
	}
	if _, err := io.ReadFull(d.opts.Random, d.params.Hub[:]); err != nil {
		return fmt.Errorf("create hub: make an identity: %w", err)
	}
	data, err := json.Marshal(hubFile{Format: formatVersion, Hub: hex.EncodeToString(d.params.Hub[:]), Partitions: d.params.Partitions})
	if err != nil {
		return fmt.Errorf("create hub: %w", err)
	}
	if err := writeFile(d.opts.FS, d.opts.Dir, hubName, append(data, '\n')); err != nil {
		return fmt.Errorf("create hub in %s: %w", d.opts.Dir, err)
	}
	return nil
}

// Parameters implements netherite.Storage.
func (d *Directory) Parameters() netherite.Parameters { return d.params }

// Dir is the directory's path.
func (d *Directory) Dir() string { return d.opts.Dir }

// OpenLog implements netherite.Storage.
func (d *Directory) OpenLog() (substrate.Log, error) {
	return filelog.Open(filelog.Options{
		FS: d.opts.FS, Dir: d.opts.FS.PathJoin(d.opts.Dir, logName), Hub: filelog.HubID(d.params.Hub),
		Logger: d.opts.Logger, Inline: d.opts.Inline,
	})
}

// OpenStore implements netherite.Storage.
func (d *Directory) OpenStore(memory int64) (substrate.Store, error) {
	return pebblestore.Open(pebblestore.Options{
		FS: d.opts.FS, Dir: d.opts.FS.PathJoin(d.opts.Dir, storeName), Logger: d.opts.Logger,
		MemoryBytes: memory, BallastBytes: ballastBytes,
	})
}

// Close releases the directory's lock.
func (d *Directory) Close() error {
	if d.lock == nil {
		return nil
	}
	lock := d.lock
	d.lock = nil
	return lock.Close()
}

func readFile(fs vfs.FS, path string) (data []byte, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(f)
	return b.Bytes(), errors.Join(err, f.Close())
}

// writeFile writes a file under another name, syncs it, renames it and syncs
// the directory.
func writeFile(fs vfs.FS, dir, name string, data []byte) error {
	tmp := fs.PathJoin(dir, name+".tmp")
	f, err := fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(tmp, fs.PathJoin(dir, name)); err != nil {
		return err
	}
	parent, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}
