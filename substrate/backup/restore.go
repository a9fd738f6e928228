package backup

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// Restore writes the files of a backup below a directory, checking each, and
// makes them durable. A file that is not what was backed up is a
// substrate.Damage that names it and the offset.
func (m *Manifest) Restore(ctx context.Context, fsys vfs.FS, dest, to string) error {
	made := map[string]bool{}
	for i := range m.Files {
		f := &m.Files[i]
		dir := fsys.PathJoin(to, parent(f.Name))
		if !made[dir] {
			made[dir] = true
			if err := dirsync.Make(fsys, dir); err != nil {
				return fmt.Errorf("restore %s: %w", f.Name, err)
			}
		}
		if err := f.restore(ctx, fsys, dest, fsys.PathJoin(to, f.Name)); err != nil {
			return fmt.Errorf("restore %s from %s: %w", f.Name, dest, err)
		}
	}
	for dir := range made {
		if err := dirsync.Sync(fsys, dir); err != nil {
			return fmt.Errorf("restore into %s: %w", to, err)
		}
	}
	return nil
}

func (f *File) restore(ctx context.Context, fsys vfs.FS, dest, path string) error {
	out, err := fsys.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	err = f.check(ctx, fsys, dest, func(block []byte) error {
		_, err := out.Write(block)
		return err
	})
	zeros := make([]byte, min(blockBytes, f.Size-f.Stored))
	for left := f.Size - f.Stored; left > 0 && err == nil; {
		n, writeErr := out.Write(zeros[:min(left, int64(len(zeros)))])
		left -= int64(n)
		err = writeErr
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// check reads a file of the backup and calls f for each block that is what was
// written.
func (f *File) check(ctx context.Context, fsys vfs.FS, dest string, use func([]byte) error) error {
	sums, err := f.sums()
	if err != nil {
		return &substrate.Damage{File: ManifestName, Kind: "crc", Detail: err.Error()}
	}
	in, err := substrate.OpenPlain(fsys, fsys.PathJoin(dest, f.Path()))
	if errors.Is(err, fs.ErrNotExist) {
		return &substrate.Damage{File: f.Path(), Kind: "short", Detail: "it is missing"}
	}
	if damage, ok := errors.AsType[*substrate.Damage](err); ok {
		damage.File = f.Path()
	}
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // opened for reading: nothing can be lost
	buf := make([]byte, min(blockBytes, max(f.Stored, 1)))
	at := int64(0)
	for _, sum := range sums {
		n := min(f.Stored-at, int64(len(buf)))
		got, err := io.ReadFull(in, buf[:n])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return &substrate.Damage{File: f.Path(), Offset: at + int64(got), Kind: "short", Detail: fmt.Sprintf("it had %d bytes", f.Stored)}
		}
		if err == nil && crc32.Checksum(buf[:n], castagnoli) != sum {
			return &substrate.Damage{File: f.Path(), Offset: at, Kind: "crc", Detail: fmt.Sprintf("the %d bytes from here on are not what was written", n)}
		}
		if err == nil {
			err = use(buf[:n])
		}
		if err = errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		at += n
	}
	if n, _ := in.Read(buf[:1]); n > 0 {
		return &substrate.Damage{File: f.Path(), Offset: at, Kind: "chain", Detail: "there is something behind its end"}
	}
	return nil
}

// Verify reads a whole backup and lists all damage. The error says which files it could
// not read; it has read the others.
func (m *Manifest) Verify(ctx context.Context, fsys vfs.FS, dest string) (found []*substrate.Damage, unread error) {
	for i := 0; i < len(m.Files) && ctx.Err() == nil; i++ {
		err := m.Files[i].check(ctx, fsys, dest, func([]byte) error { return nil })
		if damage, ok := errors.AsType[*substrate.Damage](err); ok {
			found = append(found, damage)
		} else if err != nil {
			unread = errors.Join(unread, fmt.Errorf("verify %s in %s: %w", m.Files[i].Name, dest, err))
		}
	}
	if unread == nil {
		unread = context.Cause(ctx)
	}
	return found, unread
}
