package filelog

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/kind"
	"github.com/netherite-go/netherite/internal/nospace"
	"github.com/netherite-go/netherite/substrate"
)

const (
	segmentSuffix = ".log"
	tmpSuffix     = ".tmp"
)

// Kinds of damage, as CONTRACTS names them.
const (
	kindCRC     = "crc"
	kindChain   = "chain"
	kindShort   = "short"
	kindForeign = "foreign"
	kindVersion = "version"
)

// segment is one file of the log.
type segment struct {
	ordinal  uint64
	size     int64
	recycled bool

	// Of a segment in use: the offsets of its first group and behind its last
	// one, and the bytes that its frames take.
	first, end  substrate.Offset
	used        int64
	incarnation uint64

	file  vfs.File // open for writing, or nil
	dirty bool     // written since the last sync
}

func (s *segment) claim() claim { return claim{s.ordinal, s.size} }

func segmentName(ordinal uint64) string {
	return fmt.Sprintf("%016d%s", ordinal, segmentSuffix)
}

// IsSegment reports whether a file has the name of a segment.
func IsSegment(name string) bool {
	_, ok := parseSegmentName(name)
	return ok
}

func parseSegmentName(name string) (ordinal uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	ordinal, err := strconv.ParseUint(digits, 10, 64)
	return ordinal, err == nil && ordinal > 0
}

// listSegments returns the directory's segment files by ordinal, and the names
// of unfinished ones.
func listSegments(fsys vfs.FS, dir string) (segments []*segment, unfinished []string, err error) {
	names, err := substrate.ListPlain(fsys, dir)
	if err != nil {
		return nil, nil, fmt.Errorf("list the log's directory: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, tmpSuffix) {
			unfinished = append(unfinished, name)
			continue
		}
		ordinal, ok := parseSegmentName(name)
		if !ok {
			continue
		}
		info, err := fsys.Stat(fsys.PathJoin(dir, name))
		if err != nil {
			return nil, nil, fmt.Errorf("look at segment %s: %w", name, err)
		}
		if !info.Mode().IsRegular() {
			continue // whoever needs the segment finds it missing
		}
		segments = append(segments, &segment{ordinal: ordinal, size: info.Size()})
	}
	slices.SortFunc(segments, func(a, b *segment) int {
		if a.ordinal < b.ordinal {
			return -1
		}
		return 1
	})
	return segments, unfinished, nil
}

// spaceError makes an error of a full disk an ErrDiskFull.
func spaceError(err error) error {
	if err != nil && nospace.Is(err) {
		return kind.Of(substrate.ErrDiskFull, err)
	}
	return err
}

var zeros = make([]byte, 256<<10)

// fillStep is how much of a new segment is written between two syncs, so that
// the log's own syncs never wait behind a long one.
const fillStep = 1 << 20

// createZeroed makes a file of zeros, synced, under a temporary name that no other
// opening uses, and gives it its final one if the log is still its own then: that
// takes a while, and a later opening may write to a file of that name by now. The
// directory is not synced yet.
func (l *Log) createZeroed(name string, size int64) error {
	fsys, dir := l.opts.FS, l.opts.Dir
	tmp := fsys.PathJoin(dir, fmt.Sprintf("%s.%d%s", name, l.incarnation, tmpSuffix))
	f, err := fsys.OpenReadWrite(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	err = fillZeros(f, size)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = l.owned()
	}
	if err == nil {
		err = fsys.Rename(tmp, fsys.PathJoin(dir, name))
	}
	if err != nil {
		_ = fsys.Remove(tmp) // Open removes what is left behind
	}
	return err
}

func fillZeros(f vfs.File, size int64) error {
	for at := int64(0); at < size; {
		n := min(int64(len(zeros)), size-at)
		if _, err := f.WriteAt(zeros[:n], at); err != nil {
			return err
		}
		at += n
		if at%fillStep == 0 && at < size {
			if err := substrate.Uninterrupted(f.SyncData); err != nil {
				return err
			}
		}
	}
	return nil
}
