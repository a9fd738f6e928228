package enginetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var entities = []scenario{
	{name: "T65_CanOrchestrateEntities", run: orchestrateEntities},
	{name: "T66_CanClientInteractWithEntities", run: clientAndEntity},
	{name: "T67_CanOrchestrationInteractWithEntities", run: signalBeforeChildsCall, causal: true},
	{name: "EntityOperationThatFailsChangesNothing", run: failedOperation},
	{name: "EntityIsDeletedAndCleanedUp", run: deletedEntity},
	{name: "EntitiesInUseAreNotCleanedUp", run: cleanedAmidWork},
	{name: "EntitySignalAtATime", run: scheduledSignal},
	{name: "EntityStartsOrchestration", run: entityStarts},
	{name: "EntityBatchOverCrash", run: batchOverCrash},
	{name: "CriticalSectionsExcludeEachOther", run: sections},
	{name: "CriticalSectionsLetNobodyIn", run: sectionAlone},
	{name: "CriticalSectionEndsWithItsOrchestration", run: sectionEnds},
	{name: "CriticalSectionsOverCrashes", run: sectionsOverCrashes},
}

// number is the state of an entity that counts.
type tally struct{ N int }

var (
	tallies = durable.Entity[tally]("Tally")
	addTo   = durable.Operation(tallies, "Add", func(t *tally, _ *durable.EntityContext, n int) (int, error) {
		t.N += n
		return t.N, nil
	})
	readFrom = durable.Getter(tallies, "Get", func(t *tally, _ *durable.EntityContext) (int, error) { return t.N, nil })
	spoil    = durable.Operation(tallies, "Spoil", func(t *tally, ctx *durable.EntityContext, _ durable.None) (durable.None, error) {
		t.N = -1_000
		if err := addTo.Signal(ctx, tallies.Key(ctx.Key()), 1); err != nil {
			return durable.None{}, err
		}
		return durable.None{}, fmt.Errorf("after changing: %w", errNull)
	})
	launch = durable.Operation(tallies, "Launch", func(_ *tally, ctx *durable.EntityContext, id string) (durable.None, error) {
		_, err := helloOnly.Detach(ctx, "World", durable.ID(id))
		return durable.None{}, err
	})

	// useEntity signals four times, locks, and reads.
	useEntity = durable.Orchestration("UseEntity", func(ctx *durable.Context, key string) (int, error) {
		k := tallies.Key(key)
		for _, n := range []int{1, 2, 3, 1} {
			if err := addTo.Signal(ctx, k, n); err != nil {
				return 0, err
			}
		}
		unlock, err := durable.Lock(ctx, k)
		if err != nil {
			return 0, err
		}
		defer unlock()
		return readFrom.Call(ctx, k).Await()
	})
	readEntity = durable.Orchestration("ReadEntity", func(ctx *durable.Context, key string) (int, error) {
		return readFrom.Call(ctx, tallies.Key(key)).Await()
	})
	// signalThenRead signals, and has a sub-orchestration read.
	signalThenRead = durable.Orchestration("SignalThenRead", func(ctx *durable.Context, key string) (int, error) {
		if err := addTo.Signal(ctx, tallies.Key(key), 7); err != nil {
			return 0, err
		}
		return readEntity.Call(ctx, key).Await()
	})
	spoilEntity = durable.Orchestration("SpoilEntity", func(ctx *durable.Context, key string) (int, error) {
		k := tallies.Key(key)
		if _, err := addTo.Call(ctx, k, 5).Await(); err != nil {
			return 0, err
		}
		_, err := spoil.Call(ctx, k, durable.None{}).Await()
		if !errors.Is(err, errNull) {
			return 0, fmt.Errorf("the failed operation returned %w", err)
		}
		return readFrom.Call(ctx, k).Await()
	})

	entityCode = []durable.Handler{tallies, useEntity, readEntity, signalThenRead, spoilEntity}
)

// read reads an entity with all operations that were acknowledged before.
func (s *scene) read(key string) (n int, exists bool) {
	s.Helper()
	inst, err := s.engine.Get(s.ctx, tallies.Key(key).InstanceID(), engine.GetOptions{Payloads: true, Fresh: true})
	if errors.Is(err, engine.ErrNotFound) {
		return 0, false
	}
	s.ok(err)
	if inst.Entity == nil || inst.Entity.State == nil {
		return 0, false
	}
	state, err := durable.Decode[tally](s, inst.Entity.State)
	s.ok(err)
	return state.N, true
}

func (s *scene) post(key string, n int) {
	s.Helper()
	s.ok(addTo.Post(s.ctx, s, tallies.Key(key), n))
}

func orchestrateEntities(s *scene) { result(s, start(s, useEntity, "use", s.id("tally")), 7) }

