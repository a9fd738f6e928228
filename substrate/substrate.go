// Package substrate holds the small interfaces through which an engine touches
// the world: a log, a state store, and a clock. The contract of each is in its
// comment; substrate/substratetest runs it against every implementation, and
// each has a twin in memory (substrate/mem) that can crash.
//
// Files are reached through vfs.FS of Pebble, so that tests can drop or tear
// what was not synced, fail any call, or fill the disk.
package substrate

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Errors that implementations report; wrapped with what, where and why.
var (
	// ErrDamaged: stored bytes are not what was written. See Damage.
	ErrDamaged = errors.New("stored data is damaged")
	// ErrNewerFormat: written by a newer program.
	ErrNewerFormat = errors.New("newer format")
	// ErrForeign: the file belongs to another hub or is no file of ours.
	ErrForeign = errors.New("foreign file")
	// ErrDiskFull: no space to go on; nothing that was accepted is lost.
	ErrDiskFull = errors.New("disk is full")
	// ErrFailed: an earlier write or sync failed; the only way on is to close,
	// open again and recover.
	ErrFailed = errors.New("storage has failed")
	// ErrNoSideFile: there is none for the partition.
	ErrNoSideFile = errors.New("no side file")
	// ErrClosed: used after Close.
	ErrClosed = errors.New("closed")
)

// Damage says where stored bytes are not what was written. It is an ErrDamaged.
type Damage struct {
	File   string // relative to the data directory
	Offset int64
	Kind   string // crc, chain, short, foreign, version
	Detail string
}

// Error names file, offset and kind.
func (d *Damage) Error() string {
	return fmt.Sprintf("damaged: file=%s offset=%d kind=%s: %s", d.File, d.Offset, d.Kind, d.Detail)
}

// Is makes errors.Is(d, ErrDamaged) hold, and ErrForeign for kind foreign.
func (d *Damage) Is(target error) bool {
	return target == ErrDamaged || target == ErrForeign && d.Kind == "foreign"
}

// Offset is a place in a log: the number of group bytes before it, counted from
// the log's beginning and never reset. It does not count headers or padding.
type Offset uint64

// Reach is how far a log had come when somebody noted it: an older copy of the log,
// or one whose end is gone, does not come as far.
type Reach struct {
	Incarnation uint64
	Durable     Offset // everything before was durable
	// Closed: Incarnation has acknowledged nothing beyond Durable, nor will it.
	Closed bool
}

// MaxGroupBytes is the largest group that every log takes.
const MaxGroupBytes = 1 << 30

// Log is an append-only sequence of groups of bytes with one writer.
//
// Opening a log starts a new incarnation, durable before Open returns. Its
// content is then a prefix of what was written before that includes everything
// that any earlier incarnation had reported durable; and all of it is durable
// itself, whatever its earlier state was. Nothing of an earlier incarnation can
// append any more.
//
// A Write or Sync that fails is final: every later call returns ErrFailed, and
// what was not reported durable may or may not be found at the next Open.
//
// Write and Sync are called from one goroutine at a time (not necessarily the
// same as other methods).
type Log interface {
	// Incarnation numbers the openings of this log, from 1.
	Incarnation() uint64
	// Begin is the first offset that Replay can start from; 0 until trimmed.
	Begin() Offset
	// End is the offset that the next group will get.
	End() Offset
	// Write appends one group, not empty and of at most MaxGroupBytes, as a unit: after a crash it is there
	// whole or not at all, and only if every group before it is. It does not
	// keep the slice. ErrDiskFull, and nothing written or failed, if there is no
	// space.
	Write(group []byte) error
	// Sync makes all that was written durable.
	Sync() error
	// Owned returns an error once the log was opened again since: what this
	// opening knows may be out of date then. It may be called at any time, from any
	// goroutine; after Close it returns an error as well. The next Write or Sync is
	// refused for the same reason.
	Owned() error
	// Replay calls f for each group that contains or lies beyond from, in order.
	// f must not keep the slice. It ends with f's first error.
	Replay(from Offset, f func(at Offset, group []byte) error) error
	// Trim allows everything before the offset to be discarded. Best effort,
	// in whole segments.
	Trim(before Offset) error
	// LowOnSpace reports that the disk is so full that new work should be
	// refused; the reserve is for work that is under way. False once the log has
	// failed: the next Write says so.
	LowOnSpace() bool
	Stats() LogStats
	// Close makes everything durable, unless the log has failed, and releases it.
	Close() error
}

// LogStats counts since Open.
type LogStats struct {
	Groups, Syncs int64
	GroupBytes    int64 // as passed to Write
	DeviceBytes   int64 // with headers and padding
	Segments      int64 // that hold the log now
	SegmentsBegun int64 // after the one that Open began
	SyncNanos     int64 // time spent in Sync

	// What Open found. CleanStart: the previous incarnation was closed, or there
	// was none. RewrittenBytes: group bytes that were not known to be durable,
	// written anew. DroppedBytes: bytes after the last whole group, an estimate;
	// none of them had been reported durable unless they are damaged as well.
	CleanStart     bool
	RewrittenBytes int64
	DroppedBytes   int64
}

