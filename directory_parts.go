package netherite

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/nospace"
	"github.com/netherite-go/netherite/internal/shellword"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// A hub is created part by part: the hub file, the log, the store. A crash may come
// between any two, and the next opening goes on. Once all are there, the hub file
// says so, and from then on a part that is missing is lost and not made anew. Before
// that, and in hubs of early programs, one that is there tells of those before it.

// unfinished are the parts that the creation of a hub may not have made yet.
type unfinished struct{ log, store bool }

// findUnfinished finds out which parts may be missing. It changes nothing.
func (d *directory) findUnfinished() error {
	d.unfinished = unfinished{}
	if d.created {
		return nil
	}
	d.unfinished.log = !d.has(d.fs.PathJoin(storeName, "history"))
	if pebblestore.Made(d.fs, d.fs.PathJoin(d.dir, storeName, "main")) {
		return nil // it is made last
	}
	l, err := filelog.Verify(d.fs, d.fs.PathJoin(d.dir, logName), substrate.Reach{})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.unfinished.store = d.unfinished.log
	case errors.Is(err, substrate.ErrNewerFormat):
		// Whoever reads the log says so.
	case err != nil:
		return err
	default: // nothing is logged before the store is there
		d.unfinished.store = len(l.Damage) == 0 && l.Begin == 0 && l.Groups == 0
	}
	return nil
}

// known refuses, before anything is changed, a directory of which a part is missing,
// another hub's, or only known to a newer program. What is in the log, OpenLog looks
// at before it changes that.
func (d *directory) known() error {
	err := d.findUnfinished()
	var log filelog.Report
	if err == nil {
		log, err = d.knownLog()
	}
	if err == nil {
		err = d.knownStore(log)
	}
	side := sidefile.Open(d.fs, d.fs.PathJoin(d.dir, sideName), d.params.Hub)
	if damage, ok := errors.AsType[*substrate.Damage](side.KnownDirectory()); ok && err == nil {
		err = inPart(sideName, damage)
	}
	for p := 0; p < d.params.Partitions && err == nil; p++ {
		err = side.Known(p)
	}
	return fileError(err)
}

// fileError translates the errors of files into those of the contract.
func fileError(err error) error {
	for _, t := range [...]struct{ from, to error }{
		{substrate.ErrForeign, engine.ErrForeign},
		{substrate.ErrNewerFormat, engine.ErrNewerFormat},
		{substrate.ErrDamaged, engine.ErrDamaged},
	} {
		if errors.Is(err, t.from) {
			if errors.Is(err, t.to) {
				return err
			}
			return fmt.Errorf("%w: %w", t.to, err)
		}
	}
	return err
}

// knownLog looks whether the log is there and whose it is, and returns what its
// identity tells.
func (d *directory) knownLog() (log filelog.Report, err error) {
	found, err := filelog.Peek(d.fs, d.fs.PathJoin(d.dir, logName))
	switch damage, damaged := errors.AsType[*substrate.Damage](err); {
	case errors.Is(err, fs.ErrNotExist) && d.unfinished.log:
		return log, nil
	case errors.Is(err, fs.ErrNotExist):
		return log, fmt.Errorf("%s: %w: %s", d.fs.PathJoin(d.dir, logName), engine.ErrDamaged, logMissing)
	case damaged:
		return log, inPart(logName, damage)
	case err != nil:
		return log, err
	case found.Hub != filelog.HubID(d.params.Hub):
		return log, fmt.Errorf("%s: %w: it belongs to hub %v, and the hub file names %x", d.fs.PathJoin(d.dir, logName), engine.ErrForeign, found.Hub, d.params.Hub)
	}
	return found, nil
}

// What is said of parts that are missing.
const (
	logMissing    = "the log is missing: put it back if it lies elsewhere, such as on a disk that is not mounted"
	stateMissing  = "the stored state of all partitions is missing, and the log begins at %d: this is not the store that belongs to it"
	stateOutdated = "it knows of opening %d of the log, the log of opening %d that was noted in the store, and the log begins at %d: " +
		"this is an older copy of the store; put the right one back"
	mainOutdated = "store/history has seen a later store/main, and the log begins at %d: this is an older copy of the store, or of main; put the right one back"
)

// outdated says that a store is an older copy of the one that belongs to a log, and
// that the log does not have all that has happened since; "" if it is not so. A
// partition that does nothing has an old stamp in the right store as well: who the
// store knows tells.
func outdated(age pebblestore.Age, log filelog.Report, stamp func(p int) substrate.Stamp, partitions int) string {
	lacks := false
	for p := range partitions {
		lacks = lacks || stamp(p).Offset < log.Begin
	}
	switch {
	case lacks && age.Incarnation < log.Noted:
		return fmt.Sprintf(stateOutdated, age.Incarnation, log.Noted, log.Begin)
	case lacks && age.Behind:
		return fmt.Sprintf(mainOutdated, log.Begin)
	}
	return ""
}

