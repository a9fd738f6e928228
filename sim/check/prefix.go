package check

import (
	"fmt"
	"hash/crc32"
	"slices"
	"sort"

	"github.com/netherite-go/netherite/substrate"
)

// Prefix checks that a log, whenever it is opened, holds a prefix of what was
// written to it, with all that was reported durable (G5).
type Prefix struct {
	groups []group // by offset; several at one are alternatives
	synced substrate.Offset
	before substrate.Offset // what was durable before the last sync
}

type group struct {
	at  substrate.Offset
	len int
	sum uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Wrote notes a group that a log has taken, at an offset.
func (p *Prefix) Wrote(at substrate.Offset, data []byte) {
	for n := len(p.groups); n > 0 && p.groups[n-1].at >= at; n-- {
		p.groups = p.groups[:n-1]
	}
	p.groups = append(p.groups, group{at, len(data), crc32.Checksum(data, castagnoli)})
}

// Tried notes a group that a log has failed to write: it may be there or not.
func (p *Prefix) Tried(at substrate.Offset, data []byte) {
	p.groups = append(p.groups, group{at, len(data), crc32.Checksum(data, castagnoli)})
}

// SyncedTo notes up to where the log has reported itself durable.
func (p *Prefix) SyncedTo(end substrate.Offset) {
	if end > p.synced {
		p.before, p.synced = p.synced, end
	}
}

// Synced is up to where it has.
func (p *Prefix) Synced() substrate.Offset { return p.synced }

// Opened compares what a log holds that has just been opened; from now on all of
// it counts as durable.
func (p *Prefix) Opened(l substrate.Log) error {
	if err := p.Holds(l, p.synced); err != nil {
		return err
	}
	end := l.End()
	p.groups = p.groups[:sort.Search(len(p.groups), func(i int) bool { return p.groups[i].at >= end })]
	p.synced = end
	return nil
}

// AsOf is a copy for a copy of the log, which holds at least what was durable
// before it was begun.
func (p *Prefix) AsOf(synced substrate.Offset) Prefix {
	return Prefix{groups: slices.Clone(p.groups), synced: synced, before: min(p.before, synced)}
}

// Holds reports how a log differs from what was written, or that it ends before
// an offset.
func (p *Prefix) Holds(l substrate.Log, least substrate.Offset) error {
	if l.End() < least {
		return fmt.Errorf("the log ends at %d, but %d had been reported durable", l.End(), least)
	}
	next := l.Begin()
	err := l.Replay(next, func(at substrate.Offset, data []byte) error {
		i := sort.Search(len(p.groups), func(i int) bool { return p.groups[i].at >= at })
		switch {
		case at != next:
			return fmt.Errorf("a group at %d follows what ends at %d", at, next)
		case i == len(p.groups) || p.groups[i].at != at:
			return fmt.Errorf("nothing was written at %d, yet there is a group of %d bytes", at, len(data))
		case !slices.Contains(p.at(i), group{at, len(data), crc32.Checksum(data, castagnoli)}):
			return fmt.Errorf("the group at %d is not what was written there", at)
		}
		next = at + substrate.Offset(len(data))
		return nil
	})
	if err == nil && next != l.End() {
		err = fmt.Errorf("the log says that it ends at %d, its groups end at %d", l.End(), next)
	}
	return err
}

// at returns the groups that may be where the i-th is; it is the first of them.
func (p *Prefix) at(i int) []group {
	end := i
	for end < len(p.groups) && p.groups[end].at == p.groups[i].at {
		end++
	}
	return p.groups[i:end]
}

// BeforeLast is up to where the log was durable before its last sync: damage of what
// that made durable cannot be told from a torn write.
func (p *Prefix) BeforeLast() substrate.Offset { return p.before }
