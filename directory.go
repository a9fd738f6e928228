package netherite

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/hubnames"
	"github.com/netherite-go/netherite/internal/shellword"
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
//	                once all parts are there, and by a program of a newer format
//	DIR/LOCK        held while the hub is open, see substrate/dirlock
//	DIR/log/        the commit log, see substrate/filelog
//	DIR/store/      the state store, see substrate/pebblestore
//	DIR/side/       records of parked partitions, see substrate/sidefile
//	DIR/backup.tmp/ links to files of the store, or copies, during a backup
//	DIR/RESTORING   during a restore into it, or if one was interrupted
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

	lock       *dirlock.Lock
	log        *filelog.Log // as last opened: whoever opens it next owns the hub
	params     core.Parameters
	lineage    string // which copy of the hub this is; "" for the original
	format     int    // what the hub file says
	created    bool   // the same: all parts are there
	unfinished unfinished

	reach substrate.Reach // of the log, as the store has noted it
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
		if err := d.fits(); err != nil {
			return err
		}
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
			return ofKind{err, engine.ErrHeld}
		}
		if err != nil {
			return err
		}
		d.lock = lock
		d.courtesy()
	}
	if err := d.open(); err != nil {
		return errors.Join(err, d.discard())
	}
	return nil
}

// fits refuses a directory that is somebody else's before anything is made in it: a lock
// there would look as if it were ours. What it cannot tell is for open to say, which
// looks again under the lock.
func (d *directory) fits() error {
	names, err := d.fs.List(d.dir)
	if err != nil && !absent(err) {
		return nil
	}
	for _, name := range []string{hubName, swapName, restoringName} {
		if slices.Contains(names, name) {
			return nil
		}
	}
	if left, err := leftOver(d.fs, d.dir); left != "" || err != nil {
		return nil
	}
	return d.fitsNew(names)
}

// fitsNew refuses a directory, by what it holds, in which no hub may be created.
func (d *directory) fitsNew(names []string) error {
	for _, name := range names {
		if !slices.Contains(hubnames.Beside, name) {
			return fmt.Errorf("%s: %w: it holds %q and no hub file; a new hub needs an empty directory", d.dir, engine.ErrForeign, name)
		}
	}
	if d.mustExist {
		return fmt.Errorf("%s: %w: it is empty", d.dir, engine.ErrForeign)
	}
	_, err := d.partitionsOfNew()
	return err
}

// courtesy warns that whoever finds the directory held is not told by whom.
func (d *directory) courtesy() {
	if err := d.lock.Unsigned(); err != nil && d.logger != nil {
		d.logger.Warn("who finds the directory held cannot be told by whom: the disk is full", "directory", d.dir, "error", err)
	}
}

// ofKind is an error as one of the contract's, whose text it has already, or has no
// use for.
type ofKind struct {
	error
	kind error
}

// Is makes errors.Is(n, n.kind) hold.
func (n ofKind) Is(target error) bool { return target == n.kind }

// Unwrap returns what it is the name of, such as a *dirlock.HeldError.
func (n ofKind) Unwrap() error { return n.error }

// Exists reports whether there is a task hub in a directory, or what is left of one.
// It does not say whether that can be opened. The error says that nobody knows, since
// the directory may not be read.
func Exists(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, hubName))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		left, unknown := leftOver(vfs.Default, dir)
		if left != "" || unknown == nil {
			return left != "", nil
		}
		err = unknown
	}
	if info, other := os.Stat(dir); other == nil && !info.IsDir() {
		return false, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: run this as the user whose hub it is, or let this one read the directory", err)
	}
	return false, fmt.Errorf("look for a task hub in %s: %w", dir, err)
}

