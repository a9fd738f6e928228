package netherite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// ErrLoses: the repair would drop what was acknowledged, and was not told to.
var ErrLoses = errors.New("the repair would drop acknowledged records")

// RepairOptions say what a repair may do.
type RepairOptions struct {
	// Drop allows to drop acknowledged records that cannot be read or applied.
	Drop bool
	// DryRun finds out what a repair would do, and changes nothing.
	DryRun bool
	// Logger gets what goes on; nil means none.
	Logger *slog.Logger
}

// RepairReport says what a repair has found and done.
type RepairReport struct {
	Damage  []Damage    // that was found; nothing is done if there is none
	Losses  []core.Loss // what is dropped of each partition
	Mends   []core.Mend // what was done about messages between partitions
	Emptied []int       // partitions whose rows were damaged: they are built from the log, which has all of it
	Rows    []LostRows  // what could not be read of the store, if the log does not have all
	Sifted  []SiftedPartition
	// EndLost: nothing tells how far the log went. Whatever was recorded after Base, if
	// anything, is gone.
	EndLost bool `json:",omitempty"`
	// Outdated: the store is an older copy of the right one, and the log does not have
	// all that has happened since. To put the right store back loses nothing.
	Outdated   bool             `json:",omitempty"`
	Base       substrate.Offset // where the new log begins
	Quarantine string           // where the hub as it was lies now, relative to its directory; "" if it was not changed
	Done       bool
	// Interrupted: a dry run has found a repair that was interrupted after all was built.
	// The rest of the report is of that one; the next repair ends it.
	Interrupted bool `json:"-"`
}

// Repair makes a hub that is damaged open again. It builds the hub anew from all
// that is whole, beside what is there, and then puts the new files in the place
// of the old, which it keeps in DIR/quarantine. Nothing else is changed before
// that, and a repair that is interrupted there goes on when it is called again.
//
// Without Drop it does so only if nothing acknowledged is lost; otherwise it
// changes nothing, and the error wraps ErrLoses: the report says what would be
// lost. The hub must not be open (engine.ErrHeld).
func Repair(ctx context.Context, dir string, o RepairOptions) (*RepairReport, error) {
	return RepairFiles(ctx, vfs.Default, dir, o)
}

// RepairFiles is Repair for a hub on another file system, see Files. Whether the
// hub is open there is not known: the caller has to know.
func RepairFiles(ctx context.Context, files vfs.FS, dir string, o RepairOptions) (*RepairReport, error) {
	r, err := repair(ctx, files, dir, o)
	if err != nil {
		return r, fmt.Errorf("repair %s: %w", dir, backupError(err))
	}
	return r, nil
}

// Names in a hub's directory that belong to repairs.
const (
	newPrefix      = "repair.new." // of a part of the hub that is being built
	oldPrefix      = "repair.old." // of one that has been replaced
	swapName       = "repair.swap" // there while old and new parts change places
	quarantineName = "quarantine"
)

