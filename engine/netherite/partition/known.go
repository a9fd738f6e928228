package partition

import (
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// What a newer program has written is refused before anything is changed, so that
// a user who went back to an older program by mistake can go forward again. These
// functions look only at versions: what is damaged is for recovery to find.

// KnownGroup returns engine.ErrNewerFormat if a group of the log has records of a
// version that this program does not know.
func KnownGroup(group []byte) error {
	r := model.NewReader(group)
	for r.Len() > 0 {
		if _, err := ReadChunk(r); errors.Is(err, engine.ErrNewerFormat) {
			return err
		} else if err != nil {
			return nil
		}
	}
	return nil
}

// KnownRows returns engine.ErrNewerFormat if the stored state of a partition has
// rows of a version that this program does not know. It looks at the row of the
// singletons: every checkpoint writes that one, so it is as new as any other.
func KnownRows(get func(key []byte) ([]byte, error), partition int) error {
	row, err := get(tableKeyOf(nil, partition, tableMeta))
	if err != nil || row == nil {
		return err
	}
	if _, _, err := versionedReader(row); errors.Is(err, engine.ErrNewerFormat) {
		return fmt.Errorf("the singletons of partition %d: %w", partition, err)
	}
	return nil
}
