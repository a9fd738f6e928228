package netherite

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/backup"
)

// A table's number, and what a segment is known by, are never used again by one hub that
// goes on. Where somebody has put an older copy of its files back they are, for other
// content, and of the same size now and then. So what tells them apart is in their IDs:
// when they were last written, and a checksum of some of their bytes. To read all of
// each would take as long as to copy it, so that is done only if the IDs differ: where a
// hub was moved, where a file is damaged, and once after backups by earlier versions, whose
// IDs are without.

// endBytes is how much is read at either end of a segment: its first frame is chained
// to all before it. At the end of a table are the index of its blocks, and how much there
// is of what; its beginning is of no more use than the rest.
const endBytes = 4 << 10

// endsMark is before the checksum of the ends in an ID.
const endsMark = ", ends "

// castagnoli is the polynomial of all checksums in a hub.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is a checksum of parts of what a file holds.
func sumOf(parts ...*io.SectionReader) (sum uint32, err error) {
	for _, part := range parts {
		data, err := io.ReadAll(part)
		if err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, castagnoli, data)
	}
	return sum, nil
}

// beginning and end are the parts of a file that are looked at.
func beginning(r io.ReaderAt, size int64) *io.SectionReader {
	return io.NewSectionReader(r, 0, min(size, endBytes))
}

func end(r io.ReaderAt, size int64) *io.SectionReader {
	at := max(size-endBytes, 0)
	return io.NewSectionReader(r, at, size-at)
}

// tableID names the content of a table that was exported.
func (d *directory) tableID(name, exported string, content io.ReaderAt, size int64) (string, error) {
	// Where files cannot be linked the exported one is a copy, and new.
	info, err := d.fs.Stat(d.fs.PathJoin(d.dir, storeName, name))
	if err != nil { // it is not needed any more
		info, err = d.fs.Stat(exported)
	}
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", exported, err)
	}
	sum, err := sumOf(end(content, size))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", exported, err)
	}
	return fmt.Sprintf("%s of %d%s%08x", plainTable, info.ModTime().UnixNano(), endsMark, sum), nil
}

// segmentID names the content of a segment that has an ID already.
func segmentID(f *substrate.ExportedFile, content io.ReaderAt) (string, error) {
	sum, err := sumOf(beginning(content, f.Stored), end(content, f.Stored))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", f.Name, err)
	}
	return fmt.Sprintf("%s%s%08x", f.ID, endsMark, sum), nil
}

// plainTable is the ID that tables had in backups by earlier versions.
const plainTable = "table"

// plainID is what is left of an ID without what depends on the bytes of the file and on
// its time: those change with damage, and whatever moves a hub changes the time.
func plainID(id string) string {
	if strings.HasPrefix(id, plainTable) {
		return plainTable
	}
	id, _, _ = strings.Cut(id, endsMark)
	return id
}

// addNamed backs up a file that has an ID, or that could not be read for one. If the
// backup has a file of this name under another ID, it may be the same all the same, or
// what it was before it was damaged: then that is kept. What is to be copied is looked at
// first, once: all who read the backup would take it for whole. What is damaged in the hub
// is returned; its copy has no ID, so that the next backup looks at it again.
func addNamed(ctx context.Context, w *backup.Writer, f substrate.ExportedFile, content io.ReaderAt, unread error) (hurt []error, err error) {
	if unread == nil && w.Has(f) {
		return nil, w.Add(ctx, f)
	}
	before, there := w.Before(f.Name)
	there = there && before.ID != "" && plainID(before.ID) == plainID(f.ID)
	if there && unread == nil {
		var same bool
		if same, unread = before.Same(ctx, f, content); same {
			w.Keep(f.Name, f.ID)
			return nil, nil
		}
	}
	found := unread
	if found == nil && ctx.Err() == nil {
		found = f.Check()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if found == nil {
		return nil, w.Add(ctx, f)
	}
	damage, damaged := errors.AsType[*substrate.Damage](found)
	if damaged {
		damage.File = f.Name
	}
	if there {
		there, err = w.Resembles(ctx, before, content)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("compare %s with what the backup has of it: %w", f.Name, err)
	case there:
		w.Keep(f.Name, before.ID)
		return []error{fmt.Errorf("%w: the backup keeps what it has of %s: %w", engine.ErrDamaged, f.Name, found)}, nil
	case damaged:
		hurt = []error{damage}
	}
	f.ID = ""
	return hurt, w.Add(ctx, f) // which fails if it cannot be read
}
