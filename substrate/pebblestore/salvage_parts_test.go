//go:build !race

package pebblestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"

	"github.com/netherite-go/netherite/internal/fuzztest"
)

// written is a table in memory, and what is in it.
type written struct {
	bytes.Buffer
	items  []item
	spans  bool
	named  pebble.SSTableInfo
	layout *sstable.Layout
	format
}

func (w *written) Write(p []byte) error { _, err := w.Buffer.Write(p); return err }
func (w *written) Finish() error        { return nil }
func (w *written) Abort()               {}

var ownHub = [16]byte{1, 2, 3}

// writeTable writes a table of so many keys, some of them with older entries.
func writeTable(t testing.TB, keys int, spans bool, how *block.CompressionProfile) *written {
	t.Helper()
	s := newStore(Options{Hub: ownHub}.withDefaults())
	defer s.abandon()
	o := s.mainOptions()
	o.Levels[1].Compression, o.Levels[1].BlockSize, o.Levels[1].IndexBlockSize = compression(how), 2<<10, 1<<10
	w := &written{spans: spans, format: newFormat(o, ownHub)}
	to := sstable.NewWriter(w, o.MakeWriterOptions(1, sstable.TableFormatPebblev6))
	rng := rand.New(rand.NewPCG(uint64(keys), 9))
	w.named.SmallestSeqNum, w.named.LargestSeqNum = 10, 1000
	for i := range keys {
		seqs := []uint64{100 + rng.Uint64N(100)}
		for rng.IntN(8) == 0 {
			seqs = append(seqs, seqs[len(seqs)-1]-1)
		}
		for _, seq := range seqs {
			add := item{key: binary.BigEndian.AppendUint32([]byte{0, 1}, uint32(i)), seq: seq, deleted: rng.IntN(10) == 0, replaced: seq != seqs[0]}
			kind := pebble.InternalKeyKindDelete
			if !add.deleted {
				kind, add.value = pebble.InternalKeyKindSet, []byte(strings.Repeat(fmt.Sprint("row ", rng.Uint64(), " "), 1+rng.IntN(4)))
			}
			add.trailer = pebble.InternalKeyTrailer(seq<<8 | uint64(kind))
			if err := to.Raw().Add(add.internalKey(), add.value, false); err != nil {
				t.Fatal(err)
			}
			w.items = append(w.items, add)
		}
	}
	w.named.Smallest, w.named.Largest = w.items[0].internalKey(), w.items[len(w.items)-1].internalKey()
	if spans {
		if err := to.DeleteRange([]byte{0, 1, 0, 0, 0, 1, 0}, []byte{0, 1, 0, 0, 0, 9}); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	w.named.Size = uint64(w.Len())
	r, err := sstable.NewReader(context.Background(), tableBytes(w.Bytes()), w.read)
	if err == nil {
		w.layout, err = r.Layout()
		err = errors.Join(err, r.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// salvage reads what is left of a table and holds that nothing else is found in it, and
// that what is not found is in a hole.
func (w *written) salvage(t testing.TB, what string, data []byte) *contents {
	t.Helper()
	c := &contents{table: &table{level: 1, keys: Range{w.named.Smallest.UserKey, successor(w.named.Largest.UserKey)}, named: &w.named}}
	if err := c.read(data, w.format); err != nil {
		c.lose(words(err))
	}
	same := func(a, b item) bool { // nobody needs the value of what is replaced
		return bytes.Equal(a.key, b.key) && (a.replaced || bytes.Equal(a.value, b.value)) && a.trailer == b.trailer && a.replaced == b.replaced
	}
	rest := w.items
	for _, got := range c.items {
		i := slices.IndexFunc(rest, func(i item) bool { return same(i, got) })
		if i < 0 {
			t.Fatalf("%s: %x at %d was not there, or not in this order", what, got.key, got.seq)
		}
		for _, lost := range rest[:i] {
			w.inHole(t, what, c, lost)
		}
		rest = rest[i+1:]
	}
	for _, lost := range rest {
		w.inHole(t, what, c, lost)
	}
	if c.unsure == "" && w.spans && len(c.spans) == 0 && len(c.holes) == 0 {
		t.Errorf("%s: the deletion of a range is gone, and that is not reported", what)
	}
	return c
}

// inHole holds that an entry that is not found is reported. An entry that has been
// replaced need not be, if what replaces it is there.
func (w *written) inHole(t testing.TB, what string, c *contents, lost item) {
	t.Helper()
	newer := lost.replaced && slices.ContainsFunc(c.items, func(i item) bool { return bytes.Equal(i.key, lost.key) && i.seq > lost.seq })
	if !newer && !slices.ContainsFunc(c.holes, func(h hole) bool { return h.has(lost.key) }) {
		t.Errorf("%s: %x at %d is gone, and that is not reported: %v", what, lost.key, lost.seq, c.holes)
	}
}

var profiles = []*block.CompressionProfile{sstable.NoCompression, sstable.SnappyCompression, sstable.ZstdCompression, sstable.MinLZCompression, sstable.BalancedCompression}

func flipped(data []byte, at ...int) []byte {
	data = bytes.Clone(data)
	for _, at := range at {
		data[at] ^= 4
	}
	return data
}

func middle(h block.Handle) int { return int(h.Offset + h.Length/2) }

// Whatever of a table is damaged beside its rows, these are all read.
func TestRowsOfATableAreReadWithoutWhatDescribesThem(t *testing.T) {
	for _, how := range profiles {
		for _, spans := range []bool{false, true} {
			for _, keys := range []int{20, 3000} {
				w := writeTable(t, keys, spans, how)
				data := w.Bytes()
				if two := w.layout.TopIndex.Length > 0; two != (keys > 20) {
					t.Fatalf("%d keys: two levels: %t", keys, two)
				}
				footer := len(data) - 1
				places := map[string][]int{
					"footer": {footer}, "names": {middle(w.layout.MetaIndex)}, "properties": {middle(w.layout.Properties)},
					"filter": {middle(w.layout.Filter[0].Handle)}, "index": {middle(w.layout.Index[0])},
					"footer and names":             {footer, middle(w.layout.MetaIndex)},
					"footer, names and properties": {footer, middle(w.layout.MetaIndex), middle(w.layout.Properties)},
					"footer and index":             {footer, middle(w.layout.Index[0])},
					"all":                          {footer, middle(w.layout.MetaIndex), middle(w.layout.Properties), middle(w.layout.Filter[0].Handle), middle(w.layout.Index[0])},
				}
				if spans {
					places["deletions"] = []int{middle(w.layout.RangeDel)}
				}
				for name, at := range places {
					what := fmt.Sprintf("%s, %d keys, deletions: %t, %s", how.Name, keys, spans, name)
					c := w.salvage(t, what, flipped(data, at...))
					if len(c.items) != len(w.items) || len(c.holes) > 0 {
						t.Errorf("%s: %d of %d entries, holes %v", what, len(c.items), len(w.items), c.holes)
					}
					unknown := name == "deletions" || name == "all" || name == "footer, names and properties" && !spans
					if (c.unsure != "") != unknown || !unknown && (len(c.spans) > 0) != spans {
						t.Errorf("%s: deletions of ranges: %v, %q", what, c.spans, c.unsure)
					}
				}
			}
		}
	}
}

// A block that is damaged is lost, and no other one, with or without the index.
func TestOneBlockLessIsOneBlockLessWithoutTheIndexToo(t *testing.T) {
	for _, how := range profiles {
		w := writeTable(t, 3000, false, how)
		for _, also := range [][]int{nil, {w.Len() - 1}, {middle(w.layout.Index[0])}, {middle(w.layout.Index[0]), w.Len() - 1, middle(w.layout.Properties)}} {
			for _, damaged := range [][]int{{0}, {3}, {5, 6, 9}, {len(w.layout.Data) - 1}} {
				at := slices.Clone(also)
				for _, i := range damaged {
					at = append(at, middle(w.layout.Data[i].Handle))
				}
				what := fmt.Sprintf("%s: blocks %v, beside %v", how.Name, damaged, also)
				c := w.salvage(t, what, flipped(w.Bytes(), at...))
				most := len(damaged) * 120
				if lost := len(w.items) - len(c.items); lost == 0 || lost > most {
					t.Errorf("%s: %d of %d entries are lost", what, lost, len(w.items))
				}
			}
		}
	}
}

// What is left of a table that was cut off is read, if it is the right one.
func TestRowsOfATableThatWasCutOffAreRead(t *testing.T) {
	w := writeTable(t, 3000, false, sstable.BalancedCompression)
	for _, share := range []int{1, 5, 9} {
		c := w.salvage(t, fmt.Sprint(share), w.Bytes()[:w.Len()*share/10])
		if len(c.items) < len(w.items)*(share-1)/10 {
			t.Errorf("%d of %d entries of %d tenths", len(c.items), len(w.items), share)
		}
	}
	other := writeTable(t, 3001, false, sstable.BalancedCompression)
	if c := w.salvage(t, "another one", other.Bytes()[:w.Len()/2]); len(c.items) > 0 {
		t.Errorf("%d entries of another table", len(c.items))
	}
}

// A row may hold a table, of which no row is one.
func TestTableWithinARowIsNotRead(t *testing.T) {
	inner := writeTable(t, 40, false, sstable.NoCompression)
	w := &written{format: inner.format, named: inner.named}
	to := sstable.NewWriter(w, sstable.WriterOptions{TableFormat: sstable.TableFormatPebblev6, Compression: sstable.NoCompression, KeySchema: w.schema})
	for i := range 3 {
		add := item{key: binary.BigEndian.AppendUint32([]byte{0, 2}, uint32(i)), seq: 50, value: inner.Bytes(), trailer: 50<<8 | pebble.InternalKeyTrailer(pebble.InternalKeyKindSet)}
		if err := to.Raw().Add(add.internalKey(), add.value, false); err != nil {
			t.Fatal(err)
		}
		w.items = append(w.items, add)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	w.named.Smallest, w.named.Largest, w.named.Size = w.items[0].internalKey(), w.items[2].internalKey(), uint64(w.Len())
	for at := 0; at < w.Len(); at += 97 {
		w.salvage(t, fmt.Sprint("byte ", at), flipped(w.Bytes(), at, w.Len()-1))
		w.salvage(t, fmt.Sprint("byte ", at, " and the end"), flipped(w.Bytes(), append([]int{at}, end(w.Len())...)...))
	}
}

// end is all of the end of a table.
func end(size int) (at []int) {
	for i := range 300 {
		at = append(at, size-1-i)
	}
	return at
}

// FuzzDamagedTable holds that nothing is found in a damaged table that was not there,
// and nothing is missing without a word. An edit is five bytes.
func FuzzDamagedTable(f *testing.F) {
	tables := []*written{writeTable(f, 60, false, sstable.NoCompression), writeTable(f, 200, true, sstable.MinLZCompression), writeTable(f, 100, true, sstable.ZstdCompression)}
	for i, w := range tables {
		for _, h := range []block.Handle{w.layout.MetaIndex, w.layout.Properties, w.layout.Index[0], w.layout.Filter[0].Handle, w.layout.Data[0].Handle, w.layout.RangeDel} {
			for how := range byte(4) {
				f.Add(byte(i), binary.BigEndian.AppendUint16([]byte{how}, uint16(middle(h))))
			}
		}
	}
	f.Fuzz(func(t *testing.T, which byte, edits []byte) {
		w := tables[int(which)%len(tables)]
		data := bytes.Clone(w.Bytes())
		for edits = edits[:min(len(edits), 60)]; len(edits) >= 3 && len(data) > 0; edits = edits[3:] {
			at := int(binary.BigEndian.Uint16(edits[1:])) % len(data)
			switch edits[0] % 4 {
			case 0:
				data[at] ^= 1 << (edits[0] >> 5)
			case 1:
				data = data[:at]
			case 2:
				clear(data[at:min(at+64, len(data))])
			case 3:
				data = slices.Insert(data, at, edits[0])
			}
		}
		fuzztest.Bounded(t, len(data), 400, func() { w.salvage(t, "fuzz", data) })
	})
}

// FuzzTable holds that any bytes can be taken for a table.
func FuzzTable(f *testing.F) {
	w := writeTable(f, 20, true, sstable.NoCompression)
	for _, h := range append([]block.Handle{w.layout.MetaIndex, w.layout.Properties, w.layout.RangeDel, w.layout.Filter[0].Handle}, w.layout.Index...) {
		f.Add(w.Bytes()[h.Offset : h.Offset+h.Length])
	}
	f.Add(w.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzztest.Bounded(t, len(data), 400, func() {
			p := takeApart(data, w.read, w.schema)
			if len(p.chunks) > len(data) {
				t.Fatal("more blocks than bytes")
			}
			readPairs(data)
			tableFilter(data).mayHave(data[:min(len(data), 8)])
			for _, s := range []shape{rowsShape, indexShape, spansShape, namesShape} {
				s.fits(data)
			}
		})
	})
}
