package filelog

import (
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/substrate"
)

// The lock of the directory keeps other processes out. Where it fails, as on some
// network file systems, two processes could have the log open. So an opening puts
// its number into the identity file before it looks at anything, and each write
// looks there whether the number is still its own; each sync does so afterwards,
// and so does who answers from what is durable already.
// What was reported durable was so before a later opening began to read: that has
// it. A write that a pause separates from its look may still land in a file that
// belongs to somebody else by now: there it is damage, and named.

// openIdentity opens the identity file for the looks to come.
func (l *Log) openIdentity() error {
	f, err := l.opts.FS.Open(l.opts.FS.PathJoin(l.opts.Dir, identityName), vfs.RandomReadsOption)
	if err != nil {
		return fmt.Errorf("open %s: %w", identityName, err)
	}
	l.identity.file = f
	return nil
}

// identityFile is the identity file, open for reading, and room for its content.
type identityFile struct {
	mu   sync.Mutex
	file vfs.File
	buf  [identityBytes]byte
}

// Owned implements substrate.Log.
func (l *Log) Owned() error { return l.owned() }

// owned returns an error if a later incarnation of the log has begun.
func (l *Log) owned() error {
	l.identity.mu.Lock()
	defer l.identity.mu.Unlock()
	buf := l.identity.buf[:]
	n, err := l.identity.file.ReadAt(buf, 0)
	if n < identityBytes {
		return fmt.Errorf("read %s: %w", identityName, err)
	}
	for _, slot := range [...][]byte{buf[sectorBytes : 2*sectorBytes], buf[2*sectorBytes:]} {
		if s, ok := parseState(slot); ok && s.incarnation > l.incarnation {
			mark.Hit(mark.LogFenced)
			return fmt.Errorf("%w: incarnation %d has been opened since this one, %d", substrate.ErrFailed, s.incarnation, l.incarnation)
		}
	}
	return nil
}
