package pebblestore_test

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// older puts one database of an earlier crash in the place of a later one's.
func older(t *testing.T, later, earlier vfs.FS, name string) vfs.FS {
	t.Helper()
	mixed := vfs.NewMem()
	for _, from := range []struct {
		fs   vfs.FS
		name string
	}{{later, ""}, {earlier, name}} {
		path := mixed.PathJoin(dir, from.name)
		if err := mixed.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if ok, err := vfs.Clone(from.fs, mixed, path, path); err != nil || !ok {
			t.Fatal(from.name, ok, err)
		}
	}
	return mixed
}

// Three flushes: each database has seen what the other noted before the last.
func TestOlderCopyOfOneDatabaseIsToldByTheOther(t *testing.T) {
	leaktest.StoresDie(t)
	fs := faultfs.New()
	now := substrate.Reach{Incarnation: 1}
	s := openReaching(t, fs, func() substrate.Reach { return now })
	var states []vfs.FS
	for i := range 3 {
		now.Durable += 10
		if err := errors.Join(applyNumbered(s, i+1), s.Flush()); err != nil {
			t.Fatal(err)
		}
		states = append(states, fs.CrashClone(faultfs.Crash{}))
	}
	s.Abandon()
	for i, state := range states {
		behind := func(name string) (bool, error) {
			opts := pebblestore.Options{FS: older(t, states[2], state, name), Dir: dir}
			verified, err := pebblestore.Verify(opts, nil)
			if err != nil {
				t.Fatal(err)
			}
			view, err := pebblestore.OpenView(opts)
			if (err != nil) != (len(verified.Damage) > 0) {
				t.Errorf("%s of flush %d: %v, verify: %+v", name, i, err, verified.Damage)
			}
			if err != nil {
				return false, err
			}
			defer view.Close()
			return view.Age().Behind, nil
		}
		if got, err := behind("main"); got != (i < 1) || err != nil {
			t.Errorf("main of flush %d: behind: %t, %v", i, got, err)
		}
		_, err := behind("history")
		damage, damaged := errors.AsType[*substrate.Damage](err)
		if damaged != (i < 2) || damaged && damage.File != "history" {
			t.Errorf("history of flush %d: %v", i, err)
		}
	}
}
