package netherite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/netherite-go/netherite/engine"
)

// whereLinksLead refuses a directory of which a part is a symbolic link to what is not
// there, such as a disk that is not mounted: it is not lost, and a repair would put
// what is left in its place.
func (d *directory) whereLinksLead() error {
	for _, part := range []string{hubName, logName, storeName, filepath.Join(storeName, "main"), filepath.Join(storeName, "history"), sideName, quarantineName} {
		path := filepath.Join(d.dir, part)
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			to, _ := os.Readlink(path)
			return fmt.Errorf("%s: %w: it is a link to %s, which is not there: put that back, or remove the link if it is lost", path, engine.ErrDamaged, to)
		}
	}
	return nil
}
