//go:build !race

package netherite_test

import (
	"encoding/binary"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// blocksOf is where the parts of a file begin that have a checksum of their own, each of
// which inspect can tell from the others: see docs/formats.md.
func blocksOf(t testing.TB, rel string, data []byte) []int64 {
	t.Helper()
	switch dir, name := filepath.Split(rel); {
	case rel == "log/identity":
		return []int64{0, 512, 1024}
	case dir == "log/":
		return framesOf(data)
	case dir == "side/":
		return entriesOf(data)
	case strings.HasSuffix(name, ".sst"):
		return tableBlocks(t, data)
	case strings.HasPrefix(name, "MANIFEST-"):
		return manifestChunks(data)
	}
	return []int64{0}
}

// blockAt is where the block begins that has a byte.
func blockAt(blocks []int64, at int64) int64 {
	i, found := slices.BinarySearch(blocks, at)
	if !found {
		i--
	}
	return blocks[max(i, 0)]
}

func framesOf(data []byte) (begins []int64) {
	at := 0
	for at+80 <= len(data) && string(data[at:at+8]) == "NthrLog\n" {
		begins = append(begins, int64(at))
		at += (80 + int(binary.LittleEndian.Uint32(data[at+64:])) + 511) &^ 511
	}
	return append(begins, int64(at))
}

func entriesOf(data []byte) []int64 {
	begins := []int64{0}
	for at := 34; at+16 <= len(data); {
		begins = append(begins, int64(at))
		at += 16 + int(binary.LittleEndian.Uint32(data[at:]))
	}
	return begins
}

func manifestChunks(data []byte) (begins []int64) {
	for at := 0; at+7 <= len(data); {
		begins = append(begins, int64(at))
		if at += 7 + int(binary.LittleEndian.Uint16(data[at+4:])); at&^(32<<10-1) != (at+6)&^(32<<10-1) {
			at = (at + 6) &^ (32<<10 - 1) // no chunk begins in the last bytes of a block
		}
	}
	return begins
}

func tableBlocks(t testing.TB, data []byte) []int64 {
	t.Helper()
	o := &pebble.Options{}
	o.EnsureDefaults()
	r, err := sstable.NewMemReader(data, o.MakeReaderOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l, err := r.Layout()
	if err != nil {
		t.Fatal(err)
	}
	footer := len(data) - sstable.TableFormatPebblev6.FooterSize()
	begins := []int64{int64(l.TopIndex.Offset), int64(l.RangeDel.Offset), int64(l.ValueIndex.Offset), int64(l.Properties.Offset), int64(l.MetaIndex.Offset), int64(footer)}
	for _, h := range l.Data {
		begins = append(begins, int64(h.Offset))
	}
	for _, h := range append(l.Index, l.ValueBlock...) {
		begins = append(begins, int64(h.Offset))
	}
	for _, h := range l.Filter {
		begins = append(begins, int64(h.Offset))
	}
	slices.Sort(begins)
	return slices.Compact(begins)
}
