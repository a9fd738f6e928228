package netherite

import (
	"errors"
	"io/fs"
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// FuzzHubFile holds that any hub file is refused by name or names a hub; and that
// what a hub file is written with is what is read. It is JSON, which has many forms
// of one value, and later versions may add fields: only what is written is canonical.
func FuzzHubFile(f *testing.F) {
	id := "0123456789abcdef0123456789abcdef"
	f.Add([]byte(`{"format":1,"hub":"` + id + `","partitions":8}` + "\n"))
	f.Add([]byte(`{"format":1,"hub":"` + id + `","partitions":8,"more":[1]}`))
	f.Add([]byte(`{"format":2,"hub":"` + id + `","partitions":8}`))
	f.Add([]byte(`{"format":1,"hub":"` + id + `","partitions":-1}`))
	f.Add([]byte(`{"format":1,"hub":"` + id + `","partitions":99999999999}`))
	f.Add([]byte(`{"format":1e99,"hub":"","partitions":8}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := faultfs.New()
		if err := disk.MkdirAll("/d", 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, disk, "/d/"+hubName, data)
		fuzztest.Bounded(t, len(data), 20, func() {
			d := &directory{dir: "/d", fs: disk, logger: slog.New(slog.DiscardHandler)}
			err := d.acquire()
			if err != nil {
				if !errors.Is(err, engine.ErrDamaged) && !errors.Is(err, engine.ErrNewerFormat) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err := d.writeHub(hubName); err != nil {
				t.Fatal(err)
			}
			again := &directory{dir: "/d", fs: disk, logger: d.logger}
			if err := again.acquire(); err != nil || again.params != d.params {
				t.Fatalf("%s is read as %+v, and what is written of that as %+v, %v", data, d.params, again.params, err)
			}
		})
	})
}

func put(t *testing.T, disk vfs.FS, name string, data []byte) {
	t.Helper()
	file, err := disk.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = file.Write(data)
		err = errors.Join(err, file.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
}
