package netherite

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// Report is what Inspect found in a hub's directory.
type Report struct {
	Hub         [16]byte
	Partitions  int
	LogBegin    substrate.Offset
	LogEnd      substrate.Offset
	Incarnation uint64 // of the log: how often it was opened
	Segments    int
	Groups      int64
	Records     int64 // in the log that is kept
	Checkpoints int   // partitions with a stored state
	Rows        int64 // in the store
	Closed      bool  // the hub was closed, not killed
	// Stamps says which log prefix each partition's stored state contains, and
	// Pending how many records beyond it the next Open replays; it is nil if
	// the log is damaged.
	Stamps  []substrate.Stamp
	Pending []int64
	Damage  []Damage

	reach    substrate.Reach // of the log, as the store has noted it
	age      pebblestore.Age
	outdated bool // the store is an older copy of the right one
	notes    []*core.SideNote
	lost     map[int]bool // partitions whose stored state is missing: nothing can follow it
}

// Damage is a place where what is stored is not what was written.
type Damage struct {
	File      string // relative to the hub's directory
	Offset    int64  // in the file
	Kind      string // crc, chain, short, foreign or version
	Detail    string
	Partition int // -1: all of them
	// Harmless: the hub opens all the same, which mends it, and has lost nothing.
	Harmless bool `json:",omitempty"`
}

// Inspect reads all of a hub's directory and changes nothing in it. The hub must
// not be open: engine.ErrHeld. Damage is listed in the report; the
// error says that the directory could not be read. A directory without a hub is
// fs.ErrNotExist.
func Inspect(dir string) (*Report, error) {
	there, err := Exists(dir)
	if err == nil && !there {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", dir, err)
	}
	return inspect(&directory{dir: dir, readOnly: true})
}

// InspectFiles is Inspect for a hub on another file system, see Files. Whether
// the hub is open there is not known: the caller has to know.
func InspectFiles(files vfs.FS, dir string) (*Report, error) {
	return inspect(&directory{dir: dir, fs: files, readOnly: true})
}

func inspect(d *directory) (*Report, error) {
	dir := d.dir
	d.logger = slog.New(slog.DiscardHandler)
	err := d.acquire()
	switch {
	case errors.Is(err, engine.ErrDamaged) && d.has(restoringName):
		return &Report{Damage: []Damage{{File: restoringName, Kind: "short", Detail: err.Error(), Partition: -1}}}, nil
	case errors.Is(err, engine.ErrDamaged):
		return &Report{Damage: []Damage{d.hubDamage(err)}}, nil
	case errors.Is(err, engine.ErrNewerFormat):
		return &Report{Damage: []Damage{{File: hubName, Kind: "version", Detail: err.Error(), Partition: -1}}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", dir, err)
	}
	r := &Report{Hub: d.params.Hub, Partitions: d.params.Partitions}
	err = r.inspect(d)
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, fmt.Errorf("inspect %s: %w", dir, err)
	}
	return r, nil
}

// hubDamage is what keeps the hub file from being read, as damage.
func (d *directory) hubDamage(err error) Damage {
	kind := "crc"
	if !d.has(hubName) {
		kind = "short"
	}
	return Damage{File: hubName, Kind: kind, Detail: err.Error(), Partition: -1}
}

