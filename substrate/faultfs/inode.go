package faultfs

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"path"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// SectorBytes is the unit in which unsynced data survives a crash or not.
const SectorBytes = 512

// inode is a file or a directory.
type inode struct {
	// Of a file.
	data    []byte
	shared  bool              // data belongs to a copy, too
	durable int64             // its durable size
	dirty   map[int64]*sector // by number: differ from what is durable, or may
	// Of a directory.
	children map[string]*inode
	journal  []entry           // changes of children since the last sync
	names    map[string]*inode // the durable children
}

// sector is what is durable of a sector that was written since.
type sector struct {
	old   []byte // nil if there was none
	stuck bool   // a sync of it failed: it counts as clean, but is not durable
}

// entry is one change of a directory, which survives whole or not at all.
type entry struct {
	set, unset string
	node       *inode
}

func newFile() *inode { return &inode{dirty: make(map[int64]*sector)} }

func newDir() *inode {
	return &inode{children: make(map[string]*inode), names: make(map[string]*inode)}
}

func (n *inode) isDir() bool { return n.children != nil }

func (n *inode) write(p []byte, at int64) {
	end := at + int64(len(p))
	if len(p) == 0 {
		return
	}
	for s := at / SectorBytes; s*SectorBytes < end; s++ {
		n.touch(s)
	}
	n.own()
	if grow := end - int64(len(n.data)); grow > 0 {
		n.data = append(n.data, make([]byte, grow)...)
	}
	copy(n.data[at:], p)
}

// own makes the data the file's own before it changes.
func (n *inode) own() {
	if n.shared {
		n.data, n.shared = slices.Clone(n.data), false
	}
}

func (n *inode) touch(s int64) {
	if d := n.dirty[s]; d != nil {
		d.stuck = false
		return
	}
	d := &sector{}
	if from := s * SectorBytes; from < n.durable {
		d.old = slices.Clone(n.data[from:min(from+SectorBytes, n.durable)])
	}
	n.dirty[s] = d
}

func (n *inode) sync() {
	maps.DeleteFunc(n.dirty, func(_ int64, d *sector) bool { return !d.stuck })
	n.durable = int64(len(n.data))
}

// failSync marks what was written as clean, without making it durable.
func (n *inode) failSync() {
	for _, d := range n.dirty {
		d.stuck = true
	}
}

func (n *inode) change(e entry) {
	if e.unset != "" {
		delete(n.children, e.unset)
	}
	if e.set != "" {
		n.children[e.set] = e.node
	}
	n.journal = append(n.journal, e)
}

func (n *inode) syncDir() {
	n.names, n.journal = maps.Clone(n.children), nil
}

// Fill says what stands in a sector that did not survive.
type Fill uint8

// The ways to fill a sector. FillAny picks one of the others for each sector.
const (
	FillOld Fill = iota
	FillZero
	FillNoise
	FillAny
)

// Crash says how a crash treats what was not synced. The zero value loses all of
// it, and leaves the old bytes.
type Crash struct {
	// Rand decides; nil needs KeepSectors and KeepNames to be 0 or 1, and no noise.
	Rand *rand.Rand
	// KeepSectors is the probability that an unsynced sector survives, KeepNames
	// that a change of a directory does, if those before it did.
	KeepSectors, KeepNames float64
	Fill                   Fill
	// Whole reports whether the sectors of a file are written whole or not at all,
	// as by a drive that keeps its word: then zeros and noise stand only where
	// there was nothing durable. Otherwise an unsynced sector may lose durable bytes
	// beside those that were appended to it. nil is no file.
	Whole func(name string) bool
}

func (c *Crash) keep(p float64) bool {
	switch {
	case p <= 0:
		return false
	case p >= 1:
		return true
	}
	return c.Rand.Float64() < p
}

// clone returns what a crash leaves of the tree. Links to one file stay links.
func (n *inode) clone(c *Crash, seen map[*inode]*inode, at string) *inode {
	if done := seen[n]; done != nil {
		return done
	}
	if !n.isDir() {
		seen[n] = n.cloneFile(c, c.Whole != nil && c.Whole(at))
		return seen[n]
	}
	names := maps.Clone(n.names)
	for _, e := range n.journal {
		if !c.keep(c.KeepNames) {
			break
		}
		if e.unset != "" {
			delete(names, e.unset)
		}
		if e.set != "" {
			names[e.set] = e.node
		}
	}
	d := newDir()
	seen[n] = d
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d.children[name] = names[name].clone(c, seen, path.Join(at, name))
	}
	d.names = maps.Clone(d.children)
	return d
}

func (n *inode) cloneFile(c *Crash, whole bool) *inode {
	f := newFile()
	if len(n.dirty) == 0 && n.durable == int64(len(n.data)) {
		n.shared = true
		f.data, f.shared, f.durable = n.data, true, n.durable
		return f
	}
	f.data = slices.Clone(n.data)
	size := n.durable
	for _, s := range slices.Sorted(maps.Keys(n.dirty)) {
		d := n.dirty[s]
		at := s * SectorBytes
		bytes := f.data[min(at, int64(len(f.data))):min(at+SectorBytes, int64(len(f.data)))]
		if d.stuck || !c.keep(c.KeepSectors) {
			reaches := c.fill(bytes, d)
			if whole {
				copy(bytes, d.old)
			}
			if !reaches {
				continue
			}
		}
		size = max(size, at+int64(len(bytes)))
	}
	f.data = f.data[:min(size, int64(len(f.data)))]
	f.durable = int64(len(f.data))
	return f
}

// copy returns the tree with what is durable of it and what is not. Links to one file
// stay links.
func (n *inode) copy(seen map[*inode]*inode) *inode {
	if done := seen[n]; n == nil || done != nil {
		return done
	}
	if !n.isDir() {
		n.shared = true
		f := &inode{data: n.data, shared: true, durable: n.durable, dirty: make(map[int64]*sector, len(n.dirty))}
		for s, d := range n.dirty { // order-free: fills a map
			was := *d
			f.dirty[s] = &was
		}
		seen[n] = f
		return f
	}
	d := newDir()
	seen[n] = d
	for name, child := range n.children { // order-free: fills a map
		d.children[name] = child.copy(seen)
	}
	for name, child := range n.names { // order-free: fills a map
		d.names[name] = child.copy(seen)
	}
	for _, e := range n.journal {
		e.node = e.node.copy(seen)
		d.journal = append(d.journal, e)
	}
	return d
}

// fill replaces a sector that did not survive. It reports whether the file
// reaches that far because of it.
func (c *Crash) fill(b []byte, d *sector) bool {
	fill := c.Fill
	if fill == FillAny {
		fill = Fill(c.Rand.IntN(int(FillAny)))
	}
	if d.stuck {
		fill = FillOld
	}
	clear(b)
	switch fill {
	case FillOld:
		copy(b, d.old)
		return false
	case FillNoise:
		for i := range b {
			b[i] = byte(c.Rand.Uint32())
		}
	}
	return true
}

// sum adds to a hash whatever a reader of the tree could see.
func (n *inode) sum(h *xxhash.Digest) {
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(n.data)))
	_, _ = h.Write(length[:]) // a hash takes everything
	_, _ = h.Write(n.data)
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		_, _ = h.WriteString(name + "/")
		n.children[name].sum(h)
	}
	_, _ = h.WriteString("//") // no name is empty
}
