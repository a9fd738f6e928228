package netherite_test

import (
	"errors"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/substrate"
)

// oneRow is a store whose every row is the same.
type oneRow []byte

func (r oneRow) Get(substrate.Space, []byte) ([]byte, error) { return r, nil }

func (r oneRow) Scan(substrate.Space, []byte, []byte, func(key, value []byte) bool) error { return nil }

// FuzzReadSideNote reads any bytes as the note of a side file.
func FuzzReadSideNote(f *testing.F) {
	f.Add([]byte{1, 200, 1, 7})
	f.Add([]byte{2, 200, 1, 7})
	f.Fuzz(func(t *testing.T, row []byte) {
		fuzztest.Bounded(t, len(row), fuzztest.Plain, func() {
			_, err := netherite.ReadSideNote(oneRow(row), 3)
			if err != nil && !errors.Is(err, engine.ErrDamaged) && !errors.Is(err, engine.ErrNewerFormat) {
				t.Error(err)
			}
		})
	})
}