func (r *Report) inspect(d *directory) error {
	r.lost, r.notes = map[int]bool{}, make([]*core.SideNote, r.Partitions)
	if d.has(swapName) {
		r.Damage = append(r.Damage, Damage{File: swapName, Kind: "short", Detail: "a repair was interrupted: run netherite repair again", Partition: -1})
		return nil
	}
	r.Stamps, r.Pending = make([]substrate.Stamp, r.Partitions), make([]int64, r.Partitions)
	err := d.findUnfinished()
	if err == nil {
		err = r.store(d)
	}
	if err != nil {
		return err
	}
	l, err := filelog.Verify(d.fs, d.fs.PathJoin(d.dir, logName), r.reach)
	if errors.Is(err, fs.ErrNotExist) {
		if !d.unfinished.log {
			r.Pending = nil
			r.damaged(logName, &substrate.Damage{Kind: "short", Detail: logMissing}, -1)
		}
		return nil
	}
	if err != nil {
		r.Pending = nil
		return r.orNewer(logName, err)
	}
	r.LogBegin, r.LogEnd, r.Incarnation = l.Begin, l.End, l.Incarnation
	r.Segments, r.Groups, r.Closed = l.Segments, l.Groups, l.Closed
	if hub := filelog.HubID(r.Hub); l.Hub != hub && l.Hub != (filelog.HubID{}) {
		detail := fmt.Sprintf("it names hub %v, the log is of hub %v", hub, l.Hub)
		r.Damage = append(r.Damage, Damage{File: hubName, Kind: "foreign", Detail: detail, Partition: -1})
		r.Pending = nil
		return nil
	}
	for _, damage := range l.Damage {
		r.damaged(logName, damage, -1)
	}
	if len(l.Damage) > 0 {
		r.Pending = nil
		return nil
	}
	if r.Checkpoints == 0 && r.LogBegin > 0 && !r.lost[-1] {
		r.lost[-1] = true
		r.damaged(storeName, &substrate.Damage{Kind: "short", Detail: fmt.Sprintf(stateMissing, r.LogBegin)}, -1)
	}
	if len(r.lost) == 0 {
		if detail := outdated(r.age, l, func(p int) substrate.Stamp { return r.Stamps[p] }, r.Partitions); detail != "" {
			r.lost[-1], r.outdated = true, true
			r.damaged(storeName, &substrate.Damage{Kind: "short", Detail: detail}, -1)
		}
	}
	for p, stamp := range r.Stamps {
		if stamp == (substrate.Stamp{}) && r.LogBegin > 0 && !r.lost[-1] && !r.lost[p] && r.notes[p] == nil {
			r.lost[p] = true
			r.damaged(storeName, &substrate.Damage{Kind: "short", Detail: fmt.Sprintf("the stored state is missing, and the log begins at %d", r.LogBegin)}, p)
		}
		if stamp.Offset > r.LogEnd {
			detail := fmt.Sprintf("the log ends at %d, the stored state contains it up to %d", r.LogEnd, stamp.Offset)
			r.Damage = append(r.Damage, Damage{File: logName, Offset: int64(r.LogEnd), Kind: "short", Detail: detail, Partition: p})
		}
	}
	return r.records(d)
}

// records decodes every record of the log and of side files, and checks that
// none is missing.
func (r *Report) records(d *directory) error {
	sequence := core.NewSequence(r.Stamps)
	aside, err := r.side(d, sequence)
	if err != nil {
		return err
	}
	return filelog.Groups(d.fs, d.fs.PathJoin(d.dir, logName), r.LogBegin, func(at substrate.Offset, group []byte, in filelog.Place) error {
		file := d.fs.PathJoin(logName, in.File)
		err := core.ReadGroup(at, group, func(run core.Run) {
			r.Records += int64(run.Records)
			if run.Partition >= len(aside) || run.End > aside[run.Partition] {
				r.add(sequence, run, file, in.Offset+int64(run.End-at))
			}
		})
		if err != nil {
			kind := "crc"
			if errors.Is(err, engine.ErrNewerFormat) {
				kind = "version"
			}
			r.Damage = append(r.Damage, Damage{File: file, Offset: in.Offset, Kind: kind, Detail: err.Error(), Partition: -1})
		}
		return nil
	})
}

// add checks a run of records of one partition, which ends at a place in a file,
// against those before.
func (r *Report) add(sequence *core.Sequence, run core.Run, file string, end int64) {
	pending, err := sequence.Add(run)
	if pending {
		r.Pending[run.Partition] += int64(run.Records)
	}
	if err != nil && !r.lost[-1] && !r.lost[run.Partition] {
		r.Damage = append(r.Damage, Damage{File: file, Offset: end, Kind: "chain", Detail: err.Error(), Partition: run.Partition})
	}
}