// Space is one of a store's two keyspaces.
type Space uint8

const (
	// Main holds everything but history.
	Main Space = iota
	// History holds history chunks under keys that grow with creation, so that
	// compaction can move rather than rewrite. It is applied and made durable
	// before Main, and deleted from after it.
	History
)

// Store is an ordered map from keys to values in two keyspaces. What is applied
// is visible at once and durable after the next Flush; a crash returns the
// store to a state in which each partition's batches form a prefix of those
// applied, up to its stamp, and History may be ahead of Main but never behind it.
//
// All methods are safe for concurrent use, and refuse with an error that wraps
// ErrFailed once the store has died (Pebble's fatal errors included: they never
// end the process).
type Store interface {
	// Get returns a copy of the value, or nil and no error if there is none.
	Get(s Space, key []byte) ([]byte, error)
	// Scan calls f for each key in [low, high) in order until it returns false; an
	// empty high means to the end. f must not keep the slices.
	Scan(s Space, low, high []byte, f func(key, value []byte) bool) error
	// Snapshot returns a view that later batches do not change.
	Snapshot() Snapshot
	// NewBatch returns an empty batch.
	NewBatch() Batch
	// Apply makes a batch visible, all or nothing, and with it the partition's
	// stamp. The batch may not be used again, except after ErrDiskFull: then
	// nothing is visible yet, and the same batch can be applied later.
	Apply(b Batch, partition int, stamp Stamp) error
	// Stamp returns the partition's stamp as last applied; zero at first.
	Stamp(partition int) (Stamp, error)
	// Flush makes durable everything that was applied before it was called.
	// ErrDiskFull means not yet: the store goes on, and a later Flush may succeed.
	Flush() error
	// Export writes a consistent copy of everything flushed to a new directory
	// of the same file system, sharing immutable files where it can, and lists it.
	Export(dir string) (Manifest, error)
	Stats() StoreStats
	// Close makes everything durable and releases the store, unless it has died.
	Close() error
	// Abandon releases the store without writing anything any more: it is of no use,
	// or somebody else's by now. It takes the place of Close.
	Abandon()
}

// Reader is what stores and snapshots have in common.
type Reader interface {
	Get(s Space, key []byte) ([]byte, error)
	Scan(s Space, low, high []byte, f func(key, value []byte) bool) error
}

// Snapshot is a frozen view of a store. It must be closed.
type Snapshot interface {
	Reader
	io.Closer
}

// Batch collects changes. Keys and values are copied. A later change of a key
// wins. A key is not empty and does not begin with ff: Apply refuses it. An empty
// high means to the end; a range that ends before it begins is nothing.
type Batch interface {
	Set(s Space, key, value []byte)
	Delete(s Space, key []byte)
	DeleteRange(s Space, low, high []byte)
	// Len is the number of changes, Size their approximate bytes.
	Len() int
	Size() int
}

// Stamp says which log prefix a partition's stored state contains: everything
// before Offset, the last record of it being number Record of epoch Epoch.
type Stamp struct {
	Offset Offset
	Epoch  uint64
	Record uint64
}

// Manifest lists an exported copy.
type Manifest struct {
	Files  []ManifestFile
	Stamps map[int]Stamp
}

// ManifestFile is one file of an export, relative to its directory.
type ManifestFile struct {
	Name string
	Size int64
}

// StoreStats counts since Open, and what is held now.
type StoreStats struct {
	AppliedBytes int64 // key and value bytes of all batches
	WrittenBytes int64 // bytes written to files, compactions included
	DiskBytes    int64
	MemoryBytes  int64 // memtables and caches
	Flushes      int64
	Syncs        int64
}

// SideFiles keeps, apart from the log, what it has of partitions that cannot
// replay it now, so that the log can be trimmed. Calls about different partitions
// may be concurrent.
type SideFiles interface {
	// Put replaces what is kept for a partition by the chunks that fill adds,
	// with where each ended in the log: all or nothing, and durable when it
	// returns nil. An error of fill is returned. ErrDiskFull: no space, and
	// nothing has changed.
	Put(partition int, fill func(add func(end Offset, chunk []byte) error) error) error
	// Read calls visit for each chunk in order, until its first error. The
	// slice is visit's to keep. ErrNoSideFile if nothing was ever put or it was removed;
	// Damage if what is found is not what was put.
	Read(partition int, visit func(end Offset, chunk []byte) error) error
	// Remove forgets what is kept for a partition, if anything.
	Remove(partition int) error
}

// Clock tells time. Wall may jump either way; Mono never goes back.
type Clock interface {
	Wall() time.Time
	Mono() time.Duration
	// AfterFunc calls f once d has passed by Mono, from any goroutine; stop
	// prevents it if it has not begun.
	AfterFunc(d time.Duration, f func()) (stop func())
}
