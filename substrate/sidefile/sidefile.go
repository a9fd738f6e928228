package sidefile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/kind"
	"github.com/netherite-go/netherite/internal/nospace"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

const (
	formatVersion = 1
	headerBytes   = 34
	entryBytes    = 16 // before the chunk; also the end
	// maxChunk is more than a group of the log can hold.
	maxChunk = 1 << 30
)

var (
	magic      = []byte("NthrSid\n")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	order      = binary.LittleEndian
)

// Files is a substrate.SideFiles in a directory of its own. It is safe for
// concurrent use, but for calls about the same partition.
type Files struct {
	fs    vfs.FS
	dir   string
	hub   [16]byte
	owned func() error // nil: always
}

var _ substrate.SideFiles = (*Files)(nil)

// Open uses a directory for the side files of a hub. It is made when it is needed.
func Open(fsys vfs.FS, dir string, hub [16]byte) *Files {
	return &Files{fs: fsys, dir: dir, hub: hub}
}

// Guarded returns the files for one who asks before each change whether they are
// still its own, with an error if not. An earlier owner that goes on is refused so.
func (f *Files) Guarded(owned func() error) *Files {
	return &Files{fs: f.fs, dir: f.dir, hub: f.hub, owned: owned}
}

func (f *Files) check() error {
	if f.owned == nil {
		return nil
	}
	return f.owned()
}

// Name is the name of a partition's file in the directory.
func Name(partition int) string { return fmt.Sprintf("%05d.records", partition) }

func (f *Files) path(partition int) string { return f.fs.PathJoin(f.dir, Name(partition)) }

// Put implements substrate.SideFiles.
func (f *Files) Put(partition int, fill func(add func(end substrate.Offset, chunk []byte) error) error) error {
	if err := f.put(partition, fill); err != nil {
		if nospace.Is(err) {
			err = kind.Of(substrate.ErrDiskFull, err)
		}
		return fmt.Errorf("write the side file %s: %w", f.path(partition), err)
	}
	return nil
}

func (f *Files) put(partition int, fill func(add func(end substrate.Offset, chunk []byte) error) error) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := dirsync.Make(f.fs, f.dir); err != nil {
		return err
	}
	temporary := f.path(partition) + ".tmp"
	err := f.write(temporary, partition, fill)
	if lost := f.check(); lost != nil {
		return errors.Join(err, lost) // the temporary file may be somebody else's, too
	}
	if err != nil {
		_ = f.fs.Remove(temporary) // it is void anyway
		return err
	}
	if err := f.fs.Rename(temporary, f.path(partition)); err != nil {
		return err
	}
	return dirsync.Sync(f.fs, f.dir)
}

func (f *Files) write(name string, partition int, fill func(add func(end substrate.Offset, chunk []byte) error) error) error {
	file, err := f.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 256<<10)
	_, err = w.Write(f.header(partition))
	count := uint64(0)
	if err == nil {
		err = fill(func(end substrate.Offset, chunk []byte) error {
			count++
			_, err := w.Write(entry(uint32(len(chunk)), uint64(end), chunk))
			if err == nil {
				_, err = w.Write(chunk)
			}
			return err
		})
	}
	if err == nil {
		_, err = w.Write(entry(0, count, nil))
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func (f *Files) header(partition int) []byte {
	b := make([]byte, headerBytes)
	copy(b, magic)
	order.PutUint16(b[12:], formatVersion)
	copy(b[14:], f.hub[:])
	order.PutUint32(b[30:], uint32(partition))
	order.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
	return b
}

// entry is what stands before a chunk, or with length 0 at the end.
func entry(length uint32, number uint64, chunk []byte) []byte {
	b := make([]byte, entryBytes)
	order.PutUint32(b, length)
	order.PutUint64(b[8:], number)
	order.PutUint32(b[4:], crc32.Update(crc32.Checksum(b[8:], castagnoli), castagnoli, chunk))
	return b
}

// Read implements substrate.SideFiles.
func (f *Files) Read(partition int, visit func(end substrate.Offset, chunk []byte) error) error {
	return f.Places(partition, func(end substrate.Offset, chunk []byte, _ int64) error { return visit(end, chunk) })
}

// Places is Read with the offset of each chunk in the file.
func (f *Files) Places(partition int, visit func(end substrate.Offset, chunk []byte, at int64) error) error {
	file, err := substrate.OpenPlain(f.fs, f.path(partition))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the side file %s: %w: %w", f.path(partition), substrate.ErrNoSideFile, err)
	}
	if err == nil {
		r := &reader{in: bufio.NewReaderSize(file, 256<<10), name: Name(partition)}
		err = errors.Join(r.read(f, partition, visit), file.Close())
	}
	if err != nil {
		return fmt.Errorf("read the side file %s: %w", f.path(partition), err)
	}
	return nil
}

