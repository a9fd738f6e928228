package netherite

import (
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
)

// KnownGroup returns engine.ErrNewerFormat if a group of the log has records that
// only a newer program knows.
func KnownGroup(group []byte) error { return partition.KnownGroup(group) }

// KnownRows returns engine.ErrNewerFormat if a hub's stored state has what only a
// newer program knows. get reads a row of the main space, nil if there is none.
func KnownRows(get func(key []byte) ([]byte, error), partitions int) error {
	for id := range partitions {
		if err := partition.KnownRows(get, id); err != nil {
			return err
		}
		row, err := get(partition.ParkedKey(id))
		if err != nil {
			return err
		}
		if row == nil {
			continue
		}
		if _, err := decodeNote(row); errors.Is(err, engine.ErrNewerFormat) {
			return fmt.Errorf("the note about the side file of partition %d: %w", id, err)
		}
	}
	return nil
}
