package pebblestore

import "errors"

// Abandon ends the store without writing anything more, as after a crash of its
// process, except that Pebble's goroutines are still there.
func (s *Store) Abandon() {
	s.die(errors.New("test: the process is gone"))
}
