package pebblestore

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// Export implements substrate.Store. It flushes first, so that the copy holds
// all that was applied before; batches wait while the files are linked, and not
// while those are copied that cannot be. Open opens the copy.
func (s *Store) Export(dir string) (substrate.Manifest, error) {
	if err := s.enter(); err != nil {
		return substrate.Manifest{}, fmt.Errorf("export the store to %s: %w", dir, err)
	}
	defer s.leave()
	m, err := s.export(dir)
	if err != nil {
		return substrate.Manifest{}, fmt.Errorf("export the store to %s: %w", dir, err)
	}
	return m, nil
}

func (s *Store) export(dir string) (m substrate.Manifest, err error) {
	fsys := s.opts.FS
	if _, err := fsys.Stat(dir); err == nil {
		return m, fmt.Errorf("it exists already, name a new directory")
	}
	if err := s.flush(); err != nil {
		return m, err
	}
	if err := dirsync.Make(fsys, dir); err != nil {
		return m, s.explain(err)
	}
	var later []pairOfNames
	m.Stamps, later, err = s.checkpoints(dir)
	if err := s.copyLater(later, err); err != nil {
		return m, err
	}
	for _, name := range []string{historyDir, mainDir} {
		files, err := fsys.List(fsys.PathJoin(dir, name))
		if err != nil {
			return m, err
		}
		slices.Sort(files)
		for _, file := range files {
			info, err := fsys.Stat(fsys.PathJoin(dir, name, file))
			if err != nil {
				return m, err
			}
			m.Files = append(m.Files, substrate.ManifestFile{Name: name + "/" + file, Size: info.Size()})
		}
	}
	return m, nil
}

// checkpoints copies both databases at one point: no batch is applied meanwhile,
// and what has been is flushed. What could not be linked is to be copied.
func (s *Store) checkpoints(dir string) (stamps map[int]substrate.Stamp, later []pairOfNames, err error) {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.apply.Lock()
	defer s.apply.Unlock()
	f, err := s.flushMain()
	if err != nil {
		return nil, nil, err
	}
	if f.flushed != nil {
		if err := s.wait(f.flushed); err != nil {
			return nil, nil, err
		}
		s.mainFlushed(f)
	}
	s.fence.copies.begin()
	defer func() { later = s.fence.copies.end() }()
	for name, db := range map[string]*pebble.DB{mainDir: s.main, historyDir: s.history} {
		if err := s.guard(func() error { return db.Checkpoint(s.opts.FS.PathJoin(dir, name)) }); err != nil {
			return nil, nil, fmt.Errorf("copy %s: %w", name, err)
		}
	}
	s.view.RLock()
	defer s.view.RUnlock()
	return maps.Clone(s.stamps), nil, nil
}
