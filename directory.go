package netherite

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/door/owner"
	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/netherite-go/netherite/substrate/dirsync"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// A hub's directory:
//
//	DIR/hub         JSON: format version, identity and fixed parameters; written atomically, again
//	                only by a program of a newer format
//	DIR/LOCK        held while the hub is open, see substrate/dirlock
//	DIR/log/        the commit log, see substrate/filelog
//	DIR/store/      the state store, see substrate/pebblestore
//	DIR/side/       records of parked partitions, see substrate/sidefile
//	DIR/backup.tmp/ links to files of the store, during a backup
//	DIR/quarantine/ what repairs have replaced; DIR/repair.* during one
//	DIR/owner.sock  while the hub is open, see door/owner
//
// A directory without the hub file is a new one if it holds nothing else, and
// foreign otherwise: so a mistyped path is never taken over.

// formatVersion is the version of this layout and of all that is in it. Version 2
// has quarantines that hold what comes (rows, records).
const formatVersion = 2

// Names in a hub's directory.
const (
	hubName   = "hub"
	logName   = "log"
	storeName = "store"
	sideName  = "side"
)

// defaultBallast is kept aside in the store for the day when the disk is full.
const defaultBallast = 16 << 20

// others lists what may lie in a directory before a hub is created in it: the
// lock, and what an interrupted creation leaves.
var others = []string{"LOCK", "HOLDER", "HOLDER.tmp", hubName + ".tmp", owner.SocketName, "lost+found"}

// directory is a hub's directory, locked. It is a core.Storage.
type directory struct {
	dir        string
	fs         vfs.FS
	partitions int // of a new hub; an existing one must have as many, unless 0
	mustExist  bool
	logger     *slog.Logger
	inline     bool     // the log starts no goroutine, for tests
	segments   [2]int64 // bytes of the log's first and largest segment; 0 is the log's default
	ballast    int64    // bytes
	readOnly   bool     // nothing is written, not even who holds it

	lock    *dirlock.Lock
	log     substrate.Log // as last opened: whoever opens it next owns the hub
	params  core.Parameters
	lineage string // which copy of the hub this is; "" for the original
	format  int    // what the hub file says
}

var _ core.SideStorage = (*directory)(nil)

// acquire locks the directory and reads what the hub in it was created with, or
// creates one. engine.ErrHeld names the process that holds it; ErrForeign,
// ErrNewerFormat and ErrDamaged say what is wrong with it. Another file system
// than the operating system's is not locked.
func (d *directory) acquire() error {
	onDisk := d.fs == nil
	if onDisk {
		d.fs = vfs.Default
	}
	if !d.readOnly {
		if err := dirsync.Make(d.fs, d.dir); err != nil {
			return err
		}
	}
	if onDisk {
		take := dirlock.Acquire
		if d.readOnly {
			take = dirlock.Share
		}
		lock, err := take(d.dir)
		if errors.Is(err, dirlock.ErrHeld) {
			return held{err}
		}
		if err != nil {
			return err
		}
		d.lock = lock
	}
	if err := d.open(); err != nil {
		return errors.Join(err, d.Close())
	}
	return nil
}

// held is the error of a lock as one of the engine's, whose text it has already.
type held struct{ error }

// Is makes errors.Is(h, engine.ErrHeld) hold.
func (held) Is(target error) bool { return target == engine.ErrHeld }

// Unwrap returns the *dirlock.HeldError.
func (h held) Unwrap() error { return h.error }

// Exists reports whether there is a task hub in a directory. It does not say
// whether that can be opened.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, hubName))
	return err == nil
}

func (d *directory) open() error {
	fs := d.fs
	if d.readOnly {
		return d.read()
	}
	names, err := fs.List(d.dir)
	if err != nil {
		return fmt.Errorf("read %s: %w", d.dir, err)
	}
	if slices.Contains(names, swapName) {
		return fmt.Errorf("%s: %w: a repair of it was interrupted: run netherite repair again", d.dir, engine.ErrDamaged)
	}
	if slices.Contains(names, hubName) {
		if err := d.read(); err != nil {
			return err
		}
		if slices.Contains(names, exportName) {
			if err := fs.RemoveAll(fs.PathJoin(d.dir, exportName)); err != nil {
				return fmt.Errorf("remove what an interrupted backup has left: %w", err)
			}
		}
		if err := d.clearRepair(); err != nil {
			return err
		}
		if err := d.known(); err != nil {
			return err
		}
		return d.raise()
	}
	for _, name := range names {
		if !slices.Contains(others, name) {
			return fmt.Errorf("%s: %w: it holds %q and no hub file; a new hub needs an empty directory", d.dir, engine.ErrForeign, name)
		}
	}
	if d.mustExist {
		return fmt.Errorf("%s: %w: it is empty", d.dir, engine.ErrForeign)
	}
	return d.create()
}

// hubFile is the content of the hub file. Fields are only ever added, unless
// Format grows.
type hubFile struct {
	Format     int    `json:"format"`
	Hub        string `json:"hub"`
	Partitions int    `json:"partitions"`
	// Lineage is random in each copy that was restored or repaired, and empty in
	// the original.
	Lineage string `json:"lineage,omitempty"`
	// Check is a checksum of the other fields. Early hubs have none.
	Check string `json:"check,omitempty"`
}

// sum is the checksum of the fields.
func (f *hubFile) sum() string {
	return fmt.Sprintf("%08x", crc32.Checksum(fmt.Appendf(nil, "%d %s %d %s", f.Format, f.Hub, f.Partitions, f.Lineage), crc32.MakeTable(crc32.Castagnoli)))
}

