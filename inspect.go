package netherite

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
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
	noted    []bool              // of which it is known whether there is a note
	torn     []*substrate.Damage // ends of the store's manifests
	lost     map[int]bool        // partitions whose stored state is missing: nothing can follow it
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
	r, err := d.inspect()
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", d.dir, err)
	}
	return r, nil
}

func (d *directory) inspect() (*Report, error) {
	d.logger = slog.New(slog.DiscardHandler)
	err := d.acquire()
	switch {
	case errors.Is(err, engine.ErrDamaged) && d.has(restoringName):
		return &Report{Damage: []Damage{{File: restoringName, Kind: "short", Detail: err.Error(), Partition: -1}}}, nil
	case errors.Is(err, engine.ErrDamaged):
		return d.withoutHubFile(d.hubDamage(err))
	case errors.Is(err, engine.ErrNewerFormat):
		return &Report{Damage: []Damage{{File: hubName, Kind: "version", Detail: err.Error(), Partition: -1}}}, nil
	case err != nil:
		return nil, err
	}
	r := &Report{Hub: d.params.Hub, Partitions: d.params.Partitions}
	return r, errors.Join(r.inspect(d), d.Close())
}

// hubDamage is what keeps the hub file from being read, as damage.
func (d *directory) hubDamage(err error) Damage {
	kind := "crc"
	if damage, ok := errors.AsType[*substrate.Damage](err); ok {
		kind = damage.Kind
	} else if !d.has(hubName) {
		kind = "short"
	}
	return Damage{File: hubName, Kind: kind, Detail: err.Error(), Partition: -1}
}

func (r *Report) inspect(d *directory) error {
	r.lost, r.notes, r.noted = map[int]bool{}, make([]*core.SideNote, r.Partitions), make([]bool, r.Partitions)
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
	log, whole, err := r.log(d)
	if err != nil {
		return err
	}
	if whole {
		r.compare(log)
	}
	if err := r.records(d, whole); err != nil {
		return err
	}
	if !whole {
		r.Pending = nil
	}
	r.blameManifests()
	return nil
}

// log reads the log by itself. It says whether that is whole, so that what is stored can
// be held against it.
func (r *Report) log(d *directory) (l filelog.Report, whole bool, err error) {
	l, err = filelog.Verify(d.fs, d.fs.PathJoin(d.dir, logName), r.reach)
	if errors.Is(err, fs.ErrNotExist) {
		if !d.unfinished.log {
			r.damaged(logName, &substrate.Damage{Kind: "short", Detail: logMissing}, -1)
		}
		return l, false, nil
	}
	if err != nil {
		return l, false, r.orNewer(logName, err)
	}
	r.LogBegin, r.LogEnd, r.Incarnation = l.Begin, l.End, l.Incarnation
	r.Segments, r.Groups, r.Closed = l.Segments, l.Groups, l.Closed
	foreign := r.foreignLog(l)
	for _, damage := range l.Damage {
		r.damaged(logName, damage, -1)
	}
	for _, damage := range l.Trifles {
		r.damaged(logName, damage, -1)
		r.Damage[len(r.Damage)-1].Harmless = true
	}
	return l, len(l.Damage) == 0 && !foreign, nil
}

// foreignLog names what is another hub's, if log and hub file are of different hubs: the
// identity of the log if its own frames disagree with that.
func (r *Report) foreignLog(l filelog.Report) bool {
	hub := filelog.HubID(r.Hub)
	if l.Hub == hub || l.Hub == (filelog.HubID{}) {
		return false
	}
	foreign := Damage{File: hubName, Kind: "foreign", Detail: fmt.Sprintf("it names hub %v, the log is of hub %v", hub, l.Hub), Partition: -1}
	if slices.ContainsFunc(l.Damage, func(d *substrate.Damage) bool { return d.Kind == "foreign" }) {
		foreign.File = logName + "/identity"
		foreign.Detail = fmt.Sprintf("it names hub %v, neither the log's frames nor the hub file do: that names %v", l.Hub, hub)
	}
	r.Damage = append(r.Damage, foreign)
	return true
}

// compare holds what is stored against a log that is whole.
func (r *Report) compare(l filelog.Report) {
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
}

// blameManifests names the ends of manifests that are not whole, if something is missing:
// a crash leaves such, too, of which nothing is.
func (r *Report) blameManifests() {
	if !slices.ContainsFunc(r.Damage, func(d Damage) bool { return !d.Harmless && (d.Kind == "short" || d.Kind == "chain") }) {
		return
	}
	for _, damage := range r.torn {
		r.damaged(storeName, damage, -1)
		r.Damage[len(r.Damage)-1].Harmless = true // of itself; what is missing is named
	}
}

// store reads the stamps and every row of the state store.
func (r *Report) store(d *directory) error {
	opts := d.storeOptions()
	found, err := pebblestore.Verify(opts, partitionRanges(r.Partitions))
	if err != nil {
		return r.orNewer(storeName, err)
	}
	r.Checkpoints, r.Rows, r.reach, r.age = 0, found.Rows, found.Reached, found.Age
	r.torn = found.Torn
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
