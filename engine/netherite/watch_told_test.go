package netherite_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

// A batch is cut, for its size or for a checkpoint, when all that it logs is
// appended, and what the cut appended becomes durable before the batch ends: together
// with a batch before it, whose changes are just about to be told. Its own come after.
func TestChangesOfABatchThatWasCutAreToldAfterThoseBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const id = "x"
		e := openHub(t, newMemory(1), func(o *netherite.Options) { o.KeeperTick(time.Hour) })
		w := watching(t, e, engine.WatchOptions{})
		ctx := t.Context()
		inBatch := func(request func() error, then func()) {
			e.Together(id, func() {
				go func() {
					if err := request(); err != nil {
						t.Error(err)
					}
				}()
				e.Arrived(id, 1)
				then()
			})
			synctest.Wait()
		}
		var first, second func()
		inBatch(func() error {
			_, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "X"})
			return err
		}, func() { first = e.HoldUpCommit(id) })
		inBatch(func() error { return e.Suspend(ctx, id, "") }, func() { second = e.HoldUpCommit(id) })
		cut := make(chan struct{})
		inBatch(func() error { return e.Resume(ctx, id, "") }, func() { e.CutOff(id, func() { <-cut }) })
		first() // the next commit is of both
		synctest.Wait()
		close(cut)
		synctest.Wait()
		second()
		expectTold(t, w, "x Pending")
	})
}

// Commits look at what a watch wants for as long as it is there.
func TestWhatAWatchWantsIsTheCallersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openHub(t, newMemory(1))
		o := engine.WatchOptions{Names: []string{"X"}, Statuses: []model.Status{model.Pending}}
		w := watching(t, e, o)
		o.Names[0], o.Statuses[0] = "Y", model.Failed
		start(t, e, "X", 1)
		start(t, e, "Y", 1)
		expectTold(t, w, "X-0 Pending")
	})
}
