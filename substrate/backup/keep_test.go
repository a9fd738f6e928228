package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/backup"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

func noise(seed uint64, n int) []byte {
	rng, data := rand.New(rand.NewPCG(seed, 3)), make([]byte, n)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

// badSector is content of which nothing can be read from an offset on.
type badSector struct {
	data []byte
	from int64
}

func (b badSector) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > b.from {
		return 0, errors.New("input/output error")
	}
	return copy(p, b.data[at:]), nil
}

// Damage is told from other content that has come to the same name.
func TestDamagedFileResemblesWhatItWas(t *testing.T) {
	good := noise(1, 300_000)
	changed := func(change func([]byte)) io.ReaderAt {
		data := bytes.Clone(good)
		change(data)
		return bytes.NewReader(data)
	}
	for name, c := range map[string]struct {
		is              io.ReaderAt
		same, resembles bool
		unread          bool
	}{
		"the same":      {is: bytes.NewReader(good), same: true, resembles: true},
		"a bit":         {is: changed(func(b []byte) { b[280_000] ^= 1 }), resembles: true},
		"a page":        {is: changed(func(b []byte) { copy(b[4096:], noise(2, 4096)) }), resembles: true},
		"zeros":         {is: changed(func(b []byte) { clear(b) }), resembles: true},
		"short":         {is: bytes.NewReader(good[:1000]), resembles: true, unread: true},
		"unreadable":    {is: badSector{good, 262_144}, resembles: true, unread: true},
		"other content": {is: bytes.NewReader(noise(3, 300_000))},
	} {
		t.Run(name, func(t *testing.T) {
			fs, ctx := faultfs.New(), context.Background()
			if _, err := (hub{"A": string(good)}).save(fs, "/dest", source); err != nil {
				t.Fatal(err)
			}
			w, err := backup.Begin(fs, "/dest", source)
			if err != nil {
				t.Fatal(err)
			}
			f, ok := w.Before("A")
			same, unread := f.Same(ctx, substrate.ExportedFile{Size: 300_010, Stored: 300_000}, c.is)
			if !ok || same != c.same || (unread != nil) != c.unread {
				t.Errorf("same: %t, %v", same, unread)
			}
			if resembles, err := w.Resembles(ctx, f, c.is); resembles != c.resembles || err != nil {
				t.Errorf("resembles: %t, %v", resembles, err)
			}
			alter(t, fs, "/dest/"+f.Path(), func(b []byte) []byte { b[7] ^= 1; return b })
			if resembles, err := w.Resembles(ctx, f, c.is); resembles || err != nil {
				t.Errorf("what the backup has damaged itself is worth keeping: %t, %v", resembles, err)
			}
		})
	}
}