// knownStore looks whether the store is there, whose it is, and what it holds. Rows
// that are damaged are for those who need them.
func (d *directory) knownStore(log filelog.Report) error {
	opts := d.storeOptions()
	opts.MemoryBytes, opts.Logger = 1, slog.New(slog.DiscardHandler) // the least
	view, err := pebblestore.OpenView(opts)
	if damage, ok := errors.AsType[*substrate.Damage](err); ok {
		return inPart(storeName, damage)
	}
	if err != nil {
		return err
	}
	defer view.Close()
	d.reach = view.Reached()
	stamps := view.Stamps()
	if len(stamps) == 0 && log.Begin > 0 {
		return fmt.Errorf("%s: %w: "+stateMissing, opts.Dir, engine.ErrDamaged, log.Begin)
	}
	if detail := outdated(view.Age(), log, func(p int) substrate.Stamp { return stamps[p] }, d.params.Partitions); detail != "" {
		return fmt.Errorf("%s: %w: %s", opts.Dir, engine.ErrDamaged, detail)
	}
	err = core.KnownRows(func(key []byte) ([]byte, error) { return view.Get(substrate.Main, key) }, d.params.Partitions)
	if errors.Is(err, substrate.ErrDamaged) || errors.Is(err, engine.ErrDamaged) {
		return nil
	}
	return err
}

// inPart names the file of a damage relative to the hub's directory.
func inPart(part string, d *substrate.Damage) *substrate.Damage {
	in := *d
	if in.File = part; d.File != "" {
		in.File = vfs.Default.PathJoin(part, d.File)
	}
	return &in
}

// storeOptions are those of the store as it is.
func (d *directory) storeOptions() pebblestore.Options {
	return pebblestore.Options{
		FS: d.fs, Dir: d.fs.PathJoin(d.dir, storeName), Hub: d.params.Hub, Logger: d.logger, Create: d.unfinished.store,
	}
}

// complete notes that the hub's creation has ended, once log and store are open. A
// full disk puts that off.
func (d *directory) complete() error {
	if d.created {
		return nil
	}
	store := d.fs.PathJoin(d.dir, storeName)
	for _, dir := range []string{d.dir, d.fs.PathJoin(d.dir, logName), store, d.fs.PathJoin(store, "history"), d.fs.PathJoin(store, "main")} {
		if err := dirsync.Sync(d.fs, dir); err != nil {
			return err
		}
	}
	d.created, d.unfinished = true, unfinished{}
	err := d.writeHub(hubName)
	if nospace.Is(err) {
		d.logger.Warn("the disk is full: that the hub is whole could not be noted; the next opening does it", "dir", d.dir, "error", err)
		return nil
	}
	return err
}

// leftOver names what a directory without a hub file holds of a hub; "" if nothing. The
// error says that there may be more, since a part of it could not be read.
func leftOver(files vfs.FS, dir string) (string, error) {
	var parts []string
	var unknown error
	for _, part := range []string{restoringName, swapName, logName + "/identity"} {
		found, err := present(files, files.PathJoin(dir, part))
		if unknown = errors.Join(unknown, err); found {
			parts = append(parts, part)
		}
	}
	for _, part := range []string{storeName + "/main", storeName + "/history"} {
		found, err := pebblestore.HoldsDatabase(files, files.PathJoin(dir, part))
		if unknown = errors.Join(unknown, err); found {
			parts = append(parts, part)
		}
	}
	path := files.PathJoin(dir, logName)
	segments, err := files.List(path)
	if err != nil && !absent(err) {
		unknown = errors.Join(unknown, fmt.Errorf("read %s: %w", path, err))
	}
	for _, name := range segments {
		if filelog.IsSegment(name) {
			parts = append(parts, logName+"/"+name)
			break
		}
	}
	return strings.Join(parts, ", "), unknown
}

// present reports whether there is a file. The error says that nobody knows.
func present(files vfs.FS, path string) (bool, error) {
	_, err := files.Stat(path)
	switch {
	case err == nil:
		return true, nil
	case absent(err):
		return false, nil
	}
	return false, fmt.Errorf("look for %s: %w", path, err)
}

// absent reports whether an error says that there is no such file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// advised is an error with the next step.
type advised struct {
	error
	advice string
}

// Error has the advice at its end.
func (a *advised) Error() string { return a.error.Error() + "; " + a.advice }

// Unwrap returns the error itself.
func (a *advised) Unwrap() error { return a.error }

// advise says what to do about a directory that is damaged, of which a part is another
// hub's, or that has no space.
func advise(dir string, err error) error {
	if _, ok := errors.AsType[*advised](err); ok {
		return err // it says so already
	}
	if errors.Is(err, engine.ErrDiskFull) && !errors.Is(err, engine.ErrDamaged) {
		return &advised{err, "free some space on its disk, and open it again: nothing that was acknowledged is lost"}
	}
	left, _ := leftOver(vfs.Default, dir) // what cannot be read needs no advice here
	if !errors.Is(err, engine.ErrDamaged) && !(errors.Is(err, engine.ErrForeign) && left != "") {
		return err
	}
	return &advised{err, fmt.Sprintf("copy the directory before anything else, then run: netherite inspect --verify %[1]s, and: netherite repair --dry-run %[1]s", shellword.Quote(dir))}
}
