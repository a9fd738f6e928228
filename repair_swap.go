package netherite

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// What is in the place of the old hub's parts after a repair. Side files are void
// then: what was in them is in the store.
var (
	replacedParts = []string{logName, storeName, hubName}
	removedParts  = []string{sideName}
)

// clearRepair removes what an interrupted repair has left: parts that were being
// built, or that have been replaced.
func (d *directory) clearRepair() error {
	names, err := d.fs.List(d.dir)
	for _, name := range names {
		if strings.HasPrefix(name, newPrefix) || strings.HasPrefix(name, oldPrefix) || name == swapName+".tmp" {
			err = errors.Join(err, d.fs.RemoveAll(d.fs.PathJoin(d.dir, name)))
		}
	}
	if err != nil {
		return fmt.Errorf("remove what an interrupted repair has left: %w", err)
	}
	return nil
}

// quarantine keeps the old files, with the report, and then notes that the parts
// may change places. If it cannot, it leaves nothing.
func (m *mender) quarantine() error {
	d := m.d
	name, err := d.freeQuarantine()
	if err != nil {
		return errors.Join(err, d.clearRepair())
	}
	m.report.Quarantine = filepath.ToSlash(name)
	dir := d.fs.PathJoin(d.dir, name)
	if err = m.keepAll(dir); err == nil {
		err = dirsync.Replace(d.fs, d.dir, swapName, []byte(strconv.Quote(m.report.Quarantine)))
	}
	if err == nil || d.has(swapName) {
		return err // it goes on with that, whether that is durable or not
	}
	m.report.Quarantine = ""
	return errors.Join(err, d.fs.RemoveAll(dir), d.clearRepair())
}

// freeQuarantine is the name of the next quarantine. One without a report is one that
// was interrupted.
func (d *directory) freeQuarantine() (string, error) {
	for n := 1; ; n++ {
		name := d.fs.PathJoin(quarantineName, fmt.Sprintf("%03d", n))
		if taken, err := present(d.fs, d.fs.PathJoin(d.dir, name, reportName)); err != nil || !taken {
			return name, err
		}
	}
}

// keepAll keeps the old files in a directory, and writes the report beside them.
func (m *mender) keepAll(dir string) error {
	d := m.d
	err := d.fs.RemoveAll(dir)
	if err == nil {
		err = dirsync.Make(d.fs, dir)
	}
	for _, part := range append(removedParts, replacedParts...) {
		if err == nil && d.has(part) {
			err = keep(d.fs, d.fs.PathJoin(d.dir, part), d.fs.PathJoin(dir, part))
		}
	}
	if err == nil {
		err = dirsync.Sync(d.fs, dir)
	}
	if err != nil {
		return fmt.Errorf("keep the files as they are in %s: %w", dir, err)
	}
	data, err := json.MarshalIndent(m.report, "", "  ")
	if err == nil {
		err = dirsync.Replace(d.fs, dir, reportName, append(data, '\n'))
	}
	return err
}

// reportName is the report of a repair, in its quarantine.
const reportName = "repair.json"

// lostAndFound is the folder that a file system has at its root: a part of a hub may be
// one. It is the system's, and may be closed to others.
const lostAndFound = "lost+found"

// keep gives files a second name, which nothing that becomes of the first
// touches. Moving them could lose both in a crash.
func keep(fs vfs.FS, from, to string) error {
	info, err := fs.Stat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return linkOrCopy(fs, from, to)
	}
	names, err := fs.List(from)
	if errors.Is(err, os.ErrPermission) && fs.PathBase(from) == lostAndFound {
		return nil
	}
	if err == nil {
		err = fs.MkdirAll(to, 0o700)
	}
	for _, name := range names {
		if err == nil && name != "LOCK" {
			err = keep(fs, fs.PathJoin(from, name), fs.PathJoin(to, name))
		}
	}
	if err == nil {
		err = dirsync.Sync(fs, to)
	}
	return err
}

// swap puts the new parts in the place of the old ones. All names are in one
// directory, so that each change of names is whole, and they take place in order.
// It can be done again from any point.
func (d *directory) swap() error {
	at := func(name string) string { return d.fs.PathJoin(d.dir, name) }
	move := func(from, to string) error {
		if err := d.fs.Rename(at(from), at(to)); err != nil {
			return busy(at(from), fmt.Errorf("rename %s to %s: %w", from, to, err))
		}
		return nil
	}
	// The side files go first: with no new part left they are those of the new hub.
	building := slices.ContainsFunc(replacedParts, func(part string) bool { return d.has(newPrefix + part) })
	for _, part := range removedParts {
		if building && d.has(part) {
			if err := move(part, oldPrefix+part); err != nil {
				return err
			}
		}
	}
	for _, part := range replacedParts {
		if !d.has(newPrefix + part) {
			continue // done before
		}
		if d.has(part) {
			if err := move(part, oldPrefix+part); err != nil {
				return err
			}
		}
		if err := move(newPrefix+part, part); err != nil {
			return err
		}
	}
	if err := dirsync.Sync(d.fs, d.dir); err != nil {
		return err
	}
	if err := d.fs.Remove(at(swapName)); err != nil {
		return err
	}
	return errors.Join(dirsync.Sync(d.fs, d.dir), d.clearRepair())
}

// allBuilt makes sure that each part is there, a new one or the one that it has replaced.
func (d *directory) allBuilt() error {
	at := func(name string) string { return d.fs.PathJoin(d.dir, name) }
	for _, part := range replacedParts {
		if !d.has(part) && !d.has(newPrefix+part) {
			return fmt.Errorf("%w: %s is gone, which the repair had built: put it back and repair again; without it, put all that the last quarantine in %s has in the place of what has its names here, remove %s, and repair again",
				engine.ErrDamaged, at(newPrefix+part), at(quarantineName), at(swapName))
		}
	}
	return nil
}

// resumeSwap goes on with a repair that was interrupted after everything was built.
func (d *directory) resumeSwap(o RepairOptions) (*RepairReport, error) {
	data, err := readFile(d.fs, d.fs.PathJoin(d.dir, swapName))
	if err != nil {
		return nil, err
	}
	r := &RepairReport{}
	quarantine, err := strconv.Unquote(strings.TrimSpace(string(data)))
	if err == nil {
		data, err = readFile(d.fs, d.fs.PathJoin(d.dir, quarantine, reportName))
	}
	if err == nil {
		err = json.Unmarshal(data, r)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: it does not name the quarantine of a repair, with its report: %w; "+
			"if there is none in %s, no repair got so far: remove the file; else write the name of the last, in quotes, into it",
			engine.ErrDamaged, d.fs.PathJoin(d.dir, swapName), err, d.fs.PathJoin(d.dir, quarantineName))
	}
	if err := d.allBuilt(); err != nil {
		return nil, err
	}
	if r.Interrupted = o.DryRun; o.DryRun {
		return r, nil
	}
	err = d.swap()
	r.Done = err == nil
	return r, err
}
