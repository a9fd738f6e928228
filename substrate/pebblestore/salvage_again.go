package pebblestore

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// The deletions of ranges of a table lie in its last sector, together with all that
// tells whether there are any. If that sector is lost, the manifest still knows how long
// the table was: one that is written again, of the same rows and without deletions, is
// as long only if there were none. They take at least a block and its name.

// rewritten is a table that is written again.
type rewritten struct{ data bytes.Buffer }

var _ objstorage.Writable = (*rewritten)(nil)

// Write implements objstorage.Writable.
func (w *rewritten) Write(p []byte) error {
	_, err := w.data.Write(p)
	return err
}

// Finish implements objstorage.Writable.
func (*rewritten) Finish() error { return nil }

// Abort implements objstorage.Writable.
func (*rewritten) Abort() {}

// hadNoDeletions reports whether it is certain that a table of which all rows are there
// had no deletions of ranges: its rows, written again, are the same bytes, and the rest
// is as long as it was.
func (p *parts) hadNoDeletions(t *table, o *pebble.Options) (none bool) {
	defer func() {
		if recover() != nil {
			none = false
		}
	}()
	if t.named == nil || t.level < 0 || adjoiningChunks(p.chunks) != p.end {
		return false
	}
	w := &rewritten{}
	to := sstable.NewWriter(w, o.MakeWriterOptions(t.level, sstable.TableFormatPebblev6))
	var last []byte
	for _, k := range p.chunks {
		for _, i := range k.items {
			older := last != nil && bytes.Equal(last, i.key)
			if older != i.replaced || to.Raw().Add(i.internalKey(), i.value, false) != nil {
				_ = to.Close() // nobody needs it
				return false
			}
			last = i.key
		}
	}
	if to.Close() != nil {
		return false
	}
	again := w.data.Bytes()
	return uint64(len(again)) == t.named.Size && len(again) >= p.end && len(p.data) >= p.end && bytes.Equal(again[:p.end], p.data[:p.end])
}

// adjoiningChunks is where blocks end that follow each other from the beginning; -1 if
// they do not.
func adjoiningChunks(chunks []chunk) (end int) {
	for _, k := range chunks {
		if k.begin != end {
			return -1
		}
		end = k.end
	}
	return end
}
