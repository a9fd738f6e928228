package pebblestore_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// BenchmarkApply is what a checkpoint does with the store for one instance.
func BenchmarkApply(b *testing.B) { b.Run("finished", benchFinished) }

// benchFinished is a finished small instance: a row of 100 bytes, an index key, and
// 620 bytes of history; 20,000 of them in batches of eight partitions, then a flush.
func benchFinished(b *testing.B) {
	b.ReportAllocs()
	s, err := pebblestore.Open(pebblestore.Options{Create: true, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	ordinal := uint64(0)
	batch := s.NewBatch()
	const perBatch = 20_000 / 8
	for b.Loop() {
		ordinal++
		p := byte(ordinal / perBatch % 8)
		id := fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
		batch.Set(substrate.Main, append([]byte{p, 'i'}, id...), row(rng, 100))
		batch.Set(substrate.Main, append(binary.BigEndian.AppendUint64([]byte{p, 'x', 1}, ordinal), id...), nil)
		batch.Set(substrate.History, binary.BigEndian.AppendUint64([]byte{p}, ordinal), row(rng, 620))
		if ordinal%perBatch == 0 {
			if err := s.Apply(batch, int(p), substrate.Stamp{Offset: substrate.Offset(ordinal)}); err != nil {
				b.Fatal(err)
			}
			batch = s.NewBatch()
		}
		if ordinal%(8*perBatch) == 0 {
			if err := s.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.StopTimer()
	st := s.Stats()
	b.ReportMetric(float64(st.WrittenBytes)/float64(b.N), "store-B/op")
	b.ReportMetric(float64(st.Syncs)/float64(st.Flushes+1), "syncs/flush")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// row returns bytes of which a sixth is noise, as in records with IDs, times and
// short JSON payloads.
func row(rng *rand.Rand, n int) []byte {
	const words = `{"name":"Hello","input":"Tokyo","output":"Hello Tokyo!","status":"Completed"}`
	r := make([]byte, 0, n+48)
	for len(r) < n {
		r = binary.LittleEndian.AppendUint64(r, rng.Uint64())
		at := rng.IntN(len(words) - 40)
		r = append(r, words[at:at+40]...)
	}
	return r[:n]
}