func (d *directory) read() error {
	path := d.fs.PathJoin(d.dir, hubName)
	data, err := readFile(d.fs, path)
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
	if err != nil || f.Check != "" && f.Check != f.sum() || len(id) != len(d.params.Hub) || f.Format < 1 ||
		f.Partitions < core.MinPartitions || f.Partitions > core.MaxPartitions {
		return fmt.Errorf("%s: %w: not what was written when the hub was created", path, engine.ErrDamaged)
	}
	if want := d.partitions; want != 0 && want != f.Partitions {
		return fmt.Errorf("%s: %w: the hub was created with %d partitions, which cannot be changed to %d", d.dir, engine.ErrInvalid, f.Partitions, want)
	}
	copy(d.params.Hub[:], id)
	d.params.Partitions, d.lineage, d.format = f.Partitions, f.Lineage, f.Format
	return nil
}

// raise makes a directory of an older format one of the present format, before
// anything is written that an older program could not read.
func (d *directory) raise() error {
	if d.format == formatVersion {
		return nil
	}
	if err := d.writeHub(hubName); err != nil {
		return fmt.Errorf("raise the format from %d to %d: %w", d.format, formatVersion, err)
	}
	return nil
}

// known refuses what only a newer program knows, before anything is changed. What
// is in the log, OpenLog looks at before it changes that.
func (d *directory) known() error {
	err := pebblestore.Known(pebblestore.Options{FS: d.fs, Dir: d.fs.PathJoin(d.dir, storeName), Logger: d.logger},
		func(get func(key []byte) ([]byte, error)) error { return core.KnownRows(get, d.params.Partitions) })
	side := sidefile.Open(d.fs, d.fs.PathJoin(d.dir, sideName), d.params.Hub)
	for p := 0; p < d.params.Partitions && err == nil; p++ {
		err = side.Known(p)
	}
	if err != nil && errors.Is(err, substrate.ErrNewerFormat) && !errors.Is(err, engine.ErrNewerFormat) {
		err = fmt.Errorf("%w: %w", engine.ErrNewerFormat, err)
	}
	return err
}

// create makes a new hub.
func (d *directory) create() error {
	d.params.Partitions = d.partitions
	if d.params.Partitions == 0 {
		d.params.Partitions = core.DefaultPartitions
	}
	if p := d.params.Partitions; p < core.MinPartitions || p > core.MaxPartitions {
		return fmt.Errorf("create hub: %w: %d partitions, want %d to %d", engine.ErrInvalid, p, core.MinPartitions, core.MaxPartitions)
	}
	if _, err := rand.Read(d.params.Hub[:]); err != nil {
		return fmt.Errorf("create hub: make an identity: %w", err)
	}
	return d.writeHub(hubName)
}

// writeHub writes the hub file. It appears whole or not at all.
func (d *directory) writeHub(name string) error {
	f := hubFile{Format: formatVersion, Hub: hex.EncodeToString(d.params.Hub[:]), Partitions: d.params.Partitions, Lineage: d.lineage}
	f.Check = f.sum()
	data, err := json.Marshal(f)
	if err == nil {
		err = writeFile(d.fs, d.dir, name, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write the hub file of %s: %w", d.dir, err)
	}
	return nil
}

// newLineage makes this a copy of its own.
func (d *directory) newLineage() error {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return fmt.Errorf("make a lineage: %w", err)
	}
	d.lineage = hex.EncodeToString(id[:])
	return nil
}

// Parameters implements core.Storage.
func (d *directory) Parameters() core.Parameters {
	p := d.params
	p.Place = d.dir
	return p
}

// owned returns engine.ErrHeld if the directory is this process's no more. A hub
// that recovers from a failed write must not take it back from its next owner.
func (d *directory) owned() error {
	if d.lock == nil {
		return nil
	}
	err := d.lock.Check()
	if errors.Is(err, dirlock.ErrHeld) {
		return fmt.Errorf("%w: %w", engine.ErrHeld, err)
	}
	return err
}

// OpenLog implements core.Storage.
func (d *directory) OpenLog() (substrate.Log, error) {
	if err := d.owned(); err != nil {
		return nil, err
	}
	log, err := filelog.Open(filelog.Options{
		FS: d.fs, Dir: d.fs.PathJoin(d.dir, logName), Hub: filelog.HubID(d.params.Hub),
		Known: core.KnownGroup, Logger: d.logger, Inline: d.inline, MinSegmentBytes: d.segments[0], MaxSegmentBytes: d.segments[1],
	})
	if err != nil {
		return nil, err
	}
	d.log = log
	return log, nil
}

// OpenStore implements core.Storage.
func (d *directory) OpenStore(memory int64) (substrate.Store, error) {
	if err := d.owned(); err != nil {
		return nil, err
	}
	return pebblestore.Open(pebblestore.Options{
		FS: d.fs, Dir: d.fs.PathJoin(d.dir, storeName), Hub: d.params.Hub, Logger: d.logger,
		MemoryBytes: memory, BallastBytes: d.ballast, Owned: d.log.Owned,
	})
}

// OpenSideFiles implements core.SideStorage.
func (d *directory) OpenSideFiles() (substrate.SideFiles, error) {
	return sidefile.Open(d.fs, d.fs.PathJoin(d.dir, sideName), d.params.Hub).Guarded(d.log.Owned), nil
}

// Close releases the directory's lock.
func (d *directory) Close() error {
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
	return dirsync.Sync(fs, dir)
}
