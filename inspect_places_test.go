//go:build !race

package netherite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// spot is a place in a file of a hub.
type spot struct {
	file   string
	offset int64
}

// flipPart changes a byte in the n-th part of a file that has a checksum of its own, and
// returns where that begins.
func flipPart(t testing.TB, dir, rel string, n int) spot {
	t.Helper()
	var begin int64
	change(t, dir, rel, false, func(data []byte) []byte {
		begin = blocksOf(t, rel, data)[n]
		data[begin+9] ^= 1
		return data
	})
	return spot{rel, begin}
}

func namesAll(t testing.TB, dir string, want ...spot) *netherite.Report {
	t.Helper()
	r, err := netherite.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range want {
		if !slices.ContainsFunc(r.Damage, func(d netherite.Damage) bool { return d.File == s.file && d.Offset == s.offset }) {
			t.Errorf("%s at %d is not named, but %+v", s.file, s.offset, r.Damage)
		}
	}
	return r
}

const sideFile = "side/00001.records" // of a whole hub

// Damage of one part of a hub hides none of another, nor of the same file.
func TestAllDamageIsNamedHoweverMuchThereIs(t *testing.T) {
	whole := t.TempDir()
	wholeHub(t, whole)
	table, segment := largest(t, whole, "store/main/*.sst"), written(t, whole)
	for name, harm := range map[string]func(dir string) []spot{
		"two blocks of a table, log and side file": func(dir string) []spot {
			return []spot{flipPart(t, dir, table, 0), flipPart(t, dir, table, 2), flipPart(t, dir, segment, 3), flipPart(t, dir, sideFile, 2)}
		},
		"identity of the log and side file": func(dir string) []spot {
			return []spot{flipPart(t, dir, "log/identity", 0), flipPart(t, dir, sideFile, 1)}
		},
		"note of an opening, table and side file": func(dir string) []spot {
			return []spot{flipPart(t, dir, "store/opened", 0), flipPart(t, dir, table, 1), flipPart(t, dir, sideFile, 0)}
		},
		"hub file, table, log and side file": func(dir string) []spot {
			write(t, dir, "hub", "{")
			return []spot{{"hub", 0}, flipPart(t, dir, table, 0), flipPart(t, dir, segment, 3), flipPart(t, dir, sideFile, 1)}
		},
	} {
		dir := duplicate(t, whole)
		t.Log(name)
		namesAll(t, dir, harm(dir)...)
	}
}

// Of damage of the log by which nothing is lost nobody else's is hidden, either, and what
// is to be replayed is known.
func TestWhatCostsNothingInTheLogKeepsNothingFromBeingRead(t *testing.T) {
	dir := t.TempDir()
	wholeHub(t, dir)
	segment := written(t, dir)
	change(t, dir, segment, false, func(data []byte) []byte { data[511] = 1; return data })
	r := namesAll(t, dir, spot{segment, 511})
	if len(r.Damage) != 1 || !r.Damage[0].Harmless || r.Pending == nil || r.Pending[1] == 0 || r.Records == 0 {
		t.Errorf("%+v", r)
	}
	namesAll(t, dir, spot{segment, 511}, flipPart(t, dir, sideFile, 1))
}

// Records of a side file that nobody can read, or that are not there, have a place,
// although each checksum is right.
func TestWhatASideFileLacksIsNamedWithItsPlace(t *testing.T) {
	whole := t.TempDir()
	wholeHub(t, whole)
	var chunks [][]byte
	var ends []substrate.Offset
	files := sidefile.Open(vfs.Default, filepath.Join(whole, "side"), verified(t, whole).Hub)
	err := files.Read(1, func(end substrate.Offset, chunk []byte) error {
		ends, chunks = append(ends, end), append(chunks, bytes.Clone(chunk))
		return nil
	})
	if err != nil || len(chunks) < 3 {
		t.Fatalf("%d chunks, %v", len(chunks), err)
	}
	last := len(chunks) - 1
	nonsense := []byte("nobody can read this")
	for name, c := range map[string]struct {
		chunks [][]byte
		place  func(data []byte) int // that is named
	}{
		"undecodable":        {slices.Concat(chunks[:1], [][]byte{nonsense}, chunks[2:]), func(data []byte) int { return bytes.Index(data, nonsense) }},
		"without the last":   {slices.Concat(chunks[:last], [][]byte{nil}), func(data []byte) int { return len(data) - 16 }},
		"without the second": {slices.Concat(chunks[:1], [][]byte{nil}, chunks[2:]), func(data []byte) int { return bytes.Index(data, chunks[2]) + len(chunks[2]) }},
	} {
		dir := duplicate(t, whole)
		files := sidefile.Open(vfs.Default, filepath.Join(dir, "side"), verified(t, dir).Hub)
		err := files.Put(1, func(add func(substrate.Offset, []byte) error) (err error) {
			for i, chunk := range c.chunks {
				if err == nil && chunk != nil {
					err = add(ends[i], chunk)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, sideFile))
		if err != nil {
			t.Fatal(err)
		}
		t.Log(name)
		if r := namesAll(t, dir, spot{sideFile, int64(c.place(data))}); len(r.Damage) != 1 || r.Damage[0].Partition != 1 {
			t.Errorf("%s: %+v", name, r.Damage)
		}
	}
}