func (d *directory) open() error {
	if d.has(restoringName) {
		return d.interruptedRestore()
	}
	if d.readOnly {
		return d.read()
	}
	names, err := d.fs.List(d.dir)
	if err != nil {
		return fmt.Errorf("read %s: %w", d.dir, err)
	}
	if slices.Contains(names, swapName) {
		return &advised{
			fmt.Errorf("%s: %w: a repair of it was interrupted", d.dir, engine.ErrDamaged),
			fmt.Sprintf("run it again, and it goes on: netherite repair %s", shellword.Quote(d.dir)),
		}
	}
	if slices.Contains(names, hubName) {
		if err := d.read(); err != nil {
			return err
		}
		if err := d.known(); err != nil {
			return err
		}
		if slices.Contains(names, exportName) {
			if err := d.fs.RemoveAll(d.fs.PathJoin(d.dir, exportName)); err != nil {
				return fmt.Errorf("remove what an interrupted backup has left: %w", err)
			}
		}
		if err := d.clearRepair(); err != nil {
			return err
		}
		return d.raise()
	}
	switch left, err := leftOver(d.fs, d.dir); {
	case left != "":
		return d.read() // which says what is missing
	case err != nil:
		return err
	}
	if err := d.fitsNew(names); err != nil {
		return err
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
	// Check is a checksum of the fields before it. Early hubs have none.
	Check string `json:"check,omitempty"`
	// Created says, by another checksum of the same fields, that log and store were
	// made and are durable. A hub that early programs created gets it when it is opened.
	Created string `json:"created,omitempty"`
}

// sum is the checksum of the fields before Check. Two that differ say different things.
func (f *hubFile) sum(of string) string {
	return fmt.Sprintf("%08x", crc32.Checksum(fmt.Appendf(nil, "%s%d %s %d %s", of, f.Format, f.Hub, f.Partitions, f.Lineage), castagnoli))
}

// What the checksums of a hub file begin with.
const (
	checkSum   = ""
	createdSum = "created "
)

func (d *directory) read() error {
	path := d.fs.PathJoin(d.dir, hubName)
	data, err := readFile(d.fs, path)
	if errors.Is(err, fs.ErrNotExist) {
		switch left, unknown := leftOver(d.fs, d.dir); {
		case left != "":
			return fmt.Errorf("%s: %w: the hub file is missing, and the rest of a hub is there (%s): netherite repair makes the file again", path, engine.ErrDamaged, left)
		case unknown != nil:
			return unknown
		}
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, fileError(err))
	}
	var newer struct{ Format int } // whose other fields may be anything
	if json.Unmarshal(data, &newer) == nil && newer.Format > formatVersion {
		return fmt.Errorf("%s: %w: format %d, this program reads up to %d", path, engine.ErrNewerFormat, newer.Format, formatVersion)
	}
	var f hubFile
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("%s: %w: not what was written when the hub was created: %w", path, engine.ErrDamaged, err)
	}
	id, err := hex.DecodeString(f.Hub)
	if err != nil || f.Check != "" && f.Check != f.sum(checkSum) || f.Created != "" && f.Created != f.sum(createdSum) || len(id) != len(d.params.Hub) || f.Format < 1 ||
		f.Partitions < core.MinPartitions || f.Partitions > core.MaxPartitions {
		return fmt.Errorf("%s: %w: not what was written when the hub was created", path, engine.ErrDamaged)
	}
	if want := d.partitions; want != 0 && want != f.Partitions {
		return fmt.Errorf("%s: %w: the hub was created with %d partitions, which cannot be changed to %d", d.dir, engine.ErrInvalid, f.Partitions, want)
	}
	copy(d.params.Hub[:], id)
	d.params.Partitions, d.lineage, d.format, d.created = f.Partitions, f.Lineage, f.Format, f.Created != ""
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

// partitionsOfNew is how many partitions a new hub has.
func (d *directory) partitionsOfNew() (int, error) {
	p := cmp.Or(d.partitions, core.DefaultPartitions)
	if p < core.MinPartitions || p > core.MaxPartitions {
		return 0, fmt.Errorf("create hub: %w: %d partitions, want %d to %d", engine.ErrInvalid, p, core.MinPartitions, core.MaxPartitions)
	}
	return p, nil
}

// create makes a new hub.
func (d *directory) create() (err error) {
	if d.params.Partitions, err = d.partitionsOfNew(); err != nil {
		return err
	}
	if _, err := rand.Read(d.params.Hub[:]); err != nil {
		return fmt.Errorf("create hub: make an identity: %w", err)
	}
	d.unfinished = unfinished{log: true, store: true}
	return d.writeHub(hubName)
}

// writeHub writes the hub file. It appears whole or not at all.
func (d *directory) writeHub(name string) error {
	f := hubFile{Format: formatVersion, Hub: hex.EncodeToString(d.params.Hub[:]), Partitions: d.params.Partitions, Lineage: d.lineage}
	if f.Check = f.sum(checkSum); d.created {
		f.Created = f.sum(createdSum)
	}
	data, err := json.Marshal(f)
	if err == nil {
		err = dirsync.Replace(d.fs, d.dir, name, append(data, '\n'))
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
		return ofKind{err, engine.ErrHeld}
	}
	return err
}

// OpenLog implements core.Storage.
func (d *directory) OpenLog() (substrate.Log, error) {
	if err := d.owned(); err != nil {
		return nil, err
	}
	if _, err := d.knownLog(); err != nil {
		return nil, err
	}
	o := filelog.Options{
		FS: d.fs, Dir: d.fs.PathJoin(d.dir, logName), Hub: filelog.HubID(d.params.Hub),
		Least: d.reach, Known: core.KnownGroup, Logger: d.logger, Inline: d.inline, MinSegmentBytes: d.segments[0], MaxSegmentBytes: d.segments[1],
	}
	log, err := filelog.Open(o)
	if errors.Is(err, substrate.ErrDiskFull) && d.owned() == nil && pebblestore.SpendBallast(d.storeOptions()) {
		log, err = filelog.Open(o) // an opening may need another segment
	}
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
	o := d.storeOptions()
	o.MemoryBytes, o.BallastBytes, o.Reached, o.Owned = memory, d.ballast, d.log.Reached, d.log.Owned
	store, err := pebblestore.Open(o)
	if err != nil {
		return nil, err
	}
	if store.HasNoted() {
		err = d.log.Noted()
	}
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// OpenSideFiles implements core.SideStorage.
func (d *directory) OpenSideFiles() (substrate.SideFiles, error) {
	return sidefile.Open(d.fs, d.fs.PathJoin(d.dir, sideName), d.params.Hub).Guarded(d.log.Owned), nil
}

// discard releases the directory's lock where nothing was done.
func (d *directory) discard() error {
	lock := d.lock
	d.lock = nil
	return lock.Discard()
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
	f, err := substrate.OpenPlain(fs, path)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(f)
	return b.Bytes(), errors.Join(err, f.Close())
}