// side reads the side files that the store has notes of. It returns where in the
// log the last record of each partition ended that it found there.
func (r *Report) side(d *directory, sequence *core.Sequence) ([]substrate.Offset, error) {
	files := sidefile.Open(d.fs, d.fs.PathJoin(d.dir, sideName), d.params.Hub)
	ends := make([]substrate.Offset, r.Partitions)
	for p, note := range r.notes {
		if stored := r.Stamps[p].Offset; note == nil || note.Last <= stored && stored <= note.Covered {
			// A file without a note is void, and so is one of which the store has all. But no
			// hub opens with one that is another hub's, or a newer program's.
			if err := r.orNewer(sideName, files.Known(p)); err != nil {
				return nil, err
			}
			continue
		}
		err := files.Read(p, func(end substrate.Offset, chunk []byte) error {
			ends[p] = end
			return core.ReadGroup(end-substrate.Offset(len(chunk)), chunk, func(run core.Run) {
				r.Records += int64(run.Records)
				r.add(sequence, run, d.fs.PathJoin(sideName, sidefile.Name(p)), 0)
			})
		})
		hurt := &substrate.Damage{File: sidefile.Name(p)}
		damage, damaged := errors.AsType[*substrate.Damage](err)
		switch {
		case damaged:
			hurt = damage
		case errors.Is(err, substrate.ErrNoSideFile):
			hurt.Kind, hurt.Detail = "short", "it is missing, and the store has a note of it"
		case errors.Is(err, engine.ErrDamaged):
			hurt.Kind, hurt.Detail = "crc", err.Error()
		case err != nil:
			if err := r.orNewer(sideName, err); err != nil {
				return nil, err
			}
			continue
		case ends[p] < note.Last:
			hurt.Kind, hurt.Detail = "short", fmt.Sprintf("it ends at log position %d, the store notes %d", ends[p], note.Last)
		case note.Covered < r.Stamps[p].Offset:
			hurt.Kind, hurt.Detail = "short", fmt.Sprintf("it covers the log up to %d, the stored state is of %d", note.Covered, r.Stamps[p].Offset)
		default:
			continue
		}
		r.damaged(sideName, hurt, p)
		r.lost[p] = true // what follows cannot be checked
	}
	return ends, nil
}

// store reads the stamps and every row of the state store.
func (r *Report) store(d *directory) error {
	opts := d.storeOptions()
	found, err := pebblestore.Verify(opts, partitionRanges(r.Partitions))
	if err != nil {
		return r.orNewer(storeName, err)
	}
	r.Checkpoints, r.Rows, r.reach, r.age = 0, found.Rows, found.Reached, found.Age
	for p, stamp := range found.Stamps {
		if p < len(r.Stamps) {
			r.Stamps[p] = stamp
			r.Checkpoints++
		} else {
			r.damaged(storeName, &substrate.Damage{Kind: "foreign", Detail: fmt.Sprintf("it has a state of partition %d, the hub file says that there are %d", p, r.Partitions)}, -1)
		}
	}
	for _, damage := range found.Damage {
		r.damaged(storeName, damage.Damage, damage.Range)
		if r.Damage[len(r.Damage)-1].Harmless = damage.Harmless; !damage.Harmless {
			r.lost[damage.Range] = true
		}
	}
	if r.lost[-1] {
		return nil
	}
	return r.rows(opts)
}

// partitionRanges are the keys of each partition.
func partitionRanges(partitions int) []pebblestore.Range {
	parts := make([]pebblestore.Range, partitions)
	for p := range parts {
		parts[p] = pebblestore.Range{Low: []byte{byte(p >> 8), byte(p)}, High: []byte{byte((p + 1) >> 8), byte(p + 1)}}
	}
	return parts
}

// orNewer puts an error into the report if it is about a newer format.
func (r *Report) orNewer(part string, err error) error {
	if !errors.Is(err, substrate.ErrNewerFormat) && !errors.Is(err, engine.ErrNewerFormat) {
		return err
	}
	r.lost[-1] = true
	r.damaged(part, &substrate.Damage{Kind: "version", Detail: err.Error()}, -1)
	return nil
}

func (r *Report) damaged(part string, d *substrate.Damage, partition int) {
	d = inPart(part, d)
	r.Damage = append(r.Damage, Damage{File: d.File, Offset: d.Offset, Kind: d.Kind, Detail: d.Detail, Partition: partition})
}
