package pebblestore

import (
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// DefaultMemoryBytes is the default of Options.MemoryBytes.
const DefaultMemoryBytes = 24 << 20

// Options say where a store lives and how much it may use. The zero value of
// each field but Dir is useful.
type Options struct {
	// FS holds the files; nil means the operating system's.
	FS vfs.FS
	// Dir is the store's directory, used for nothing else. The caller holds a lock
	// that keeps other processes out.
	Dir string
	// Create allows that databases are not there yet: Open makes them. Without it one
	// that is not there is damage. None is ever made where another one has left files.
	Create bool
	// Hub is the hub's ID. Tables carry it, and Verify names those of another hub;
	// zero means none.
	Hub [16]byte
	// Logger gets what goes wrong in the background: a full disk, damage, and
	// the reason why the store died; nil means none.
	Logger *slog.Logger
	// MemoryBytes is for memtables and the block cache of both databases
	// together; at least 4 MiB. Default 24 MiB.
	MemoryBytes int64
	// BallastBytes is the size of a file that is removed when the disk is full,
	// so that what is under way can be finished; 0 means none. It is made again
	// when there is four times as much free space.
	BallastBytes int64
	// Reached returns how far the log that belongs to the store is durable. It is
	// noted with what is flushed, so that an older copy of the log, or one whose end is
	// gone, is told from the right one; nil means that nothing is. It is called when
	// the store is opened, flushed and closed: after the log was opened, and until
	// nobody writes to that any more.
	Reached func() substrate.Reach
	// Owned returns an error once the store is somebody else's: where the lock does
	// not hold, somebody may have opened the hub since. The store asks before it
	// changes a file, and dies of the error; nil means it need not ask. It is
	// called by many goroutines, some ten times for a small flush and ninety for one
	// of 20,000 rows.
	Owned func() error
}

const minMemoryBytes = 4 << 20

// So many layers of level 0, or memtables, make Pebble hold up everything that
// writes.
const (
	stopLayers    = 64
	stopMemtables = 2
)

// compactAt is with how many layers of level 0 a compaction begins.
const compactAt = 24

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = DefaultMemoryBytes
	}
	o.MemoryBytes = max(o.MemoryBytes, minMemoryBytes)
	return o
}

// memtableBytes is the size of one memtable. Each database has one that is
// written to and at most one that is being flushed.
func (o *Options) memtableBytes() int64 { return min(o.MemoryBytes/6, 64<<20) }

// cacheBytes is the size of the cache. Pebble takes memtables out of it.
func (o *Options) cacheBytes() int64 { return o.MemoryBytes }

// pebbleOptions returns what both databases have in common.
func (s *Store) pebbleOptions() *pebble.Options {
	c := newScheduler(s.fence.pause)
	o := &pebble.Options{
		FS:                          s.fence,
		Cache:                       s.cache,
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		MemTableSize:                uint64(s.opts.memtableBytes()),
		MemTableStopWritesThreshold: stopMemtables,
		// Every flush adds a layer to level 0. Merging 24 at a time instead of eight
		// writes a third less (Hello5: 790 to 530 bytes of the store, and 16 at a time
		// 590); what it costs to ask for a key that is not there is the filters of as
		// many more.
		L0CompactionThreshold:      2 * compactAt, // Pebble counts a layer twice
		L0StopWritesThreshold:      stopLayers,
		MaxOpenFiles:               512,
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 1 },
		Logger:                     &logger{store: s},
		EventListener:              s.listener(c),
	}
	if hub := s.opts.Hub; hub != ([16]byte{}) {
		o.BlockPropertyCollectors = []func() pebble.BlockPropertyCollector{
			func() pebble.BlockPropertyCollector { return &owner{hub} },
		}
	}
	o.Experimental.CompactionScheduler = c
	o.Experimental.ReadSamplingMultiplier = -1 // reads start no compactions
	// Nor do deletions. A checkpoint of instances that go on deletes about as much
	// as it sets, all of it spread over the whole database: Pebble would rewrite
	// that after every one, a table of 300 KB against a level of 8 MB.
	o.Experimental.TombstoneDenseCompactionThreshold = -1
	for i := range o.Levels {
		o.TargetFileSizes[i] = 8 << 20
	}
	return o
}

// mainOptions are for rows: read one by one, and rewritten by compactions.
func (s *Store) mainOptions() *pebble.Options {
	o := s.pebbleOptions()
	for i := range o.Levels {
		// Small tables, because most rows are added at the end of one of the ranges,
		// some per partition: a compaction rewrites the table at each end, and with
		// 8 MiB these were most of a database of 200 MB.
		o.TargetFileSizes[i] = 1 << 20
		o.Levels[i].BlockSize = 8 << 10
		// Most keys that are asked for and not there are those of new instances.
		o.Levels[i].FilterPolicy = filterPolicy
		o.Levels[i].Compression = compression(block.BalancedCompression)
	}
	// What is in level 0 is soon written again.
	o.Levels[0].Compression = compression(block.FastestCompression)
	return o
}

// historyOptions are for chunks: read in ranges, seldom, and written once, since
// compactions move tables whose keys do not overlap.
func (s *Store) historyOptions() *pebble.Options {
	o := s.pebbleOptions()
	for i := range o.Levels {
		o.Levels[i].BlockSize = 32 << 10
		o.Levels[i].Compression = compression(block.BalancedCompression)
	}
	return o
}

// compression: Balanced is zstd at its fastest where that pays, else a quick one.
// Against the quick one alone it saves a sixth of the bytes written for a tenth
// of the store's processor time.
func compression(p *block.CompressionProfile) func() *sstable.CompressionProfile {
	return func() *sstable.CompressionProfile { return p }
}
