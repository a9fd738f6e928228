package netherite_test

import (
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// Whoever opens the hub after it was closed may back it up, too: no backup from before
// may still be at work in its directory then.
func TestBackupEndsBeforeItsHubIsClosed(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *netherite.Hub) error{
		"Close": func(t *testing.T, h *netherite.Hub) error { return h.Close(t.Context()) },
		"Kill":  func(_ *testing.T, h *netherite.Hub) error { h.Kill(); return nil },
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { backupAtTheEnd(t, end) }) })
	}
}

func backupAtTheEnd(t *testing.T, end func(*testing.T, *netherite.Hub) error) {
	files := faultfs.New()
	hub := withTour(t, files)
	goOn := make(chan struct{})
	var once sync.Once
	files.SetFault(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpCreate && strings.HasPrefix(op.Path, "/dest/") && strings.Contains(op.Path, ".sst") {
			once.Do(func() { <-goOn })
		}
		return nil
	})
	copied, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := hub.Backup(t.Context(), "/dest")
		copied <- err
	}()
	synctest.Wait()
	if _, err := hub.Backup(t.Context(), "/dest"); !errors.Is(err, engine.ErrBusy) {
		t.Errorf("a backup during another: %v", err)
	}
	go func() { closed <- end(t, hub) }()
	synctest.Wait()
	select {
	case err := <-closed:
		t.Error("the hub is closed, and a backup of it goes on")
		closed <- err
	default:
	}
	close(goOn)
	if err := <-copied; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("a backup of a hub that was closed meanwhile: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := files.Stat("/hub/backup.tmp"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the backup has left: %v", err)
	}
	if err := files.MkdirAll("/hub/backup.tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Backup(t.Context(), "/dest"); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("a backup of a closed hub: %v", err)
	}
	if _, err := files.Stat("/hub/backup.tmp"); err != nil {
		t.Errorf("a closed hub has changed its directory: %v", err)
	}
}