// KnownDirectory says whether what has the directory's name is one: a Damage if not. One
// that is not there is made when it is needed.
func (f *Files) KnownDirectory() error {
	info, err := f.fs.Stat(f.dir)
	if err == nil && !info.IsDir() {
		return &substrate.Damage{Kind: "short", Detail: "it is no directory"}
	}
	return nil // what keeps it from being looked at keeps its files from that
}

// Known says whether a partition's file, if it has one, is of a version that this
// program reads: ErrNewerFormat if not. Damage is for Read to find.
func (f *Files) Known(partition int) error {
	file, err := substrate.OpenPlain(f.fs, f.path(partition))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		r := &reader{in: file, name: Name(partition)}
		err = errors.Join(r.header(f, partition), file.Close())
	}
	if err != nil && !errors.Is(err, substrate.ErrDamaged) {
		return fmt.Errorf("look at the side file %s: %w", f.path(partition), err)
	}
	return nil
}

// reader reads a file from front to back.
type reader struct {
	in   io.Reader
	name string
	at   int64
}

func (r *reader) damage(kind, detail string) error {
	return &substrate.Damage{File: r.name, Offset: r.at, Kind: kind, Detail: detail}
}

// take reads exactly n bytes.
func (r *reader) take(n int) ([]byte, error) {
	// A damaged length must not ask for more memory than there are bytes: what is
	// read at once is no more than what was read so far.
	b := make([]byte, 0, min(n, 64<<10))
	for len(b) < n {
		from := len(b)
		b = slices.Grow(b, min(n-from, max(from, 64<<10)))
		b = b[:min(n, cap(b))]
		if _, err := io.ReadFull(r.in, b[from:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, r.damage("short", "the file ends in the middle")
		} else if err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (r *reader) read(f *Files, partition int, visit func(end substrate.Offset, chunk []byte, at int64) error) error {
	if err := r.header(f, partition); err != nil {
		return err
	}
	for count := uint64(0); ; count++ {
		head, err := r.take(entryBytes)
		if err != nil {
			return err
		}
		length, sum, number := order.Uint32(head), order.Uint32(head[4:]), order.Uint64(head[8:])
		if length > maxChunk {
			return r.damage("crc", "the length of a chunk is impossible")
		}
		chunk, err := r.take(int(length))
		if err != nil {
			return err
		}
		if crc32.Update(crc32.Checksum(head[8:], castagnoli), castagnoli, chunk) != sum {
			return r.damage("crc", "a chunk is not what was written")
		}
		if length == 0 {
			return r.end(count, number)
		}
		if err := visit(substrate.Offset(number), chunk, r.at+entryBytes); err != nil {
			return err
		}
		r.at += entryBytes + int64(length)
	}
}

func (r *reader) header(f *Files, partition int) error {
	b, err := r.take(headerBytes)
	switch {
	case err != nil:
		return err
	case string(b[:8]) != string(magic), crc32.Checksum(b[12:], castagnoli) != order.Uint32(b[8:]):
		return r.damage("crc", "the header is not what was written")
	case order.Uint16(b[12:]) > formatVersion:
		return fmt.Errorf("%w: it has format version %d, this program reads up to %d", substrate.ErrNewerFormat, order.Uint16(b[12:]), formatVersion)
	case order.Uint16(b[12:]) < 1:
		return r.damage("version", "format version 0 was never written")
	case [16]byte(b[14:30]) != f.hub:
		return r.damage("foreign", "it belongs to another hub")
	case order.Uint32(b[30:]) != uint32(partition):
		return r.damage("foreign", fmt.Sprintf("it belongs to partition %d", order.Uint32(b[30:])))
	}
	r.at = headerBytes
	return nil
}

func (r *reader) end(count, said uint64) error {
	if count != said {
		return r.damage("chain", fmt.Sprintf("it has %d chunks of %d", count, said))
	}
	if n, err := r.in.Read(make([]byte, 1)); n > 0 || err == nil {
		return r.damage("chain", "there is something behind its end")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// Remove implements substrate.SideFiles.
func (f *Files) Remove(partition int) error {
	err := f.check()
	if err == nil {
		err = f.fs.Remove(f.path(partition))
	}
	if err == nil {
		err = dirsync.Sync(f.fs, f.dir)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the side file %s: %w", f.path(partition), err)
	}
	return nil
}
