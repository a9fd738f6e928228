package backup

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"

	"github.com/netherite-go/netherite/substrate"
)

// Before returns what the backup that is there has under a name, if it has the file.
func (w *Writer) Before(name string) (f File, ok bool) {
	f, ok = w.before[name]
	if !ok {
		return f, false
	}
	info, err := w.fs.Stat(w.place(f.Path()))
	return f, err == nil && info.Size() == f.Stored
}

// Keep makes what the backup that is there has under a name part of this one, by an ID.
func (w *Writer) Keep(name, id string) {
	f := w.before[name]
	f.ID = id
	w.result.Files++
	w.result.Bytes += f.Stored
	w.m.Files = append(w.m.Files, f)
}

// Same reports whether a file of the hub is what was copied, by the checksums of its
// blocks.
func (f *File) Same(ctx context.Context, is substrate.ExportedFile, content io.ReaderAt) (bool, error) {
	sums, err := f.sums()
	if err != nil || is.Size != f.Size || is.Stored != f.Stored {
		return false, nil // the manifest is of no use for that, or it is another one
	}
	buf := make([]byte, min(blockBytes, max(f.Stored, 1)))
	for i, sum := range sums {
		at := int64(i) * blockBytes
		block := buf[:min(f.Stored-at, int64(len(buf)))]
		if err := fillFrom(content, block, at); err != nil {
			return false, err
		}
		if crc32.Checksum(block, castagnoli) != sum {
			return false, nil
		}
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
	}
	return true, nil
}

func fillFrom(r io.ReaderAt, buf []byte, at int64) error {
	n, err := r.ReadAt(buf, at)
	if n == len(buf) {
		return nil
	}
	return errors.Join(io.ErrUnexpectedEOF, err)
}

// unit is how much of two files is compared at once to tell damage from other content.
const unit = 64

// Resembles reports whether a file of the hub that is damaged was what the backup that is
// there has under its name, and has whole. What is other content, such as of a table that
// has come to the same name, differs nearly everywhere; damage is in few places, or has
// left zeros, or nothing that can be read.
func (w *Writer) Resembles(ctx context.Context, f File, content io.ReaderAt) (bool, error) {
	var at, units, other int64
	buf := make([]byte, blockBytes)
	err := f.check(ctx, w.fs, w.dest, func(block []byte) error {
		is := buf[:len(block)]
		clear(is)
		_, _ = content.ReadAt(is, at) // what it has not read stays zeros
		for i := 0; i < len(is); i += unit {
			end := min(i+unit, len(is))
			units++
			if part := is[i:end]; !bytes.Equal(part, block[i:end]) && len(bytes.Trim(part, "\x00")) > 0 {
				other++
			}
		}
		at += int64(len(block))
		return nil
	})
	if errors.Is(err, substrate.ErrDamaged) {
		return false, nil
	}
	return err == nil && other*4 <= units*3, err
}
