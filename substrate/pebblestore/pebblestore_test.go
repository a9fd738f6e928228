package pebblestore

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

func TestSmoke(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open(Options{FS: fs, Dir: "/hub/store"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		b := s.NewBatch()
		for j := range 100 {
			b.Set(substrate.Main, fmt.Appendf(nil, "k%d-%d", i, j), []byte("v"))
			b.Set(substrate.History, fmt.Appendf(nil, "h%d-%d", i, j), []byte("v"))
		}
		if i > 0 {
			b.DeleteRange(substrate.History, fmt.Appendf(nil, "h%d", i-1), fmt.Appendf(nil, "h%d", i))
		}
		if err := s.Apply(b, i, substrate.Stamp{Offset: substrate.Offset(i)}); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	m, err := s.Export("/hub/copy")
	t.Logf("%+v %v", m, err)
	t.Logf("%+v", s.Stats())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(Options{FS: fs, Dir: "/hub/copy"})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	_ = s.Scan(substrate.History, nil, nil, func(k, v []byte) bool { n++; return true })
	if n != 100 {
		t.Fatal(n)
	}
}
