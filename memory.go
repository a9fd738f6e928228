package netherite

import (
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
)

// memory is a hub in memory: nothing is written, all is gone with it.
type memory struct {
	params core.Parameters
	log    *mem.LogDisk
	store  *mem.StoreDisk
}

var _ core.Storage = (*memory)(nil)

func newMemory(partitions int) *memory {
	if partitions == 0 {
		partitions = core.DefaultPartitions
	}
	return &memory{params: core.Parameters{Partitions: partitions}, log: mem.NewLogDisk(), store: mem.NewStoreDisk()}
}

// Parameters implements core.Storage.
func (m *memory) Parameters() core.Parameters { return m.params }

// OpenLog implements core.Storage.
func (m *memory) OpenLog() (substrate.Log, error) { return m.log.Open() }

// OpenStore implements core.Storage. The bound does not apply.
func (m *memory) OpenStore(int64) (substrate.Store, error) { return m.store.Open() }

// Close implements core.Storage.
func (m *memory) Close() error { return nil }
