package netherite_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// What is another hub's is to be moved away, and nothing else.
func TestRepairSaysWhichOfTwoFilesIsAnotherHubs(t *testing.T) {
	other := faultfs.New()
	if err := withTour(t, other).Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for file, says := range map[string]string{"/hub/log/identity": "log/identity is another's", "/hub/hub": "the hub file is the wrong one"} {
		files := faultfs.New()
		if err := withTour(t, files).Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		var foreign []byte
		err := errors.Join(
			other.Alter(file, func(data []byte) []byte { foreign = bytes.Clone(data); return data }),
			files.Alter(file, func([]byte) []byte { return foreign }),
		)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := netherite.RepairFiles(t.Context(), files, "/hub", netherite.RepairOptions{Drop: true}); !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v, %v", file, r, err)
		}
		if err := files.Remove(file); err != nil {
			t.Fatal(err)
		}
		if r, err := netherite.RepairFiles(t.Context(), files, "/hub", netherite.RepairOptions{}); err != nil || !r.Done {
			t.Errorf("%s, as is said: %+v, %v", file, r, err)
		}
		holdsTour(t, files, "/hub")
	}
}
