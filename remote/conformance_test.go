package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/grpc"

	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/enginetest"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/sidefile"
	"github.com/netherite-go/netherite/substrate/sysclock"
	"github.com/netherite-go/netherite/worker"
)

// TestScenariosOverTheWire: whatever holds for an engine in the same process holds
// for one behind a server.
func TestScenariosOverTheWire(t *testing.T) {
	enginetest.Suite{Light: true, New: behindServer}.Run(t)
}

// served is the storage of a hub that a server has open: an engine of it is a
// connection.
type served struct {
	t      *testing.T
	clock  hubtest.Flowing
	params core.Parameters
	log    *mem.LogDisk
	store  *mem.StoreDisk
	side   *sidefile.Files
	mu     sync.Mutex
	left   int // operations before the one that fails; negative: none does
	failed bool

	engine *core.Engine
	stop   func() // the server
}

func behindServer(t *testing.T) enginetest.Storage {
	s := &served{t: t, clock: hubtest.NewFlowing(t), left: -1, params: core.Parameters{Partitions: 4}}
	s.fresh()
	t.Cleanup(func() {
		if s.stop != nil {
			s.stop()
		}
	})
	return s
}

func (s *served) fresh() {
	s.log, s.store, s.side = mem.NewLogDisk(), mem.NewStoreDisk(), sidefile.Open(vfs.NewMem(), "/side", [16]byte{})
	s.log.SetFault(func(mem.Op, int) error { return s.fault() })
	s.store.SetFault(func(mem.Op, int) error { return s.fault() })
}

var errInjected = errors.New("injected storage fault")

func (s *served) fault() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left < 0 {
		return nil
	}
	if s.left--; s.left >= 0 {
		return nil
	}
	s.failed = true
	return errInjected
}

func (s *served) Parameters() core.Parameters { return s.params }
func (s *served) OpenLog() (substrate.Log, error) {
	if err := s.fault(); err != nil {
		return nil, err
	}
	return s.log.Open()
}
func (s *served) OpenStore(int64) (substrate.Store, error)    { return s.store.Open() }
func (s *served) OpenSideFiles() (substrate.SideFiles, error) { return s.side, nil }
func (s *served) Close() error                                { return nil }
func (s *served) Clock() enginetest.Clock                     { return s.clock }
func (s *served) Checkpoint(ctx context.Context) error        { return s.engine.Checkpoint(ctx) }
func (s *served) Delete() error                               { s.fresh(); return nil }
func (s *served) Fail(n int)                                  { s.mu.Lock(); s.left, s.failed = n, s.failed && n < 0; s.mu.Unlock() }
func (s *served) Failed() bool                                { s.mu.Lock(); defer s.mu.Unlock(); return s.failed }

func (s *served) Check() error {
	if f := s.engine.Stats(); f.Panics > 0 || f.Parked > 0 {
		return fmt.Errorf("%d panics of the core, %d partitions parked", f.Panics, f.Parked)
	}
	return nil
}

func (s *served) Crash() {
	s.stop()
	s.engine.Kill(false)
	s.log.Crash(mem.KeepNone)
	s.store.Crash(mem.KeepNone, mem.KeepNone)
}

func (s *served) Open(o enginetest.Options) (engine.Engine, error) {
	opts := core.Options{
		Storage: s, Clock: s.clock, Logger: o.Logger, MaxPayload: o.MaxPayload, Memory: o.Memory,
		Gather: -1, Backoff: []time.Duration{0, time.Millisecond}, Retention: -1,
		Checkpoint: core.Checkpoint{Records: max(o.CheckpointRecords, 0)},
	}
	if o.CheckpointRecords < 0 {
		opts.Checkpoint = core.Checkpoint{Records: 1 << 40, Bytes: 1 << 50, Idle: 1 << 60}
	}
	opts.CheckReplay = o.Memory == 0 && !o.Bulk
	e, err := core.Open(opts)
	if err != nil {
		return nil, err
	}
	s.engine = e
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxReceived))
	service := durabletask.Register(server, doorway{e})
	go func() { _ = server.Serve(listener) }()
	l, err := newLink(listener.Addr().String(), &settings{timeout: time.Minute, worker: worker.Options{Clock: sysclock.New(), Logger: o.Logger}})
	if err != nil {
		s.t.Fatal(err)
	}
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			service.Close()
			server.Stop()
			_ = l.close()
		})
	}
	return &throughServer{client{l}, &feed{link: l}, e, s.stop}, nil
}

// doorway is what the door serves.
type doorway struct{ e *core.Engine }

func (h doorway) Engine() engine.Client { return h.e }
func (h doorway) Feed() engine.Feed     { return h.e }

// throughServer is an engine behind a server.
type throughServer struct {
	engine.Client
	engine.Feed
	opened *core.Engine
	stop   func()
}

func (e *throughServer) Close(ctx context.Context) error {
	err := e.opened.Close(ctx)
	e.stop()
	return err
}
