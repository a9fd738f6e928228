package netherite_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
)

// TestMissingCodeIsMentionedOnceWorkersHaveHadTimeToReconnect: right after a restart no
// worker can be there yet, and each time to say that code is missing would teach people
// not to read it.
func TestMissingCodeIsMentionedOnceWorkersHaveHadTimeToReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		disk := newMemory(2)
		logging := func(o *netherite.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) }
		mentioned := func(after time.Duration) int {
			<-time.After(after)
			synctest.Wait()
			return strings.Count(log.String(), "no handler for orchestration X")
		}
		e := openHub(t, disk, logging)
		own := connected(t, e, "Other") // as a server has one of its own
		if _, err := e.Start(t.Context(), engine.StartRequest{Instance: "x", Name: "X"}); err != nil {
			t.Fatal(err)
		}
		if n := mentioned(netherite.ReconnectGrace - time.Second); n != 0 {
			t.Errorf("mentioned %d times before workers can have come", n)
		}
		if n := mentioned(2 * time.Second); n != 1 {
			t.Errorf("mentioned %d times after that, want once", n)
		}
		if n := mentioned(time.Minute); n != 2 {
			t.Errorf("mentioned %d times a minute later, want twice", n)
		}
		own.close()
		if err := e.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		e = openHub(t, disk, logging)
		defer connected(t, e, "Other").close()
		if n := mentioned(netherite.ReconnectGrace / 2); n != 2 {
			t.Errorf("mentioned %d times right after a restart", n-2)
		}
		w := newTestWorker()
		w.programs["X"] = inputSize
		w.connect(t, e)
		defer w.close()
		if n := mentioned(2 * time.Minute); n != 2 {
			t.Errorf("mentioned %d times although the worker has come back", n-2)
		}
		if _, err := ended(t.Context(), e, "x"); err != nil {
			t.Error(err)
		}
	})
}
