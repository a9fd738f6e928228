package netherite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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
	Damage     []Damage    // that was found; nothing is done if there is none
	Losses     []core.Loss // what is dropped of each partition
	Mends      []core.Mend // what was done about messages between partitions
	Emptied    []int       // partitions whose rows were damaged: they are built from the log, which has all of it
	Rows       []LostRows  // what could not be read of the store, if the log does not have all
	Sifted     []SiftedPartition
	Base       substrate.Offset
	Quarantine string // where the hub as it was lies now, relative to its directory; "" if it was not changed
	Done       bool
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
	if !d.has(hubName) && !(d.has(logName) && d.has(storeName)) && !d.has(swapName) {
		return nil, fmt.Errorf("there is no hub: %w", fs.ErrNotExist)
	}
	if files == vfs.Default {
		if d.lock, err = dirlock.Acquire(dir); err != nil {
			return nil, err
		}
	}
	defer func() { err = errors.Join(err, d.Close()) }()
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
	err = m.build(ctx)
	if err == nil && m.report.Loses() && !o.Drop && !o.DryRun {
		err = fmt.Errorf("%w: look at what they are, and repeat with Drop to go on without them", ErrLoses)
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

func (d *directory) has(name string) bool {
	_, err := d.fs.Stat(d.fs.PathJoin(d.dir, name))
	return err == nil
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
	err := fs.ErrNotExist
	if d.has(hubName) {
		err = d.read()
	}
	if errors.Is(err, engine.ErrDamaged) || errors.Is(err, fs.ErrNotExist) {
		m.report.Damage = append(m.report.Damage, Damage{File: hubName, Kind: "crc", Detail: err.Error(), Partition: -1})
		err = m.guessHub()
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
		if !strings.HasPrefix(damage.File, storeName) {
			continue
		}
		for p := range d.params.Partitions {
			if damage.Partition == p || damage.Partition < 0 {
				m.hurt[p] = damage.Detail
			}
		}
	}
	m.salvaged, err = filelog.Salvage(d.fs, d.fs.PathJoin(d.dir, logName), filelog.HubID(d.params.Hub))
	if err == nil {
		err = m.lookAtRows()
	}
	return err
}

// guessHub finds out from the log and the store what the hub file said.
func (m *mender) guessHub() error {
	d := m.d
	s, err := filelog.Salvage(d.fs, d.fs.PathJoin(d.dir, logName), filelog.HubID{})
	if err != nil {
		return err
	}
	d.params.Hub = s.Hub
	partitions := 0
	err = s.Groups(func(at substrate.Offset, group []byte) error {
		return core.ReadGroup(at, group, func(run core.Run) { partitions = max(partitions, run.Partition+1) })
	})
	remains, rowsErr := pebblestore.Salvage(pebblestore.Options{FS: d.fs, Dir: d.fs.PathJoin(d.dir, storeName), Logger: m.o.Logger}, false)
	if rowsErr == nil {
		stored, storedErr := core.StoredPartitions(remains)
		partitions, rowsErr = max(partitions, stored), storedErr
	}
	err = errors.Join(err, rowsErr)
	if err == nil && (s.Hub == (filelog.HubID{}) || partitions < core.MinPartitions) {
		err = fmt.Errorf("%w: neither the hub file nor the log nor the store says whose hub it is, and of how many partitions", engine.ErrDamaged)
	}
	d.params.Partitions = partitions
	return err
}

// build makes the new hub.
func (m *mender) build(ctx context.Context) error {
	d := m.d
	if err := m.copyStore(ctx); err != nil {
		return fmt.Errorf("copy the store: %w", err)
	}
	src := core.SalvageSource{Storage: &remains{m}, Sifted: m.sifted}
	for _, hole := range m.salvaged.Holes {
		src.Gaps = append(src.Gaps, [2]substrate.Offset{hole.From, hole.To})
	}
	done, err := src.Recover(core.Options{Logger: m.o.Logger, Retention: -1})
	if err != nil {
		return fmt.Errorf("replay what is left: %w", err)
	}
	m.report.Losses, m.report.Mends, m.report.Base = done.Losses, done.Mends, done.Base
	// Far enough that no opening of the old log had such a number.
	err = filelog.CreateAt(d.fs, m.path(logName), filelog.HubID(d.params.Hub), done.Base, m.salvaged.Incarnation+1000)
	if err != nil {
		return err
	}
	if err := d.newLineage(); err != nil {
		return err
	}
	return d.writeHub(newPrefix + hubName)
}
