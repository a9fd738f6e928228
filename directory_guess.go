package netherite

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// guessHub finds out from the log and the store what the hub file said.
func (d *directory) guessHub() error {
	s, err := filelog.Salvage(d.fs, d.fs.PathJoin(d.dir, logName), filelog.HubID{}, substrate.Reach{})
	if err != nil {
		return err
	}
	d.params.Hub = s.Hub
	partitions := 0
	err = s.Groups(func(at substrate.Offset, group []byte) error {
		return core.ReadGroup(at, group, func(run core.Run) { partitions = max(partitions, run.Partition+1) })
	})
	remains, rowsErr := pebblestore.Salvage(d.storeOptions(), false)
	if rowsErr == nil {
		stored, storedErr := core.StoredPartitions(remains)
		partitions, rowsErr = max(partitions, stored), storedErr
	}
	err = errors.Join(err, rowsErr)
	if err == nil && (s.Hub == (filelog.HubID{}) || partitions < core.MinPartitions) {
		err = fmt.Errorf("%w: neither the hub file nor the log nor the store says whose hub it is, and of how many partitions: put one of them back, or restore a backup", engine.ErrDamaged)
	}
	d.params.Partitions = partitions
	return err
}

// withoutHubFile reads all of a hub but the hub file, which is damaged, as far as the rest
// tells whose it is.
func (d *directory) withoutHubFile(damage Damage) (r *Report, err error) {
	r = &Report{Damage: []Damage{damage}}
	if d.fs == vfs.Default {
		if d.lock, err = dirlock.Share(d.dir); err != nil {
			return nil, err
		}
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if !d.has(swapName) {
		if d.guessHub() != nil {
			return r, nil // of which nothing can be said, then
		}
		r.Hub, r.Partitions = d.params.Hub, d.params.Partitions
	}
	return r, r.inspect(d)
}
