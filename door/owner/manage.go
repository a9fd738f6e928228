package owner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Manager is what the owner of a directory may ask of the hub in it, beside what
// every client may.
type Manager interface {
	// Backup copies the hub to a directory, by an absolute path.
	Backup(ctx context.Context, dest string) (Backup, error)
}

// Backup says what a backup has copied.
type Backup struct {
	Number      int // counts the backups in the directory
	Files       int
	Bytes       int64
	CopiedFiles int // that were not there from an earlier backup
	CopiedBytes int64
	LogBegin    uint64 // the copy holds all that was logged before LogEnd
	LogEnd      uint64
}

// managed are the calls of a Manager that the door carries.
var managed = map[string]func(context.Context, Manager, json.RawMessage) (any, error){
	"Backup": func(ctx context.Context, m Manager, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(dest string) (any, error) {
			b, err := m.Backup(ctx, dest)
			return b, writtenHere(dest, err)
		})
	},
}

var _ Manager = (*Client)(nil)

// Backup implements Manager.
func (c *Client) Backup(ctx context.Context, dest string) (b Backup, err error) {
	err = c.post(ctx, "Backup", dest, &b)
	return b, err
}

// writtenHere says, of an error of a place that cannot be written to, who it is that
// cannot: the caller may be another user, and see other file systems.
func writtenHere(dest string, err error) error {
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		return err
	}
	name := "with ID " + strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return fmt.Errorf("%w: the process that has the hub open writes %s (process ID %d, user %s), and must be allowed to: as that user, by ReadWritePaths= of its systemd unit, or in a container by a volume", err, dest, os.Getpid(), name)
}
