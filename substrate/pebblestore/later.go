package pebblestore

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/nospace"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// Where a file cannot have a second name, on another disk or on a file system without
// links, a checkpoint has to copy the tables. Pebble would do that inside, with everything
// held that keeps the two databases at one point. So it is told that the link is made, the
// tables stay where they are, and are copied when the store goes on.

// copies are of tables that could not be linked.
type copies struct {
	mu      sync.Mutex
	taking  bool            // a checkpoint is under way
	todo    []pairOfNames   // of that
	kept    map[string]int  // how many copies are to be made of a file
	removed map[string]bool // of these, what Pebble has removed meanwhile
}

// pairOfNames is what is there, and what is to be its copy.
type pairOfNames struct{ from, to string }

// begin has what cannot be linked be copied later.
func (c *copies) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taking, c.todo = true, nil
}

// end returns what is to be copied.
func (c *copies) end() []pairOfNames {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taking = false
	return c.todo
}

// take notes a link that could not be made. It reports whether it will be copied.
func (c *copies) take(from, to string, err error) bool {
	if errors.Is(err, os.ErrExist) || errors.Is(err, os.ErrNotExist) || nospace.Is(err) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.taking {
		return false
	}
	if c.kept == nil {
		c.kept, c.removed = map[string]int{}, map[string]bool{}
	}
	c.todo = append(c.todo, pairOfNames{from, to})
	c.kept[from]++
	return true
}

// keep reports whether a file that is to be removed has to be copied first. It is
// removed after that; after a crash, when the database is opened.
func (c *copies) keep(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept[name] == 0 {
		return false
	}
	c.removed[name] = true
	return true
}

// release lets go of a file that was copied. It reports whether it is to be removed.
func (c *copies) release(name string) (remove bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept[name]--; c.kept[name] > 0 {
		return false
	}
	remove = c.removed[name]
	delete(c.kept, name)
	delete(c.removed, name)
	return remove
}

// copyLater makes the copies, unless the export has failed. All files are let go, also
// after an error.
func (s *Store) copyLater(todo []pairOfNames, failed error) error {
	into := map[string]bool{} // Pebble has synced these before
	for _, c := range todo {
		into[s.opts.FS.PathDir(c.to)] = true
		if failed == nil {
			failed = s.copyOne(c)
		}
		if s.fence.copies.release(c.from) && s.fence.mayChange() {
			// Who opens the database removes what cannot be removed now.
			_ = s.opts.FS.Remove(c.from)
		}
	}
	for dir := range into {
		if failed == nil {
			failed = dirsync.Sync(s.opts.FS, dir)
		}
	}
	return failed
}

func (s *Store) copyOne(c pairOfNames) error {
	select {
	case <-s.dead:
		return s.death
	case <-s.fence.quit:
		return substrate.ErrClosed
	default:
	}
	// Nothing is fenced here: a copy that fails is the export's affair. But the directory,
	// and what is copied from, may be the next owner's already.
	if !s.fence.mayChange() {
		return s.death
	}
	if err := vfs.Copy(s.opts.FS, c.from, c.to); err != nil {
		if !s.fence.mayChange() {
			return s.death // who has removed what was to be copied
		}
		return fmt.Errorf("copy %s: %w", s.relative(c.from), s.explain(err))
	}
	return nil
}
