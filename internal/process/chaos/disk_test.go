//go:build unix

package chaos

import (
	"fmt"
	"os"
	"testing"
)

// disk is where the hub's directory is, and how it gets full.
type disk interface {
	fmt.Stringer
	place() string
	// fill leaves no space; again while it is full, it takes what was freed.
	fill(*host) error
	free(*host) error
}

// newDisk is the disk that -disk asks for.
func newDisk(t *testing.T) disk {
	t.Helper()
	if *diskKind != "limit" {
		if d := mountTmpfs(t); d != nil {
			return d
		}
		if *diskKind == "tmpfs" {
			t.Fatal("no tmpfs can be mounted here")
		}
	}
	dir, err := os.MkdirTemp("", "nc-") // short: a socket's path is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return &fileLimit{dir}
}

// fileLimit is a disk on which the process may make no file larger than a limit.
// What a file holds beyond that it cannot write either.
type fileLimit struct{ dir string }

func (d *fileLimit) String() string { return "limit" }
func (d *fileLimit) place() string  { return d.dir }

// fileLimitBytes is small: the files of a hub are larger.
const fileLimitBytes = 4 << 10

func (d *fileLimit) fill(h *host) error { return h.limit(fileLimitBytes) }

// free takes the limit back. A process that was killed took it along.
func (d *fileLimit) free(h *host) error {
	if h.ended() {
		return nil
	}
	return h.limit(-1)
}
