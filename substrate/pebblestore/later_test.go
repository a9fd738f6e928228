package pebblestore_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

const exportDir = "/hub/copy"

// acrossDisks refuses links, as between two disks, and calls f before the first table of
// an export is written.
func acrossDisks(fs *faultfs.FS, f func()) {
	var once sync.Once
	fs.SetFault(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpLink {
			return syscall.EXDEV
		}
		if op.Kind == faultfs.OpCreate && strings.HasPrefix(op.Path, exportDir) && strings.HasSuffix(op.Path, ".sst") {
			once.Do(f)
		}
		return nil
	})
}

// goOn applies and flushes until a compaction has removed the tables there were.
func goOn(s *pebblestore.Store) error {
	done := make(chan error, 1)
	go func() {
		var err error
		for n := 0; n < 30 && err == nil; n++ {
			err = layer(s, substrate.Main, n+100)
		}
		for err == nil && s.Compactions() == 0 {
			<-s.Progress()
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		return errors.New("the store does not go on")
	}
}

// layers is a store of so many tables over each other, and the names of its tables.
func layers(t *testing.T, n int) (*faultfs.FS, *pebblestore.Store, []string) {
	t.Helper()
	fs := faultfs.New()
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := layer(s, substrate.Main, i+1); err != nil {
			t.Fatal(err)
		}
	}
	return fs, s.(*pebblestore.Store), tablesOf(t, fs)
}

// wantGone checks that tables are not kept.
func wantGone(t *testing.T, fs *faultfs.FS, tables []string) {
	t.Helper()
	for _, name := range tables {
		if _, err := fs.Stat(name); err == nil && strings.Contains(name, "/main/") {
			t.Errorf("%s is there still", name)
		}
	}
}

// Where files cannot be linked, an export copies them: for as long as that takes the store
// goes on, and the copy is of the moment in which it began.
func TestStoreGoesOnWhileAnExportCopiesWhatCannotBeLinked(t *testing.T) {
	fs, s, before := layers(t, 3)
	acrossDisks(fs, func() {
		if err := goOn(s); err != nil {
			t.Error(err)
		}
	})
	m, err := s.Export(exportDir)
	if err != nil || m.Stamps[0].Offset != 3 {
		t.Fatalf("%+v, %v", m.Stamps, err)
	}
	fs.SetFault(nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantGone(t, fs, before)
	for at, want := range map[string]substrate.Offset{exportDir: 3, dir: 129} {
		s, err := open(fs, at)
		if err != nil {
			t.Fatal(err)
		}
		stamp, err := s.Stamp(0)
		if err != nil || stamp.Offset != want {
			t.Errorf("%s: %+v, %v", at, stamp, err)
		}
		if err := errors.Join(s.Scan(substrate.Main, nil, nil, func(_, _ []byte) bool { return true }), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

// An export that fails, or whose store dies, keeps no table for good.
func TestExportThatCannotCopyKeepsNoTable(t *testing.T) {
	fs, s, before := layers(t, 3)
	fs.SetFault(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpLink || op.Kind == faultfs.OpCreate && strings.HasPrefix(op.Path, exportDir) && strings.HasSuffix(op.Path, ".sst") {
			return syscall.EXDEV
		}
		return nil
	})
	if _, err := s.Export(exportDir); !errors.Is(err, syscall.EXDEV) {
		t.Fatal(err)
	}
	fs.SetFault(nil)
	if err := errors.Join(goOn(s), s.Close()); err != nil {
		t.Fatal(err)
	}
	wantGone(t, fs, before)
}

// An export that has failed already copies nothing more.
func TestExportThatHasFailedCopiesNothing(t *testing.T) {
	for range 8 { // which of the databases comes first is chance
		fs, s, _ := layers(t, 1)
		fs.SetFault(func(op faultfs.Op) error {
			switch {
			case op.Kind == faultfs.OpLink:
				return syscall.EXDEV
			case op.Kind != faultfs.OpCreate || !strings.HasPrefix(op.Path, exportDir):
			case strings.HasPrefix(op.Path, exportDir+"/history/MANIFEST"):
				return syscall.EMFILE
			case strings.HasSuffix(op.Path, ".sst"):
				t.Errorf("%s is copied", op.Path)
			}
			return nil
		})
		if _, err := s.Export(exportDir); !errors.Is(err, syscall.EMFILE) {
			t.Error(err)
		}
		fs.SetFault(nil)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The directory of an export may be the next owner's already: a store that was taken over
// makes no other file in it.
func TestStoreThatWasTakenOverCopiesNoOtherTable(t *testing.T) {
	leaktest.StoresDie(t)
	fs := faultfs.New()
	var copied atomic.Int64
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: fs, Dir: dir, Owned: func() error {
		if copied.Load() > 0 {
			return errTaken
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, space := range []substrate.Space{substrate.Main, substrate.History} {
		if err := layer(s, space, 1+int(space)); err != nil {
			t.Fatal(err)
		}
	}
	fs.SetFault(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpLink {
			return syscall.EXDEV
		}
		if op.Kind == faultfs.OpCreate && strings.HasPrefix(op.Path, exportDir) && strings.HasSuffix(op.Path, ".sst") {
			copied.Add(1)
		}
		return nil
	})
	if _, err := s.Export(exportDir); !errors.Is(err, errTaken) || copied.Load() != 1 {
		t.Errorf("%d tables are copied, %v", copied.Load(), err)
	}
	fs.SetFault(nil)
	s.Abandon()
}

// What is copied late is as durable as what was linked.
func TestExportThatCopiesIsDurable(t *testing.T) {
	fs, s, _ := layers(t, 1)
	acrossDisks(fs, func() {})
	m, err := s.Export(exportDir)
	if err != nil {
		t.Fatal(err)
	}
	fs.SetFault(nil)
	after := fs.CrashClone(faultfs.Crash{})
	for _, f := range m.Files {
		if _, err := after.Stat(exportDir + "/" + f.Name); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
