package pebblestore

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
)

// Known looks whether this program knows the layout of a store that nobody has
// open, and asks f about what is in it: get reads a key of the main space, nil if
// there is none. It changes nothing, which Open does at once, and returns f's error,
// ErrNewerFormat, or that of a failing disk. A store that is not there yet, or that is
// damaged, is for Open to judge.
func Known(opts Options, f func(get func(key []byte) ([]byte, error)) error) error {
	opts = opts.withDefaults()
	opts.FS, opts.MemoryBytes, opts.Logger = readOnly{opts.FS}, minMemoryBytes, slog.New(slog.DiscardHandler)
	s := newStore(opts)
	defer s.abandon()
	err := s.known(f)
	if err != nil && !errors.Is(err, substrate.ErrDamaged) {
		return fmt.Errorf("look at the state store in %s: %w", opts.Dir, err)
	}
	return nil
}

func (s *Store) known(f func(get func(key []byte) ([]byte, error)) error) error {
	found, err := pebble.Peek(s.opts.FS.PathJoin(s.opts.Dir, mainDir), s.opts.FS)
	if err != nil || !found.Exists {
		return nil //nolint:nilerr // to open it tells what is wrong with it
	}
	o := s.mainOptions()
	o.ReadOnly = true
	if s.main, err = s.openDatabase(mainDir, o); err != nil {
		return err
	}
	if err := s.readVersion(); err != nil {
		return err
	}
	return f(func(key []byte) ([]byte, error) { return s.get(s.main, key) })
}
