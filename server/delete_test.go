package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/dirlock"
)

// A hub is deleted, or made anew, at once: what workers have of it is nobody's any more,
// and their streams end, so that they ask again.
func TestAHubIsDeletedWhateverWorkersHaveOfIt(t *testing.T) {
	for name, c := range map[string]struct {
		remove func(context.Context, wire.TaskHubSidecarServiceClient) error
		stream codes.Code
		result codes.Code
	}{
		"deleted": {func(ctx context.Context, c wire.TaskHubSidecarServiceClient) error {
			_, err := c.DeleteTaskHub(ctx, &wire.DeleteTaskHubRequest{})
			return err
		}, codes.NotFound, codes.NotFound},
		"made anew": {func(ctx context.Context, c wire.TaskHubSidecarServiceClient) error {
			_, err := c.CreateTaskHub(ctx, &wire.CreateTaskHubRequest{RecreateIfExists: true})
			return err
		}, codes.Unavailable, codes.FailedPrecondition},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(c *Config) { c.Data = t.TempDir() })
			client, shop := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil)), as(t.Context(), "", "shop")
			work, err := client.GetWorkItems(shop, &wire.GetWorkItemsRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.StartInstance(shop, &wire.CreateInstanceRequest{InstanceId: "x", Name: "F"}); err != nil {
				t.Fatal(err)
			}
			item, err := work.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.remove(shop, client); err != nil {
				t.Fatal(err)
			}
			for err == nil { // signs of life
				_, err = work.Recv()
			}
			if status.Code(err) != c.stream {
				t.Errorf("the stream ends with %v", err)
			}
			if err := complete(shop, client, item); status.Code(err) != c.result {
				t.Errorf("a result of what is gone: %v", err)
			}
			if _, err := client.GetInstance(shop, &wire.GetInstanceRequest{InstanceId: "x"}); err != nil && c.stream != codes.NotFound {
				t.Errorf("the hub that was made anew: %v", err)
			}
		})
	}
}

// A hub that could not be deleted is there as before: it is not taken for one that never
// was, and can be deleted once nothing is in the way.
func TestAHubThatCannotBeDeletedIsNotForgotten(t *testing.T) {
	for name, isOpen := range map[string]bool{"not open": false, "open": true} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			dir, err := HubDir(data, "shop")
			if err != nil {
				t.Fatal(err)
			}
			first, err := netherite.Open(dir)
			if err == nil {
				err = first.Close(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			var s *running
			inTheWay := filepath.Join(dir, dirlock.FileName)
			block := func() {
				if err := errors.Join(os.Remove(inTheWay), os.Mkdir(inTheWay, 0o700)); err != nil {
					t.Fatal(err)
				}
			}
			serve := func() { s = start(t, func(c *Config) { c.Data = data }) }
			if isOpen {
				serve()
				block()
			} else {
				block()
				serve()
			}
			if err := s.hubs.Delete(t.Context(), "shop"); err == nil {
				t.Fatal("it was deleted")
			}
			if _, err := s.hubs.Hub(t.Context(), "shop"); !errors.Is(err, engine.ErrUnavailable) {
				t.Errorf("it is there, and cannot be opened: %v", err)
			}
			if err := os.Remove(inTheWay); err != nil {
				t.Fatal(err)
			}
			if err := s.hubs.Delete(t.Context(), "shop"); err != nil {
				t.Error(err)
			}
			if names, err := FindHubs(data); err != nil || slices.Contains(names, "shop") || len(s.hubs.Broken()) > 0 {
				t.Errorf("there are %v, %v", names, err)
			}
		})
	}
}

// One that could not even be opened again is tried again, like one at the start.
func TestAHubThatCouldNotBeDeletedIsOpenedAgain(t *testing.T) {
	data := t.TempDir()
	dir := makeHub(t, data, "shop")
	s := start(t, func(c *Config) { c.Data = data })
	inTheWay := filepath.Join(dir, dirlock.FileName)
	if err := errors.Join(os.Remove(inTheWay), os.Mkdir(inTheWay, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := s.hubs.Delete(t.Context(), "shop"); err == nil {
		t.Fatal("it was deleted")
	}
	s.retrying.Lock()
	again := s.retry != nil
	s.retrying.Unlock()
	if !again {
		t.Error("nobody tries again")
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	s.tryAgain()
	if _, err := s.hubs.Hub(t.Context(), "shop"); err != nil || len(s.hubs.Broken()) > 0 {
		t.Errorf("%v, broken are %v", err, s.hubs.Broken())
	}
}

// A hub that is deleted while it waits to be opened again is not made anew.
func TestAHubThatIsDeletedMeanwhileIsNotOpenedAgain(t *testing.T) {
	data := t.TempDir()
	s := start(t, func(c *Config) { c.Data = data })
	s.hubs.reopen(t.Context(), "gone")
	if names, err := FindHubs(data); err != nil || slices.Contains(names, "gone") || slices.Contains(s.hubs.Names(), "gone") {
		t.Errorf("there are %v, %v", names, err)
	}
}

// Nor for one that is tried again, on a disk that does not answer.
func TestAStopDoesNotWaitForAHubThatIsTriedAgain(t *testing.T) {
	data := t.TempDir()
	makeHub(t, data, "stuck")
	s := start(t, func(c *Config) { c.Data = data })
	begun, release, changed, tried := make(chan struct{}), make(chan struct{}), make(chan error), make(chan struct{})
	go func() {
		changed <- s.hubs.change(context.Background(), "stuck", func(old *netherite.Hub) (*netherite.Hub, error) {
			close(begun)
			<-release
			return old, nil
		})
	}()
	<-begun
	s.hubs.note("stuck", errors.New("it could not be opened"))
	go func() {
		defer close(tried)
		s.tryAgain()
	}()
	for range 1_000 { // it waits for the hub
		runtime.Gosched()
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(over); err != nil {
		t.Error(err)
	}
	close(release)
	<-changed
	<-tried
	if s.ready.Load() {
		t.Error("it is ready after its stop")
	}
}

// A server that stops does not wait for a hub that is being changed for longer than it
// may, and a hub that comes later is closed.
func TestAStopDoesNotWaitForAHubThatIsBeingOpened(t *testing.T) {
	s := start(t, nil)
	begun, release, changed := make(chan struct{}), make(chan struct{}), make(chan error)
	var hub *netherite.Hub
	go func() {
		changed <- s.hubs.change(context.Background(), "late", func(*netherite.Hub) (_ *netherite.Hub, err error) {
			close(begun)
			<-release
			hub, err = netherite.Open("", netherite.InMemory())
			return hub, err
		})
	}()
	<-begun
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(over); err != nil {
		t.Error(err)
	}
	close(release)
	if err := <-changed; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("the hub was opened: %v", err)
	}
	if _, err := hub.Engine().Get(t.Context(), "x", engine.GetOptions{}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("the late hub answers %v", err)
	}
}
