package netherite

import (
	"fmt"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

// The lock of the directory keeps other processes out. Where it fails, another one
// may have opened the hub while this one runs on. The log knows: it is opened before
// store and side files are read. So whoever is about to change those asks the log
// first whose they are. A store in files asks again before it touches each of them,
// as what it does takes time.

// owned returns an error if the hub was opened again since this node opened it:
// what the node knows may be out of date, and nothing there is its to change.
func (n *node) owned() error {
	if err := n.wal.Owned(); err != nil {
		return fmt.Errorf("look whether the log is still this node's: %w", err)
	}
	return nil
}

// mayKeep is owned for changes of the store and of side files.
func (n *node) mayKeep() error {
	err := n.owned()
	if err == nil || planted.ZombieCheckpoint {
		return nil
	}
	mark.Hit(mark.CheckpointFenced)
	return err
}

// ownSide is a node's side files, which it changes only while they are its own.
type ownSide struct {
	substrate.SideFiles
	n *node
}

// Put implements substrate.SideFiles.
func (s *ownSide) Put(partition int, fill func(add func(end substrate.Offset, chunk []byte) error) error) error {
	if err := s.n.mayKeep(); err != nil {
		return err
	}
	return s.SideFiles.Put(partition, fill)
}

// Remove implements substrate.SideFiles.
func (s *ownSide) Remove(partition int) error {
	if err := s.n.mayKeep(); err != nil {
		return err
	}
	return s.SideFiles.Remove(partition)
}
