package netherite_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// clean tidies the entities and holds what had to be done.
func clean(t *testing.T, e *netherite.Engine, o engine.CleanOptions, want engine.Cleaned) {
	t.Helper()
	if got, err := e.CleanEntities(t.Context(), o); err != nil || got != want {
		t.Errorf("clean %+v: %+v, %v, want %+v", o, got, err, want)
	}
}

// locking is a program that locks an entity. Event "leave" makes it release the
// lock and go on waiting, "end" makes it end.
func locking(entity string) program {
	return func(past, fresh []model.Event) []model.Event {
		asked := count(model.EntityLockRequested, past) > 0
		if !asked {
			return []model.Event{{Kind: model.EntityLockRequested, ID: 0, RequestID: "S", Ext: &model.Ext{LockSet: []string{entity}}}}
		}
		for i := range fresh {
			switch {
			case fresh[i].Kind != model.EventRaised:
			case fresh[i].Name == "leave":
				return []model.Event{{Kind: model.EntityUnlockSent, ID: 1, RequestID: "S", Instance: entity}}
			case fresh[i].Name == "end":
				return []model.Event{completed(1, "ended")}
			}
		}
		return nil
	}
}

// lockedBy reads who holds an entity's lock; there may be no such entity.
func lockedBy(t *testing.T, e *netherite.Engine, entity string) string {
	t.Helper()
	i, err := e.Get(t.Context(), entity, engine.GetOptions{})
	if err != nil || i.Entity == nil {
		return ""
	}
	return i.Entity.LockedBy
}

// The core fails at the message that releases a lock: it is consumed, the entity
// is set aside, and its lock stays with a holder that has gone on.
func TestLocksWhoseHolderDoesNotRunTheirSectionAreReleased(t *testing.T) {
	for name, c := range map[string]struct {
		goOn func(t *testing.T, e *netherite.Engine, holder string)
	}{
		"holder ended": {func(t *testing.T, e *netherite.Engine, holder string) {
			raise(t, e, holder, "end")
		}},
		"holder purged": {func(t *testing.T, e *netherite.Engine, holder string) {
			raise(t, e, holder, "end")
			if _, err := ended(t.Context(), e, holder); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Purge(t.Context(), holder, false); err != nil {
				t.Fatal(err)
			}
		}},
		"holder left the section": {func(t *testing.T, e *netherite.Engine, holder string) {
			raise(t, e, holder, "leave")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			poisoned := make(chan struct{})
			once := sync.OnceFunc(func() { close(poisoned) })
			e := openHub(t, newMemory(2), func(o *netherite.Options) {
				o.BeforeStep(func(_ int, ev partition.Event) {
					if r, ok := ev.(*partition.Received); ok && r.Messages[0].Event.Kind == model.EntityUnlockSent {
						once()
						panic("poisonous release")
					}
				})
			})
			ctx, entity, holder := t.Context(), entityIn(1), named("holder", 0)
			w := newTestWorker()
			w.programs["Locking"] = locking(entity)
			w.connect(t, e)
			defer w.close()
			if _, err := e.Start(ctx, engine.StartRequest{Instance: holder, Name: "Locking"}); err != nil {
				t.Fatal(err)
			}
			for lockedBy(t, e, entity) != holder {
				if ctx.Err() != nil {
					t.Fatal("never locked")
				}
			}
			orphans := engine.CleanOptions{ReleaseOrphanedLocks: true}
			clean(t, e, orphans, engine.Cleaned{}) // the section is entered
			c.goOn(t, e, holder)
			<-poisoned
			if got := lockedBy(t, e, entity); got != holder {
				t.Fatalf("locked by %q, want %q: nothing to clean up", got, holder)
			}
			clean(t, e, engine.CleanOptions{RemoveEmpty: true}, engine.Cleaned{})
			clean(t, e, orphans, engine.Cleaned{Released: 1})
			if got := lockedBy(t, e, entity); got != "" {
				t.Errorf("still locked by %q", got)
			}
			clean(t, e, orphans, engine.Cleaned{})
		})
	}
}

func raise(t *testing.T, e *netherite.Engine, instance, event string) {
	t.Helper()
	if err := e.Raise(t.Context(), engine.RaiseRequest{Instance: instance, Event: event}); err != nil {
		t.Fatal(err)
	}
}

// entityIn makes up the ID of an entity that lives in a partition of two.
func entityIn(partition int) string {
	for i := 0; ; i++ {
		if id := fmt.Sprintf("@e@%d", i); model.PartitionOf(id, 2) == partition {
			return id
		}
	}
}

// What an entity was there for is taken out of the store, as if it had been lost.
func TestEntitiesThatHaveNothingAreRemoved(t *testing.T) {
	m := newMemory(1)
	ctx := t.Context()
	open := func() *netherite.Engine { return openHub(t, m) }
	e := open()
	if err := e.Signal(ctx, engine.SignalRequest{Entity: "@e@a", Operation: "add", At: model.TimeOf(time.Now().Add(time.Hour))}); err != nil {
		t.Fatal(err)
	}
	empty := engine.CleanOptions{RemoveEmpty: true}
	clean(t, e, empty, engine.Cleaned{}) // a signal is due later
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	forgetTimers(t, m)
	e = open()
	clean(t, e, engine.CleanOptions{ReleaseOrphanedLocks: true}, engine.Cleaned{})
	count := func() int {
		p, err := e.Query(ctx, engine.Query{Entities: true})
		if err != nil {
			t.Fatal(err)
		}
		return len(p.Instances)
	}
	if n := count(); n != 1 {
		t.Fatalf("%d entities, want the empty one", n)
	}
	clean(t, e, empty, engine.Cleaned{Removed: 1})
	if n := count(); n != 0 {
		t.Errorf("%d entities are left", n)
	}
	clean(t, e, empty, engine.Cleaned{})
}

// forgetTimers deletes from the closed store of a hub of one partition all timers
// and the scheduled messages that they stand for.
func forgetTimers(t *testing.T, m *memory) {
	t.Helper()
	store, err := m.OpenStore(0)
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := store.Stamp(0)
	if err != nil {
		t.Fatal(err)
	}
	batch := store.NewBatch()
	const table, sub = 2, 11 // positions in a key: partition(2) table ordinal(8) sub
	if err := store.Scan(substrate.Main, nil, nil, func(key, _ []byte) bool {
		if key[table] == 't' || key[table] == 'i' && len(key) > sub && key[sub] == 'w' {
			batch.Delete(substrate.Main, key)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if batch.Len() != 2 {
		t.Fatalf("%d rows of timers, want 2", batch.Len())
	}
	if err := store.Apply(batch, 0, stamp); err != nil {
		t.Fatal(err)
	}
	if err := store.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}
