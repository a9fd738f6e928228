package sweep_test

import (
	"bytes"
	"log/slog"
	"path"
	"sync/atomic"

	"github.com/netherite-go/netherite"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// rigged is the storage of a hub that is there, opened as the hub itself does, but for
// what goes wrong with the store.
type rigged struct {
	fs   *faultfs.FS
	hub  [16]byte
	log  *filelog.Log
	sick int                    // a partition that cannot be read; -1 for none
	trap atomic.Pointer[string] // the instance at which the core panics, once, as it is looked for
}

// why is what it panics with.
const why = "as it was told to"

var _ core.SideStorage = (*rigged)(nil)

// openRigged opens a hub that was closed, with a partition that cannot be read.
func openRigged(fs *faultfs.FS, m *mending, sick int, more ...netherite.Option) (*netherite.Hub, *rigged, error) {
	report, err := netherite.InspectFiles(fs, dir)
	if err != nil {
		return nil, nil, err
	}
	r := &rigged{fs: fs, hub: report.Hub, sick: sick}
	hub, err := openWith(fs, m, append(more, netherite.Storage(r))...)
	return hub, r, err
}

// Parameters implements core.Storage.
func (r *rigged) Parameters() core.Parameters {
	return core.Parameters{Hub: r.hub, Partitions: partitions, Place: dir}
}

// OpenLog implements core.Storage.
func (r *rigged) OpenLog() (log substrate.Log, err error) {
	r.log, err = filelog.Open(filelog.Options{
		FS: r.fs, Dir: path.Join(dir, "log"), Hub: filelog.HubID(r.hub), Known: core.KnownGroup,
		MinSegmentBytes: segmentBytes, MaxSegmentBytes: segmentBytes, Logger: slog.New(slog.DiscardHandler),
	})
	return r.log, err
}

// OpenStore implements core.Storage.
func (r *rigged) OpenStore(memory int64) (substrate.Store, error) {
	s, err := pebblestore.Open(pebblestore.Options{
		FS: r.fs, Dir: path.Join(dir, "store"), Hub: r.hub, MemoryBytes: memory, BallastBytes: ballastBytes, Reached: r.log.Reached, Owned: r.log.Owned,
	})
	if err == nil && s.HasNoted() {
		err = r.log.Noted()
	}
	return riggedStore{s, r}, err
}

// OpenSideFiles implements core.SideStorage.
func (r *rigged) OpenSideFiles() (substrate.SideFiles, error) {
	return sidefile.Open(r.fs, path.Join(dir, "side"), r.hub).Guarded(r.log.Owned), nil
}

// Close implements core.Storage.
func (r *rigged) Close() error { return nil }

type riggedStore struct {
	substrate.Store
	r *rigged
}

// Get implements substrate.Reader.
func (s riggedStore) Get(space substrate.Space, key []byte) ([]byte, error) {
	if s.r.sick >= 0 && space == substrate.Main && string(key) == string([]byte{0, byte(s.r.sick), 'M'}) {
		return nil, substrate.ErrDamaged
	}
	if id := s.r.trap.Load(); id != nil && bytes.HasSuffix(key, []byte(*id)) && s.r.trap.CompareAndSwap(id, nil) {
		panic(why)
	}
	return s.Store.Get(space, key)
}
