package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

// openHub opens a hub with the replay checker on, and closes it at the end.
func openHub(t testing.TB, s netherite.Storage, change ...func(*netherite.Options)) *netherite.Engine {
	t.Helper()
	o := netherite.Options{Storage: s, CheckReplay: true, Logger: testLogger(t)}
	for _, f := range change {
		f(&o)
	}
	e, err := netherite.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := e.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, nil))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// startAndWait starts n instances from several clients and waits for their ends.
func startAndWait(t testing.TB, e engine.Client, name string, n, clients int) {
	t.Helper()
	ctx := t.Context()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := c; i < n; i += clients {
				id := fmt.Sprintf("%s-%d", name, i)
				if _, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: name}); err != nil {
					t.Errorf("start: %v", err)
					return
				}
				got, err := ended(ctx, e, id)
				if err != nil {
					t.Errorf("wait: %v", err)
					return
				}
				if got.Status != model.Completed {
					t.Errorf("%s ended %v: %v", id, got.Status, got.Failure)
				}
			}
		})
	}
	wg.Wait()
}

// patience is how long a test waits for what must happen soon.
const patience = 5 * time.Second

// ended waits for an orchestration's end. If that does not come, the error says
// what it waits for.
func ended(ctx context.Context, e engine.Client, id string) (*model.Instance, error) {
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := e.Wait(short, id, engine.UntilEnded, engine.GetOptions{Payloads: true})
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		if i, getErr := e.Get(ctx, id, engine.GetOptions{Waits: true}); getErr == nil {
			err = fmt.Errorf("%w: it is %v and waits for %+v", err, i.Status, *i.Waits)
		}
	}
	return got, err
}

func TestOrchestrationRunsToItsEnd(t *testing.T) {
	for _, release := range []netherite.Release{netherite.ReleaseNode, netherite.ReleasePartition, netherite.ReleaseConservative} {
		t.Run(release.String(), func(t *testing.T) {
			e := openHub(t, newMemory(4), func(o *netherite.Options) { o.Release = release })
			w := helloWorker()
			w.connect(t, e)
			defer w.close()
			startAndWait(t, e, "Hello5", 40, 8)
			if s := e.Stats(); s.Records == 0 || s.Log.Syncs == 0 {
				t.Errorf("stats say nothing happened: %+v", s)
			}
		})
	}
}

func TestGetOfUnknownInstanceIsNotFound(t *testing.T) {
	e := openHub(t, newMemory(2))
	if _, err := e.Get(t.Context(), "nobody", engine.GetOptions{}); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
