package filelog

import (
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// Defaults of Options.
const (
	DefaultMinSegmentBytes = 1 << 20
	DefaultMaxSegmentBytes = 32 << 20
)

// Options say where a log lives and how large its files are. The zero value of
// each field but Dir is useful.
type Options struct {
	// FS holds the files; nil means the operating system's.
	FS vfs.FS
	// Dir is the log's directory, used for nothing else. It is created if it
	// does not exist. The caller holds a lock that keeps other processes out.
	Dir string
	// Hub is the hub's ID. A new log takes it, or makes one up if it is zero; an
	// existing log must have it, unless it is zero.
	Hub HubID
	// Least is how far the log had come when somebody last noted it. One that does not
	// come as far is damaged: an older copy, or its end is gone. Zero says nothing.
	Least substrate.Reach
	// Known is called with each group that Open finds, before it changes anything;
	// nil means that all are fine. An error, which should be ErrNewerFormat, makes
	// Open fail: so a log whose content only a newer program knows stays as it is.
	Known func(group []byte) error
	// Logger gets what was found at Open and the coming and going of a full
	// disk; nil means none.
	Logger *slog.Logger
	// MinSegmentBytes is the size of the first segment; each is twice as large as
	// the one before up to MaxSegmentBytes. A group that needs more gets a
	// segment of its own size. Defaults 1 MiB and 32 MiB, rounded up to 4 KiB.
	MinSegmentBytes, MaxSegmentBytes int64
	// Inline prepares segments within Write, and starts no goroutine, so that the
	// same calls lead to the same operations on FS. For tests and simulation.
	Inline bool
}

const pageBytes = 4096

func roundUp(n int64) int64 { return (n + pageBytes - 1) &^ (pageBytes - 1) }

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MinSegmentBytes <= 0 {
		o.MinSegmentBytes = DefaultMinSegmentBytes
	}
	if o.MaxSegmentBytes <= 0 {
		o.MaxSegmentBytes = DefaultMaxSegmentBytes
	}
	o.MinSegmentBytes = roundUp(o.MinSegmentBytes)
	o.MaxSegmentBytes = max(roundUp(o.MaxSegmentBytes), o.MinSegmentBytes)
	return o
}

// after returns the size of the segment that follows one of the given size.
func (o *Options) after(size int64) int64 {
	return min(max(2*size, o.MinSegmentBytes), o.MaxSegmentBytes)
}
