package pebblestore

import (
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// Pebble looks in a block whose checksum does not match for the bit that was
// flipped: that takes a quarter of a second for 32 KB, and it does so at every read,
// since it keeps no block that is damaged. So the store remembers which are, until it
// is opened again, and Pebble is told before it has read one.

// spoiled are the blocks of tables that have been found to be damaged.
type spoiled struct {
	some   atomic.Bool
	mu     sync.Mutex
	blocks map[place]error
}

// place is where a block begins.
type place struct {
	path   string
	offset int64
}

// maxSpoiled bounds what is remembered. A disk with more is beyond speed.
const maxSpoiled = 4096

// damagedBlock is how Pebble names the offset and the length of a block.
var damagedBlock = regexp.MustCompile(`block (\d+)/\d+: `)

// note remembers the block of a file that an error of Pebble names.
func (s *spoiled) note(path string, err error) {
	found := damagedBlock.FindStringSubmatch(err.Error())
	if found == nil {
		return
	}
	offset, parseErr := strconv.ParseInt(found[1], 10, 64)
	if parseErr != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocks == nil {
		s.blocks = map[place]error{}
	}
	at := place{path, offset}
	if s.blocks[at] == nil && len(s.blocks) < maxSpoiled {
		s.blocks[at] = spoiledError(err.Error())
		s.some.Store(true)
	}
}

// at returns the error of the block that begins at an offset, if it is damaged.
func (s *spoiled) at(path string, offset int64) error {
	if !s.some.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocks[place{path, offset}]
}

// spoiledError is what was said of a block when it was read.
type spoiledError string

// Error implements error.
func (e spoiledError) Error() string { return string(e) }

// Is makes it damage to Pebble.
func (spoiledError) Is(target error) bool { return target == pebble.ErrCorruption }
