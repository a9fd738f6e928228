package owner

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// teller is a client that tells of changes what it is told.
type teller struct {
	recorder
	asked  engine.WatchOptions
	lines  chan news
	closed chan struct{}
	err    error
}

func (f *teller) Watch(o engine.WatchOptions) (engine.Watch, error) {
	f.asked = o
	return f, f.err
}

func (f *teller) Next(ctx context.Context) ([]engine.Change, bool, error) {
	select {
	case n, ok := <-f.lines:
		if !ok {
			return nil, false, engine.ErrClosed
		}
		return n.Changes, n.Lost, nil
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

func (f *teller) Close() { close(f.closed) }

func newTeller() *teller { return &teller{lines: make(chan news), closed: make(chan struct{})} }

func TestChangesAreToldThroughTheSocket(t *testing.T) {
	f := newTeller()
	_, c := opened(t, t.TempDir(), f)
	o := engine.WatchOptions{Instance: "x", Names: []string{"N"}, Statuses: []model.Status{model.Failed}, Buffer: 7}
	w, err := c.Watch(o)
	if err != nil || !reflect.DeepEqual(f.asked, o) {
		t.Fatalf("asked for %+v, %v", f.asked, err)
	}
	want := []engine.Change{{Instance: "x", Name: "N", Status: model.Failed, Created: 1, LastUpdated: 2, Execution: model.ExecutionID{1}, Gone: true}}
	go func() { f.lines <- news{Changes: want, Lost: true} }()
	got, lost, err := w.Next(t.Context())
	if err != nil || !lost || !reflect.DeepEqual(got, want) {
		t.Errorf("told %+v, %v, %v", got, lost, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := w.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	w.Close()
	<-f.closed // so the hub's side has ended too
	if _, _, err := w.Next(t.Context()); !errors.Is(err, engine.ErrClosed) && !errors.Is(err, context.Canceled) {
		t.Errorf("closed: %v", err)
	}
}

func TestAWatchThroughTheSocketEndsWithTheHub(t *testing.T) {
	f := newTeller()
	_, c := opened(t, t.TempDir(), f)
	w, err := c.Watch(engine.WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	close(f.lines)
	if _, _, err := w.Next(t.Context()); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("the hub closes: %v", err)
	}
	w.Close()
}

func TestAWatchThroughTheSocketEndsWithTheProcess(t *testing.T) {
	f := newTeller()
	f.err = engine.ErrBusy
	_, busy := opened(t, t.TempDir(), f)
	if _, err := busy.Watch(engine.WatchOptions{}); !errors.Is(err, engine.ErrBusy) {
		t.Errorf("refused: %v", err)
	}
	f = newTeller()
	s, c := opened(t, t.TempDir(), f)
	w, err := c.Watch(engine.WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Next(t.Context()); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("the process is gone: %v", err)
	}
}

func TestAHubThatTellsNothingSaysSo(t *testing.T) {
	_, c := opened(t, t.TempDir(), &recorder{})
	if _, err := c.Watch(engine.WatchOptions{}); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("%v", err)
	}
}
