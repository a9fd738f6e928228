package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// Open opens a store, and makes what is not there of it if Options.Create allows
// that. Errors wrap substrate.ErrDamaged, ErrNewerFormat, ErrDiskFull or ErrFailed;
// with one about databases that are not there, nothing has been changed.
func Open(opts Options) (*Store, error) {
	opts = opts.withDefaults()
	s, err := tryOpen(opts)
	if errors.Is(err, substrate.ErrDiskFull) && (opts.Owned == nil || opts.Owned() == nil) && SpendBallast(opts) {
		s, err = tryOpen(opts)
	}
	if err != nil {
		return nil, fmt.Errorf("open the state store in %s: %w", opts.Dir, err)
	}
	s.restoreBallast()
	s.draw()
	for _, c := range s.schedulers {
		c.start()
	}
	return s, nil
}

// tryOpen opens the databases.
func tryOpen(opts Options) (*Store, error) {
	s := newStore(opts)
	if err := s.open(); err != nil {
		s.abandon()
		return nil, err
	}
	return s, nil
}

// newStore makes a store that has no databases yet.
func newStore(opts Options) *Store {
	s := &Store{
		opts: opts, dead: make(chan struct{}), noSpace: make(chan struct{}, 1), progress: make(chan struct{}, 1),
		stamps: make(map[int]substrate.Stamp), mainRoom: firstMemtable,
	}
	s.mainRoom = min(s.mainRoom, uint64(opts.memtableBytes()))
	s.reclaims.after, s.reclaims.flushed = reclaimAfter, make(chan struct{}, 1)
	s.fence = &fence{FS: opts.FS, onFull: s.metFull, onDie: s.die, owned: opts.Owned, quit: make(chan struct{})}
	s.fence.pace.quit = s.fence.quit
	s.fence.spare = spare{fs: opts.FS, name: opts.FS.PathJoin(opts.Dir, spareName)}
	s.cache = pebble.NewCache(opts.cacheBytes())
	return s
}

// firstMemtable is the size of the first memtable of a Pebble database that has
// just been opened; later ones are larger.
const firstMemtable = 256 << 10

func (s *Store) open() (err error) {
	if _, err := s.databases(); err != nil {
		return err
	}
	if err := dirsync.Make(s.opts.FS, s.opts.Dir); err != nil {
		return s.explain(err)
	}
	if !s.fence.mayChange() {
		return s.death
	}
	if err := s.fence.spare.restore(); err != nil {
		return s.explain(fmt.Errorf("make the spare file: %w", err))
	}
	if s.history, err = s.openDatabase(historyDir, s.historyOptions()); err != nil {
		return err
	}
	if s.main, err = s.openDatabase(mainDir, s.mainOptions()); err != nil {
		return err
	}
	if err := s.checkVersion(); err != nil {
		return err
	}
	for _, load := range []func() error{s.loadStamps, s.loadReach, s.pair.check, s.loadNotes} {
		if err := load(); err != nil {
			return err
		}
	}
	return s.noteOpening()
}

// nameTable names the table that keeps a database closed, if it is one.
func (s *Store) nameTable(database string, err error) error {
	if table := otherSize.FindStringSubmatch(err.Error()); table != nil {
		return &substrate.Damage{File: s.relative(table[1]), Kind: "short", Detail: words(err)}
	}
	damage, ok := errors.AsType[*substrate.Damage](err)
	switch {
	case !ok:
	case damage.Kind == "short" && !strings.HasPrefix(damage.File, database+"/"):
		return missingIn(database, damage)
	case damage.File == filepath.Base(s.opts.Dir):
		in := *damage
		in.File = database
		return &in
	}
	return err
}

func (s *Store) openDatabase(name string, o *pebble.Options) (db *pebble.DB, err error) {
	s.fence.watch.begin()
	db, err = guarded(s, func() (*pebble.DB, error) {
		return pebble.Open(s.opts.FS.PathJoin(s.opts.Dir, name), o)
	})
	if err != nil && strings.Contains(err.Error(), "unknown format major version") {
		err = fmt.Errorf("%w: %w", substrate.ErrNewerFormat, err)
	}
	if err != nil {
		err = s.nameManifest(name, unusable(name, s.nameTable(name, err)))
	}
	if err = s.fence.watch.end(name, err); err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	s.schedulers = append(s.schedulers, o.Experimental.CompactionScheduler.(*scheduler))
	return db, nil
}

var sizeMismatch = regexp.MustCompile(`(\d{6,}): object size mismatch`)

