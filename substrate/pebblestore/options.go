package pebblestore

import (
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// DefaultMemoryBytes is the default of Options.MemoryBytes.
const DefaultMemoryBytes = 24 << 20

// Options say where a store lives and how much it may use. The zero value of
// each field but Dir is useful.
type Options struct {
	// FS holds the files; nil means the operating system's.
	FS vfs.FS
	// Dir is the store's directory, used for nothing else. It is created if it
	// does not exist. The caller holds a lock that keeps other processes out.
	Dir string
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
}

const minMemoryBytes = 4 << 20

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
// written to and at most one that is being flushed: half of the budget in all.
// A quarter is for the cache, the rest for what compactions and batches take.
func (o *Options) memtableBytes() int64 { return min(o.MemoryBytes/8, 64<<20) }

func (o *Options) cacheBytes() int64 { return o.MemoryBytes / 4 }

// pebbleOptions returns what both databases have in common.
func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:                          s.fence,
		Cache:                       s.cache,
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		MemTableSize:                uint64(s.opts.memtableBytes()),
		MemTableStopWritesThreshold: 2,
		// Every flush adds a file to level 0. They are small, and merging them
		// late and many at a time writes each byte less often.
		L0CompactionThreshold:      8,
		L0StopWritesThreshold:      64,
		MaxOpenFiles:               512,
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 1 },
		Logger:                     &logger{store: s},
		EventListener:              s.listener(),
	}
	o.Experimental.ReadSamplingMultiplier = -1 // reads start no compactions
	for i := range o.Levels {
		o.Levels[i].BlockSize = 16 << 10
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return block.FastestCompression }
	}
	return o
}

func (s *Store) mainOptions() *pebble.Options {
	o := s.pebbleOptions()
	for i := range o.Levels {
		// Most keys that are asked for and not there are those of new instances.
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}
