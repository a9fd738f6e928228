package mem

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"

	"github.com/netherite-go/netherite/substrate"
)

// Keep says how many of the groups that were not synced survive a crash: a
// number from 0 to the number given.
type Keep func(unsynced int) int

// KeepNone loses all that was not synced.
func KeepNone(int) int { return 0 }

// KeepAll loses nothing, as when only the process dies.
func KeepAll(unsynced int) int { return unsynced }

// KeepRandom keeps any number of groups.
func KeepRandom(rng *rand.Rand) Keep {
	return func(unsynced int) int { return rng.IntN(unsynced + 1) }
}

// LogDisk is what remains of a log when its process is gone.
type LogDisk struct {
	mu          sync.Mutex
	faults      faults
	incarnation uint64
	groups      []memGroup
	begin, end  substrate.Offset
	synced      int // number of groups that are durable
	open        *Log
	low         bool
	clean       bool
	dropped     int64
}

type memGroup struct {
	at   substrate.Offset
	data []byte
}

// NewLogDisk returns an empty disk.
func NewLogDisk() *LogDisk { return &LogDisk{clean: true} }

// SetFault installs a fault, or removes it if nil.
func (d *LogDisk) SetFault(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults.fault = f
}

// SetLowOnSpace makes LowOnSpace return what is given.
func (d *LogDisk) SetLowOnSpace(low bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.low = low
}

// Open starts the next incarnation of the log. One that is open is cut off: its
// calls return ErrFailed.
func (d *LogDisk) Open() (*Log, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutOff()
	d.incarnation++
	l := &Log{disk: d, incarnation: d.incarnation}
	l.stats.CleanStart, l.stats.DroppedBytes = d.clean, d.dropped
	for _, g := range d.groups[d.synced:] {
		l.stats.RewrittenBytes += int64(len(g.data))
	}
	d.synced, d.clean, d.dropped = len(d.groups), false, 0
	d.open = l
	return l, nil
}

// Crash ends the open log and loses what was not synced, except for as many
// groups as keep says. It returns how many groups were lost.
func (d *LogDisk) Crash(keep Keep) (lost int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutOff()
	unsynced := len(d.groups) - d.synced
	kept := d.synced + min(max(keep(unsynced), 0), unsynced)
	for _, g := range d.groups[kept:] {
		lost++
		d.dropped += int64(len(g.data))
		d.end = min(d.end, g.at)
	}
	d.groups = slices.Clip(d.groups[:kept])
	return lost
}

func (d *LogDisk) cutOff() {
	if d.open != nil && d.open.err == nil {
		d.open.err = fmt.Errorf("%w: the log has crashed or was opened again", substrate.ErrFailed)
	}
	d.open = nil
}

// Log is a substrate.Log in memory.
type Log struct {
	disk        *LogDisk
	incarnation uint64
	err         error // why it takes no calls; guarded by disk.mu, as all that follows
	stats       substrate.LogStats
}

var _ substrate.Log = (*Log)(nil)

// Incarnation implements substrate.Log.
func (l *Log) Incarnation() uint64 { return l.incarnation }

// Begin implements substrate.Log.
func (l *Log) Begin() substrate.Offset {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	return l.disk.begin
}

// End implements substrate.Log.
func (l *Log) End() substrate.Offset {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	return l.disk.end
}

// LowOnSpace implements substrate.Log.
func (l *Log) LowOnSpace() bool {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	return l.disk.low
}

// Stats implements substrate.Log.
func (l *Log) Stats() substrate.LogStats {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	s := l.stats
	s.Segments = 1
	return s
}

// Write implements substrate.Log.
func (l *Log) Write(group []byte) error {
	d := l.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if l.err != nil {
		return fmt.Errorf("append a group of %d bytes: %w", len(group), l.err)
	}
	if len(group) == 0 || len(group) > substrate.MaxGroupBytes {
		return fmt.Errorf("append a group of %d bytes: want 1 to %d", len(group), substrate.MaxGroupBytes)
	}
	if err := d.faults.check(OpWrite); err != nil {
		return l.fail("append a group", err)
	}
	d.groups = append(d.groups, memGroup{at: d.end, data: append([]byte(nil), group...)})
	d.end += substrate.Offset(len(group))
	l.stats.Groups++
	l.stats.GroupBytes += int64(len(group))
	l.stats.DeviceBytes += int64(len(group))
	return nil
}

// fail makes the log refuse everything from now on, unless the disk is full.
func (l *Log) fail(what string, err error) error {
	if errors.Is(err, substrate.ErrDiskFull) {
		return fmt.Errorf("%s: %w", what, err)
	}
	l.err = fmt.Errorf("%w: could not %s: %w", substrate.ErrFailed, what, err)
	return l.err
}

// Sync implements substrate.Log.
func (l *Log) Sync() error {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	return l.sync()
}

// Owned implements substrate.Log.
func (l *Log) Owned() error {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	return l.err
}

func (l *Log) sync() error {
	d := l.disk
	if l.err != nil {
		return fmt.Errorf("sync the log: %w", l.err)
	}
	if d.synced == len(d.groups) {
		return nil
	}
	if err := d.faults.check(OpSync); err != nil {
		l.err = fmt.Errorf("%w: could not sync: %w", substrate.ErrFailed, err)
		return l.err
	}
	d.synced = len(d.groups)
	l.stats.Syncs++
	return nil
}

// Replay implements substrate.Log.
func (l *Log) Replay(from substrate.Offset, f func(at substrate.Offset, group []byte) error) error {
	d := l.disk
	d.mu.Lock()
	groups, begin, end, err := d.groups, d.begin, d.end, l.err
	d.mu.Unlock()
	if err != nil {
		return fmt.Errorf("replay the log: %w", err)
	}
	if from < begin || from > end {
		return fmt.Errorf("replay the log from offset %d: it holds offsets %d to %d", from, begin, end)
	}
	first := sort.Search(len(groups), func(i int) bool { return groups[i].at+substrate.Offset(len(groups[i].data)) > from })
	for _, g := range groups[first:] {
		if err := f(g.at, append([]byte(nil), g.data...)); err != nil {
			return err
		}
	}
	return nil
}

// Trim implements substrate.Log. It drops every durable group that lies before
// the offset.
func (l *Log) Trim(before substrate.Offset) error {
	d := l.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if l.err != nil {
		return fmt.Errorf("trim the log: %w", l.err)
	}
	if err := d.faults.check(OpTrim); err != nil {
		return l.fail("trim the log", err)
	}
	n := 0
	for n < d.synced && d.groups[n].at+substrate.Offset(len(d.groups[n].data)) <= before {
		n++
	}
	d.groups, d.synced = d.groups[n:], d.synced-n
	d.begin = d.end
	if len(d.groups) > 0 {
		d.begin = d.groups[0].at
	}
	return nil
}

// Close implements substrate.Log.
func (l *Log) Close() error {
	d := l.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	err := l.sync()
	if err == nil {
		d.clean = true
	}
	if l.err == nil || errors.Is(l.err, substrate.ErrFailed) {
		l.err = substrate.ErrClosed
	}
	if d.open == l {
		d.open = nil
	}
	if err != nil {
		return fmt.Errorf("close the log: %w", err)
	}
	return nil
}
