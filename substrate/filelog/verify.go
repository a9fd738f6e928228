package filelog

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// Report is what Verify found.
type Report struct {
	Hub         HubID
	Incarnation uint64 // the newest one
	Begin, End  substrate.Offset
	// Durable is the offset up to which the log itself knows its content to be
	// durable. What is beyond was perhaps never reported so.
	Durable substrate.Offset
	// Noted is the newest incarnation that is noted outside of the log, see Log.Noted.
	Noted    uint64
	Segments int
	Frames   int64 // of any kind
	Groups   int64
	Closed   bool // the newest incarnation was closed
	// DroppedBytes estimates what lies behind the last whole group.
	DroppedBytes int64
	Damage       []*substrate.Damage
	// Trifles are damage of what carries nothing: the log opens all the same.
	Trifles []*substrate.Damage
}

// Verify reads a whole log, of a hub that nobody has open, and changes nothing.
// It lists all damage that it finds. The error says that it could not read: a
// missing log (fs.ErrNotExist), a newer format, a failing disk. Least is as in
// Options.
func Verify(fsys vfs.FS, dir string, least substrate.Reach) (Report, error) {
	s, err := look(fsys, dir, least, true)
	if damage, ok := errors.AsType[*substrate.Damage](err); ok {
		return Report{Damage: []*substrate.Damage{damage}}, nil
	}
	if err != nil {
		return Report{}, fmt.Errorf("verify the commit log in %s: %w", dir, err)
	}
	if s.closed { // else a crash may have left half of a state
		for _, at := range s.id.spoiled {
			s.trifle(identityName, at, "a copy of the log's state is not what was written; nothing is lost")
		}
	}
	return Report{
		Hub: s.id.hub, Incarnation: s.id.state.incarnation,
		Begin: s.id.state.base, End: s.end(), Durable: s.synced, Noted: s.id.state.noted,
		Segments: len(s.used), Frames: s.frames, Groups: s.groups,
		Closed: s.closed, DroppedBytes: s.dropped, Damage: s.damage, Trifles: s.trifles,
	}, nil
}

// Peek says what the identity of a log tells: Hub, Incarnation, Begin and Noted of the
// report. Nobody need have it open. The error is fs.ErrNotExist if there is no log.
func Peek(fsys vfs.FS, dir string) (Report, error) {
	id, err := loadIdentity(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		files, _, listErr := listSegments(fsys, dir)
		if err = listErr; err == nil && len(files) > 0 {
			err = &substrate.Damage{File: identityName, Kind: kindShort, Detail: "missing, though the log has segments"}
		} else if err == nil {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		return Report{}, fmt.Errorf("look at the commit log in %s: %w", dir, err)
	}
	return Report{Hub: id.hub, Incarnation: id.state.incarnation, Begin: id.state.base, Noted: id.state.noted}, nil
}

// Groups calls f for each group of a log that nobody has open, from an offset
// on, with the place in its files, and changes nothing. It ends with f's first error; damage is an error.
func Groups(fsys vfs.FS, dir string, from substrate.Offset, f func(at substrate.Offset, group []byte, in Place) error) error {
	s, err := look(fsys, dir, substrate.Reach{}, false)
	if err == nil {
		err = s.first()
	}
	if err != nil {
		return fmt.Errorf("read the commit log in %s: %w", dir, err)
	}
	used := make([]segment, 0, len(s.used))
	for _, seg := range s.used {
		used = append(used, *seg)
	}
	return walk(fsys, dir, s.id.hub, used, from, s.end(), f)
}

// look scans a log without opening it; padded says to check padding too.
func look(fsys vfs.FS, dir string, least substrate.Reach, padded bool) (*scan, error) {
	files, _, err := listSegments(fsys, dir)
	if err != nil {
		return nil, err
	}
	id, err := loadIdentity(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) && len(files) > 0 {
		err = &substrate.Damage{File: identityName, Kind: kindShort, Detail: "missing, though the log has segments"}
	}
	if err != nil {
		return nil, err
	}
	s := newScan(fsys, dir, id, files)
	s.padded, s.least = padded, least
	return s, s.run()
}
