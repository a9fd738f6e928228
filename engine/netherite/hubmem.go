package netherite

import (
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
)

// Memory is a hub in memory that survives crashes of the engine, not of the
// process: for tests and for `dev --memory`. It may be opened again after the
// engine that had it was closed or abandoned.
type Memory struct {
	Params Parameters
	Log    *mem.LogDisk
	Store  *mem.StoreDisk
}

var _ Storage = (*Memory)(nil)

// NewMemory returns an empty hub with the given number of partitions.
func NewMemory(partitions int) *Memory {
	return &Memory{Params: Parameters{Partitions: partitions}, Log: mem.NewLogDisk(), Store: mem.NewStoreDisk()}
}

// Parameters implements Storage.
func (m *Memory) Parameters() Parameters { return m.Params }

// OpenLog implements Storage.
func (m *Memory) OpenLog() (substrate.Log, error) { return m.Log.Open() }

// OpenStore implements Storage. The memory bound does not apply.
func (m *Memory) OpenStore(int64) (substrate.Store, error) { return m.Store.Open() }

// Close implements Storage.
func (m *Memory) Close() error { return nil }
