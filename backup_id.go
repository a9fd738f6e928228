package netherite

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/netherite-go/netherite/substrate"
)

// A table's number, and what a segment is known by, are never used again by one hub that
// goes on. Where somebody has put an older copy of its files back they are, for other
// content, and of the same size now and then. So what tells them apart is in their IDs:
// when they were last written, and a checksum of some of their bytes. To read all of
// each would take as long as to copy it. IDs of earlier versions are without, and what
// has them is copied once more.

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
func (d *directory) tableID(name, exported string, size int64) (string, error) {
	// Where files cannot be linked the exported one is a copy, and new.
	info, err := d.fs.Stat(d.fs.PathJoin(d.dir, storeName, name))
	if err != nil { // it is not needed any more
		info, err = d.fs.Stat(exported)
	}
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", exported, err)
	}
	f, err := d.fs.Open(exported)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", exported, err)
	}
	sum, err := sumOf(end(f, size))
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("read %s: %w", exported, err)
	}
	return fmt.Sprintf("table of %d%s%08x", info.ModTime().UnixNano(), endsMark, sum), nil
}

// plainTable is the ID that tables had in backups by earlier versions.
const plainTable = "table"

// spoiled reports whether a table that is damaged may be the one that a backup has by
// the ID was: damage may have changed its end, and whatever made it the time.
func spoiled(was, is string) bool {
	if was == plainTable {
		return true
	}
	wasTime, wasEnd, there := strings.Cut(was, endsMark)
	isTime, isEnd, _ := strings.Cut(is, endsMark)
	return there && (wasTime == isTime || wasEnd == isEnd)
}

// segmentID adds to the ID of a segment, if it has one.
func segmentID(f *substrate.ExportedFile) error {
	r, ok := f.Content.(io.ReaderAt)
	if f.ID == "" || !ok {
		return nil
	}
	sum, err := sumOf(beginning(r, f.Stored), end(r, f.Stored))
	if err != nil {
		return fmt.Errorf("read %s: %w", f.Name, err)
	}
	f.ID += fmt.Sprintf("%s%08x", endsMark, sum)
	return nil
}