func repair(ctx context.Context, files vfs.FS, dir string, o RepairOptions) (report *RepairReport, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := &directory{dir: dir, fs: files, logger: o.Logger}
	if files == vfs.Default {
		if _, err := Exists(dir); err != nil {
			return nil, err
		}
		if err := d.whereLinksLead(); err != nil {
			return nil, err
		}
	}
	if left, err := leftOver(files, dir); left == "" && !d.has(hubName) {
		if err == nil {
			err = fmt.Errorf("there is no hub: %w", fs.ErrNotExist)
		}
		return nil, err
	}
	if files == vfs.Default {
		if d.lock, err = dirlock.Acquire(dir); err != nil {
			return nil, err
		}
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if d.has(restoringName) {
		return nil, d.interruptedRestore()
	}
	if d.has(swapName) {
		return d.resumeSwap(o)
	}
	m := &mender{d: d, o: o, report: &RepairReport{}, hurt: map[int]string{}, sifted: map[int]*core.Sifted{}}
	if err := m.look(); err != nil || len(m.report.Damage) == 0 {
		return m.report, err
	}
	if err := d.clearRepair(); err != nil {
		return m.report, err
	}
	if err = m.build(ctx); err == nil {
		err = d.noneIsMounted()
	}
	if err == nil && m.report.Loses() && !o.Drop && !o.DryRun {
		err = fmt.Errorf("%w: look at what they are; a repair that may drop them goes on without them", ErrLoses)
	}
	if err != nil || o.DryRun {
		return m.report, errors.Join(err, d.clearRepair())
	}
	if err := m.quarantine(); err != nil {
		return m.report, err
	}
	m.report.Done = true
	return m.report, d.swap()
}

func (d *directory) has(name string) bool { return there(d.fs, d.fs.PathJoin(d.dir, name)) }

// there reports whether there is something at a path. What cannot be looked at is there:
// to open it says what is wrong.
func there(files vfs.FS, path string) bool {
	_, err := files.Stat(path)
	return !absent(err)
}

// mender makes one repair.
type mender struct {
	d        *directory
	o        RepairOptions
	report   *RepairReport
	found    *Report
	salvaged *filelog.Salvaged
	hurt     map[int]string // partitions with damaged rows
	emptied  bool           // these are built from the log
	remains  *pebblestore.Remains
	sifted   map[int]*core.Sifted
}

// path is where a part of the new hub is built, or a file of it.
func (m *mender) path(part string, names ...string) string {
	return m.d.fs.PathJoin(append([]string{m.d.dir, newPrefix + part}, names...)...)
}

// look finds out what is damaged, and who the hub is.
func (m *mender) look() error {
	d := m.d
	err := d.read()
	if errors.Is(err, engine.ErrDamaged) || errors.Is(err, fs.ErrNotExist) {
		m.report.Damage = append(m.report.Damage, d.hubDamage(err))
		err = d.guessHub()
	}
	if err != nil {
		return err
	}
	m.found = &Report{Hub: d.params.Hub, Partitions: d.params.Partitions}
	if err := m.found.inspect(d); err != nil {
		return err
	}
	m.report.Damage = append(m.report.Damage, m.found.Damage...)
	for _, damage := range m.found.Damage {
		if damage.Kind == "version" {
			return fmt.Errorf("%w: %s: %s: use a newer program", engine.ErrNewerFormat, damage.File, damage.Detail)
		}
		if !strings.HasPrefix(damage.File, storeName) || m.found.outdated || damage.Harmless {
			continue // the rows of an older copy are whole
		}
		for p := range d.params.Partitions {
			if damage.Partition == p || damage.Partition < 0 {
				m.hurt[p] = damage.Detail
			}
		}
	}
	reach, err := m.noted()
	if err == nil {
		m.salvaged, err = filelog.Salvage(d.fs, d.fs.PathJoin(d.dir, logName), filelog.HubID(d.params.Hub), reach)
	}
	if damage, ok := errors.AsType[*substrate.Damage](err); ok && damage.Kind == "foreign" {
		return m.foreign(err)
	}
	if err == nil {
		err = m.lookAtRows()
	}
	return err
}

// foreign says what to do about a log and a hub file that are of different hubs.
func (m *mender) foreign(err error) error {
	identity := logName + "/identity"
	if slices.ContainsFunc(m.found.Damage, func(d Damage) bool { return d.Kind == "foreign" && d.File == identity }) {
		return fmt.Errorf("%w: the log is of the same hub as the hub file, and only its file %s is another's: move that away and repair again, which makes it anew", err, identity)
	}
	return fmt.Errorf("%w: log and hub file are of different hubs: put the right one back; if the hub file is the wrong one, move it away and repair again, which makes it anew", err)
}

// noted is how far the log had come, as the store has noted it, or what is left of that.
func (m *mender) noted() (substrate.Reach, error) {
	if m.found.reach.Incarnation > 0 || len(m.hurt) == 0 {
		return m.found.reach, nil
	}
	left, err := pebblestore.Salvage(m.oldStore(), false)
	if err != nil {
		return substrate.Reach{}, err
	}
	return left.Reached()
}

// oldStore is the store that is repaired.
func (m *mender) oldStore() pebblestore.Options {
	o := m.d.storeOptions()
	o.Logger = m.o.Logger
	return o
}

// build makes the new hub.
func (m *mender) build(ctx context.Context) error {
	d := m.d
	if err := m.copyStore(ctx); err != nil {
		return fmt.Errorf("copy the store: %w", err)
	}
	src := core.SalvageSource{Storage: &remains{m}, Sifted: m.sifted, EndLost: m.salvaged.EndLost, Outdated: m.found.outdated}
	for _, hole := range m.salvaged.Holes {
		src.Gaps = append(src.Gaps, [2]substrate.Offset{hole.From, hole.To})
	}
	done, err := src.Recover(core.Options{Logger: m.o.Logger, Retention: -1})
	if err != nil {
		return fmt.Errorf("replay what is left: %w", err)
	}
	m.report.Losses, m.report.Mends, m.report.Base = done.Losses, done.Mends, done.Base
	m.report.EndLost, m.report.Outdated = m.salvaged.EndLost, m.found.outdated
	// Far enough that no opening of the old log had such a number.
	err = filelog.CreateAt(d.fs, m.path(logName), filelog.HubID(d.params.Hub), done.Base, m.salvaged.Incarnation+1000)
	if err != nil {
		return err
	}
	if err := d.newLineage(); err != nil {
		return err
	}
	d.created = true
	return d.writeHub(newPrefix + hubName)
}
