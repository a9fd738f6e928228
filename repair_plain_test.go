//go:build !race

package netherite_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

// What has the name of a file and is none is damage, and no reason to give up. A
// device stands for all that is neither file nor directory: to read it may not end.
func TestWhatIsNoFileInThePlaceOfOneIsDamage(t *testing.T) {
	whole := t.TempDir()
	wholeHub(t, whole)
	for _, pattern := range []string{
		"hub", "log/identity", "log/0*.log", "store/main/*.sst", "store/history/*.sst", "store/main/MANIFEST-*", "store/history/OPTIONS-*", "side/*.records",
		"log", "store", "store/main", "store/history",
	} {
		for _, device := range []bool{false, true} {
			dir := duplicate(t, whole)
			names, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(names) == 0 {
				t.Fatal(pattern, err)
			}
			name := names[len(names)-1]
			if pattern == "log/0*.log" {
				name = filepath.Join(dir, written(t, dir))
			}
			info, err := os.Stat(name)
			if err == nil {
				err = os.RemoveAll(name)
			}
			switch {
			case err == nil && device:
				err = os.Symlink(os.DevNull, name)
			case err == nil && info.IsDir():
				err = os.WriteFile(name, []byte("a file"), 0o600)
			case err == nil:
				err = os.Mkdir(name, 0o700)
			}
			if err != nil {
				t.Fatal(err)
			}
			if r, err := netherite.Inspect(dir); err != nil || len(r.Damage) == 0 {
				t.Errorf("%s (device: %t): inspect: %+v, %v", pattern, device, r, err)
			}
			if pattern != "side/*.records" && pattern != "store/history/OPTIONS-*" { // its partition parks; nobody needs it
				if hub, err := netherite.Open(dir); !errors.Is(err, engine.ErrDamaged) {
					t.Errorf("%s (device: %t): open: %v", pattern, device, err)
					if err == nil {
						hub.Kill()
					}
				}
			}
			if r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true}); err != nil || !r.Done {
				t.Errorf("%s (device: %t): repair: %+v, %v", pattern, device, r, err)
				continue
			}
			runsOn(t, dir)
		}
	}
}
