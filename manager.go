package netherite

import (
	"context"

	"github.com/netherite-go/netherite/door/owner"
)

// manager is what the owner's socket may ask of a hub.
type manager struct{ hub *Hub }

var _ owner.Manager = manager{}

// Manage returns what the netherite command may ask of a hub, whether it has
// opened it itself or reaches it through the owner's socket.
func (h *Hub) Manage() owner.Manager { return manager{h} }

// Backup implements owner.Manager.
func (m manager) Backup(ctx context.Context, dest string) (owner.Backup, error) {
	r, err := m.hub.Backup(ctx, dest)
	return owner.Backup{
		Number: r.Number, Files: r.Files, Bytes: r.Bytes, CopiedFiles: r.CopiedFiles, CopiedBytes: r.CopiedBytes,
		LogBegin: uint64(r.LogBegin), LogEnd: uint64(r.LogEnd),
	}, err
}