// unusable names damage that Pebble only tells of in words.
func unusable(name string, err error) error {
	if errors.Is(err, substrate.ErrDamaged) {
		return err
	}
	text := words(err)
	d := &substrate.Damage{File: name, Kind: "crc", Detail: text}
	table := sizeMismatch.FindStringSubmatch(text)
	switch {
	case table != nil:
		d.File, d.Kind = name+"/"+table[1]+".sst", "short"
	case strings.Contains(text, "name from file"): // keys are in another order
	case strings.Contains(text, "not pristine"): // it is of the first format, or seems to be
		d.File, d.Kind = name+"/"+formatMarker+"*", "short"
		d.Detail = "the marker of its format is missing: " + text
	default:
		return err
	}
	return d
}

// abandon closes what a failed open has left open.
func (s *Store) abandon() {
	for _, db := range []*pebble.DB{s.main, s.history} {
		if db != nil {
			_ = s.guard(db.Close) // the error that made Open fail is the one to report
		}
	}
	s.fence.dead.Store(true)
	s.fence.files.release()
	s.cache.Unref()
}

// checkVersion refuses a layout that it does not know, and marks a new store.
func (s *Store) checkVersion() error {
	value, err := s.get(s.main, versionKey)
	if err != nil {
		return err
	}
	if value == nil {
		b := new(pebble.Batch)
		if err := b.Set(versionKey, binary.BigEndian.AppendUint16(nil, layoutVersion), nil); err != nil {
			return err
		}
		return s.change(s.main, &s.mainCount, b)
	}
	return knownVersion(value)
}

// readVersion is checkVersion for a store that is only read.
func (s *Store) readVersion() error {
	value, err := s.get(s.main, versionKey)
	if err != nil || value == nil {
		return err
	}
	return knownVersion(value)
}

func knownVersion(value []byte) error {
	if len(value) != 2 {
		return &substrate.Damage{File: mainDir, Kind: "version", Detail: "the version of the layout is unreadable"}
	}
	if v := binary.BigEndian.Uint16(value); v > layoutVersion {
		return fmt.Errorf("%s has layout version %d, this program reads up to %d, use a newer one: %w", mainDir, v, layoutVersion, substrate.ErrNewerFormat)
	}
	return nil
}

func (s *Store) loadStamps() error {
	return s.loadReserved(stampsLow, stampsHigh, func(key, value []byte) error {
		partition, stamp, err := decodeStamp(key, value)
		s.stamps[partition] = stamp
		return err
	})
}

// loadNotes takes up the deletions from History that had not taken effect for
// certain. Main is durable without what refers to them.
func (s *Store) loadNotes() error {
	var notes []noted
	err := s.loadReserved(deletesLow, deletesHigh, func(key, value []byte) error {
		r, err := decodeRange(value)
		if err != nil || len(key) != 10 {
			return errors.Join(err, &substrate.Damage{File: mainDir, Kind: "short", Detail: "a noted deletion is unreadable"})
		}
		s.number = binary.BigEndian.Uint64(key[2:])
		notes = append(notes, noted{number: s.number, keyRange: r})
		return nil
	})
	if err != nil {
		return err
	}
	s.pending = notes
	return s.takeEffect(notes)
}

func (s *Store) loadReserved(low, high []byte, f func(key, value []byte) error) error {
	it, err := s.main.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return s.explain(err)
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = f(it.Key(), it.Value())
	}
	return s.explain(errors.Join(err, it.Error(), it.Close()))
}

// Abandon implements substrate.Store.
func (s *Store) Abandon() {
	s.end(errAbandoned)
	_ = s.Close() // of what is dead already
}

var errAbandoned = errors.New("the store is abandoned")

// Close implements substrate.Store. It flushes, unless the disk is full: then what
// is not flushed is left to the commit log. It waits for calls that are under way, and
// not for snapshots to be closed: they end with the store.
func (s *Store) Close() error {
	s.endReclaim()
	if err := s.enter(); errors.Is(err, substrate.ErrClosed) {
		return fmt.Errorf("close the state store: %w", err)
	} else if err == nil {
		s.flushing.Lock()
		s.closing = true
		s.flushing.Unlock()
		err = s.flush()
		s.leave()
		if err != nil {
			s.opts.Logger.Warn("state store is closed without its last changes; they are in the commit log", "dir", s.opts.Dir, "err", err)
		}
	}
	close(s.fence.quit) // who waits for space waits no more
	s.life.Lock()
	defer s.life.Unlock()
	err := s.alive()
	s.closed = true
	if err == nil {
		err = s.closeDatabases()
	}
	if errors.Is(err, substrate.ErrDiskFull) {
		err = nil // it could not end files that nobody needs; what is flushed is durable
	}
	s.fence.dead.Store(true)
	s.fence.files.release()
	s.cache.Unref()
	if err != nil {
		return fmt.Errorf("close the state store: %w", err)
	}
	return nil
}