func clientAndEntity(s *scene) {
	_, exists := s.read(s.id("tally"))
	want(s, "it exists", exists, false)
	for _, n := range []int{1, 2, 3, 1} {
		s.post(s.id("tally"), n)
	}
	n, exists := s.read(s.id("tally"))
	want(s, "it exists", exists, true)
	want(s, "its value", n, 7)
	for inst, err := range tallies.List(s.ctx, s, s.prefix) {
		s.ok(err)
		want(s, "listed value", inst.State.N, 7)
	}
	found := s.list(engine.Query{Entities: true, IDPrefix: tallies.Key(s.prefix).InstanceID()})
	want(s, "entities found", len(found), 1)
	upper := strings.ToUpper(tallies.Name())
	found = s.list(engine.Query{Entities: true, Names: []string{upper, tallies.Name()}, IDPrefix: "@" + upper + "@" + s.prefix})
	want(s, "entities found by a type in capitals", len(found), 1)
}

// signalBeforeChildsCall holds that delivery is causal: the entity gets the
// signal before the call, which was made because of it by another instance. It
// cannot hold where partitions are connected by a transport that loses or delays
// what one of them sends and not what another sends: messages are in order per
// pair of instances there, and these are two pairs. (Within one log, delivery
// follows the order of the log.)
func signalBeforeChildsCall(s *scene) {
	for i := range 10 {
		result(s, start(s, signalThenRead, fmt.Sprint("signal-", i), s.id(fmt.Sprint("tally-", i))), 7)
	}
}

func failedOperation(s *scene) {
	result(s, start(s, spoilEntity, "spoil", s.id("tally")), 5)
	n, _ := s.read(s.id("tally"))
	want(s, "its value", n, 5)
}

// clean tidies all entities and holds how many had to be removed and released.
func (s *scene) clean(removed, released int) {
	s.Helper()
	gotRemoved, gotReleased, err := durable.CleanEntities(s.ctx, s, engine.CleanOptions{RemoveEmpty: true, ReleaseOrphanedLocks: true})
	s.ok(err)
	want(s, "entities removed", gotRemoved, removed)
	want(s, "locks released", gotReleased, released)
}

func deletedEntity(s *scene) {
	s.post(s.id("tally"), 3)
	s.ok(tallies.Delete().Post(s.ctx, s, tallies.Key(s.id("tally")), durable.None{}))
	_, exists := s.read(s.id("tally"))
	want(s, "it has a state", exists, false)
	empty := len(s.list(engine.Query{Entities: true})) // none, if the engine is quick
	s.clean(empty, 0)
	want(s, "entities left", len(s.list(engine.Query{Entities: true})), 0)
	s.post(s.id("tally"), 4)
	n, _ := s.read(s.id("tally"))
	want(s, "value of its next life", n, 4)
}

// cleanedAmidWork holds that tidying leaves alone what is only about to have a
// state, and the lock of one that goes on.
func cleanedAmidWork(s *scene) {
	s.ok(addTo.Post(s.ctx, s, tallies.Key(s.id("tally")), 5, durable.At(s.now().Add(10*time.Hour))))
	s.until("the entity exists", func() bool { return len(s.list(engine.Query{Entities: true})) == 1 })
	locked := tallies.Key(s.id("locked"))
	run := start(s, holdLock, "holder", [2]string{s.id("locked"), "wait"})
	s.awaits(run.ID())
	s.clean(0, 0)
	inst, err := s.engine.Get(s.ctx, locked.InstanceID(), engine.GetOptions{})
	s.ok(err)
	want(s, "holder of the lock", inst.Entity.LockedBy, run.ID())
	s.ok(run.Terminate(s.ctx, "", false))
	s.advance(10 * time.Hour)
	s.until("the signal has arrived", func() bool {
		n, _ := s.read(s.id("tally"))
		return n == 5
	})
}

func scheduledSignal(s *scene) {
	at := s.now().Add(10 * time.Hour)
	s.ok(addTo.Post(s.ctx, s, tallies.Key(s.id("tally")), 5, durable.At(at)))
	s.post(s.id("tally"), 1)
	n, _ := s.read(s.id("tally"))
	want(s, "value before the time", n, 1)
	s.crash()
	s.advance(10 * time.Hour)
	s.until("the signal has arrived", func() bool {
		n, _ := s.read(s.id("tally"))
		return n == 6
	})
}

func entityStarts(s *scene) {
	s.ok(launch.Post(s.ctx, s, tallies.Key(s.id("tally")), s.id("hello")))
	s.until("the orchestration exists", func() bool {
		_, err := s.engine.Get(s.ctx, s.id("hello"), engine.GetOptions{})
		return err == nil
	})
	s.ends(s.id("hello"), model.Completed)
}

// batchOverCrash crashes while there is a backlog: no signal that was
// acknowledged is lost or applied twice.
func batchOverCrash(s *scene) {
	for round := range 4 {
		if round == 1 {
			s.dismiss() // the backlog grows
		}
		for range 25 {
			s.post(s.id("tally"), 1)
		}
		s.crash()
	}
	n, _ := s.read(s.id("tally"))
	want(s, "its value", n, 100)
}
