package netherite

import (
	"github.com/cockroachdb/pebble/v2/vfs"

	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// memory is a hub in memory: nothing is written, all is gone with it.
type memory struct {
	params core.Parameters
	log    *mem.LogDisk
	store  *mem.StoreDisk
	side   *sidefile.Files
}

var _ core.SideStorage = (*memory)(nil)

func newMemory(partitions int) *memory {
	if partitions == 0 {
		partitions = core.DefaultPartitions
	}
	return &memory{params: core.Parameters{Partitions: partitions}, log: mem.NewLogDisk(), store: mem.NewStoreDisk(), side: sidefile.Open(vfs.NewMem(), "/side", [16]byte{})}
}

// Parameters implements core.Storage.
func (m *memory) Parameters() core.Parameters { return m.params }

// OpenLog implements core.Storage.
func (m *memory) OpenLog() (substrate.Log, error) { return m.log.Open() }

// OpenStore implements core.Storage. The bound does not apply.
func (m *memory) OpenStore(int64) (substrate.Store, error) { return m.store.Open() }

// OpenSideFiles implements core.SideStorage.
func (m *memory) OpenSideFiles() (substrate.SideFiles, error) { return m.side, nil }

// Close implements core.Storage.
func (m *memory) Close() error { return nil }
