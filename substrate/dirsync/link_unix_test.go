//go:build unix

package dirsync_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate/dirsync"
)

// Of a link to a disk that is not mounted the system says that the file exists.
func TestLinkThatLeadsNowhereIsNamed(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "disk", "not mounted"), link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, filepath.Join(link, "below")} {
		if err := dirsync.Make(vfs.Default, path); err == nil || !strings.Contains(err.Error(), "create directory "+link+": it is a link to what is not there") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
